module Noisy.Tests.BenchTests

open System
open System.IO
open System.Text.Json.Nodes
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Scripts
open Noisy.Scripts.BenchRounds
open Noisy.Scripts.BenchSizes
open Noisy.Tests.TorchHelpers

let private parsed (words: string list) =
    match BenchOptions.read (Array.ofList words) with
    | Some options -> options
    | None -> failtest "taken for --help"

let private refusal (words: string list) (expected: string) =
    test $"""'{String.Join(" ", words)}' is refused in one sentence""" {
        try
            parsed words |> ignore
            failtestf "%A was accepted" words
        with :? UsageException as error ->
            Expect.stringContains error.Message expected "message"
            Expect.equal error.ExitCode 2 "exit code"
            Expect.isFalse (error.Message.Contains '\n') "one line"
    }

let private small = all[0]
let private medium = all[1]
let private tiny = { Name = "tiny"; Batch = 2; Steps = 3; Layers = 1; Hidden = 4; Vocabulary = 10 }
let private never () = false

/// What --quick would do, in a moment.
let private effort : Bench.Effort =
    { Budget = { Seconds = 0.0; Slice = 0.0; LeastRounds = 3; MostBefore = 1 }
      Count = 1000
      Presets = [ "tiny" ]
      CeilingSeconds = 0.01 }

let private optionTests =
    testList "options" [
        test "without options every suite is measured in both sizes on all threads" {
            let options = parsed []
            Expect.equal options.Suites [ "lstm"; "gru"; "softmax"; "inference"; "activation"; "lte"; "decoder"; "ntm"; "monitor" ] "suites"
            Expect.equal options.Sizes [ small; medium ] "sizes"
            Expect.equal options.Threads Environment.ProcessorCount "threads"
            Expect.equal options.Mode BenchOptions.Speed "mode"
        }
        test "names may have any case, and sizes any order" {
            let options = parsed [ "--suite"; "GRU"; "--config"; "m, s"; "M" ]
            Expect.equal options.Suites [ "gru" ] "suite"
            Expect.equal options.Sizes [ medium; small ] "sizes"
        }
        test "--quick takes less time, memory is measured in M and soaked in S" {
            Tol.below (parsed [ "--quick" ]).Seconds (parsed []).Seconds "seconds"
            Expect.equal (parsed [ "--memory" ]).Sizes [ medium ] "size of --memory"
            Expect.equal (parsed [ "--soak"; "50" ]).Sizes [ small ] "size of --soak"
        }
        refusal [ "--suite"; "rnn" ] "--suite is 'rnn': must be one of lstm, gru, softmax, inference, activation, lte, decoder, ntm, monitor, all"
        refusal [ "--config"; "S,L" ] "--config is 'L': must be S, M or both"
        refusal [ "--config"; "," ] "--config needs at least one value"
        refusal [ "--threads"; "0" ] "--threads is 0: must be at least 1"
        refusal [ "--threads"; "two" ] "--threads is 'two': must be an integer"
        refusal [ "--seconds"; "0" ] "--seconds is '0': must be a number above 0"
        refusal [ "--seconds"; "NaN" ] "--seconds is 'NaN': must be a number above 0"
        refusal [ "--quick"; "--seconds"; "3" ] "give one"
        refusal [ "--soak"; "9" ] "--soak is 9: must be at least 10"
        refusal [ "--memory"; "--soak"; "20" ] "one at a time"
        refusal [ "--memory"; "--json"; "x.json" ] "measure no speed"
        refusal [ "--memory"; "--pair"; "." ] "measure no speed"
        refusal [ "--soak"; "20"; "--what"; "step" ] "measure no speed"
        torchTest "--what takes the rows of a name, and refuses one that no row has" (fun () ->
            let options = { parsed [ "--suite"; "activation"; "--what"; "mlp" ] with Threads = 1 }
            Expect.equal (Bench.rows ignore effort options |> List.map _.What) [ "mlp"; "mlp" ] "rows"
            Tol.throws<UsageException> "--what is 'mpl': must be one of tanh, noise, module, mlp" (fun () ->
                Bench.rows ignore effort { options with What = Some "mpl" } |> ignore))
        test "what needs ONNX Runtime is refused where its library cannot be loaded, and other errors stay" {
            let missing () : unit = raise (TypeInitializationException("Microsoft.ML.OnnxRuntime.NativeMethods", DllNotFoundException "onnxruntime"))
            let message =
                "--suite inference needs ONNX Runtime, whose library onnxruntime cannot be loaded: name another suite, or copy it from NuGet's package "
                + $"Microsoft.ML.OnnxRuntime into {AppContext.BaseDirectory}"
            Tol.throws<UsageException> message (fun () -> OnnxLibrary.need "--suite inference" "name another suite, or " missing)
            Tol.throws<DataException> "no network" (fun () -> OnnxLibrary.need "--model" "" (fun () -> raise (DataException "no network")))
        }
        test "the words of options choose the same again" {
            for words in [ []; [ "--suite"; "gru"; "--config"; "M"; "--threads"; "3" ] ] do
                let options = parsed words
                let again = parsed (List.ofArray (BenchOptions.words options))
                Expect.equal (again.Suites, again.Sizes, again.Threads) (options.Suites, options.Sizes, options.Threads) "options"
        }
        refusal [ "--sute"; "lstm" ] "Did you mean --suite?"
        refusal [ "lstm" ] "'lstm'"
    ]

