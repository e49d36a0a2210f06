/// Trained language models at work: the core without torch, libtorch and ONNX Runtime, on the same weights.
module Noisy.Scripts.BenchInference

open System
open System.Collections.Generic
open System.IO
open Microsoft.ML.OnnxRuntime
open Noisy.Core
open Noisy.Models
open Noisy.Scripts.BenchSizes
open Noisy.Scripts.BenchWork
open TorchSharp

type private Tensor = torch.Tensor
type private F = torch.nn.functional

/// Columns of the measurements, and predicted tokens of a text.
let batches = [ 1; 32 ]
let length = 256

/// Steps that pass a baseline at a time where a text is scored: what many columns need at once stays within bounds.
let private window batch = if batch = 1 then length else 32

let private token (size: Size) t b = int64 ((t * 7919 + b * 104_729 + 13) % size.Vocabulary)

let private shape (size: Size) = RecurrentShape(int64 size.Hidden, int64 size.Hidden, size.Layers)

/// The weights of all, wide enough that gates differ from one half.
let private network (size: Size) = new RecurrentLanguageModel(size.Vocabulary, shape size, Variants.Soft, 0.2, NoiseClock 1L)

// ---- Files ----------------------------------------------------------------------------------------------------------

/// Files are made once: the medium model's take longer than a measurement.
let private once (make: Size -> byte[]) =
    let made = System.Collections.Concurrent.ConcurrentDictionary<Size, byte[]>()
    fun size -> made.GetOrAdd(size, make)

let private writeWeights (size: Size) =
    use _ = torch.NewDisposeScope()
    use model = network size
    let codec = TextCodec([| for i in 0 .. size.Vocabulary - 1 -> $"w{i}" |], null, null)
    let metadata = Dictionary [ yield! ModelMetadata.Write(Variants.Soft, NoiseContext.Test); yield! ModelMetadata.Write codec ]
    use stream = new MemoryStream()
    Safetensors.Write(stream, model.state_dict (), metadata)
    stream.ToArray()

let private writeExported (size: Size) =
    use _ = torch.NewDisposeScope()
    use model = network size
    use stream = new MemoryStream()
    OnnxExport.Write(model, stream)
    stream.ToArray()

let private writeOperators scores (size: Size) =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    use model = network size
    let graph = OnnxGraph(model, null)
    let weight (name: string) = model.state_dict()[name]
    let layers, units = string size.Layers, string size.Hidden
    let tokens = graph.Input("tokens", OnnxGraph.Int64, [| "time"; "batch" |])
    let hidden = graph.Input("hidden", OnnxGraph.Float, [| layers; "batch"; units |])
    let cell = graph.Input("cell", OnnxGraph.Float, [| layers; "batch"; units |])
    let split state = if size.Layers = 1 then [| state |] else graph.Nodes("Split", size.Layers, [| state |], struct ("axis", box 0))
    let hiddens, cells = split hidden, split cell

    // Gates: torch has input, forget, candidate, output; ONNX input, output, forget, candidate.
    let gates (name: string) =
        let parts = (weight name).chunk (4L, 0L)
        torch.cat([| parts[0]; parts[3]; parts[1]; parts[2] |], 0L)

    let x = OnnxValue(graph.Node("Gather", [| graph.Weight("encoder", weight "encoder"); tokens |], struct ("axis", box 0)).Name, [| "time"; "batch"; units |])

    let step (x: OnnxValue, finals: (OnnxValue * OnnxValue) list) layer =
        let bias = torch.cat ([| gates $"lstm.bias_ih_l{layer}"; gates $"lstm.bias_hh_l{layer}" |], 0L)

        let inputs =
            [| x
               graph.Weight("w", (gates $"lstm.weight_ih_l{layer}").unsqueeze 0L)
               graph.Weight("r", (gates $"lstm.weight_hh_l{layer}").unsqueeze 0L)
               graph.Weight("b", bias.unsqueeze 0L)
               null
               hiddens[layer]
               cells[layer] |]

        let results = graph.Nodes("LSTM", 3, inputs, struct ("hidden_size", box size.Hidden))
        let output = graph.Node("Squeeze", [| results[0]; graph.Integers 1L |])
        OnnxValue(output.Name, x.Axes), finals @ [ results[1], results[2] ]

    let top, finals = List.fold step (x, []) [ 0 .. size.Layers - 1 ]
    let logits = graph.Linear(top, "decoder_weight", weight "decoder_weight", "decoder_bias", weight "decoder_bias")

    if scores then
        let targets = graph.Node("Unsqueeze", [| graph.Input("targets", OnnxGraph.Int64, [| "time"; "batch" |]); graph.Integers 2L |])
        let likelihoods = graph.Node("GatherElements", [| graph.Node("LogSoftmax", [| logits |], struct ("axis", box -1)); targets |], struct ("axis", box 2))
        graph.Output("nats", graph.Node("Neg", [| graph.Node("ReduceSum", [| likelihoods |], struct ("keepdims", box 0)) |]))
    else
        graph.Output("logits", logits)

    let joined part = OnnxValue(graph.Node("Concat", [| for final in finals -> part final |], struct ("axis", box 0)).Name, hidden.Axes)
    graph.Output("new_hidden", joined fst)
    graph.Output("new_cell", joined snd)
    ProtoMessage().Add(1, 8L).Add(2, "Noisy").Add(7, graph.ToMessage "lstm").Add(8, ProtoMessage().Add(1, "").Add(2, 17L)).Content.ToArray()

