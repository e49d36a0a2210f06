/// The task of the experiments mnist and gmm.
module Noisy.Tests.MlpTaskTests

open System
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers
open TorchSharp

let private mnist = PaperExperiments.ByName "mnist"
let private gmm = PaperExperiments.ByName "gmm"
let private mixture settings = gmm.Config "tiny" |> having settings

let private mixtureTask (config: RunConfig) =
    let points = config.SettingsAs<MixtureSettings>()
    new MlpTask(config, MixtureData(config.Seed, points.ValidPoints, points.TestPoints), torch.CPU)

/// Ten examples whose only input is their own number.
let private numbers =
    { new IClassifiedData with
        member _.Identity = DataIdentity("numbers", DataIdentity.BuiltIn, "00")
        member _.Inputs = 1
        member _.Classes = 2
        member _.Count split = Nullable(if split = Split.Train then 10L else 4L)
        member _.Fill(_, indices, inputs, classes) =
            for i in 0 .. indices.Length - 1 do
                inputs[i] <- float32 indices[i]
                classes[i] <- indices[i] % 2L }

/// Trains a task by its own loop, without a folder.
let private train (task: ITrainingTask) (config: RunConfig) updates =
    use optimizer = Optimizer.Create(config.Training.OptimizerSpec(), task.Model)
    for update in 0L .. updates - 1L do
        use _ = torch.NewDisposeScope()
        let epoch = int (update / task.UpdatesPerEpoch)
        let moment = BatchPosition(update, epoch + 1, update % task.UpdatesPerEpoch, 1)
        let loss = task.Loss(moment, NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed(config.Seed).Child "noise", update))
        loss.Objective.backward ()
        optimizer.Step(config.Training.LearningRate, update + 1L)

let private evaluate (task: ITrainingTask) split = task.Evaluate(split, 1, NoiseContext.Test, CancellationToken.None)

