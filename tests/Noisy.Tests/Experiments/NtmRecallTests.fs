/// Associative recall with a Neural Turing Machine: what a batch costs, which episodes are seen when, what is measured, and that
/// a run resumes exactly.
module Noisy.Tests.NtmRecallTests

open System
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers
open TorchSharp

let private experiment = PaperExperiments.ByName "ntm"

/// A small machine, two to five items, noisy.
let private config =
    experiment.RowConfig("tiny", "noisy")
    |> having [ "maxItems", "5"; "hidden", "8"; "memoryRows", "10"; "memoryWidth", "6"; "batch", "3"; "epochUpdates", "4"; "epochs", "3"; "validationBatches", "9"; "learningRate", "0.01" ]

let private newRecall (config: RunConfig) =
    config.Validate()
    new NtmRecallTask(config, torch.CPU)

let private moment update stage = BatchPosition(update, 1, update, stage)
let private sampling update = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 4L, update, 0, Nullable 2.0)
let private metric (name: string) (metrics: Collections.Generic.IReadOnlyDictionary<string, float>) = metrics[name]

/// Negative log-likelihood of each episode of a batch, and whether it is answered right, by the definition.
let private answers (task: NtmRecallTask) (batch: RecallBatch) context =
    let steps = AssociativeRecall.Steps batch.Items
    let machine = task.Model :?> NeuralTuringMachine
    let logits = machine.forward (torch.tensor(batch.Input).reshape (int64 steps, int64 batch.Count, 8L), context) |> values
    [ for b in 0 .. batch.Count - 1 ->
          let bits =
              [ for v in 0..2 do
                    for bit in 0..5 ->
                        let x = logits[((steps - 3 + v) * batch.Count + b) * 6 + bit]
                        let one = batch.Target[(v * batch.Count + b) * 6 + bit] = 1.0f
                        log (1.0 + exp (if one then -x else x)), (x > 0.0) = one ]
          List.sumBy fst bits / 6.0, List.forall snd bits ]

let private batches =
    [ torchTest "the objective is the mean over episodes of the sum over steps of the mean over bits" (fun () ->
          use task = newRecall config
          for update in 0L .. 4L do
              let context = sampling update
              let found = answers task (task.Training(update, 4)) context
              let loss = (task :> ITrainingTask).Loss(moment update 4, context)
              Tol.close tensor32 (List.sumBy fst found) (scalarOf loss.NllSum) "sum"
              Tol.close tensor32 (List.averageBy fst found) (scalarOf loss.Objective) "objective"
              Expect.equal (loss.Items, int (scalarOf loss.Correct)) (3L, found |> List.filter snd |> List.length) "counts")

      torchTest "a machine that knows nothing is at chance" (fun () ->
          use task = newRecall config
          use _ = torch.no_grad ()
          for struct (name, p) in task.Model.named_parameters () do
              if name.StartsWith "output" then p.zero_ () |> ignore
          let found = (task :> ITrainingTask).Evaluate(Split.Test, 4, NoiseContext.Test, CancellationToken.None)
          Tol.close tensor32 AssociativeRecall.Chance (metric "nll" found) "3 ln 2"
          Expect.equal (experiment.Baseline task).Value AssociativeRecall.Chance "drawn")

      torchTest "both engines give the same loss" (fun () ->
          for controller in [ "feedForward"; "lstm" ] do
              use task = newRecall (config |> having [ "controller", controller ])
              let machine = task.Model :?> NeuralTuringMachine
              let loss engine =
                  machine.Backend <- engine
                  let loss = scalarOf ((task :> ITrainingTask).Loss(moment 3L 4, sampling 3L)).NllSum
                  loss, (task :> ITrainingTask).Backend
              let fused, composed = loss Backend.Auto, loss Backend.Composed
              Tol.close tensor32 (fst composed) (fst fused) controller
              Expect.equal (snd fused, snd composed) (FusedEngine.FusedName, FusedEngine.ComposedName) "paths") ]