/// The weights as a run leaves them.
let weights = once writeWeights

/// The model as this library exports it: a loop over the cell's own formula.
let exported = once writeExported

/// The same made of ONNX's own operator LSTM, which knows tanh and sigmoid, and no noisy unit.
let operators = once (writeOperators false)

/// The model of operators with targets as another input, and their negative log-likelihood in place of the logits.
let private scoring = once (writeOperators true)

// ---- The three ------------------------------------------------------------------------------------------------------

/// libtorch's own layers: from tokens [T B] to logits [T B, V], states carried.
type private Torch(size: Size, batch: int, from: IReadOnlyDictionary<string, Tensor>) =
    let embedding = torch.nn.Embedding(int64 size.Vocabulary, int64 size.Hidden)
    let layers = torch.nn.LSTM(int64 size.Hidden, int64 size.Hidden, int64 size.Layers)
    let linear = torch.nn.Linear(int64 size.Hidden, int64 size.Vocabulary)
    let zero () = torch.zeros(int64 size.Layers, int64 batch, int64 size.Hidden).DetachFromDisposeScope()
    let mutable hidden, cell = zero (), zero ()

    do
        use _ = torch.NewDisposeScope()
        use _ = torch.no_grad ()
        embedding.weight.copy_ from["encoder"] |> ignore
        linear.weight.copy_ from["decoder_weight"] |> ignore
        linear.bias.copy_ from["decoder_bias"] |> ignore
        for struct (name, parameter) in layers.named_parameters () do parameter.copy_ from[$"lstm.{name}"] |> ignore
        for m in [ embedding :> torch.nn.Module; layers; linear ] do m.eval ()

    member _.Logits(tokens: int64[]) =
        let x = embedding.call (torch.tensor(tokens).reshape (-1L, int64 batch))
        let struct (output, h, c) = layers.call (x, Nullable<struct (Tensor * Tensor)>(struct (hidden, cell)))
        hidden.Dispose()
        cell.Dispose()
        hidden <- h.DetachFromDisposeScope()
        cell <- c.DetachFromDisposeScope()
        linear.call (output.reshape (-1L, int64 size.Hidden))

    member _.Clear() =
        hidden.zero_ () |> ignore
        cell.zero_ () |> ignore

    member _.Free() =
        for m in [ embedding :> torch.nn.Module; layers; linear ] do m.Dispose()
        hidden.Dispose()
        cell.Dispose()

let private libtorch (size: Size) batch =
    use _ = torch.NewDisposeScope()
    let read = SafetensorsReader.Read(new MemoryStream(weights size))
    Torch(size, batch, dict [ for tensor in read.Tensors.Values -> tensor.Name, torch.tensor(tensor.Values).reshape [| for s in tensor.Shape -> int64 s |] ] |> Dictionary)