let private countTests =
    testList "counts" [
        test "time that the host or other programs took is told, and when it is too much" {
            let before: BenchMachine.ProcessorTimes = { Used = 1000.0; Stolen = 50.0; Whole = 10_000.0 }
            let after used stolen: BenchMachine.ProcessorTimes = { Used = 1000.0 + used; Stolen = 50.0 + stolen; Whole = 11_000.0 }
            let line = BenchMachine.disturbance before

            Expect.equal
                (line (after 900.0 20.0) 8.9)
                "of the processors' time the host kept back 2 % and other programs used 1 %"
                "quiet"

            Expect.equal
                (line (after 600.0 350.0) 5.0)
                "of the processors' time the host kept back 35 % and other programs used 10 %: too much for figures that are to be reported"
                "busy"

            Expect.stringContains (line before 0.0) "kept back 0 % and other programs used 0 %" "no time at all"
        }

        test "operations are those of a calculation by hand" {
            // 100 rows; 784 x 500 weights in two products, 500 x 10 in three; a multiply-add is two.
            Expect.equal BenchWork.perceptronOperations 1.598e8 "perceptron"
            // S: 400 rows, per layer 800 x 400 weights; 2 layers; 6 operations a weight and row. Output: 10,000 x 200 weights.
            Expect.equal (stackOperations Lstm small) 1.536e9 "LSTM layers, S"
            Expect.equal (stackOperations Gru small) 1.152e9 "GRU layers, S"
            Expect.equal (softmaxOperations small) 4.8e9 "output layer, S"
            Expect.equal (stepOperations Lstm small) 6.336e9 "step, S"
            // A row of S, forward: 800 x 400 weights a layer, 10,000 x 200 of the output layer.
            Expect.equal (forwardOperations small) (2.0 * (640_000.0 + 2_000_000.0)) "a token, S"
            // M: 700 rows, per layer 2,600 x 1,300 weights; output 10,000 x 650.
            Expect.equal (stackOperations Lstm medium) 28.392e9 "LSTM layers, M"
            Expect.equal (softmaxOperations medium) 27.3e9 "output layer, M"
        }
        test "operations of the stages add up to those of a step" {
            for cell in [ Lstm; Gru ] do
                for size in all do
                    let stages = stageOperations cell size
                    let known = set (Enum.GetNames<Noisy.Core.EngineStage>())
                    for stage in stages.Keys do Expect.isTrue (known.Contains stage) stage
                    Expect.floatClose Accuracy.high (Seq.sumBy snd (Map.toSeq stages)) (stepOperations cell size) "sum"
            // A row of S, one layer: 800 x 200 weights of the input; two layers; a multiply-add is two.
            Expect.equal (Map.find "Project" (stageOperations Lstm small)) (2.0 * 400.0 * 2.0 * 160_000.0) "projection"
        }
        test "operations of a machine are those of a calculation by hand" {
            // 32 time steps; 100 x 28 weights of the controller, 92 x 100 of the heads, 6 x 120 of the output; two heads look and act
            // on 128 x 20. The LSTM: 400 x 128 in place of 100 x 28.
            let operations = BenchSuites.machines "tiny" |> List.map machineOperations
            Expect.equal operations.Head (6.0 * 32.0 * (2800.0 + 9200.0 + 720.0 + 4.0 * 2560.0)) "feed-forward"
            Expect.equal operations[1] (6.0 * 32.0 * (51200.0 + 9200.0 + 720.0 + 4.0 * 2560.0)) "LSTM"
            Expect.equal operations[2] (16.0 * operations.Head) "sixteen episodes"
        }
        test "bytes are those of a calculation by hand" {
            // 16 x (4 + 4 + 2) weights and 10 x 5 of the output layer, seven times each; 6 rows of 4 of the embedding, six
            // times; 6 rows of 16 gates and 10 exponentials, twice. Four bytes a number.
            Expect.equal (stepBytes Lstm tiny) (4.0 * (7.0 * (160.0 + 50.0) + 6.0 * 24.0 + 2.0 * 156.0)) "LSTM"
        }
        test "the operations that are counted are those that the ceiling's loop is timed on" {
            for threads in [ 1; 2 ] do
                Tol.above (EngineBenchmark.TileGflops(threads, 0.01)) 0.0 "operations"
                Tol.above (EngineBenchmark.CopyGigabytes(threads, 0.01)) 0.0 "bytes"
                Tol.above (EngineBenchmark.BarrierNanoseconds(threads, 0.01)) 0.0 "barrier"

            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> EngineBenchmark.TileGflops(0, 1.0) |> ignore) "threads"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> EngineBenchmark.CopyGigabytes(1, 0.0) |> ignore) "seconds"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> EngineBenchmark.BarrierNanoseconds(1, 0.0) |> ignore) "seconds"
        }
    ]

