/// Learning to Execute: what a batch costs, what is measured, which programs are seen when, and that a run resumes exactly.
module Noisy.Tests.LearningToExecuteTests

open System
open System.IO
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

let private experiment = PaperExperiments.ByName "lte"

let private set (fields: (string * string) list) (config: RunConfig) =
    (config, fields) ||> List.fold (fun c (name, value) -> c.With(name, value))

/// Two lengths and two nestings; a moment an epoch.
let private config =
    experiment.Config "tiny"
    |> set [ "length", "2"; "nesting", "2"; "layers", "2"; "hidden", "8"; "bptt", "20"; "batch", "4"; "epochUpdates", "10"; "evaluationWindows", "8"; "initRange", "0.5"
             "activation", "nah"; "epochs", "2"; "curriculum", "combined" ]

let private newTask (config: RunConfig) =
    config.Validate()
    new LearningToExecuteTask(config, torch.CPU)

let private moment update epoch position stage = BatchPosition(update, epoch, position, stage)
let private sampling update = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 4L, update, 0, Nullable 0.5)

/// Rows of log-probabilities of a window, and their targets that count.
let private answers (model: RecurrentLanguageModel) state context (streams: ProgramStreams) window =
    let struct (inputs, targets, _) = streams.At window
    let tokens = torch.tensor(inputs).reshape (int64 streams.Steps, int64 streams.Streams)
    let struct (logits, next) = model.forward (tokens, state, context)
    let rows = values logits |> Array.chunkBySize ProgramAlphabet.Characters.Length
    let counted = [ for i in 0 .. targets.Length - 1 do if targets[i] <> LinearCrossEntropy.IgnoreIndex then rows[i], int targets[i] ]
    counted, next

let private nll (counted: (float[] * int) list) = counted |> List.sumBy (fun (row, target) -> log (Array.sumBy exp row) - row[target])
let private right (counted: (float[] * int) list) = counted |> List.filter (fun (row, target) -> row[target] = Array.max row) |> List.length

let private batches =
    [ torchTest "the objective is the answers' cross-entropy over the number of streams, and right answers are counted" (fun () ->
          use task = newTask config
          let model = task.Model :?> RecurrentLanguageModel
          let streams = task.Training(1, 3)
          let mutable state = model.ZeroState(4L, torch.CPU)
          for window in 0 .. 2 do
              let context = sampling (int64 window)
              let counted, next = answers model state context streams window
              let loss = (task :> ITrainingTask).Loss(moment (int64 window) 1 (int64 window) 3, context)
              Tol.close tensor32 (nll counted) (scalarOf loss.NllSum) "sum"
              Tol.close tensor32 (nll counted / 4.0) (scalarOf loss.Objective) "objective"
              Expect.equal (loss.Items, int (scalarOf loss.Correct)) (int64 counted.Length, right counted) "counts"
              state <- next)

      torchTest "the state starts from zeros with each epoch" (fun () ->
          use task = newTask config
          let at position = scalarOf ((task :> ITrainingTask).Loss(moment position 1 position 4, NoiseContext.Test)).NllSum
          let first, second = at 0L, at 1L
          Expect.equal (at 0L, at 1L) (first, second) "afresh"
          Expect.notEqual (at 1L) second "another state")

      torchTest "all weights are within the interval, and the paper's network has the reference's sizes" (fun () ->
          use task = newTask (experiment.Config "paper" |> set [ "activation", "nah" ])
          let characters = int64 ProgramAlphabet.Characters.Length
          let sizes = [ for struct (name, p) in task.Model.named_parameters () -> name.Contains "p_l", p ]
          let count gains = sizes |> List.filter (fun (gain, _) -> gain = gains) |> List.sumBy (fun (_, p) -> p.numel ())
          Expect.equal (count false) (characters * 400L + 2L * 4L * 400L * 802L + characters * 401L) "weights"
          Expect.equal (count true) (2L * 5L * 400L) "gains"
          for gain, p in sizes do
              let bound = if gain then 1.0 else 0.08
              let largest = p.abs().max().item<float32> () |> float
              Expect.isTrue (largest <= bound && largest > 0.8 * bound) $"{p}"
          Expect.equal ((task :> ITrainingTask).UpdatesPerEpoch, (task :> ITrainingTask).Stages) (200L, 18) "epoch and stages")
    ]

let private texts (streams: ProgramStreams) = [ for p in streams.Programs -> p.Program.Text ]

