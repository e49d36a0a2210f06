/// The training loop: a run that is stopped anywhere ends as if it never had been.
module Noisy.Tests.TrainingTests

open System
open System.Collections.Generic
open System.IO
open System.Threading
open Expecto
open FsCheck
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

let private data =
    lazy GeneratedCorpus.Create(GeneratedCorpusConfig.Default.WithSource(2, 2).WithSizes(120, 40, 30).WithSeed 3L)

/// 2 epochs of 5 updates.
let private config =
    [ "hidden", "6"; "layers", "2"; "bptt", "5"; "batch", "4"; "epochs", "2"; "decayAfter", "1"; "trainTokens", "0"; "dropout", "0.2"
      "activation", "nah"; "schedule", "paper" ]
    |> List.fold (fun (c: TrainConfig) (name, value) -> c.With(name, value)) ((ExperimentRegistry.ByName "ptb").Config "tiny")

let private updates = 10L

let private newTask (config: TrainConfig) : ITrainingTask =
    new LanguageModelTask(config :?> LanguageModelConfig, data.Value, torch.CPU)

/// Watches a run; each function sees what it is named after.
let private observer (updated: int64 -> unit) (note: string -> unit) =
    { new ITrainingObserver with
        member _.Started(_, _, _, _, _) = ()
        member _.Updated progress = updated progress.Update
        member _.Evaluated _ = ()
        member _.Note message = note message }

let private quiet = observer ignore ignore

let private trainTask (task: ITrainingTask) config folder (maxUpdates: int64 Nullable) watcher stop =
    use _ = torch.NewDisposeScope()
    let summary = Trainer.Run(config, task, TrainOptions(folder, torch.CPU, 1, maxUpdates), null, Nullable(), watcher, stop)
    let hash = WeightsHash.Of task.Model
    Option.ofObj summary, hash

let private train folder maxUpdates watcher stop =
    use task = newTask config
    trainTask task config folder maxUpdates watcher stop

let private toEnd folder = train folder (Nullable()) quiet CancellationToken.None

/// What an uninterrupted run leaves.
let private uninterrupted =
    lazy
        (use folder = new TempFolder()
         let summary, hash = toEnd folder.Path
         summary.Value, hash, File.ReadAllText(folder.In "log.jsonl"), File.ReadAllBytes(folder.In "weights.safetensors"))

let private sameMetrics (a: RunSummary) (b: RunSummary) =
    let pairs (m: SplitMetrics) = [ for split in [ m.Train; m.Valid; m.Test ] -> [ for f in split -> f.Key, f.Value ] |> List.sort ]
    Expect.equal (pairs a.Metrics) (pairs b.Metrics) "metrics"

let private finish (folder: TempFolder) =
    let summary, _ = toEnd folder.Path
    let expected, _, log, weights = uninterrupted.Value
    Expect.equal summary.Value.WeightsSha256 expected.WeightsSha256 "fingerprint"
    Expect.equal (File.ReadAllText(folder.In "log.jsonl")) log "log"
    Expect.equal (File.ReadAllBytes(folder.In "weights.safetensors")) weights "weights"
    sameMetrics summary.Value expected
    Expect.equal (summary.Value.Updates, summary.Value.Finished, summary.Value.BestValid) (expected.Updates, true, expected.BestValid) "summary"

/// Stops a sitting as soon as so many updates are done; stays silent if it never comes there.
let private interruptAt folder at =
    use source = new CancellationTokenSource()
    if at = 0L then source.Cancel()
    train folder (Nullable()) (observer (fun update -> if update = at then source.Cancel()) ignore) source.Token |> fst

let private copy (source: string) (target: string) =
    for file in Directory.GetFiles(source, "*", SearchOption.AllDirectories) do
        let destination = Path.Combine(target, Path.GetRelativePath(source, file))
        Directory.CreateDirectory(Path.GetDirectoryName destination) |> ignore
        if Path.GetFileName file <> ".lock" then
            use from = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)
            use into = File.Create destination
            from.CopyTo into