let private data =
    [ torchTest "a stage has two items to as many as it says, all alike often" (fun () ->
          use task = newRecall (config |> having [ "curriculum", "naive over 100" ])
          Expect.equal (task :> ITrainingTask).Stages 4 "2 to 5 items"
          for stage in 1..4 do
              let items = [ for update in 0L .. 799L -> (task.Training(update, stage)).Items ]
              let counts = items |> List.countBy id |> List.sort
              Expect.equal (List.map fst counts) [ 2 .. stage + 1 ] $"stage {stage}"
              let share = 1.0 / float stage
              for items, count in counts do // five standard deviations
                  Expect.isTrue (abs (float count - 800.0 * share) <= 5.0 * sqrt (800.0 * share * (1.0 - share))) $"{items} items: {count}")

      torchTest "without a curriculum training has all numbers of items from the start" (fun () ->
          use task = newRecall config
          let plan, state = config.Training.Curriculum, CurriculumState()
          let stage = plan.StageAt(0L, 4, state)
          let items = Set.ofList [ for update in 0L .. 99L -> (task.Training(update, stage)).Items ]
          Expect.equal items (Set.ofList [ 2; 3; 4; 5 ]) "items")

      torchTest "episodes are never repeated, depend on the seed, and those that are measured do not" (fun () ->
          use task = newRecall config
          use another = newRecall (config |> having [ "seed", "2" ])
          let train (task: NtmRecallTask) = [ for update in 0L .. 19L -> List.ofArray (task.Training(update, 4)).Input ]
          let own = train task
          Expect.equal (List.distinct own).Length 20 "new at each update"
          Expect.equal (train task) own "the same when requested again"
          Expect.isEmpty (Set.intersect (Set.ofList own) (Set.ofList (train another))) "another seed has others"
          Expect.equal (another :> ITrainingTask).Data.Sha256 (task :> ITrainingTask).Data.Sha256 "what is measured"
          for split in [ Split.Valid; Split.Test ] do
              let evaluated = List.ofSeq (task.Evaluated(split, 4))
              Expect.equal (evaluated |> List.sumBy _.Count) 27 "validationBatches times batch"
              Expect.isTrue (evaluated |> List.forall (fun b -> b.Items = 5)) "always the most items") ]

let private evaluation =
    [ torchTest "nll and accuracy are those of all episodes, however they are cut" (fun () ->
          use task = newRecall config
          let training = task :> ITrainingTask
          for split, stage in [ Split.Test, 4; Split.Valid, 2 ] do
              let alone =
                  [ for batch in task.Evaluated(split, stage) do
                        for b in 0 .. batch.Count - 1 -> batch, b ]
                  |> List.map (fun (batch, b) -> (answers task batch NoiseContext.Test)[b])
              let found = training.Evaluate(split, stage, NoiseContext.Test, CancellationToken.None)
              Expect.equal alone.Length 27 "episodes"
              Tol.close tensor32 (List.averageBy fst alone) (metric "nll" found) "nll"
              Tol.close Tol.scalar (float (alone |> List.filter snd |> List.length) / 27.0) (metric "accuracy" found) "accuracy"
              Expect.equal (found.ContainsKey "targetNll") (stage < 4) "at the last stage it would be the same"
              if stage < 4 then
                  let target = training.Evaluate(split, 4, NoiseContext.Test, CancellationToken.None)
                  Tol.close Tol.scalar (metric "nll" target) (metric "targetNll" found) "target")

      torchTest "an episode's trace is its own pass" (fun () ->
          use task = newRecall config
          use found = task.Trace(3L, 4, NoiseContext.Test)
          let machine = task.Model :?> NeuralTuringMachine
          let input = torch.tensor(found.Episode.Input).reshape (int64 (AssociativeRecall.Steps 4), 1L, 8L)
          closeTensor tensor32 (machine.forward (input, NoiseContext.Test)) found.Trace.Logits "logits"
          Expect.equal (shape found.Trace.Attention) [ 24L; 1L; 2L; 10L ] "attention")

      torchTest "a curriculum needs easier stages" (fun () ->
          use folder = new TempFolder()
          let over = config |> having [ "curriculum", "naive over 6"; "maxItems", "2" ]
          use task = newRecall over
          let message =
              try
                  trainTask task over folder.Path (Nullable()) quiet CancellationToken.None |> ignore
                  ""
              with :? UsageException as e -> e.Message
          Expect.equal message "curriculum 'naive over 6' needs stages of difficulty, and ntm with this config has one: leave it at 'none'" "one stage") ]