let private roundTests =
    testList "rounds" [
        test "the median of an even number of values is the mean of the two in the middle" {
            Expect.equal (median [ 3.0; 1.0; 2.0 ]) 2.0 "odd"
            Expect.equal (median [ 4.0; 1.0; 2.0; 3.0 ]) 2.5 "even"
        }
        test "the ratio is the median of each round's own, not that of the medians" {
            let rounds = { Ours = [| 1.0; 10.0; 2.0 |]; Baseline = [| 2.0; 30.0; 2.0 |] }
            Expect.equal rounds.Ratio 2.0 "ratio"
            Expect.equal rounds.BestRatio 2.0 "of the shortest"
        }
        test "quartiles, and an interval of the median by ranks" {
            let values = [ for i in 1 .. 9 -> float i ] |> List.rev
            Expect.equal (quantile 0.25 values, quantile 0.75 values) (3.0, 7.0) "quartiles"
            Expect.equal (quantile 0.25 [ 1.0; 2.0 ]) 1.25 "between two"
            Expect.equal (medianInterval values) (2.0, 8.0) "of nine the second and the eighth: all but 3.9 % of the cases"
            Expect.equal (medianInterval [ 3.0; 1.0; 2.0 ]) (1.0, 3.0) "of three all"
            Expect.equal (medianInterval [ for i in 1..2000 -> float i ]) (956.0, 1045.0) "of two thousand"
        }
        test "the two take turns, and each begins every other round" {
            let order = ResizeArray<string>()
            let rounds = measure never effort.Budget (fun () -> order.Add "theirs") (fun () -> order.Add "ours")
            Expect.equal (List.ofSeq order) [ "theirs"; "ours"; "ours"; "theirs"; "theirs"; "ours"; "ours"; "theirs" ] "once to warm up, then in turn"
            Expect.equal rounds.Ours.Length 3 "rounds"
        }
        test "a measurement can be stopped" {
            Expect.throwsT<OperationCanceledException> (fun () -> measure (fun () -> true) effort.Budget ignore ignore |> ignore) "stopped"
        }
        test "memory grows if it ends 5 % and 20 MB above" {
            Expect.isFalse (BenchMemory.grows 100.0 125.0) "just not"
            Expect.isTrue (BenchMemory.grows 100.0 125.1) "just so"
        }
    ]