let private resume =
    [ torchTest "an uninterrupted run ends, is whole and logs every update and epoch" (fun () ->
          let summary, hash, log, _ = uninterrupted.Value
          Expect.equal (summary.Updates, summary.Finished, summary.Epochs) (updates, true, 2.0) "summary"
          Expect.equal summary.WeightsSha256 hash "fingerprint"
          let events = log.Split('\n', StringSplitOptions.RemoveEmptyEntries)
          Expect.equal events.Length 12 "10 updates and 2 epochs"
          Expect.stringStarts events[5] "{\"event\":\"epoch\",\"update\":5,\"epoch\":1,\"learningRate\":1," "epoch after update 5"
          Expect.stringContains events[6] "\"learningRate\":0.5," "decayed")

      testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = 4 } "stopped anywhere, several times, and resumed: the same bits" (fun (places: byte list) ->
          use folder = new TempFolder()
          for place in List.truncate 3 places do interruptAt folder.Path (int64 place % updates) |> ignore
          finish folder)

      for at in [ 0L; 1L; 5L; 6L; 10L ] do
          torchTest $"stopped after update {at} (updates 5 and 10 end an epoch, in whose evaluation it stops)" (fun () ->
              use folder = new TempFolder()
              let summary = interruptAt folder.Path at
              Expect.isNone summary "no summary"
              Expect.isFalse (File.Exists(folder.In "summary.json")) "no file"
              finish folder)

      torchTest "stopped in the final evaluation" (fun () ->
          use folder = new TempFolder()
          use source = new CancellationTokenSource()
          let summary, _ = train folder.Path (Nullable()) (observer ignore (fun m -> if m = "evaluating" then source.Cancel())) source.Token
          Expect.isNone summary "no summary"
          finish folder)

      for pieces in [ [ 1L; 4L; 5L; 7L ]; [ 5L ]; [ 0L; 9L ] ] do
          torchTest $"run in pieces of --max-updates {pieces}" (fun () ->
              use folder = new TempFolder()
              for limit in pieces do
                  let summary, _ = train folder.Path (Nullable limit) quiet CancellationToken.None
                  Expect.equal (summary.Value.Updates, summary.Value.Finished) (limit, false) $"piece {limit}"
              finish folder)

      torchTest "killed after an update: what was on the disk then is enough" (fun () ->
          for at in [ 1L; 5L; 6L; 8L; 10L ] do
              use folder = new TempFolder()
              use killed = new TempFolder()
              train folder.Path (Nullable()) (observer (fun u -> if u = at then copy folder.Path killed.Path) ignore) CancellationToken.None |> ignore
              Expect.isTrue (File.Exists(killed.In "log.jsonl")) "there is a log to be cut back"
              finish killed)

      torchTest "a finished run is not repeated" (fun () ->
          use folder = new TempFolder()
          toEnd folder.Path |> ignore
          let before = File.GetLastWriteTimeUtc(folder.In "summary.json")
          let mutable notes = []
          let summary, _ =
              train folder.Path (Nullable()) (observer (fun _ -> failtest "an update ran") (fun m -> notes <- m :: notes)) CancellationToken.None
          Expect.equal summary.Value.Updates updates "summary"
          Expect.equal notes [ $"{folder.Path} is done (10 updates): not repeated" ] "note"
          Expect.equal (File.GetLastWriteTimeUtc(folder.In "summary.json")) before "untouched") ]

let private updateOf (checkpoint: string) = int ((Path.GetFileName checkpoint)[..8])
let private checkpoints (folder: TempFolder) = Directory.GetFiles(folder.In "checkpoint", "*.safetensors") |> Array.sort

let private trained (config: TrainConfig) count =
    let task = newTask config
    use optimizer = Optimizer.Of(OptimizerSpec.Sgd, task.Model)
    for update in 0L .. count - 1L do
        use _ = torch.NewDisposeScope()
        let loss = task.Loss(update, NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L, update))
        loss.Objective.backward ()
        let norm = optimizer.GradientNorm()
        optimizer.Step(1.0, update + 1L, min 1.0 (5.0 / norm))
    task