let tests =
    testSequenced
    <| testList "perceptron's task" [
        test "an order has every example once, differs by epoch and key, and favours no place" {
            let key = NoiseKey.FromSeed 1L
            for count in [ 0; 1; 2; 50; 1000 ] do
                Expect.equal (Shuffle.Order(key, 1, count) |> Array.sort) (Array.init count int64) $"{count}"
            Expect.equal (Shuffle.Order(key, 3, 50)) (Shuffle.Order(key, 3, 50)) "again"
            Expect.equal (List.distinct [ for e in 1..5 -> Shuffle.Order(key, e, 50) ]).Length 5 "epochs"
            Expect.notEqual (Shuffle.Order(key, 3, 50)) (Shuffle.Order(key.Child 0u, 3, 50)) "keys"
            // Each of 6 elements at each of 6 places in 6,000 orders: 1,000 times, to five standard errors.
            let places = Array2D.zeroCreate 6 6
            for epoch in 1..6_000 do Shuffle.Order(key, epoch, 6) |> Array.iteri (fun place e -> places[int e, place] <- places[int e, place] + 1)
            for e in 0..5 do
                for place in 0..5 do
                    Tol.below (abs (float places[e, place] - 1000.0)) (5.0 * sqrt (6_000.0 / 6.0 * 5.0 / 6.0)) $"{e} at {place}"
        }

        torchTest "an epoch shows a finite set once, in an order that every variant shares" (fun () ->
            let shown variant seed =
                let config = mnist.Config "tiny" |> having [ "hidden", "3"; "batch", "3"; "activation", variant; "seed", string (seed: int) ]
                use task = new MlpTask(config, numbers, torch.CPU)
                Expect.equal (task :> ITrainingTask).UpdatesPerEpoch 3L "what is left over is left out"
                Expect.isTrue (task :> ITrainingTask).RepeatsData "it repeats"
                let seen = ResizeArray<int64>()
                let spy =
                    { new IClassifiedData with
                        member _.Identity = numbers.Identity
                        member _.Inputs = 1
                        member _.Classes = 2
                        member _.Count split = numbers.Count split
                        member _.Fill(split, indices, inputs, classes) =
                            for i in indices do seen.Add i
                            numbers.Fill(split, indices, inputs, classes) }
                use task = new MlpTask(config, spy, torch.CPU)
                for update in [ 0L .. 5L ] do
                    use _ = torch.NewDisposeScope()
                    task.Loss(BatchPosition(update, int (update / 3L) + 1, update % 3L, 1), NoiseContext.Test) |> ignore
                List.ofSeq seen
            let soft = shown "soft" 1
            Expect.equal (shown "nah" 1) soft "another variant"
            Expect.notEqual (shown "soft" 2) soft "another seed"
            let first, second = List.splitAt 9 soft
            Expect.equal (List.distinct first).Length 9 "each once"
            Expect.notEqual first second "another order in the next epoch")

        torchTest "training points of the mixture never repeat" (fun () ->
            use task = mixtureTask (mixture [ "batch", "4" ])
            Expect.isFalse (task :> ITrainingTask).RepeatsData "no epochs"
            Expect.equal (task :> ITrainingTask).UpdatesPerEpoch 500L "by the config")

        torchTest "an evaluation is the mean over all examples, whatever the batches" (fun () ->
            use task = mixtureTask (mixture [ "validPoints", "2345"; "activation", "nah" ])
            train task (mixture []) 20L
            let found = evaluate task Split.Valid
            let inputs, classes = (let struct (a, b) = task.Batch(Split.Valid, Array.init 2345 int64) in a, b)
            use _ = torch.no_grad ()
            let logits = task.Network.forward (inputs, NoiseContext.Test)
            let rows, k = values logits |> Array.chunkBySize 3, values classes
            let nll = Array.map2 (fun (row: float[]) k -> log (Array.sumBy exp row) - row[int k]) rows k |> Array.average
            let wrong = Array.map2 (fun (row: float[]) k -> Array.findIndex ((=) (Array.max row)) row <> int k) rows k |> Array.filter id |> Array.length
            Tol.close tensor32 nll found["nll"] "nll"
            Expect.equal found["error"] (1.0 - (2345.0 - float wrong) / 2345.0) "error"
            let batch = (task :> ITrainingTask).Loss(BatchPosition(0L, 1, 0L, 1), NoiseContext.Test)
            Tol.close tensor32 (scalarOf batch.NllSum / 100.0) (scalarOf batch.Objective) "the objective is the batch's mean"
            Expect.isFalse batch.NllSum.requires_grad "the sum is detached")

        torchTest "both networks of the mixture come near the best classifier, and never beyond it" (fun () ->
            for row in gmm.DefaultRows do
                use _ = torch.NewDisposeScope()
                let config = gmm.RowConfig("tiny", row)
                use task = gmm.Build(config, null, torch.CPU)
                train task config 600L
                let found, floor = evaluate task Split.Test, (gmm.Floor task).Value
                Tol.below found["error"] 0.05 $"{row}: error"
                Tol.above found["nll"] (floor - 0.002) $"{row}: the limit holds"
                Tol.close { Tol.scalar with Absolute = 0.02; Reason = "sampling of 20,000 points" } GaussianMixture.Limit.Nll floor "limit on the test points")

        torchTest "the digits are learned by every variant" (fun () ->
            let data = DigitWorld.Create(1_000, 300, 300)
            for row in mnist.DefaultRows do
                use _ = torch.NewDisposeScope()
                let config = mnist.RowConfig("tiny", row) |> having [ "hidden", "60"; "batch", "20" ]
                use task = new MlpTask(config, data, torch.CPU)
                train task config 250L
                Tol.below (evaluate task Split.Valid).["error"] 0.5 row)

        torchTest "a batch that is larger than the set is wrong usage" (fun () ->
            let config = mnist.Config "tiny" |> having [ "batch", "11" ]
            Tol.throws<UsageException> "a batch of 11 is more than the 10 training examples of numbers: take a smaller batch" (fun () ->
                new MlpTask(config, numbers, torch.CPU) |> ignore))

        test "trainImages takes the first images, and the rows of the mixture have the paper's noise" {
            let data = DigitWorld.Create(30, 5, 5)
            Expect.equal (data.WithTrain(10).Train.Labels) data.Train.Labels[..9] "first ten"
            Expect.equal [ for n in [ 0; 30; 31 ] -> data.WithTrain(n).Train.Count ] [ 30; 30; 30 ] "all"
            let noisy = (gmm.RowConfig("tiny", "noisy-tanh")).Activations().Tanh
            Expect.equal (noisy.Noise, noisy.Alpha, noisy.C, noisy.LearnP) (NoiseKind.Normal, 1.0, 0.5, true) "row 18"
        }

        test "broken rules of both configs are named" {
            let broken (config: RunConfig) settings =
                try
                    (having settings config).Validate()
                    []
                with :? InvalidSpecException as e -> List.ofSeq e.Broken
            Expect.equal
                (broken (mnist.Config "tiny") [ "layers", "0"; "hidden", "0"; "batch", "0"; "trainImages", "-1" ])
                [ "layers is 0: must be >= 1"; "hidden is 0: must be >= 1"; "batch is 0: must be >= 1"; "trainImages is -1: must be >= 0 (0 uses all)" ]
                "mnist"
            Expect.equal
                (broken (gmm.Config "tiny") [ "epochUpdates", "0"; "validPoints", "0"; "testPoints", "0" ])
                [ "epochUpdates is 0: must be >= 1"; "validPoints is 0: must be >= 1"; "testPoints is 0: must be >= 1" ]
                "gmm"
            Expect.equal (broken (gmm.Config "tiny") [ "testPoints", "300000000" ]) [ "testPoints is 300000000: must be at most 268435448" ] "gmm, too many"
            Expect.equal ((mnist.Config "tiny").With("clip", "Infinity").Training.Clip, (mnist.Config "tiny").With("clip", "2").Training.Clip) (infinity, 2.0) "no clip, a clip"
        }

        torchTest "the units of a network are drawn, and runs compared in training and validation" (fun () ->
            use folder = new TempFolder()
            let config = mixture [ "epochUpdates", "5"; "epochs", "2"; "validPoints", "20"; "testPoints", "30"; "activation", "nan" ]
            let run = folder.In "tiny-nan-s1"
            use task = mixtureTask config
            trainTask task config run (Nullable()) quiet CancellationToken.None |> ignore
            (Drawings.experiment "gmm").Pictures.Draw.Invoke(run, task, config)
            let page = IO.File.ReadAllText(IO.Path.Combine(run, "units.html"))
            for part in [ "layer 1: activation"; "layer 3: slope"; "unit 8, p " ] do Expect.stringContains page part "page"
            Tol.above (IO.FileInfo(IO.Path.Combine(run, "units.png")).Length) 10_000L "picture"
            let traces = List.ofSeq (task.Network.Trace(torch.zeros [| 4L; 2L |], NoiseContext.Test))
            let figure = UnitPictures.figure "" traces
            Expect.equal (figure.Columns, figure.Panels.Length, figure.Panels.Head.Items.Length) (3, 6, 8) "a column a layer, a colour a unit"
            Pictures.compare folder.Path "title" (Pictures.view task []) Seq.empty [ "nan", run; "nan", run ]
            let page = IO.File.ReadAllText(folder.In "comparison.html")
            for part in [ "title: validation"; "title: training, with noise"; "line: mean; thin: single runs"; "nan, 2 seeds" ] do
                Expect.stringContains page part "comparison")
    ]
