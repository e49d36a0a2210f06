/// The training loop and the language model that it trains.
module Noisy.Tests.TrainingTests

open System
open System.Collections.Generic
open System.IO
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers
open TorchSharp

/// One weight; the loss is its square, but not a number from a given update on.
type private Fragile(failAt: int64, stages: int) =
    let model = new NoisyActivation(Variants.Nan.Tanh.WithP(Nullable 0.5), 1L, NoiseClock 1L)
    interface ITrainingTask with
        member _.Model = model
        member _.Backend = "composed"
        member _.Data = DataIdentity("none", DataIdentity.BuiltIn, "00")
        member _.UpdatesPerEpoch = 5L
        member _.Stages = stages
        member _.ItemName = "example"
        member _.Metric = "nll"
        member _.Loss(_, context) =
            let p = model.get_parameter "p"
            let loss = if context.Update >= failAt then (p * infinity - p * infinity).sum () else p.square().sum ()
            BatchLoss(loss, loss.detach (), 1L)
        member _.Metrics score = Dictionary(dict [ "nll", score.MeanNll ])
        member _.Evaluate(_, _, _, _) = Dictionary(dict [ "nll", 1.0 ])
        member _.Dispose() = model.Dispose()

let private divergence =
    [ torchTest "a loss that is not a number stops with the update, rate, scale and norms, and keeps the last checkpoint" (fun () ->
          use folder = new TempFolder()
          let config = config.With("learningRate", "0.125")
          use task = new Fragile(7L, 1)
          let error =
              try
                  trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore
                  failtest "it ran"
              with :? DivergedException as e -> e
          Expect.equal error.ExitCode 4 "exit code"
          Expect.stringStarts error.Message "training diverged at update 8 (epoch 2): loss NaN, gradient norm NaN, learning rate 0.0625, noise scale 30; largest weight norms: p 0." "message"
          Expect.stringContains error.Message "The checkpoint of update 5 is kept." "checkpoint"
          use again = new Fragile(Int64.MaxValue, 1)
          let found, warnings = loadCheckpoint folder again
          Expect.equal (found.Update, warnings) (5L, []) "loads"
          // A second try ends at the same place, and still knows its checkpoint.
          use third = new Fragile(7L, 1)
          let second = try trainTask third config folder.Path (Nullable()) quiet CancellationToken.None |> ignore; "" with :? DivergedException as e -> e.Message
          Expect.equal second error.Message "again")

      torchTest "before the first checkpoint the message says so" (fun () ->
          use folder = new TempFolder()
          use task = new Fragile(0L, 1)
          let error = try trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore; "" with :? DivergedException as e -> e.Message
          Expect.stringContains error "It came before the first checkpoint." "message")

      torchTest "a language model with an absurd learning rate diverges" (fun () ->
          use folder = new TempFolder()
          let config = config.With("learningRate", "1e37").With("clip", "1e37")
          use task = newTask config
          Expect.throwsT<DivergedException> (fun () -> trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore) "diverges") ]

let private endless =
    torchTest "a run of more updates than there is time for goes on until something ends it" (fun () ->
        use folder = new TempFolder()
        let endless = { mixture with Config = mixture.Config |> having [ "epochs", "2147483647"; "epochUpdates", "1000000000" ] }
        Expect.isNone (endless.InterruptAt(folder.Path, 2L)) "interrupted"
        Expect.equal (RunLog.Read(folder.In "log.jsonl")).Count 2 "updates")

/// What a task's stages and metrics allow.
let private fit =
    [ torchTest "a curriculum needs stages" (fun () ->
          use folder = new TempFolder()
          let config = config.With("curriculum", "naive")
          use task = newTask config
          Tol.throws<UsageException>
              "curriculum 'naive' needs stages of difficulty, and ptb with this config has one: leave it at 'none'"
              (fun () -> trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore)
          Expect.isEmpty (Directory.GetFileSystemEntries folder.Path) "nothing was written")

      torchTest "a curriculum that goes by results needs an accuracy" (fun () ->
          use folder = new TempFolder()
          let config = config.With("curriculum", "mix")
          use task = new Fragile(Int64.MaxValue, 3)
          Tol.throws<UsageException>
              "curriculum 'mix' goes by accuracy, which ptb does not measure: take 'mix over N', N a number of updates"
              (fun () -> trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore)) ]

/// The first and the second window of an epoch.
let private first, second = BatchPosition(0L, 1, 0L, 1), BatchPosition(1L, 1, 1L, 1)