let private state update : TrainState =
    TrainState(
        Update = update, Seconds = 0.1, EpochNll = 1.0 / 3.0, EpochItems = 7L, Items = 9L, LogLength = 12L, Best = Nullable 2.5, BestUpdate = 1L,
        EpochsEvaluated = 0L, Train = Dictionary(dict [ "perplexity", infinity ]), Valid = null)

let private stateText (s: TrainState) = Text.Json.JsonSerializer.Serialize(s, ConfigJson.Line)

let private save (folder: TempFolder) (task: ITrainingTask) update = Checkpoint.Save(folder.In "checkpoint", task, Dictionary(), state update)

let private load (folder: TempFolder) (task: ITrainingTask) =
    let warnings = ResizeArray<string>()
    let state = Checkpoint.Load(folder.In "checkpoint", task, Dictionary(), (fun w -> warnings.Add w))
    state, List.ofSeq warnings

let private damage path =
    let bytes = File.ReadAllBytes path
    bytes[bytes.Length - 3] <- bytes[bytes.Length - 3] ^^^ 1uy
    File.WriteAllBytes(path, bytes)

let private checkpointTests =
    [ torchTest "weights, carried state and position come back exactly" (fun () ->
          use folder = new TempFolder()
          use task = trained config 3L
          save folder task 3L
          use other = newTask config
          Expect.notEqual (WeightsHash.Of other.Model) (WeightsHash.Of task.Model) "differ before"
          let found, warnings = load folder other
          Expect.isEmpty warnings "warnings"
          Expect.equal (WeightsHash.Of other.Model) (WeightsHash.Of task.Model) "weights"
          Expect.equal (stateText found) (stateText (state 3L)) "state"
          for t in task.Carried do
              Expect.isTrue (values t.Value |> Array.exists ((<>) 0.0)) $"{t.Key} is not trivial"
              sameTensor t.Value other.Carried[t.Key] t.Key)

      torchTest "without a folder or in an empty one there is nothing to load" (fun () ->
          use folder = new TempFolder()
          use task = newTask config
          Expect.isNull (fst (load folder task)) "no folder"
          Directory.CreateDirectory(folder.In "checkpoint") |> ignore
          Expect.isNull (fst (load folder task)) "empty")

      torchTest "two are kept, leftovers are removed, and the checksums are those of sha256sum" (fun () ->
          use folder = new TempFolder()
          use task = newTask config
          save folder task 1L
          File.WriteAllText(folder.In("checkpoint", "000000002.safetensors.77.tmp"), "half")
          for update in [ 2L; 3L; 4L ] do save folder task update
          Expect.equal [ for c in checkpoints folder -> updateOf c ] [ 3; 4 ] "kept"
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
          let found, warnings = load folder task
          Expect.equal found.Update 1L "the older one"
          Expect.isEmpty warnings "no warning: it never was one")

      torchTest "a damaged newest one gives way to the older, with a warning, and does not outlive the next" (fun () ->
          for break' in [ damage; (fun p -> File.WriteAllBytes(p, [||])); (fun p -> File.WriteAllText(p + ".sha256", "")) ] do
              use folder = new TempFolder()
              use task = newTask config
              save folder task 4L
              save folder task 8L
              let newest = (checkpoints folder)[1]
              break' newest
              let found, warnings = load folder task
              Expect.equal found.Update 4L "older"
              Expect.stringStarts (List.exactlyOne warnings) $"checkpoint {newest} is damaged and passed over (" "warning"
              save folder task 5L
              Expect.equal [ for c in checkpoints folder -> updateOf c ] [ 4; 5 ] "both sound ones are kept"
              Expect.equal (load folder task |> fun (s, w) -> s.Update, w) (5L, []) "newest")

      torchTest "if every one is damaged, the run is refused with the remedy" (fun () ->
          use folder = new TempFolder()
          use task = newTask config
          save folder task 1L
          save folder task 2L
          checkpoints folder |> Array.iter damage
          let place = folder.In "checkpoint"
          Tol.throws<UsageException> $"every checkpoint in {place} is damaged; delete the run's folder to start it again" (fun () ->
              load folder task |> ignore))

      torchTest "a run whose newest checkpoint is damaged still ends with the same bits" (fun () ->
          use folder = new TempFolder()
          interruptAt folder.Path 5L |> ignore
          interruptAt folder.Path 7L |> ignore
          damage (Array.last (checkpoints folder))
          finish folder) ]

