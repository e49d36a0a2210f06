// The adding problem (Hochreiter and Schmidhuber, 1997), as an experiment of one's own: a sequence of numbers of which two are marked,
// and the network must tell their sum. Everything else comes by itself: options, exact resume, curves, a table over seeds, weights.
//
//     dotnet fsi examples/adding.fsx                               every activation, seed 1
//     dotnet fsi examples/adding.fsx -- --activation soft,nah,mine --seed 1,2 --set hidden=16,32 --max-updates 200
//     dotnet fsi examples/adding.fsx -- --help                     all options and fields
//
// Outside a clone, the lines from the first #if to #load "../scripts/refs.fsx" become:  #r "nuget: Noisy.FSharp"
#if !NOISY_BUILT && !EDITING
#load "../scripts/bootstrap.fsx"
#else
#load "../scripts/refs.fsx"

open System
open TorchSharp
open Noisy.FSharp

/// Its fields are what --set takes besides the training's.
type Settings = { Length: int; Hidden: int; Batch: int }

/// NAH with a smaller leak: --activation mine.
let mine = Variants.nah |> Variant.named "mine" |> Variant.map (Spec.alpha 1.05)

/// The noise scale, a function of the update.
let cosine = Schedule.ofFunction "cosine(0.5, 2000)" (fun update -> 0.25 * (1.0 + cos (Math.PI * float (min update 2000L) / 2000.0)))

/// Numbers [T, B, 1] with their marks [T, B, 1], and the sums of the marked ones [B, 1].
let sequences (s: Settings) _ _ =
    let numbers = torch.rand [| int64 s.Length; int64 s.Batch; 1L |]
    let first = torch.randint (int64 s.Length / 2L, [| 1L; int64 s.Batch; 1L |])
    let second = torch.randint (int64 s.Length / 2L, int64 s.Length, [| 1L; int64 s.Batch; 1L |])
    let marks = torch.zeros_like(numbers).scatter(0L, first, torch.ones_like numbers).scatter (0L, second, torch.ones_like numbers)
    torch.cat ([| numbers; marks |], 2L), (numbers * marks).sum 0L

let training = { Training.defaults with Epochs = 20; EpochUpdates = 100; Optimizer = Adam; LearningRate = 0.01; Noise = Some cosine; KeepBest = true }

let squaredError (model: torch.nn.Module<torch.Tensor, torch.Tensor>) (x, sums: torch.Tensor) = torch.nn.functional.mse_loss (model.call x, sums)

let adding =
    Experiment.define "adding" "the adding problem: the sum of two marked numbers"
    |> Experiment.preset "tiny" { Length = 30; Hidden = 32; Batch = 32 } training
    |> Experiment.activations [ Variants.soft; Variants.nah; mine ]
    |> Experiment.model (fun s activation clock -> gru 2 s.Hidden activation --> lastStep --> linear s.Hidden 1 |> Layer.build clock)
    |> Experiment.data sequences
    |> Experiment.loss (fun _ model batch -> squaredError model batch)
    |> Experiment.metric "mse" (fun _ model batch -> (squaredError model batch).item<float32> () |> float)
    |> Experiment.rules (fun s -> [ if s.Length < 2 then $"length is {s.Length}: must be >= 2" ])
    |> Experiment.baseline "always 1, the mean" (fun _ -> 1.0 / 6.0)

Run.script adding // nothing where another script or a session loads this one
#endif