let private compareTests =
    let record ratio low high : BenchSuites.Record =
        { Suite = "gru"; Config = "S"; What = "step"; Activation = "nah"; Baseline = "libtorch nn.GRU"; Path = "fused-cpu"; Threads = 2; Ratio = ratio
          Low = low; High = high; FirstQuartile = low; ThirdQuartile = high; BestRatio = ratio; MedianMs = 1.0; BaselineMs = ratio; Rounds = 9; Gflops = 1.0; Processor = "P" }

    let written (records: BenchSuites.Record list) =
        let file = Path.GetTempFileName()
        File.WriteAllText(file, BenchReport.json { Threads = 2; Gflops = 1.0; Gigabytes = 1.0; Barrier = 1.0 } records)
        file

    testList "comparison" [
        test "a ratio has changed where the intervals do not touch" {
            let before: BenchCompare.Earlier list = BenchCompare.read (written [ record 2.0 1.9 2.1 ])
            Expect.equal ([ for earlier in before -> earlier.Key ]) [ BenchCompare.key (record 1.0 1.0 1.0) ] "the same measurement"
            let verdict = BenchCompare.verdict before.Head
            Expect.equal (verdict (record 2.3 2.2 2.4)) "faster" "above"
            Expect.equal (verdict (record 1.7 1.6 1.8)) "slower" "below"
            Expect.equal (verdict (record 2.2 2.0 2.4)) "no difference shown" "touching"
            Expect.equal (verdict { record 2.3 2.2 2.4 with Processor = "Q" }) "another processor" "elsewhere"
            Expect.equal (BenchCompare.verdict { before.Head with Interval = None } (record 2.3 2.2 2.4)) "no interval in the file" "an old file"
        }
        test "a ceiling is one of the threads that it was measured on" {
            let records = [ record 2.0 1.9 2.1; { record 2.0 1.9 2.1 with Threads = 1 } ]
            let ceilings = [ for item in JsonNode.Parse(File.ReadAllText(written records)).AsArray() -> isNull item["ceiling_gflops"] ]
            Expect.equal ceilings [ false; true ] "null on others"
        }
        test "a file of something else is refused" {
            for text in [ ""; "{}"; "[1]"; "[{}]" ] do
                let file = Path.GetTempFileName()
                File.WriteAllText(file, text)
                Tol.throws<UsageException> $"--compare: {file} has no records of this benchmark: name a file that --json wrote" (fun () -> BenchCompare.read file |> ignore)
            Expect.throwsT<UsageException> (fun () -> BenchCompare.read "/no/such/file.json" |> ignore) "none"
        }
    ]