let private languageModelTests =
    [ torchTest "the loss is the cross-entropy, summed over time and averaged over the batch" (fun () ->
          use task = newTask config
          let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 4L, 0L, 0, Nullable 0.5)
          let loss = task.Loss(first, context)
          let model = task.Model :?> RecurrentLanguageModel
          let struct (inputs, targets) = BpttBatches((text ()).Train, 4, 5).At 0
          let tokens = torch.tensor(Array.map int64 inputs).reshape (5L, 4L)
          let struct (logits, _) = model.forward (tokens, model.ZeroState(4L, torch.CPU), context)
          let rows = values logits |> Array.chunkBySize (text ()).Vocabulary.Count
          let nll = Array.map2 (fun (row: float[]) target -> log (Array.sumBy exp row) - row[target]) rows targets |> Array.sum
          Tol.close tensor32 nll (scalarOf loss.NllSum) "sum"
          Tol.close tensor32 (nll / 4.0) (scalarOf loss.Objective) "objective"
          Expect.equal loss.Items 20L "items")

      torchTest "the state is carried from window to window, and zeroed at the start of an epoch" (fun () ->
          use task = newTask config
          let context = NoiseContext.Test
          let atFirst = scalarOf (task.Loss(first, context)).NllSum
          let atSecond = scalarOf (task.Loss(second, context)).NllSum
          Expect.equal (scalarOf (task.Loss(first, context)).NllSum) atFirst "epoch starts afresh"
          Expect.equal (scalarOf (task.Loss(second, context)).NllSum) atSecond "carried"
          Expect.notEqual (scalarOf (task.Loss(second, context)).NllSum) atSecond "another state")

      torchTest "evaluation changes nothing that training sees" (fun () ->
          use task = trained config 2L
          let before = WeightsHash.Compute task.Model, [ for t in task.Carried -> t.Key, values t.Value ]
          let a = task.Evaluate(Split.Valid, 1, NoiseContext.Test, CancellationToken.None)
          let b = task.Evaluate(Split.Valid, 1, NoiseContext.Test, CancellationToken.None)
          Expect.equal (WeightsHash.Compute task.Model, [ for t in task.Carried -> t.Key, values t.Value ]) before "task"
          Expect.equal a["nll"] b["nll"] "repeats"
          Tol.close tensor32 (exp a["nll"]) a["perplexity"] "perplexity")

      torchTest "the test score is that of one column read token by token" (fun () ->
          use task = trained config 2L
          let model = task.Model :?> RecurrentLanguageModel
          let text = (text ()).Test
          let mutable state = model.ZeroState(1L, torch.CPU)
          let mutable nll = 0.0
          for i in 0 .. text.Length - 2 do
              let struct (logits, next) = model.forward (torch.tensor([| int64 text[i] |]).reshape (1L, 1L), state, NoiseContext.Test)
              let row = values logits
              nll <- nll + log (Array.sumBy exp row) - row[text[i + 1]]
              state <- next
          let found = task.Evaluate(Split.Test, 1, NoiseContext.Test, CancellationToken.None)
          Tol.close tensor32 (nll / float (text.Length - 1)) found["nll"] "nll")

      torchTest "Zaremba's models have the published numbers of weights" (fun () ->
          let count v h layers = 2L * v * h + v + layers * 4L * h * (2L * h + 2L)
          for name, expected in [ "paper", 4_653_200L; "medium", 19_780_400L; "large", 66_034_000L ] do
              let config = ((PaperExperiments.ByName "ptb").Config name).SettingsAs<LanguageModelSettings>()
              Expect.equal (count 10_000L (int64 config.Hidden) (int64 config.Layers)) expected name
          let small pair = new RecurrentLanguageModel(10_000, RecurrentShape(200L, 200L, 2), pair, 0.1, NoiseClock 1L)
          use m = small Variants.Nan
          let sizes = [ for struct (name, p) in m.named_parameters () -> name.Contains "p_l", p.numel () ]
          Expect.equal (sizes |> List.filter (fst >> not) |> List.sumBy snd) 4_653_200L "small, built"
          Expect.equal (sizes |> List.filter fst |> List.sumBy snd) 2_000L "gains: two layers of five sites") ]

let tests =
    testSequenced
    <| testList "training" [
        testList "divergence" divergence
        endless
        testList "curriculum and task" fit
        testList "language model" languageModelTests
    ]