/// A session of ONNX Runtime: from tokens [T B], and targets where a model has them, to its first result; states carried.
type private Onnx(size: Size, batch: int, threads: int, model: byte[]) =
    let options = new SessionOptions(IntraOpNumThreads = threads, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR)
    let session = new InferenceSession(model, options)
    let run = new RunOptions()
    let inputs, first = Array.ofSeq session.InputNames, session.OutputNames |> Seq.find (fun name -> not (name.StartsWith "new_"))
    let outputs = [| first; "new_hidden"; "new_cell" |]
    let zero () = OrtValue.CreateTensorValueFromMemory(Array.zeroCreate<float32> (size.Layers * batch * size.Hidden), [| int64 size.Layers; int64 batch; int64 size.Hidden |])
    let mutable states = [| zero (); zero () |]
    let mutable result: OrtValue = null

    member _.Run(tokens: int64[], ?targets: int64[]) =
        let tensor (values: int64[]) = OrtValue.CreateTensorValueFromMemory(values, [| int64 (values.Length / batch); int64 batch |])
        let given = dict [ "tokens", tensor tokens; "hidden", states[0]; "cell", states[1]; match targets with Some values -> "targets", tensor values | None -> () ]
        let results = session.Run(run, inputs, [| for name in inputs -> given[name] |], outputs)
        for value in given.Values do value.Dispose()
        if not (isNull result) then result.Dispose()
        states <- [| results[1]; results[2] |]
        result <- results[0]

    member _.Result() = result.GetTensorDataAsSpan<float32>().ToArray()

    member _.Clear() =
        for state in states do state.Dispose()
        states <- [| zero (); zero () |]

    member _.Free() =
        for state in states do state.Dispose()
        if not (isNull result) then result.Dispose()
        run.Dispose()
        session.Dispose()
        options.Dispose()

let private load size precision = LanguageModel.Load(new MemoryStream(weights size: byte[]), VectorWidth.Auto, false, precision)

let private name (precision: WeightPrecision) = if precision = WeightPrecision.Single then "core" else "core, int8"

/// Tokens after one another for each call of a measurement.
let private turning (size: Size) batch (run: int64[] -> unit) =
    let all = [| for t in 0 .. 127 -> Array.init batch (token size t) |]
    let mutable turn = 0

    fun () ->
        run all[turn]
        turn <- (turn + 1) % all.Length

// ---- One token ------------------------------------------------------------------------------------------------------

/// The core: the next token of each column.
let ourNext size batch threads precision : Work =
    let session = (load size precision).CreateSession(batch, threads)
    let tokens = Array.zeroCreate<int> batch

    let run (next: int64[]) =
        for b in 0 .. batch - 1 do tokens[b] <- int next[b]
        session.Next(ReadOnlySpan tokens)

    { Run = turning size batch run; Path = (fun () -> name precision); Free = session.Dispose }

/// libtorch: the same.
let torchNext size batch : Work =
    let model = libtorch size batch

    let run tokens =
        use _ = torch.NewDisposeScope()
        use _ = torch.inference_mode true
        model.Logits tokens |> ignore

    { Run = turning size batch run; Path = (fun () -> "libtorch"); Free = model.Free }

/// ONNX Runtime: the same.
let onnxNext size batch threads (file: Size -> byte[]) : Work =
    let model = Onnx(size, batch, threads, file size)
    { Run = turning size batch (fun tokens -> model.Run tokens); Path = (fun () -> "onnx"); Free = model.Free }

// ---- A text ---------------------------------------------------------------------------------------------------------

let private texts size batch = [| for b in 0 .. batch - 1 -> [| for t in 0..length -> int (token size t b) |] |]

/// Windows of the texts: inputs and targets [T B].
let private windows size batch =
    let steps = window batch

    [| for first in 0..steps .. length - 1 ->
           let at shift = [| for t in first .. first + steps - 1 do for b in 0 .. batch - 1 -> token size (t + shift) b |]
           at 0, at 1 |]

let private scored size batch threads precision =
    let model, texts = load size precision, texts size batch
    fun () -> model.Score(texts, threads = threads) |> Seq.sumBy _.Nats

let private torchScored size batch =
    let model, windows = libtorch size batch, windows size batch

    let run () =
        use _ = torch.NewDisposeScope()
        use _ = torch.inference_mode true
        model.Clear()

        windows
        |> Array.sumBy (fun (inputs, targets) ->
            use _ = torch.NewDisposeScope()
            F.cross_entropy(model.Logits inputs, torch.tensor targets, reduction = torch.nn.Reduction.Sum).item<float32> () |> float)

    run, model.Free

