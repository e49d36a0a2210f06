/// The character-level language model.
module Noisy.Tests.CharacterLmTests

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

let private data =
    lazy GeneratedCorpus.Spell(GeneratedCorpusSettings.Default.WithSource(2, 2).WithSizes(60, 20, 30).WithSeed 3L)

let private config =
    (PaperExperiments.ByName "charlm").RowConfig("tiny", "nanis-1")
    |> having [ "hidden", "7"; "embedding", "5"; "layers", "2"; "bptt", "15"; "carryWindows", "2"; "batch", "4"; "epochs", "2"; "decayAfter", "1"; "trainTokens", "300"; "dropout", "0.2" ]

let private newTask (config: RunConfig) : ITrainingTask = new LanguageModelTask(config, data.Value, torch.CPU)

/// A GRU's carried state, Adam's state and dropout.
let trial = { Name = "characters"; Config = config; Every = 4L; Task = newTask }

/// A sum of windows in single precision.
let private windows: Tol.Tolerance = { Absolute = 0.0; Relative = 1e-6; Reason = "a sum of windows in single precision, 6e-8 each" }

let tests =
    testSequenced
    <| testList "character language model" [
        torchTest "the loss is the cross-entropy of torch's own GRU on the same weights, in bits too" (fun () ->
            let soft = config |> having [ "activation", "soft"; "c", "null"; "layers", "1"; "dropout", "0" ]
            use task = newTask soft
            let model = task.Model
            let weight name = model.get_parameter name
            let theirs = torch.nn.GRU(5L, 7L)
            for struct (name, parameter) in theirs.named_parameters () do
                use _ = torch.no_grad ()
                parameter.copy_ (weight $"gru.{name}") |> ignore
            let struct (inputs, targets) = BpttBatches(data.Value.Train[..299], 4, 15).At 0
            let tokens = torch.tensor(Array.map int64 inputs)
            let embedded = (weight "encoder").index_select(0L, tokens).reshape (15L, 4L, 5L)
            let struct (output, _) = theirs.call (embedded, null)
            let logits = torch.nn.functional.linear (output.reshape (-1L, 7L), weight "decoder_weight", weight "decoder_bias")
            let expected = torch.nn.functional.cross_entropy(logits, torch.tensor (Array.map int64 targets), reduction = torch.nn.Reduction.Sum)
            let found = task.Loss(BatchPosition(0L, 1, 0L, 1), NoiseContext.Test)
            Tol.close tensor32 (scalarOf expected) (scalarOf found.NllSum) "sum"
            Expect.equal (task.Metric, task.ItemName) ("bpc", "character") "names"
            Tol.close Tol.scalar 2.0 (task.Metrics(LossSums(3.0 * 2.0 * log 2.0, nan, 3L))["bpc"]) "bits")

        torchTest "the state is zeroed after so many windows, in training and in evaluation" (fun () ->
            let soft = config |> having [ "activation", "soft"; "c", "null"; "dropout", "0"; "batch", "2"; "trainTokens", "0" ]
            let losses (windows: int64 list) =
                use task = newTask soft
                [ for w in windows -> scalarOf (task.Loss(BatchPosition(w, 1, w, 1), NoiseContext.Test)).NllSum ]
            let carried = losses [ 0L; 1L; 2L; 3L ]
            Expect.equal carried[2..] (losses [ 2L; 3L ]) "the third starts from zeros"
            Expect.notEqual carried[1..1] (losses [ 1L ]) "the second does not"
            let valid (bptt: int) (carry: int) =
                use task = newTask (soft |> having [ "bptt", string bptt; "carryWindows", string carry ])
                task.Evaluate(Split.Valid, 1, NoiseContext.Test, CancellationToken.None)["nll"]
            Tol.close windows (valid 20 1) (valid 10 2) "as often, in other windows"
            Tol.above (abs (valid 20 1 - valid 20 0)) 1e-6 "the test can tell")

        torchTest "a trained model goes on without torch, with the same bits per character" (fun () ->
            use folder = new TempFolder()
            let one = config |> having [ "batch", "1"; "carryWindows", "0" ] // in one column without a break, as the core reads a text
            use task = newTask one
            let summary, _ = trainTask task one folder.Path (Nullable 6L) quiet CancellationToken.None
            use file = File.OpenRead(folder.In "weights.safetensors")
            let model = LanguageModel.Load file
            Expect.isTrue model.Layers.IsGru "a GRU"
            Expect.equal (model.Codec.Unit, model.Codec.EndOfLine) (TextUnit.Character, "\n") "codec"
            let text = model.Codec.Decode data.Value.Test
            Expect.stringContains text " " "blanks are kept"
            let score = model.Score (model.Codec.Encode text).Tokens
            Tol.close windows summary.Value.Metrics.Test["bpc"] (score.Nats / float score.Predicted / log 2.0) "bpc")
    ]