let private recordTests =
    testList "records" [
        torchTest "every suite gives records with every field" (fun () ->
            let options = { parsed [ "--quick"; "--threads"; "1" ] with Sizes = [ tiny ] }
            let told = ResizeArray<string>()
            let ceiling, records = Bench.measure never told.Add effort (Bench.rows told.Add effort options) options
            let list = JsonNode.Parse(BenchReport.json ceiling records).AsArray()
            let texts = [ "suite"; "config"; "what"; "activation"; "baseline"; "path"; "processor" ]
            let numbers = [ "threads"; "ratio"; "ratio_low"; "ratio_high"; "ratio_q1"; "ratio_q3"; "median_ms"; "baseline_ms"; "rounds"; "gflops"; "ceiling_gflops" ]

            for item in list do
                let item = item.AsObject()
                Expect.equal (item |> Seq.map _.Key |> set) (set (texts @ numbers)) "fields"
                for name in texts do Expect.isNotEmpty (item[name].GetValue<string>()) name

                for name in numbers do
                    let value = item[name].GetValue<float>()
                    Expect.isTrue (Double.IsFinite value) name
                    if name <> "gflops" then Tol.above value 0.0 name

            let what suite = [ for r in records do if r.Suite = suite then r.What, r.Activation, r.Path ]
            Expect.equal (what "gru") [ for w in [ "step"; "stack"; "drop-in"; "drop-in + optimiser"; "drop-in + all"; "cells"; "cell calls" ] -> w, "nah", "fused-cpu" ] "GRU"
            Expect.equal (what "lte") [ for a in [ "nah"; "soft"; "nah" ] -> "update", a, "fused-cpu" ] "programs"
            Expect.equal (what "decoder") [ for _ in 1 .. 4 -> "4 updates", "nah", "fused-cpu" ] "decoders"
            Expect.equal (what "ntm") [ for w in [ "feedforward"; "lstm"; "feedforward" ] -> w, "nan", "fused-cpu" ] "machines"
            Expect.equal (what "softmax") [ "softmax", "none", "fused-cpu" ] "output layer"
            let precisions =
                [ for path in [ "core"; "core, int8" ] do for w in [ "next"; "score" ] -> w, "soft", path
                  for w in [ "next"; "next"; "score"; "score" ] -> w, "soft", "core" ]
            Expect.equal (what "inference") (precisions @ precisions) "inference, of one column and of many"

            Expect.equal (what "lstm")
                [ "step", "nah", "fused-cpu"; "stack", "nah", "fused-cpu"; "drop-in", "nah", "fused-cpu"
                  "drop-in + optimiser", "nah", "fused-cpu"; "drop-in + all", "nah", "fused-cpu"; "cells", "nah", "fused-cpu"; "cell calls", "nah", "fused-cpu"
                  "step", "nah", "fused-cpu"; "step", "soft", "fused-cpu"; "step", "hard", "fused-cpu"; "step", "nah", "composed" ] "LSTM"

            Expect.equal (what "activation")
                [ "tanh", "nah", "span-kernels"; "noise", "none", "span-kernels"; "module", "nah", "fused-cpu"; "mlp", "nah", "fused-cpu"; "mlp", "nah", "composed" ] "activation"

            Expect.equal told.Count (records.Length + 2) "a line for each, and two for the ceiling")
        torchTest "the core, libtorch and both forms in ONNX Runtime give the same logits and nats" (fun () ->
            for size in [ tiny; { tiny with Layers = 2; Hidden = 37; Vocabulary = 101 } ] do
                for batch in [ 1; 3; 32 ] do
                    let logits, nats = BenchInference.differences size batch
                    Tol.below logits 1e-5 $"logits, %d{size.Hidden} units, %d{batch} columns"
                    Tol.below nats 1e-5 $"nats, %d{size.Hidden} units, %d{batch} columns")

        torchTest "libtorch's loop and the drop-ins train all their weights" (fun () ->
            let nah = Some Noisy.Core.Variants.Nah
            for cell in [ Lstm; Gru ] do
                for activations, exchanged in
                    [ None, BenchWork.nothing
                      nah, BenchWork.nothing
                      nah, { Optimiser = true; Ends = false }
                      nah, { Optimiser = true; Ends = true } ] do
                    let model, work = BenchWork.torchLoop cell tiny BenchWork.ZeroGrad activations exchanged
                    let weights () = [ for struct (name, p) in model.named_parameters () do if not (name.Contains ".p_") then values p ]
                    let before = weights ()
                    Expect.hasLength before 7 "embedding, a layer, output layer"
                    for _ in 1 .. 2 do work.Run()
                    for b, a in List.zip before (weights ()) do Expect.notEqual a b "a parameter"
                    work.Free())

        torchTest "two builds take turns: the other one's work is made of its own assemblies, on the libtorch of this one" (fun () ->
            let words = [| "--suite"; "activation"; "--config"; "S"; "--threads"; "1" |]
            let plan = BenchSuites.plan [ "activation" ] [ small ] 1 effort.Count effort.Presets
            let told = ResizeArray<string>()
            let more = { plan.Head with What = "of today" }
            let pairs = BenchPair.against AppContext.BaseDirectory words effort.Count effort.Presets told.Add (plan @ [ more ])
            Expect.equal [ for pair in pairs -> pair.What ] [ for m in plan -> m.What ] "rows"
            Expect.sequenceEqual told [ $"activation %d{effort.Count} of today nah: the other build has no such row" ] "told"
            for pair in pairs do
                let ours, theirs = pair.Ours(), pair.Theirs()
                Expect.equal (ours.Path()) (theirs.Path()) "path"
                Expect.isFalse (obj.ReferenceEquals(ours.Run.GetType().Assembly, theirs.Run.GetType().Assembly)) "assemblies"
                theirs.Run()
                ours.Run()
                theirs.Free()
                ours.Free()
            let record = BenchSuites.run never effort.Budget pairs.Head
            Expect.equal record.Baseline "the other build" "baseline")

        test "a folder without a build is refused in one sentence" {
            Tol.throws<UsageException> "--pair: /no/such/clone has no built scripts: name a clone of this library in which a script has run" (fun () ->
                BenchPair.folderOf "/no/such/clone" |> ignore)
        }

        torchTest "our step and libtorch's can be made again and again" (fun () ->
            for cell in [ Lstm; Gru ] do
                for work in
                    [ BenchWork.theirStep cell tiny BenchWork.ZeroGrad
                      BenchWork.ourStep cell tiny Noisy.Core.Variants.Nah Backend.Auto ] do
                    for _ in 1 .. 40 do work.Run()
                    work.Free())
    ]

let tests =
    testSequenced // they set torch's number of threads
    <| testList "benchmark" [ optionTests; countTests; roundTests; compareTests; recordTests ]
