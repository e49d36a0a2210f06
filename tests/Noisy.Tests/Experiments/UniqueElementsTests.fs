/// Counting unique elements: the generator, the model and the task.
module Noisy.Tests.UniqueElementsTests

open System
open System.Collections.Generic
open System.Threading
open Expecto
open FsCheck
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers
open TorchSharp

/// Examples as arrays, each of its own.
let private examples values length (key: NoiseKey) first count =
    let elements = Array.zeroCreate<int64> (length * count)
    UniqueElements.Fill(values, key, first, count, Span elements)
    [| for b in 0 .. count - 1 -> [| for t in 0 .. length - 1 -> int elements[t * count + b] |] |]

let private training = UniqueElements.KeyOf(Split.Train, 1L)

/// Counts of all sequences of a length, by trying every one.
let private enumerate length values =
    let rec go length = if length = 0 then [ [] ] else [ for rest in go (length - 1) do for v in 1..values -> v :: rest ]
    let all = go length
    [| for k in 0..values -> float (all |> List.filter (fun s -> (List.distinct s).Length = k) |> List.length) / float all.Length |]

let private generator =
    [ test "the law is that of counting every sequence" {
          for length, values in [ 1, 1; 1, 4; 2, 2; 3, 5; 6, 3; 5, 4 ] do
              Array.iteri2 (fun k e a -> Tol.close Tol.scalar e a $"{k} of {values} in {length}") (enumerate length values) (UniqueElements.Law(length, values))
      }
      test "the law has the values of the paper's notes, and so has the error of always answering the most frequent count" {
          let law = UniqueElements.Law(26, 11)
          for k, printed in [ 8, "0.0321"; 9, "0.1876"; 10, "0.4421"; 11, "0.3359" ] do Expect.equal (law[k].ToString "F4") printed $"{k}"
          Expect.equal ((Array.sum (Array.mapi (fun k p -> float k * p) law)).ToString "F3") "10.077" "mean"
          let ten = UniqueElements.Law(26, 10)
          for k, printed in [ 8, "0.1043"; 9, "0.4065"; 10, "0.4790" ] do Expect.equal (ten[k].ToString "F4") printed $"{k}"
          Expect.equal ((1.0 - Array.max law).ToString "F4", (1.0 - Array.max ten).ToString "F4") ("0.5579", "0.5210") "majority"
      }
      testProperty "a law sums to 1 and gives nothing to impossible counts" (fun (PositiveInt length, PositiveInt values) ->
          let length, values = 1 + length % 40, 1 + values % 40
          let law = UniqueElements.Law(length, values)
          Tol.close Tol.scalar 1.0 (Array.sum law) "sum"
          for k in 0..values do
              let possible = k >= 1 && k <= min length values
              Expect.equal (law[k] > 0.0) possible $"{k} of {values} in {length}")

      test "100,000 examples have counts by the law and elements that are all alike" {
          let count, length, values = 100_000, 26, 11
          let elements = Array.zeroCreate<int64> (length * count)
          UniqueElements.Fill(values, training, 0L, count, Span elements)
          let near p n (found: int) what =
              Tol.atMost (abs (float found - p * float n)) (5.0 * sqrt (float n * p * (1.0 - p))) what
          let counts = UniqueElements.Distinct(values, count, ReadOnlySpan elements) |> Array.countBy id |> dict
          let law = UniqueElements.Law(length, values)
          for k in 0..values do near law[k] count (match counts.TryGetValue k with | true, n -> n | _ -> 0) $"count {k}"
          for KeyValue(v, n) in elements |> Array.countBy id |> dict do near (1.0 / float values) elements.Length n $"value {v}"
          let first, last = [| for b in 0 .. count - 1 -> elements[b], elements[25 * count + b] |] |> Array.unzip
          near (1.0 / float values) count (Array.map2 (fun a b -> if a = b then 1 else 0) first last |> Array.sum) "first and last are independent"
      }
      testProperty "an example is a function of key and index, and a shorter one its beginning" (fun (PositiveInt index, PositiveInt length) ->
          let length = 1 + length % 26
          let alone = (examples 11 26 training (int64 index) 1)[0]
          let among = examples 11 length training (int64 (max 0 (index - 3))) 7
          Expect.equal among[min 3 index] alone[.. length - 1] "the same")

      testProperty "distinct values are counted" (fun (PositiveInt count, PositiveInt length, seed: int64) ->
          let count, length = 1 + count % 9, 1 + length % 30
          let elements = Array.zeroCreate<int64> (length * count)
          UniqueElements.Fill(7, NoiseKey.FromSeed seed, 0L, count, Span elements)
          let expected = [| for b in 0 .. count - 1 -> Set.count (set [ for t in 0 .. length - 1 -> elements[t * count + b] ]) |]
          Expect.equal (UniqueElements.Distinct(7, count, ReadOnlySpan elements)) expected "counts")

      test "training, validation and test share no example, nor do two seeds; validation and test are the same for all" {
          let sets =
              [ training; UniqueElements.KeyOf(Split.Train, 0L); UniqueElements.KeyOf(Split.Train, 2L)
                UniqueElements.KeyOf(Split.Valid, 1L); UniqueElements.KeyOf(Split.Test, 1L) ]
              |> List.map (fun key -> set (examples 11 26 key 0L 5_000))
          for s in sets do Expect.equal s.Count 5_000 "no repetition"
          Expect.equal (Set.unionMany sets).Count 25_000 "nothing shared"
          for split in [ Split.Valid; Split.Test ] do Expect.equal (UniqueElements.KeyOf(split, 1L)) (UniqueElements.KeyOf(split, 2L)) "the same"
      } ]