let private trial name settings =
    { Name = name
      Config = config |> having settings
      Every = 4L
      Task = fun config -> newRecall config }

let private resume =
    [ for trial in [ trial "annealed" []; trial "curriculum, LSTM, best kept" [ "controller", "lstm"; "curriculum", "combined over 8"; "keepBest", "true" ] ] do
          torchTest $"stopped anywhere and resumed: the same bits, {trial.Name}" (fun () ->
              let expected = whole trial
              use folder = new TempFolder()
              for at in [ 1L; 4L; 5L; 11L ] do Expect.isNone (trial.InterruptAt(folder.Path, at)) "interrupted"
              finishAs expected trial folder) ]

let private rules =
    let broken (fields: (string * string) list) =
        try
            (experiment.Config "tiny" |> having fields).Validate()
            []
        with :? InvalidSpecException as e -> List.ofSeq e.Broken

    [ for fields, expected in
          [ [ "maxItems", "1" ], "maxItems is 1: must be in [2, 1000]"
            [ "maxItems", "1001" ], "maxItems is 1001: must be in [2, 1000]"
            [ "hidden", "0" ], "hidden is 0: must be in [1, 65536]"
            [ "memoryRows", "0" ], "memoryRows is 0: must be in [1, 65536]"
            [ "memoryWidth", "70000" ], "memoryWidth is 70000: must be in [1, 65536]"
            [ "readHeads", "0" ], "readHeads is 0: must be in [1, 64]"
            [ "writeHeads", "65" ], "writeHeads is 65: must be in [1, 64]"
            [ "batch", "0" ], "batch is 0: must be >= 1"
            [ "epochUpdates", "0" ], "epochUpdates is 0: must be >= 1"
            [ "validationBatches", "0" ], "validationBatches is 0: must be >= 1"
            [ "batch", "10000"; "memoryRows", "1000" ],
            "10000 episodes of 6 items with a memory of 1000 x 20 and 2 heads keep 42.2 GB: take fewer or smaller ones, at most 8.6 GB" ] do
          test $"%A{fields} is refused" { Expect.equal (broken fields) [ expected ] "message" } ]

let private figure =
    [ test "the paper's curves go with the paper preset's rows" {
          let curves = List.ofSeq (experiment.Curves "paper")
          Expect.equal [ for c in curves -> c.Row ] (List.ofSeq experiment.DefaultRows) "rows"
          for curve in curves do
              let updates = [ for struct (update, _) in curve.Points -> update ]
              Expect.equal updates (List.sort updates) "in order"
              let struct (first, value) = curve.Points[0]
              Expect.equal first 0L "from the start"
              Expect.floatClose Accuracy.low value AssociativeRecall.Chance "at chance"
          Expect.isEmpty (experiment.Curves "tiny") "which is another task"
          let paper row = experiment.Paper(experiment.RowConfig("paper", row), DataIdentity("associative recall", DataIdentity.BuiltIn, ""))
          Expect.equal (paper "regular").Valid (Nullable 1.56) "figure"
          Expect.isNull (paper "hard") "no such row"
      } ]

let tests =
    testSequenced
    <| testList "ntm recall" [
        testList "batches" batches
        testList "data" data
        testList "evaluation" evaluation
        testList "resume" resume
        testList "rules" rules
        testList "figure" figure
    ]
