/// Stages of difficulty in experiments of one's own, and curricula over them.
module Noisy.Tests.StageTests

open System
open System.IO
open System.Text.Json.Nodes
open Expecto
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Tests.OwnExperimentTests
open Noisy.Tests.TorchHelpers
open TorchSharp

type Lengths = { Length: int; Right: float }

let private start = { Length = 5; Right = 1.0 }

/// Signs of the sums of 2 to 5 numbers: a stage is a length. What the accuracy is the settings say.
let private sums curriculum =
    Experiment.define "sums" "signs of sums"
    |> Experiment.preset "tiny" start { Training.defaults with Epochs = 6; EpochUpdates = 4; Curriculum = curriculum }
    |> Experiment.activations [ Noisy.FSharp.Variants.nah ]
    |> Experiment.stages (fun s -> s.Length - 1) (fun s stage -> { s with Length = stage + 1 })
    |> Experiment.model (fun s activation clock -> linear s.Length 4 --> noisy activation.Tanh --> linear 4 1 |> Layer.build clock)
    |> Experiment.data (fun s _ _ ->
        let x = torch.randn [| 8L; int64 s.Length |]
        torch.nn.functional.pad (x, [| 0L; 5L - int64 s.Length |]), x.sum(1L, true).sign ())
    |> Experiment.loss (fun _ (model: torch.nn.Module<torch.Tensor, torch.Tensor>) (x, y) -> torch.nn.functional.mse_loss (model.call x, y))
    |> Experiment.score "accuracy" (fun s _ _ -> s.Right)
    |> Experiment.metric "length" (fun s _ _ -> float s.Length)

/// The stages that a run's log tells, of updates and of validations.
let private stages (folder: TempFolder) name =
    let log = File.ReadAllLines(folder.In(name, "log.jsonl")) |> Array.map JsonNode.Parse
    let of' isValidation = [ for line in log do if isNull line["valid"] <> isValidation then line["stage"].GetValue<int>() ]
    of' false, of' true

let private summary (folder: TempFolder) name = RunSummary.Read(folder.In(name, "summary.json"))

let private trained experiment (folder: TempFolder) more =
    let code, _, errors = run experiment folder.Path more
    Expect.equal (code, errors) (0, "") "command"

let tests =
    testSequenced
    <| testList "stages of one's own" [
        testCase "a curriculum by results goes up where validation is right, and the test is of the last stage" (fun () ->
            use folder = new TempFolder()
            trained (sums Curriculum.naive) folder []
            let updates, validations = stages folder "tiny-nah-s1"
            Expect.equal validations [ 1; 2; 3; 4; 4; 4 ] "validations, all of which are right"
            Expect.equal updates [ for stage in validations do for _ in 1..4 -> stage ] "updates"
            Expect.equal (summary folder "tiny-nah-s1").Metrics.Test["length"] 5.0 "test"
            trained (sums Curriculum.naive) folder [ "--set"; "right=0.9" ]
            Expect.equal (stages folder "tiny-nah-right=0.9-s1" |> snd |> List.distinct) [ 1 ] "never right"
            Expect.equal (summary folder "tiny-nah-right=0.9-s1").Metrics.Valid["length"] 5.0 "validation of the summary")

        testCase "data and metrics have the stage's settings, and without a curriculum those of the last" (fun () ->
            let lengths = Collections.Generic.HashSet()
            let data s split (index: int64) =
                if split = Split.Train && index > 1L then lengths.Add s.Length |> ignore // before, the data are asked for their checksum
                torch.randn [| 8L; 5L |], torch.ones [| 8L; 1L |]
            let seen = sums Curriculum.none |> Experiment.data data
            let lengthsOf curriculum more =
                use folder = new TempFolder()
                lengths.Clear()
                trained seen folder ([ "--set"; $"curriculum={curriculum}" ] @ more)
                Seq.sort lengths |> List.ofSeq
            Expect.equal (lengthsOf "none" []) [ 5 ] "none"
            Expect.equal (lengthsOf "naive over 12" [ "--max-updates"; "8" ]) [ 2; 3 ] "as far as it came"
            Expect.equal (lengthsOf "mix over 10000" []) [ 2; 3; 4; 5 ] "mixed")

        testCase "a run with a curriculum is resumed in every bit" (fun () ->
            use whole = new TempFolder()
            use pieces = new TempFolder()
            trained (sums Curriculum.combined) whole []
            for at in [ 3; 9; 18 ] do trained (sums Curriculum.combined) pieces [ "--max-updates"; string at ]
            trained (sums Curriculum.combined) pieces []
            for file in [ "log.jsonl"; "weights.safetensors" ] do
                Expect.equal (File.ReadAllBytes(pieces.In("tiny-nah-s1", file))) (File.ReadAllBytes(whole.In("tiny-nah-s1", file))) file)

        testCase "what a curriculum lacks is told before anything is trained" (fun () ->
            use folder = new TempFolder()
            let refused experiment more part =
                let code, _, errors = run experiment folder.Path more
                Expect.equal code 2 part
                Expect.stringContains errors part "message"
            refused (sums Curriculum.naive |> Experiment.stages (fun _ -> 1) (fun s _ -> s)) [] "curriculum 'naive' needs stages of difficulty, and sums with this config has one"
            refused { sums Curriculum.naive with Metrics = [] } [] "goes by accuracy, which sums does not measure: take 'naive over N'"
            refused (sums Curriculum.none) [ "--set"; "length=1" ] "the settings have 0 stages: must be >= 1"
            trained { sums (Curriculum.naive |> Curriculum.over 20L) with Metrics = [] } folder [ "--max-updates"; "4" ])

        test "the tutorial's stages are these" {
            let own = File.ReadAllLines(Repository.file [ "tests"; "Noisy.Tests"; "FSharp"; "StageTests.fs" ]) |> Array.find _.StartsWith("    |> Experiment.stages")
            Expect.contains (File.ReadAllLines(Repository.file [ "docs"; "own-experiment.md" ])) (own.Trim()) "own-experiment.md"
        }

        testCase "a run is not resumed with other easier stages" (fun () ->
            use folder = new TempFolder()
            let other = sums Curriculum.naive |> Experiment.stages (fun s -> s.Length - 1) (fun s stage -> { s with Length = stage + 2 })
            trained (sums Curriculum.naive) folder [ "--max-updates"; "4" ]
            let code, _, errors = run other folder.Path [ "--max-updates"; "8" ]
            Expect.equal code 2 "code"
            Expect.stringContains errors "data.sha256: " "message")
    ]