/// Lengths 2 to 6 of 4 values: 5 stages, epochs of 4 updates.
let private config =
    (PaperExperiments.ByName "unique").Config "tiny"
    |> having [
        "length", "6"; "firstLength", "2"; "values", "4"; "embedding", "3"; "hidden", "8"; "mlp", "5"; "batch", "7"; "epochUpdates", "4"; "epochs", "4"
        "validExamples", "40"; "testExamples", "510" ]

let private newTask (config: RunConfig) : ITrainingTask = new UniqueElementsTask(config, torch.CPU)

/// Everything of a run in one: a curriculum that goes by results, annealed noise, the best weights.
let trial =
    { Name = "unique elements"
      Config = config |> having [ "activation", "nan"; "clipOutput", "true"; "schedule", "paper"; "curriculum", "combined" ]
      Every = 4L
      Task = newTask }

/// Examples as the model takes them, [T, B].
let private sideBySide (batch: int[][]) =
    let elements = [| for t in 0 .. batch[0].Length - 1 do for example in batch -> int64 example[t] |]
    torch.tensor(elements).reshape (int64 batch[0].Length, int64 batch.Length)

let private moment update stage = BatchPosition(update, 1, update, stage)

let private nllOf (row: float[]) target = log (Array.sumBy exp row) - row[target]

let private model =
    [ for name in [ "soft"; "nan"; "nanil" ] do
          torchTest $"{name}: embedding, LSTM, mean over time, ReLUs, output, whichever engine runs" (fun () ->
              use m = new MeanPoolClassifier(5, RecurrentShape(3L, 6L), 4, 5, Variants.ByName name, NoiseClock 3L)
              use lstm = new NoisyLstm(RecurrentShape(3L, 6L), Variants.ByName name, NoiseClock 3L)
              use _ = torch.no_grad ()
              for struct (name, p) in lstm.named_parameters () do p.copy_ (m.get_parameter $"lstm.{name}") |> ignore
              lstm.Backend <- Backend.Composed
              let elements = torch.tensor([| 0L; 1L; 2L; 3L; 4L; 0L; 1L; 1L |]).reshape (4L, 2L)
              let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 2L, 0, Nullable 30.0)
              let output = (let struct (o, _, _) = lstm.forward ((m.get_parameter "encoder")[elements], Nullable(), context) in values o)
              let mean b unit = Array.average [| for t in 0..3 -> output[(t * 2 + b) * 6 + unit] |]
              let layer weights bias (x: float[]) =
                  let w, b = values (m.get_parameter weights), values (m.get_parameter bias)
                  [| for row in 0 .. b.Length - 1 -> b[row] + Array.sum (Array.mapi (fun i v -> v * w[row * x.Length + i]) x) |]
              let expected =
                  [| for b in 0..1 do
                         yield! Array.init 6 (mean b) |> layer "hidden_weight" "hidden_bias" |> Array.map (max 0.0) |> layer "output_weight" "output_bias" |]
              for engine in [ Backend.Auto; Backend.Composed ] do
                  m.Backend <- engine
                  closeTensor tensor32 ((vector expected).reshape (2L, 5L)) (m.forward (elements, context)) (string engine)) ]