/// The core: the negative log-likelihood of a text in each column.
let ourScore size batch threads precision : Work =
    let run = scored size batch threads precision
    { Run = run >> ignore; Path = (fun () -> name precision); Free = ignore }

/// libtorch: the same.
let torchScore size batch : Work =
    let run, free = torchScored size batch
    { Run = run >> ignore; Path = (fun () -> "libtorch"); Free = free }

/// ONNX Runtime: logits alone, without the softmax, which counts for it.
let onnxLogits size batch threads (file: Size -> byte[]) : Work =
    let model, windows = Onnx(size, batch, threads, file size), windows size batch

    let run () =
        model.Clear()
        for inputs, _ in windows do model.Run inputs

    { Run = run; Path = (fun () -> "onnx"); Free = model.Free }

let private onnxScored size batch threads =
    let model, windows = Onnx(size, batch, threads, scoring size), windows size batch

    let run () =
        model.Clear()

        windows
        |> Array.sumBy (fun (inputs, targets) ->
            model.Run(inputs, targets)
            float (model.Result()[0]))

    run, model.Free

/// ONNX Runtime, with softmax and likelihood as operators of its own: the same as the core.
let onnxScore size batch threads : Work =
    let run, free = onnxScored size batch threads
    { Run = run >> ignore; Path = (fun () -> "onnx"); Free = free }

// ---- That all do the same -------------------------------------------------------------------------------------------

/// The greatest difference of any logit from the core's, after some tokens, and of the others' nats of a text, relative.
let differences (size: Size) batch =
    use _ = torch.NewDisposeScope()
    use _ = torch.inference_mode true
    use session = (load size WeightPrecision.Single).CreateSession batch
    let theirs, loop, own = libtorch size batch, Onnx(size, batch, 1, exported size), Onnx(size, batch, 1, operators size)
    let apart = Array.fold2 (fun most (a: float32) b -> if abs (a - b) <= most then most else abs (a - b)) 0.0f // NaN counts
    let mutable most = 0.0f

    for t in 0..4 do
        let tokens = Array.init batch (token size t)
        session.Next(ReadOnlySpan(Array.map int tokens))
        loop.Run tokens
        own.Run tokens
        let ours = Array.concat [ for b in 0 .. batch - 1 -> session.Logits(b).ToArray() ]
        for other in [ theirs.Logits(tokens).data<float32>().ToArray(); loop.Result(); own.Result() ] do
            most <- max most (apart ours other)

    for free in [ theirs.Free; loop.Free; own.Free ] do free ()
    let ours = scored size batch 1 WeightPrecision.Single ()

    let nats =
        [ for run, free in [ torchScored size batch; onnxScored size batch 1 ] do
              let theirs = run ()
              free ()
              abs (ours / theirs - 1.0) ]

    float most, List.reduce (fun a b -> if a <= b then b elif b <= a then a else nan) nats

/// Throws if the compared do not compute the same.
let check size batch =
    let logits, nats = differences size batch
    if not (logits <= 1e-4 && nats <= 1e-5) then
        failwith $"the core, libtorch and ONNX Runtime differ by %g{logits} in logits and %g{nats} in nats: they are not to be compared"

// ---- Load and memory ------------------------------------------------------------------------------------------------

/// Who runs a model that lies in a file: name, and how the file is made.
let runtimes =
    [ "core", weights
      "core-int8", weights
      "libtorch", weights
      "onnx", exported
      "onnx-lstm", operators ]

/// Opens a model in this process and predicts a token; the milliseconds until its logits are there.
let opened (runtime: string) (path: string) (size: Size) =
    let start = Diagnostics.Stopwatch.GetTimestamp()

    match runtime with
    | "core" | "core-int8" ->
        use file = File.OpenRead path
        let precision = if runtime = "core" then WeightPrecision.Single else WeightPrecision.Int8
        use session = LanguageModel.Load(file, VectorWidth.Auto, false, precision).CreateSession()
        session.Next(1).Length |> ignore
    | "libtorch" ->
        // Straight from the file into the layers, without the model that the others' files were made of.
        use _ = torch.NewDisposeScope()
        use _ = torch.inference_mode true
        let struct (tensors, _) = Safetensors.Read path
        (Torch(size, 1, tensors)).Logits [| 1L |] |> ignore
    | _ ->
        let model = Onnx(size, 1, torch.get_num_threads (), File.ReadAllBytes path)
        model.Run [| 1L |]

    Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds
