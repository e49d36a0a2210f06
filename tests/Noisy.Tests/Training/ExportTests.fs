/// The exported weights of a run that is done: gone or damaged, they are exported again.
module Noisy.Tests.ExportTests

open System
open System.IO
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers
open TorchSharp

/// Changes a letter of what the file says of its weights, and no weight.
let private redescribe path =
    let content = File.ReadAllBytes path
    let at = Text.Encoding.Latin1.GetString(content).IndexOf "preset"
    content[at] <- byte 'P'
    File.WriteAllBytes(path, content)

let private damages: (string * (string -> unit) * string) list =
    [ "gone", File.Delete, "weights.safetensors is gone"
      "a bit changed", damage, "weights.safetensors has other weights than those that were tested"
      "a letter of the description changed", redescribe, "weights.safetensors has another description of its weights than was exported"
      "cut", (fun path -> File.WriteAllBytes(path, (File.ReadAllBytes path)[..300])), "weights.safetensors is damaged"
      "emptied", (fun path -> File.WriteAllText(path, "")), "weights.safetensors is damaged" ]

let private again (trial: Trial) (folder: TempFolder) =
    let said = ResizeArray<string>()
    let summary, _ = trial.Train(folder.Path, Nullable(), observer (fun _ -> failtest "an update ran") said.Add, CancellationToken.None)
    summary.Value, List.ofSeq said

let private finished =
    [ for trial in [ languageModel; mixture ] do // with the last weights, and with the best ones kept
          torchTest $"weights of a finished run that are gone or damaged are exported again from the checkpoint: {trial.Name}" (fun () ->
              use folder = new TempFolder()
              trial.ToEnd folder.Path |> ignore
              let weights, summary = folder.In "weights.safetensors", File.ReadAllText(folder.In "summary.json")
              let expected = File.ReadAllBytes weights
              for name, damage, fault in damages do
                  damage weights
                  let found, said = again trial folder
                  Expect.stringContains (List.exactlyOne said) fault name
                  Expect.stringEnds (List.exactlyOne said) "exporting the weights again from the checkpoint" name
                  Expect.isTrue found.Finished name
                  Expect.equal (File.ReadAllBytes weights) expected name
                  Expect.equal (File.ReadAllText(folder.In "summary.json")) summary $"{name}: the summary stays"
              let updates = (RunSummary.Read(folder.In "summary.json")).Updates
              Expect.equal (snd (again trial folder)) [ $"{folder.Path} is done ({updates} updates): not repeated" ] "sound again")

      torchTest "an older checkpoint is trained to the end first" (fun () ->
          use folder = new TempFolder()
          languageModel.ToEnd folder.Path |> ignore
          let expected = File.ReadAllBytes(folder.In "weights.safetensors")
          File.Delete(folder.In "weights.safetensors")
          damage (Array.last (checkpoints folder))
          languageModel.ToEnd folder.Path |> ignore
          Expect.equal (File.ReadAllBytes(folder.In "weights.safetensors")) expected "weights")

      torchTest "without weights and without a sound checkpoint a finished run is an error of data, and nothing is trained" (fun () ->
          for lose in [ (fun (folder: TempFolder) -> Directory.Delete(folder.In "checkpoint", true)); (fun folder -> for c in checkpoints folder do damage c) ] do
              use folder = new TempFolder()
              languageModel.ToEnd folder.Path |> ignore
              File.Delete(folder.In "weights.safetensors")
              lose folder
              let log = File.ReadAllText(folder.In "log.jsonl")
              let weights = folder.In "weights.safetensors"
              Tol.throws<DataException>
                  $"{weights} is gone or damaged, and there is no sound checkpoint to export it from; delete {folder.Path} to train the run again"
                  (fun () -> again languageModel folder |> ignore)
              Expect.isTrue (File.Exists(folder.In "summary.json")) "the summary stays"
              Expect.equal (File.ReadAllText(folder.In "log.jsonl")) log "the log stays") ]

let private onnx =
    [ torchTest "the ONNX file of a run that is done is the model that was tested, with the test's noise and the vocabulary" (fun () ->
          use folder = new TempFolder()
          let config = config |> having [ "schedule", "linear(2, 1, 5)"; "alpha", "1.3" ]
          use task = newTask config
          trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore
          ExportedOnnx.Write(folder.Path, task.Model)
          let bytes = File.ReadAllBytes(folder.In "model.onnx")
          use file = File.OpenRead(folder.In "weights.safetensors")
          let core = LanguageModel.Load file
          let tokens = (text ()).Test[..20]
          let x = torch.tensor(Array.map int64 tokens).reshape (-1L, 1L)
          let zeros: Tensor = torch.zeros ([| 2L; 1L; 6L |])
          let logits = OnnxHelpers.run bytes [ "tokens", x; "hidden", zeros; "cell", zeros ] |> List.head |> snd |> values
          let mutable state = core.Layers.ZeroState()
          for t, token in Array.indexed tokens do
              let next = core.Next(token, state)
              state <- next.State
              for i, expected in Array.indexed (next.Logits) do
                  Tol.close tensor32 (float expected) logits[t * next.Logits.Length + i] $"token {t}, logit {i}"
          let struct (_, expected) = Safetensors.Read(folder.In "weights.safetensors")
          Expect.equal (OnnxHelpers.metadata bytes) (Map [ for entry in expected -> entry.Key, entry.Value ]) "metadata")

      torchTest "a model without a form in ONNX is known before it is trained" (fun () ->
          let config = (PaperExperiments.ByName "ntm").Config "tiny"
          use task = (PaperExperiments.ByName "ntm").Build(config, DataCache(DataCacheSettings.FromEnvironment null, ignore), torch.CPU)
          Expect.throwsC (fun () -> ExportedOnnx.Check(task.Model, config)) (fun e ->
              Expect.equal e.Message "NeuralTuringMachine cannot be exported to ONNX: export the modules that it is made of, each by itself" "message")) ]

let tests = testSequenced <| testList "export" (finished @ onnx)
