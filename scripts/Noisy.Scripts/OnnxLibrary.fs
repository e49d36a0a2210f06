/// ONNX Runtime's native library, which not every machine has: the bundle for a GPU leaves it out.
module internal Noisy.Scripts.OnnxLibrary

open System
open Noisy.FSharp.Options

/// Whether an error says that a native library is not there or cannot be used.
let private isMissing (error: exn) =
    match error.GetBaseException() with
    | :? TypeLoadException
    | :? BadImageFormatException -> true
    | _ -> false

/// Does something with ONNX Runtime; refuses where its library cannot be loaded.
///
/// what: what needs it, as a sentence begins; instead: another way, if there is one, such as "name another suite, or ".
let need (what: string) (instead: string) (work: unit -> 'T) : 'T =
    try
        work ()
    with error when isMissing error ->
        refuse (
            $"{what} needs ONNX Runtime, whose library onnxruntime cannot be loaded: {instead}copy it from NuGet's package Microsoft.ML.OnnxRuntime into "
            + AppContext.BaseDirectory
        )