let private folderTests =
    [ torchTest "another config's folder is refused with the fields that differ" (fun () ->
          use folder = new TempFolder()
          interruptAt folder.Path 1L |> ignore
          let other = config.With("hidden", "7").With("c", "0.25")
          use task = newTask other
          Tol.throws<UsageException>
              $"{folder.Path} was made with another config (hidden: 6 there, 7 now; c: null there, 0.25 now): name another folder with --out, or delete this one"
              (fun () -> trainTask task other folder.Path (Nullable()) quiet CancellationToken.None |> ignore)
          finish folder)

      torchTest "other data are another config" (fun () ->
          use folder = new TempFolder()
          (RunFolder.Open(folder.Path, config, DataIdentity("a", DataIdentity.Real, "00"), ignore)).Dispose()
          let error =
              try
                  (RunFolder.Open(folder.Path, config, DataIdentity("a", DataIdentity.Real, "01"), ignore)).Dispose()
                  ""
              with :? UsageException as e -> e.Message
          Expect.stringContains error "data: {\"name\":\"a\",\"source\":\"real\",\"sha256\":\"00\"} there" "names the data")

      torchTest "a damaged config or summary is an error that names the file" (fun () ->
          use folder = new TempFolder()
          let file, summary = folder.In "config.json", folder.In "summary.json"
          for text in [ ""; "{"; "[]"; "null" ] do
              File.WriteAllText(file, text)
              let error = try toEnd folder.Path |> ignore; "" with :? UsageException as e -> e.Message
              Expect.stringStarts error $"{file} is damaged; delete {folder.Path}" text
          File.Delete file
          File.WriteAllText(summary, "{")
          let error = try toEnd folder.Path |> ignore; "" with :? UsageException as e -> e.Message
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
          Expect.isLessThanOrEqual waits 1 "told once at most")

      torchTest "a folder that cannot be made or written is an error that names it" (fun () ->
          use folder = new TempFolder()
          File.WriteAllText(folder.In "file", "")
          let path = folder.In("file", "run")
          let error = try toEnd path |> ignore; "" with :? UsageException as e -> e.Message
          Expect.stringStarts error $"cannot write to {path}: " "a file in the way"
          Expect.stringContains error "name another folder with --out" "remedy"
          if Environment.UserName <> "root" && not (OperatingSystem.IsWindows()) then
              let locked = folder.In "locked"
              Directory.CreateDirectory locked |> ignore
              File.SetUnixFileMode(locked, UnixFileMode.UserRead ||| UnixFileMode.UserExecute)
              let error = try toEnd locked |> ignore; "" with :? UsageException as e -> e.Message
              Expect.stringStarts error $"cannot write to {locked}: " "read-only") ]

/// One weight; the loss is its square, but not a number from a given update on.
type private Fragile(failAt: int64) =
    let model = new NoisyActivation(Variants.Nan.Tanh.WithP(Nullable 0.5), 1L, NoiseClock 1L)
    interface ITrainingTask with
        member _.Model = model
        member _.Path = "composed"
        member _.Data = DataIdentity("none", DataIdentity.BuiltIn, "00")
        member _.UpdatesPerEpoch = 5L
        member _.ItemName = "example"
        member _.Metric = "nll"
        member _.Carried = Dictionary()
        member _.Restore _ = ()
        member _.Loss(_, context) =
            let p = model.get_parameter "p"
            let loss = if context.Update >= failAt then (p * infinity - p * infinity).sum () else p.square().sum ()
            BatchLoss(loss, loss.detach (), 1L)
        member _.Metrics nll = Dictionary(dict [ "nll", nll ])
        member _.Evaluate(_, _, _) = Dictionary(dict [ "nll", 1.0 ])
        member _.Dispose() = model.Dispose()

