/// What a run leaves on the disk, and who may use it.
module Noisy.Tests.CheckpointTests

open System
open System.Collections.Generic
open System.IO
open System.Threading
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers

let private state update : TrainState =
    TrainState(
        Update = update, Seconds = 0.1, Sums = LossSums(1.0 / 3.0, nan, 7L), Items = 9L, Best = Nullable 2.5, BestUpdate = 1L,
        Curriculum = CurriculumState(Stage = 3, RateFactor = 0.64, Accuracies = [| 0.1; 0.7 |]), WithoutImprovement = 4,
        SolvedAtUpdate = Nullable 1L, EndedBy = Nullable RunEnd.StopAt, Train = Dictionary(dict [ "perplexity", infinity ]), Valid = null,
        History = [| Validation(3L, Dictionary(dict [ "perplexity", nan ])); Validation(5L, Dictionary(dict [ "perplexity", 2.5 ])) |])

let private stateText (s: TrainState) = Text.Json.JsonSerializer.Serialize(s, ConfigJson.Line)

let private save (folder: TempFolder) (task: ITrainingTask) update =
    use none = new BestWeights()
    Checkpoint.Save(folder.In "checkpoint", task, Dictionary(), none, state update)

let private checkpointTests =
    [ torchTest "weights, carried state and position come back exactly" (fun () ->
          use folder = new TempFolder()
          use task = trained config 3L
          save folder task 3L
          use other = newTask config
          Expect.notEqual (WeightsHash.Compute other.Model) (WeightsHash.Compute task.Model) "differ before"
          let found, warnings = loadCheckpoint folder other
          Expect.isEmpty warnings "warnings"
          Expect.equal (WeightsHash.Compute other.Model) (WeightsHash.Compute task.Model) "weights"
          Expect.equal (stateText found) (stateText (state 3L)) "state"
          for t in task.Carried do
              Expect.isTrue (values t.Value |> Array.exists ((<>) 0.0)) $"{t.Key} is not trivial"
              sameTensor t.Value other.Carried[t.Key] t.Key)

      torchTest "without a folder or in an empty one there is nothing to load" (fun () ->
          use folder = new TempFolder()
          use task = newTask config
          Expect.isNull (fst (loadCheckpoint folder task)) "no folder"
          Directory.CreateDirectory(folder.In "checkpoint") |> ignore
          Expect.isNull (fst (loadCheckpoint folder task)) "empty")

      torchTest "two are kept, leftovers are removed, and the checksums are those of sha256sum" (fun () ->
          use folder = new TempFolder()
          use task = newTask config
          save folder task 1L
          File.WriteAllText(folder.In("checkpoint", "000000002.safetensors.77.tmp"), "half")
          for update in [ 2L; 3L; 4L ] do save folder task update
          Expect.equal (checkpointUpdates folder) [ 3; 4 ] "kept"
          Expect.equal (Directory.GetFiles(folder.In "checkpoint")).Length 4 "nothing else"
          for c in checkpoints folder do
              let sum = Convert.ToHexStringLower(Security.Cryptography.SHA256.HashData(File.ReadAllBytes c))
              Expect.equal (File.ReadAllText(c + ".sha256")) $"{sum}  {Path.GetFileName c}\n" "checksum")

      torchTest "a checkpoint without a checksum, or a half-written one, does not count" (fun () ->
          use folder = new TempFolder()
          use task = newTask config
          save folder task 1L
          save folder task 2L
          File.Delete((checkpoints folder)[1] + ".sha256")
          File.WriteAllText(folder.In("checkpoint", "000000003-00000.safetensors.5.tmp"), "half")
          let found, warnings = loadCheckpoint folder task
          Expect.equal found.Update 1L "the older one"
          Expect.isEmpty warnings "no warning: it never was one"
          save folder task 3L
          Expect.equal (checkpointUpdates folder) [ 1; 3 ] "it does not outlive the next")

      torchTest "a damaged newest one gives way to the older, with a warning, and does not outlive the next" (fun () ->
          for break' in [ damage; (fun p -> File.WriteAllBytes(p, [||])); (fun p -> File.WriteAllText(p + ".sha256", "")) ] do
              use folder = new TempFolder()
              use task = newTask config
              save folder task 4L
              save folder task 8L
              let newest = (checkpoints folder)[1]
              break' newest
              let found, warnings = loadCheckpoint folder task
              Expect.equal found.Update 4L "older"
              Expect.stringStarts (List.exactlyOne warnings) $"checkpoint {newest} is damaged and passed over (" "warning"
              save folder task 5L
              Expect.equal (checkpointUpdates folder) [ 4; 5 ] "both sound ones are kept"
              Expect.equal (loadCheckpoint folder task |> fun (s, w) -> s.Update, w) (5L, []) "newest")

      torchTest "if every one is damaged, the run is refused with the remedy" (fun () ->
          use folder = new TempFolder()
          use task = newTask config
          save folder task 1L
          save folder task 2L
          checkpoints folder |> Array.iter damage
          let place = folder.In "checkpoint"
          Tol.throws<UsageException> $"every checkpoint in {place} is damaged; delete the run's folder to start it again" (fun () ->
              loadCheckpoint folder task |> ignore))

      torchTest "a run whose newest checkpoint is damaged still ends with the same bits" (fun () ->
          use folder = new TempFolder()
          languageModel.InterruptAt(folder.Path, 5L) |> ignore
          languageModel.InterruptAt(folder.Path, 7L) |> ignore
          damage (Array.last (checkpoints folder))
          finishAs (whole languageModel) languageModel folder)

      torchTest "the best weights are kept beside the current ones" (fun () ->
          use folder = new TempFolder()
          use early = trained config 1L
          use late = trained config 3L
          use best = new BestWeights()
          best.Capture(early.Model.state_dict ())
          Checkpoint.Save(folder.In "checkpoint", late, Dictionary(), best, state 3L)
          use task = newTask config
          use found = new BestWeights()
          Checkpoint.Load(folder.In "checkpoint", task, Dictionary(), found, (fun _ -> failtest "a warning")) |> ignore
          Expect.equal (WeightsHash.Compute task.Model) (WeightsHash.Compute late.Model) "current"
          found.Restore task.Model
          Expect.equal (WeightsHash.Compute task.Model) (WeightsHash.Compute early.Model) "best")

      torchTest "a checkpoint of another version is refused, not passed over" (fun () ->
          use folder = new TempFolder()
          use task = newTask config
          save folder task 1L
          let path = Array.exactlyOne (checkpoints folder)
          let struct (tensors, metadata) = Safetensors.Read path
          let old = Dictionary(metadata)
          old["format"] <- "noisy-checkpoint-1"
          do
              use stream = File.Create path
              Safetensors.Write(stream, tensors, old)
          let sum = Convert.ToHexStringLower(Security.Cryptography.SHA256.HashData(File.ReadAllBytes path))
          File.WriteAllText(path + ".sha256", $"{sum}  {Path.GetFileName path}\n")
          let error = try loadCheckpoint folder task |> ignore; "" with :? UsageException as e -> e.Message
          Expect.stringStarts error $"checkpoint {path} has the form 'noisy-checkpoint-1', this version of Noisy reads 'noisy-checkpoint-3'" "message") ]