let private task =
    [ torchTest "the loss is the cross-entropy of the counts, averaged over the batch, and right answers are counted" (fun () ->
          use task = newTask config
          let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 4L)
          let loss = task.Loss(moment 3L 5, context)
          let batch = examples 4 6 (training.Child "elements") 21L 7
          let elements = sideBySide batch
          let rows = values ((task.Model :?> MeanPoolClassifier).forward (elements, context)) |> Array.chunkBySize 4
          let targets = batch |> Array.map (fun s -> (Array.distinct s).Length - 1)
          let nll = Array.map2 nllOf rows targets |> Array.sum
          Tol.close tensor32 nll (scalarOf loss.NllSum) "sum"
          Tol.close tensor32 (nll / 7.0) (scalarOf loss.Objective) "objective"
          let right = Array.map2 (fun (row: float[]) t -> if row[t] = Array.max row then 1.0 else 0.0) rows targets |> Array.sum
          Expect.equal (scalarOf loss.Correct, loss.Items) (right, 7L) "right")

      torchTest "a stage is a length: the first has counts of 1 and 2 only, and mixed batches have one length each" (fun () ->
          use task = newTask (config.With("curriculum", "mix over 100"))
          Expect.equal task.Stages 5 "stages"
          let plan = Curriculum.Parse "mix over 100"
          let lengths = (UniqueElements.KeyOf(Split.Train, 1L).Child "lengths").At(0L, 0)
          let drawn = [ for u in 0L .. 19L -> plan.Draw(2, 5, lengths, u) ]
          Tol.above (List.distinct drawn).Length 3 "lengths"
          let nll update = scalarOf (task.Loss(moment update 2, NoiseContext.Test)).NllSum
          let expected update stage =
              let length = stage + 1
              let batch = examples 4 length (training.Child "elements") (update * 7L) 7
              let elements = sideBySide batch
              let rows = values ((task.Model :?> MeanPoolClassifier).forward (elements, NoiseContext.Test)) |> Array.chunkBySize 4
              Array.map2 (fun row s -> nllOf row ((Array.distinct s).Length - 1)) rows batch |> Array.sum
          for u in 0L .. 5L do Tol.close tensor32 (expected u drawn[int u]) (nll u) $"update {u}")

      torchTest "an evaluation covers its whole set, in batches, and changes nothing" (fun () ->
          use task = newTask config
          let before = WeightsHash.Compute task.Model
          for split, count in [ Split.Valid, 40; Split.Test, 510 ] do
              let found = task.Evaluate(split, 5, NoiseContext.Test, CancellationToken.None)
              let batch = examples 4 6 (UniqueElements.KeyOf(split, 1L)) 0L count
              let elements = sideBySide batch
              let rows = values ((task.Model :?> MeanPoolClassifier).forward (elements, NoiseContext.Test)) |> Array.chunkBySize 4
              let targets = batch |> Array.map (fun s -> (Array.distinct s).Length - 1)
              Tol.close tensor32 (Array.averageBy id (Array.map2 nllOf rows targets)) found["nll"] $"{split}: nll"
              let wrong = Array.map2 (fun (row: float[]) t -> if row[t] = Array.max row then 0.0 else 1.0) rows targets |> Array.average
              Tol.close Tol.scalar wrong found["error"] $"{split}: error"
          let nll stage = task.Evaluate(Split.Valid, stage, NoiseContext.Test, CancellationToken.None)["nll"]
          Expect.equal (List.distinct [ for stage in 1..5 -> nll stage ]).Length 5 "each stage has a score of its own"
          Expect.throwsT<ArgumentOutOfRangeException> (fun () -> task.Evaluate(Split.Train, 1, NoiseContext.Test, CancellationToken.None) |> ignore) "train"
          use stop = new CancellationTokenSource()
          stop.Cancel()
          Expect.throwsT<OperationCanceledException> (fun () -> task.Evaluate(Split.Valid, 1, NoiseContext.Test, stop.Token) |> ignore) "stopped"
          Expect.equal (WeightsHash.Compute task.Model) before "weights")

      torchTest "it learns: two values in three elements, well below the error of the most frequent count" (fun () ->
          use folder = new TempFolder()
          let easy =
              config
              |> having [ "length", "3"; "firstLength", "3"; "values", "2"; "hidden", "12"; "batch", "32"; "epochUpdates", "40"; "epochs", "5"; "activation", "nan"; "clipOutput", "true" ]
          use task = newTask easy
          let summary, _ = trainTask task easy folder.Path (Nullable()) quiet CancellationToken.None
          let majority = (PaperExperiments.ByName "unique").Baseline(task).Value
          Tol.close Tol.scalar 0.25 majority "1 of 2 values has probability 1/4"
          Tol.below summary.Value.Metrics.Test["error"] 0.1 "error") ]