let private divergence =
    [ torchTest "a loss that is not a number stops with the update, rate, scale and norms, and keeps the last checkpoint" (fun () ->
          use folder = new TempFolder()
          let config = config.With("learningRate", "0.125")
          use task = new Fragile(7L)
          let error =
              try
                  trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore
                  failtest "it ran"
              with :? DivergedException as e -> e
          Expect.equal error.ExitCode 4 "exit code"
          Expect.stringStarts error.Message "training diverged at update 8 (epoch 2): loss NaN, gradient norm NaN, learning rate 0.0625, noise scale 30; largest weight norms: p 0." "message"
          Expect.stringContains error.Message "The checkpoint of update 5 is kept." "checkpoint"
          use again = new Fragile(Int64.MaxValue)
          let found, warnings = load folder again
          Expect.equal (found.Update, warnings) (5L, []) "loads"
          // A second try ends at the same place, and still knows its checkpoint.
          use third = new Fragile(7L)
          let second = try trainTask third config folder.Path (Nullable()) quiet CancellationToken.None |> ignore; "" with :? DivergedException as e -> e.Message
          Expect.equal second error.Message "again")

      torchTest "before the first checkpoint the message says so" (fun () ->
          use folder = new TempFolder()
          use task = new Fragile(0L)
          let error = try trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore; "" with :? DivergedException as e -> e.Message
          Expect.stringContains error "It came before the first checkpoint." "message")

      torchTest "a language model with an absurd learning rate diverges" (fun () ->
          use folder = new TempFolder()
          let config = config.With("learningRate", "1e37").With("clip", "1e37")
          use task = newTask config
          Expect.throwsT<DivergedException> (fun () -> trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore) "diverges") ]

let private languageModel =
    [ torchTest "the loss is the cross-entropy, summed over time and averaged over the batch" (fun () ->
          use task = newTask config
          let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 4L, 0L, 0, Nullable 0.5)
          let loss = task.Loss(0L, context)
          let model = task.Model :?> RecurrentLanguageModel
          let struct (inputs, targets) = BpttBatches(data.Value.Train, 4, 5).At 0
          let tokens = torch.tensor(Array.map int64 inputs).reshape (5L, 4L)
          let struct (logits, _) = model.forward (tokens, model.ZeroState(4L, torch.CPU), context)
          let rows = values logits |> Array.chunkBySize data.Value.Vocabulary.Count
          let nll = Array.map2 (fun (row: float[]) target -> log (Array.sumBy exp row) - row[target]) rows targets |> Array.sum
          Tol.close tensor32 nll (scalarOf loss.NllSum) "sum"
          Tol.close tensor32 (nll / 4.0) (scalarOf loss.Objective) "objective"
          Expect.equal loss.Items 20L "items")

      torchTest "the state is carried from window to window, and zeroed at the start of an epoch" (fun () ->
          use task = newTask config
          let context = NoiseContext.Test
          let first = scalarOf (task.Loss(0L, context)).NllSum
          let second = scalarOf (task.Loss(1L, context)).NllSum
          Expect.equal (scalarOf (task.Loss(0L, context)).NllSum) first "epoch starts afresh"
          Expect.equal (scalarOf (task.Loss(1L, context)).NllSum) second "carried"
          Expect.notEqual (scalarOf (task.Loss(1L, context)).NllSum) second "another state")

      torchTest "evaluation changes nothing that training sees" (fun () ->
          use task = trained config 2L
          let before = WeightsHash.Of task.Model, [ for t in task.Carried -> t.Key, values t.Value ]
          let a = task.Evaluate(Split.Valid, NoiseContext.Test, CancellationToken.None)
          let b = task.Evaluate(Split.Valid, NoiseContext.Test, CancellationToken.None)
          Expect.equal (WeightsHash.Of task.Model, [ for t in task.Carried -> t.Key, values t.Value ]) before "task"
          Expect.equal a["nll"] b["nll"] "repeats"
          Tol.close tensor32 (exp a["nll"]) a["perplexity"] "perplexity")

      torchTest "the test score is that of one column read token by token" (fun () ->
          use task = trained config 2L
          let model = task.Model :?> RecurrentLanguageModel
          let text = data.Value.Test
          let mutable state = model.ZeroState(1L, torch.CPU)
          let mutable nll = 0.0
          for i in 0 .. text.Length - 2 do
              let struct (logits, next) = model.forward (torch.tensor([| int64 text[i] |]).reshape (1L, 1L), state, NoiseContext.Test)
              let row = values logits
              nll <- nll + log (Array.sumBy exp row) - row[text[i + 1]]
              state <- next
          let found = task.Evaluate(Split.Test, NoiseContext.Test, CancellationToken.None)
          Tol.close tensor32 (nll / float (text.Length - 1)) found["nll"] "nll")

      torchTest "Zaremba's models have the published numbers of weights" (fun () ->
          let count v h layers = 2L * v * h + v + layers * 4L * h * (2L * h + 2L)
          for name, expected in [ "paper", 4_653_200L; "medium", 19_780_400L; "large", 66_034_000L ] do
              let config = (ExperimentRegistry.ByName "ptb").Config name :?> LanguageModelConfig
              Expect.equal (count 10_000L (int64 config.Hidden) (int64 config.Layers)) expected name
          let small pair = new RecurrentLanguageModel(10_000, RecurrentShape(200L, 200L, 2), pair, 0.1, NoiseClock 1L)
          use m = small Variants.Nan
          let sizes = [ for struct (name, p) in m.named_parameters () -> name.Contains "p_l", p.numel () ]
          Expect.equal (sizes |> List.filter (fst >> not) |> List.sumBy snd) 4_653_200L "small, built"
          Expect.equal (sizes |> List.filter fst |> List.sumBy snd) 2_000L "gains: two layers of five sites") ]