let private folderTests =
    [ torchTest "another config's folder is refused with the fields that differ" (fun () ->
          use folder = new TempFolder()
          languageModel.InterruptAt(folder.Path, 1L) |> ignore
          let other = config.With("hidden", "7").With("c", "0.25")
          use task = newTask other
          Tol.throws<UsageException>
              $"{folder.Path} was made with another config (c: null there, 0.25 now; hidden: 6 there, 7 now): name another folder with --out, or delete this one"
              (fun () -> trainTask task other folder.Path (Nullable()) quiet CancellationToken.None |> ignore)
          finishAs (whole languageModel) languageModel folder)

      torchTest "other data are another config" (fun () ->
          use folder = new TempFolder()
          (RunFolder.Open(folder.Path, config, DataIdentity("a", DataIdentity.Real, "00"), ignore)).Dispose()
          let error =
              try
                  (RunFolder.Open(folder.Path, config, DataIdentity("a", DataIdentity.Real, "01"), ignore)).Dispose()
                  ""
              with :? UsageException as e -> e.Message
          Expect.stringContains error "data.sha256: \"00\" there, \"01\" now" "names the data")

      torchTest "a damaged config or summary is an error that names the file" (fun () ->
          use folder = new TempFolder()
          let file, summary = folder.In "config.json", folder.In "summary.json"
          for text in [ ""; "{"; "[]"; "null" ] do
              File.WriteAllText(file, text)
              let error = try languageModel.ToEnd folder.Path |> ignore; "" with :? UsageException as e -> e.Message
              Expect.stringStarts error $"{file} is damaged; delete {folder.Path}" text
          File.Delete file
          File.WriteAllText(summary, "{")
          let error = try languageModel.ToEnd folder.Path |> ignore; "" with :? UsageException as e -> e.Message
          Expect.stringStarts error $"{summary} is not a run's summary" "summary")

      torchTest "a folder that another process holds is refused, and is free again afterwards" (fun () ->
          use folder = new TempFolder()
          let identity = DataIdentity("a", DataIdentity.Real, "00")
          let mutable waits = 0
          let again () = RunFolder.Open(folder.Path, config, identity, (fun _ -> waits <- waits + 1), TimeSpan.Zero)
          do
              use _ = again ()
              Tol.throws<UsageException>
                  $"another process is writing to {folder.Path}: wait for it, or name another folder with --out"
                  (fun () -> (again ()).Dispose())
          (again ()).Dispose()
          Tol.atMost waits 1 "told once at most")

      torchTest "a folder that cannot be made or written is an error that names it" (fun () ->
          use folder = new TempFolder()
          File.WriteAllText(folder.In "file", "")
          let path = folder.In("file", "run")
          let error = try languageModel.ToEnd path |> ignore; "" with :? UsageException as e -> e.Message
          Expect.stringStarts error $"cannot write to {path}: " "a file in the way"
          Expect.stringContains error "is a file; name a folder with --out" "remedy"
          if Environment.UserName <> "root" && not (OperatingSystem.IsWindows()) then
              let locked = folder.In "locked"
              Directory.CreateDirectory locked |> ignore
              File.SetUnixFileMode(locked, UnixFileMode.UserRead ||| UnixFileMode.UserExecute)
              let error = try languageModel.ToEnd locked |> ignore; "" with :? UsageException as e -> e.Message
              Expect.stringStarts error $"cannot write to {locked}: " "read-only")

      torchTest "a field that the version that made the folder did not know has its default" (fun () ->
          use folder = new TempFolder()
          languageModel.InterruptAt(folder.Path, 1L) |> ignore
          let file = folder.In "config.json"
          let json = Text.Json.Nodes.JsonNode.Parse(File.ReadAllText file).AsObject()
          for field in [ "curriculum"; "patience"; "keepBest"; "stopAt" ] do Expect.isTrue (json.Remove field) field
          File.WriteAllText(file, json.ToJsonString())
          let staged = { languageModel with Config = languageModel.Config.With("patience", "2") }
          let error = try staged.ToEnd folder.Path |> ignore; "" with :? UsageException as e -> e.Message
          Expect.stringContains error "(patience: 0 there, 2 now)" "another value"
          finishAs (whole languageModel) languageModel folder) ]

let tests =
    testSequenced
    <| testList "checkpoints and folders" [
        testList "checkpoints" checkpointTests
        testList "run folder" folderTests
    ]