let private experiment =
    let unique = PaperExperiments.ByName "unique"
    let real = DataIdentity("unique elements", DataIdentity.BuiltIn, "")

    [ test "the rows of Table 5 have the paper's figures on the paper's sequences, and only there" {
          for row, test in [ "reference", 0.3328; "nan-constant", 0.3112; "curriculum", 0.1483; "nan-annealed", 0.0953; "nanil-annealed", 0.2094 ] do
              let figure = unique.Paper(unique.RowConfig("paper", row), real)
              Expect.equal (figure.Test, figure.Table, figure.Metric) (Nullable test, "Table 5", "error") row
              Expect.equal (unique.Paper(unique.RowConfig("small", row), real)) figure $"{row}, small"
              Expect.isNull (box (unique.Paper(unique.RowConfig("tiny", row), real))) $"{row}, tiny"
              Expect.isNull (box (unique.Paper(unique.RowConfig("paper", row).With("hidden", "9"), real))) $"{row}, another width"
          Expect.isNull (box (unique.Paper(unique.RowConfig("paper", "nan-annealed-curriculum"), real))) "no figure"
      }
      test "all rows of a preset have the same number of updates, and curricula reach the last length half way" {
          for preset in unique.Presets do
              let configs = [ for row in unique.DefaultRows -> unique.RowConfig(preset.Name, row) ]
              let updates = configs |> List.map (fun c -> c.Training.Epochs * c.Training.EpochUpdates.Value, c.SettingsAs<UniqueElementsSettings>().Batch, c.Training.LearningRate) |> List.distinct
              Expect.equal updates.Length 1 "budget"
              let half = (let n, _, _ = updates.Head in int64 n / 2L)
              for c in configs do
                  let plan = c.Training.Curriculum
                  if plan.Kind <> CurriculumKind.None then Expect.equal plan.Over (Nullable half) preset.Name
      }
      test "impossible sizes are refused, all at once" {
          let config =
              unique.Config "tiny"
              |> having [ "length", "5"; "firstLength", "6"; "values", "1"; "embedding", "0"; "hidden", "0"; "mlp", "0"; "batch", "0"; "epochUpdates", "0"; "validExamples", "0"; "testExamples", "0" ]
          let expected =
              [| "epochUpdates is 0: must be >= 1"
                 "firstLength is 6: must be in [1, length], that is [1, 5]"
                 "values is 1: must be in [2, 1000]"
                 "embedding is 0: must be >= 1"
                 "hidden is 0: must be >= 1"
                 "mlp is 0: must be >= 1"
                 "batch is 0: must be >= 1"
                 "validExamples is 0: must be >= 1"
                 "testExamples is 0: must be >= 1" |]
          Tol.throws<InvalidSpecException> (InvalidSpecException(expected).Message) config.Validate
          let large = unique.Config "small" |> having [ "batch", "300000"; "values", "1000"; "testExamples", "100000000" ]
          let expected =
              [| "testExamples is 100000000 of length 26: together at most 268435448 elements"
                 "batch is 300000 of 1000 values: their product must be at most 268435448" |]
          Tol.throws<InvalidSpecException> (InvalidSpecException(expected).Message) large.Validate
      }
      torchTest "a curriculum over one length is refused" (fun () ->
          use folder = new TempFolder()
          let config = config |> having [ "firstLength", "6"; "curriculum", "naive over 10" ]
          use task = newTask config
          Tol.throws<UsageException>
              "curriculum 'naive over 10' needs stages of difficulty, and unique with this config has one: leave it at 'none'"
              (fun () -> trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore)) ]

let tests =
    testSequenced
    <| testList "unique elements" [
        testList "generator" generator
        testList "model" model
        testList "task" task
        testList "experiment" experiment
    ]