/// The largest number that a program reads.
let private largest (text: string) =
    let digits = text.Split('@')[0] |> String.map (fun c -> if Char.IsAsciiDigit c then c else ' ')
    digits.Split(' ', StringSplitOptions.RemoveEmptyEntries) |> Array.map int64 |> Array.max

let private data =
    [ torchTest "programs are new in each epoch and at each stage, and the same when requested again" (fun () ->
          use task = newTask config
          let first = texts (task.Training(1, 1))
          let others = [ texts (task.Training(2, 1)); texts (task.Training(1, 2)); texts (task.Training(2, 2)) ]
          Expect.equal (List.distinct (first :: others)).Length 4 "differ"
          Expect.equal (texts (task.Training(1, 1))) first "again"
          use another = newTask (config |> set [ "seed", "2" ])
          Expect.notEqual (texts (another.Training(1, 1))) first "another seed trains on others"
          for split in [ Split.Valid; Split.Test ] do
              Expect.equal (texts (another.Evaluation(split, 4))) (texts (task.Evaluation(split, 4))) "and is measured on the same"
          Expect.equal (another :> ITrainingTask).Data.Sha256 (task :> ITrainingTask).Data.Sha256 "identity")

      torchTest "a stage that changes within an epoch shows other programs from the next window on" (fun () ->
          use task = newTask config
          let model = task.Model :?> RecurrentLanguageModel
          let loss position stage = scalarOf ((task :> ITrainingTask).Loss(moment position 1 position stage, NoiseContext.Test)).NllSum
          let state = model.ZeroState(4L, torch.CPU)
          let _, next = answers model state NoiseContext.Test (task.Training(1, 1)) 0
          let counted, _ = answers model next NoiseContext.Test (task.Training(1, 2)) 1
          loss 0L 1 |> ignore
          Tol.close tensor32 (nll counted) (loss 1L 2) "the second window of the harder programs")

      torchTest "no program of the test or of validation is trained on, and none is in both" (fun () ->
          use task = newTask (config |> set [ "curriculum", "none"; "length", "1"; "nesting", "1"; "epochUpdates", "40" ])
          let train = Set.ofList [ for epoch in 1..5 do yield! texts (task.Training(epoch, 1)) ]
          let valid, test = Set.ofList (texts (task.Evaluation(Split.Valid, 1))), Set.ofList (texts (task.Evaluation(Split.Test, 1)))
          for a, b in [ train, valid; train, test; valid, test ] do Expect.isEmpty (Set.intersect a b) "common"
          Tol.above train.Count 100 "the test can tell")

      torchTest "each curriculum trains on its stages; validation is at the stage requested" (fun () ->
          let wide = config |> set [ "length", "4"; "nesting", "1"; "epochUpdates", "100"; "batch", "10" ]
          let found curriculum stage =
              use task = newTask (wide |> set [ "curriculum", curriculum ])
              texts (task.Training(1, stage)) |> List.map largest
          let above limit found = float (List.length (List.filter (fun n -> n > limit) found)) / float (List.length found)
          Expect.equal (List.max (found "naive" 1)) 10L "naive: stage 1"
          let third = List.max (found "naive" 3)
          Expect.isTrue (third > 900L && third <= 1000L) "naive: stage 3"
          Tol.above (above 1000L (found "none" 4)) 0.7 "none: the last stage"
          let mixed, combined = above 100L (found "mix" 1), above 100L (found "combined" 1)
          Tol.above mixed 0.5 "mix: large numbers at any stage"
          Expect.isTrue (combined > 0.05 && combined < 0.5 * mixed) $"combined: a fifth of them, {combined} against {mixed}"
          use task = newTask wide
          for stage in 1..4 do
              for split in [ Split.Valid; Split.Test ] do
                  let most = texts (task.Evaluation(split, stage)) |> List.map largest |> List.max
                  Expect.isTrue (most <= pown 10L stage && most > pown 10L stage / 2L) $"stage {stage}: {most}")
    ]

let private metric (name: string) (metrics: Collections.Generic.IReadOnlyDictionary<string, float>) = metrics[name]