let private registry =
    [ for experiment in ExperimentRegistry.All do
          test $"{experiment.Name}: every preset is valid and bears its name" {
              for struct (name, summary) in experiment.Presets do
                  let config = experiment.Config name
                  config.Validate()
                  Expect.equal (config.Experiment, config.Preset) (experiment.Name, name) name
                  Expect.isNotEmpty summary name
              for activation in experiment.DefaultActivations do Variants.ByName activation |> ignore
              let known = String.Join(", ", [ for struct (name, _) in experiment.Presets -> name ])
              Tol.throws<UsageException> $"unknown preset 'huge' of {experiment.Name}: known are {known}" (fun () -> experiment.Config "huge" |> ignore)
          }
          torchTest $"{experiment.Name}: its default preset builds, and one update lowers the loss of its batch, with every variant" (fun () ->
              let cache = DataCache(DataCacheSettings.From(DataCacheSettings.BuiltIn, (fun _ -> null)))
              for pair in Variants.All do
                  use _ = torch.NewDisposeScope()
                  let struct (preset, _) = experiment.Presets[0]
                  let config = (experiment.Config preset).With("activation", pair.Name)
                  config.Validate()
                  use task = experiment.Build(config, cache, torch.CPU)
                  Expect.isGreaterThan task.UpdatesPerEpoch 0L "updates"
                  let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L)
                  use optimizer = Optimizer.Of(OptimizerSpec.Sgd, task.Model)
                  let before = task.Loss(0L, context)
                  before.Objective.backward ()
                  let norm = optimizer.GradientNorm()
                  Expect.isTrue (norm > 0.0 && Double.IsFinite norm) $"{pair.Name}: gradient"
                  optimizer.Step(0.1, 1L, min 1.0 (config.Clip / norm))
                  let after = task.Loss(0L, context)
                  Expect.isLessThan (scalarOf after.NllSum) (scalarOf before.NllSum) pair.Name)
      test "an unknown experiment lists the known ones" {
          let known = String.Join(", ", [ for e in ExperimentRegistry.All -> e.Name ])
          Tol.throws<UsageException> $"unknown experiment 'pbt': known are {known}" (fun () -> ExperimentRegistry.ByName "pbt" |> ignore)
      } ]

let tests =
    testSequenced
    <| testList "training" [
        testList "resume" resume
        testList "checkpoints" checkpointTests
        testList "run folder" folderTests
        testList "divergence" divergence
        testList "language model" languageModel
        testList "experiments" registry
    ]
