/// Exported models in ONNX Runtime, models to export, and the program that checks them.
module Noisy.Tests.OnnxHelpers

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open Microsoft.ML.OnnxRuntime
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A model's bytes as they would lie in a file.
let exported (model: torch.nn.Module) (axes: string list option) (noise: NoiseContext option) =
    use stream = new MemoryStream()
    OnnxExport.Write(model, stream, (match axes with Some axes -> List.toArray axes | None -> null), Option.toObj noise)
    stream.ToArray()

let private session (model: byte[]) =
    use options = new SessionOptions(IntraOpNumThreads = 1, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR)
    new InferenceSession(model, options)

let private value (tensor: Tensor) =
    let shape = tensor.shape
    let flat = tensor.detach().contiguous()
    if tensor.dtype = torch.ScalarType.Int64 then OrtValue.CreateTensorValueFromMemory(flat.data<int64>().ToArray(), shape)
    else OrtValue.CreateTensorValueFromMemory(flat.data<float32>().ToArray(), shape)

/// Runs a model on named inputs: its outputs by name, in their order.
let run (model: byte[]) (inputs: (string * Tensor) list) : (string * Tensor) list =
    use session = session model
    use options = new RunOptions()
    let values = [ for _, tensor in inputs -> value tensor ]

    try
        let names = List<string>(session.OutputNames)
        use outputs = session.Run(options, List<string>(List.map fst inputs), List<OrtValue>(values), names)

        [ for name, output in Seq.zip names outputs ->
              let shape = output.GetTensorTypeAndShape().Shape
              name, torch.tensor(output.GetTensorDataAsSpan<float32>().ToArray()).reshape shape ]
    finally
        for value in values do value.Dispose()

/// Names and declared shapes of inputs and outputs; −1 is a free size.
let signature (model: byte[]) =
    use session = session model
    let dimensions (all: IReadOnlyDictionary<string, NodeMetadata>) = [ for entry in all -> entry.Key, List.ofArray entry.Value.Dimensions ]
    dimensions session.InputMetadata, dimensions session.OutputMetadata

/// Names of an input's sizes; empty where one is fixed.
let axes (model: byte[]) (input: string) =
    use session = session model
    List.ofArray session.InputMetadata[input].SymbolicDimensions

/// The text that goes along with a model, by name.
let metadata (model: byte[]) =
    use session = session model
    Map [ for entry in session.ModelMetadata.CustomMetadataMap -> entry.Key, entry.Value ]

/// The largest difference of two lists of named tensors; infinity where names or shapes differ.
let difference (expected: (string * Tensor) list) (actual: (string * Tensor) list) =
    if List.map (fun (name, t) -> name, shape t) expected <> List.map (fun (name, t) -> name, shape t) actual then infinity
    else
        let apart (x: float) y =
            if x = y || (Double.IsNaN x && Double.IsNaN y) then 0.0
            elif Double.IsFinite(x - y) then abs (x - y)
            else infinity

        List.map2 (fun (_, e) (_, a) -> Array.map2 apart (values e) (values a)) expected actual |> Array.concat |> Array.fold max 0.0

/// Wider weights than at the start of a training, so that units saturate.
let widen (model: torch.nn.Module) =
    use _ = torch.no_grad ()
    for struct (name, weight) in model.named_parameters () do
        if not (NoisifyReport.IsGain name) then weight.mul_ ((4.0).ToScalar()) |> ignore
    model.eval ()

/// Weights that are the same in every run, without torch's generator, which other tests that run beside these use.
let settle (model: torch.nn.Module) =
    use _ = torch.no_grad ()
    for i, struct (_, weight) in Seq.indexed (model.named_parameters ()) do
        weight.copy_ (filled (30L + int64 i) (List.ofArray weight.shape)) |> ignore
    model.eval ()

/// An interpreter that has the onnx package.
let python =
    lazy
        ([ "python3"; "/usr/bin/python3" ]
         |> List.tryFind (fun name ->
             try
                 use check = Process.Start(ProcessStartInfo(name, [ "-c"; "import onnx" ], RedirectStandardError = true))
                 check.WaitForExit()
                 check.ExitCode = 0
             with :? ComponentModel.Win32Exception -> false))