let private evaluation =
    [ torchTest "accuracy and nll are those of the answers' characters, from zero states" (fun () ->
          use task = newTask config
          let model = task.Model :?> RecurrentLanguageModel
          for split, stage in [ Split.Test, 4; Split.Valid, 2 ] do
              let streams = task.Evaluation(split, stage)
              let mutable state = model.ZeroState(4L, torch.CPU)
              let counted =
                  [ for window in 0 .. streams.Windows - 1 do
                        let counted, next = answers model state NoiseContext.Test streams window
                        state <- next
                        yield! counted ]
              let found = (task :> ITrainingTask).Evaluate(split, stage, NoiseContext.Test, CancellationToken.None)
              Tol.close tensor32 (float (right counted) / float counted.Length) (metric "accuracy" found) "accuracy"
              Tol.close tensor32 (nll counted / float counted.Length) (metric "nll" found) "nll"
              Expect.equal (found.ContainsKey "targetAccuracy") (stage < 4) "at the last stage it would be the same"
              if stage < 4 then
                  let target = (task :> ITrainingTask).Evaluate(split, 4, NoiseContext.Test, CancellationToken.None)
                  Expect.equal (metric "targetAccuracy" found) (metric "accuracy" target) "target")

      torchTest "evaluation changes nothing that training sees" (fun () ->
          use task = newTask config
          let training = task :> ITrainingTask
          training.Loss(moment 0L 1 0L 1, sampling 0L) |> ignore
          let before = WeightsHash.Compute task.Model, [ for t in training.Carried -> t.Key, values t.Value ]
          let a = training.Evaluate(Split.Valid, 1, NoiseContext.Test, CancellationToken.None)
          let b = training.Evaluate(Split.Valid, 1, NoiseContext.Test, CancellationToken.None)
          task.Predict(3, NoiseContext.Test) |> ignore
          Expect.equal (WeightsHash.Compute task.Model, [ for t in training.Carried -> t.Key, values t.Value ]) before "task"
          Expect.equal (List.ofSeq a) (List.ofSeq b) "repeats")

      torchTest "predictions are right as often as the test's accuracy says" (fun () ->
          use task = newTask config
          let all = task.Predict(Int32.MaxValue, NoiseContext.Test)
          Expect.equal [ for p in all -> p.Program.Text ] (texts (task.Evaluation(Split.Test, 4))) "all programs"
          for p in all do Expect.equal p.Answer.Length p.Program.Target.Length "a character each"
          let right = Seq.sum (seq { for p in all -> Seq.zip p.Answer p.Program.Target |> Seq.filter (fun (a, b) -> a = b) |> Seq.length })
          let found = (task :> ITrainingTask).Evaluate(Split.Test, 4, NoiseContext.Test, CancellationToken.None)
          Tol.close Tol.scalar (float right / float (all |> Seq.sumBy _.Answer.Length)) (metric "accuracy" found) "accuracy"
          Expect.equal (task.Predict(2, NoiseContext.Test)).Count 2 "some")

      torchTest "the trivial level is that of the most frequent character at each place" (fun () ->
          use task = newTask config
          let targets = [ for p in (task.Evaluation(Split.Test, 4)).Programs -> p.Program.Target ]
          let best place =
              match [ for t in targets do if t.Length > place then t[place] ] with
              | [] -> 0
              | characters -> characters |> List.countBy id |> List.map snd |> List.max
          let right = List.sum [ for place in 0..40 -> best place ]
          Tol.close Tol.scalar (float right / float (targets |> List.sumBy _.Length)) task.AccuracyByPlace "level"
          Expect.equal (experiment.Baseline task).Value task.AccuracyByPlace "drawn") ]

/// An evaluation after every update, so that results move the curriculum within a few of them.
let private restless = config |> set [ "epochUpdates", "2"; "bptt", "50"; "epochs", "10"; "learningRate", "2" ]

let private train (config: RunConfig) folder (at: int64 option) =
    use _ = torch.NewDisposeScope()
    use task = newTask config
    use source = new CancellationTokenSource()
    if at = Some 0L then source.Cancel()
    let observer =
        { new ITrainingObserver with
            member _.Started(_, _, _, _, _) = ()
            member _.Updated progress = if Some progress.Update = at then source.Cancel()
            member _.Evaluated _ = ()
            member _.Note _ = () }
    let summary = Trainer.Run(TrainingRun(Config = config, Task = task, Folder = folder, Threads = 1, Observer = observer), source.Token)
    Option.ofObj summary

let private resume =
    [ for curriculum in [ "combined"; "naive over 20"; "none" ] do
          torchTest $"stopped anywhere and resumed: the same bits, curriculum {curriculum}" (fun () ->
              let config = restless |> set [ "curriculum", curriculum ]
              use whole = new TempFolder()
              let expected = (train config whole.Path None).Value
              let log = File.ReadAllText(whole.In "log.jsonl")
              use pieces = new TempFolder()
              for at in [ 1L; 2L; 3L; 6L; 7L; 13L; 17L ] do Expect.isNone (train config pieces.Path (Some at)) "interrupted"
              let found = (train config pieces.Path None).Value
              Expect.equal (File.ReadAllText(pieces.In "log.jsonl")) log "log"
              Expect.equal found.WeightsSha256 expected.WeightsSha256 "weights"
              Expect.equal [ for m in found.Metrics.Test -> m.Key, m.Value ] [ for m in expected.Metrics.Test -> m.Key, m.Value ] "test"
              if curriculum <> "none" then Expect.stringContains log "\"stage\":2" "the stage moved") ]

let private export =
    [ torchTest "the exported weights give the same answers without torch" (fun () ->
          let config = restless |> set [ "keepBest", "false" ]
          use folder = new TempFolder()
          train config folder.Path None |> ignore
          use file = File.OpenRead(folder.In "weights.safetensors")
          let model = LanguageModel.Load file
          use task = newTask config
          use weights = File.OpenRead(folder.In "weights.safetensors")
          let content = SafetensorsReader.Read weights
          for struct (name, parameter) in task.Model.named_parameters () do
              use _ = torch.no_grad ()
              parameter.copy_ (torch.tensor(content.Tensor(name).Values).reshape parameter.shape) |> ignore
          for p in task.Predict(1, NoiseContext.Test) do
              let text = p.Program.Text
              let mutable state: RecurrentState = null
              let expected =
                  [| for i in 0 .. text.Length - 2 do
                         let next = model.Next(model.Codec.Id(string text[i]), state)
                         state <- next.State
                         let logits = next.Logits
                         if i + 1 >= p.Program.Question.Length then model.Codec.Tokens[Array.findIndex ((=) (Array.max logits)) logits] |]
              Expect.equal (String.Join("", expected)) p.Answer "answer") ]

let private rules =
    let broken (fields: (string * string) list) =
        try
            (experiment.Config "tiny" |> set fields).Validate()
            []
        with :? InvalidSpecException as e -> List.ofSeq e.Broken

    [ for fields, expected in
          [ [ "length", "0" ], "length is 0: must be 1 to 18"
            [ "length", "19" ], "length is 19: must be 1 to 18"
            [ "nesting", "0" ], "nesting is 0: must be 1 to 10"
            [ "nesting", "11" ], "nesting is 11: must be 1 to 10"
            [ "layers", "0" ], "layers is 0: must be >= 1"
            [ "hidden", "0" ], "hidden is 0: must be >= 1"
            [ "bptt", "0" ], "bptt is 0: must be >= 1"
            [ "batch", "0" ], "batch is 0: must be >= 1"
            [ "epochUpdates", "7" ], "epochUpdates is 7: must be even and >= 2, since validation comes twice an epoch"
            [ "epochUpdates", "0" ], "epochUpdates is 0: must be even and >= 2, since validation comes twice an epoch"
            [ "evaluationWindows", "0" ], "evaluationWindows is 0: must be >= 1"
            [ "initRange", "0" ], "initRange is 0: must be finite and > 0"
            [ "curriculum", "hard" ], "curriculum 'hard': must be"
            [ "evaluationWindows", "1"; "bptt", "30" ], "evaluationWindows is 1 of bptt 30: a stream of 31 characters is too short for programs of length 2 and nesting 1, which may have 61"
            [ "batch", "100000000" ], "epochUpdates is 100 of bptt 50 in 100000000 streams: together at most 2147483647 characters" ] do
          test $"%A{fields} is refused" {
              match broken fields with
              | [] -> failtest "accepted"
              | found -> Expect.isTrue (found |> List.exists _.StartsWith(expected)) $"%A{found}"
          }

      torchTest "a curriculum needs an easier stage" (fun () ->
          use folder = new TempFolder()
          let single = config |> set [ "length", "1"; "nesting", "1" ]
          let error = try train single folder.Path None |> ignore; "" with :? NoisyException as e -> e.Message
          Expect.stringContains error "curriculum" "message") ]

let tests =
    testSequenced
    <| testList "learning to execute" [
        testList "batches" batches
        testList "data" data
        testList "evaluation" evaluation
        testList "resume" resume
        testList "export" export
        testList "rules" rules
    ]
