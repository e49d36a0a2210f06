/// Networks in the ONNX format that make features of pictures.
module internal Noisy.Scripts.Backbone

open System
open System.Collections.Generic
open System.IO
open Microsoft.ML.OnnxRuntime
open Microsoft.ML.OnnxRuntime.Tensors
open Noisy.Experiments
open Noisy.FSharp.Options

/// What the user says of a network.
type Wanted =
    { File: string
      /// The value to take; None for the last that has places.
      Layer: string option
      /// Rows and columns of the picture; None for those that the network has, or 224.
      Size: int option
      Mean: float32 list
      Deviation: float32 list
      Order: string
      Threads: int }

// What networks learn ImageNet's pictures with.
let imageNetMean, imageNetDeviation = [ 0.485f; 0.456f; 0.406f ], [ 0.229f; 0.224f; 0.225f ]
let private usualSize = 224
let private namesShown = 8

/// What half precision holds.
let private largest = 65504f

let private firstLine (error: exn) = (Array.head (error.Message.Split '\n')).TrimEnd '.'

let private openSession file (bytes: byte[]) threads =
    OnnxLibrary.need "--model" "" (fun () ->
        use options = new SessionOptions(IntraOpNumThreads = threads, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR)

        try
            new InferenceSession(bytes, options)
        with :? OnnxRuntimeException as error ->
            let reason = firstLine error
            raise (DataException($"'{file}' is no network that ONNX Runtime can load ({reason}): export it anew, its weights within the file.", error)))

/// The name of the input, and the size that the network is made for; None if it takes any.
let private input file (session: InferenceSession) =
    let bad what = raise (DataException $"'{file}' {what}: export the network to take one picture as single-precision numbers [1, 3, rows, columns].")

    match List.ofSeq session.InputMetadata with
    | [ only ] when only.Value.ElementType = typeof<float32> && only.Value.Dimensions.Length = 4 ->
        match List.ofArray only.Value.Dimensions with
        | [ _; channels; _; 3 ] when channels <> 3 -> bad "takes pictures with their channels last"
        | [ pictures; _; _; _ ] when pictures > 1 -> bad $"takes {pictures} pictures at once"
        | [ _; channels; _; _ ] when channels > 0 && channels <> 3 -> bad $"takes pictures of {channels} channels"
        | [ _; _; rows; columns ] when rows > 0 && columns > 0 && rows <> columns ->
            bad $"takes pictures of {rows} x {columns} pixels, which are no square"
        | [ _; _; rows; columns ] -> only.Key, (if max rows columns > 0 then Some(max rows columns) else None)
        | _ -> bad "takes something else than a picture"
    | [ _ ] -> bad "takes something else than a picture of single-precision numbers"
    | inputs -> bad $"takes {inputs.Length} inputs"

/// The values of a layer for one picture, with their sizes.
let private pass (session: InferenceSession) (input: string) size (layer: string) (picture: float32[]) =
    use value = OrtValue.CreateTensorValueFromMemory(picture, [| 1L; 3L; int64 size; int64 size |])
    use options = new RunOptions()
    use found = session.Run(options, Dictionary(dict [ input, value ]), [ layer ])
    found[0].GetTensorTypeAndShape().Shape, found[0].GetTensorDataAsSpan<float32>().ToArray()

/// The values of a network that have places, the last first, with their channels, rows and columns.
let private spatial file bytes threads size =
    let known = OnnxValues.ofNetwork bytes |> List.distinct
    use plain = openSession file bytes threads
    use session = openSession file (OnnxValues.givingOut (known |> List.filter (plain.OutputMetadata.ContainsKey >> not)) bytes) threads
    let name, _ = input file session
    use value = OrtValue.CreateTensorValueFromMemory(Array.zeroCreate<float32> (3 * size * size), [| 1L; 3L; int64 size; int64 size |])
    use options = new RunOptions()
    use found = session.Run(options, Dictionary(dict [ name, value ]), known)

    [ for layer, value in Seq.zip known found do
          if value.IsTensor then
              let about = value.GetTensorTypeAndShape()
              match about.ElementDataType, List.ofArray about.Shape with
              | TensorElementType.Float, [ 1L; channels; rows; columns ] when channels > 0L && rows * columns > 1L -> layer, (channels, rows, columns)
              | _ -> () ]
    |> List.rev

/// A network, opened: it makes features of pictures by a recipe.
type Backbone(wanted: Wanted) =
    let file = wanted.File
    let bytes = DataFile.Read(file, "Correct the name.", Int64.MaxValue)

    let values =
        try
            OnnxValues.ofNetwork bytes |> set
        with :? InvalidDataException as error ->
            raise (DataException($"'{file}' is no network in the ONNX format ({error.Message}): name one that is.", error))

    let size =
        use session = openSession file bytes wanted.Threads

        match snd (input file session), wanted.Size with
        | Some own, Some other when own <> other ->
            refuse $"--size is {other}, but {file} takes pictures of {own} x {own} pixels alone: leave --size away"
        | own, other -> own |> Option.orElse other |> Option.defaultValue usualSize

    let layers =
        lazy
            (try
                spatial file bytes wanted.Threads size
             with :? OnnxRuntimeException as error ->
                 let reason = firstLine error
                 refuse $"{file} cannot see a picture of {size} x {size} pixels ({reason}): name a size that it takes with --size")

    // Of each size the last.
    let known () =
        let sizes = layers.Value |> List.distinctBy snd |> List.truncate namesShown
        String.Join(", ", [ for name, (channels, rows, columns) in sizes -> $"'{name}' ({channels} x {rows} x {columns})" ])

    let layer =
        match wanted.Layer, lazy layers.Value with
        | Some layer, _ when not (values.Contains layer) ->
            refuse $"--layer is '{layer}', which {file} does not have; its last of each size are {known ()}"
        | Some layer, Lazy layers when not (List.exists (fst >> (=) layer) layers) ->
            refuse (
                $"--layer is '{layer}', which has no places in a picture (numbers [1, channels, rows, columns]); the last of each size that has "
                + $"are {known ()}"
            )
        | Some layer, _ -> layer
        | None, Lazy [] ->
            raise (DataException $"'{file}' has no value with places in a picture (numbers [1, channels, rows, columns]): take a convolutional network.")
        | None, Lazy layers -> fst layers.Head

    let session =
        use plain = openSession file bytes wanted.Threads
        openSession file (if plain.OutputMetadata.ContainsKey layer then bytes else OnnxValues.givingOut [ layer ] bytes) wanted.Threads

    let inputName, _ = input file session

    /// What the features are made by.
    member val Recipe =
        FeatureRecipe(Path.GetFileName file, DataFile.Sha256 bytes, layer, size, ResizeArray wanted.Mean, ResizeArray wanted.Deviation, wanted.Order)

    /// The features of a picture, [channels, rows, columns] in half precision, and those sizes.
    ///
    /// Raises DataException where one is no number, or more than half precision holds.
    member this.Features(path: string) =
        use picture = Photo.square path size
        let shape, numbers = pass session inputName size layer (Photo.numbers this.Recipe picture)

        match numbers |> Array.tryFind (fun number -> not (abs number <= largest)) with
        | Some number ->
            raise (DataException(
                $"'{path}': the features have the value {number}, and half precision holds up to {largest}: name another --layer, or check "
                + "--mean and --std."
            ))
        | None -> [| for size in shape[1..] -> int size |], numbers |> Array.map (fun number -> Half.op_Explicit (number: float32): Half)

    interface IDisposable with
        member _.Dispose() = session.Dispose()

/// Opens the network that a recipe names, to see further pictures as it did.
let ofRecipe (recipe: FeatureRecipe) file threads =
    let found = DataFile.Sha256(DataFile.Read(file, "Correct the name.", Int64.MaxValue))

    if found <> recipe.Sha256 then
        refuse (
            $"--model {file} is another network than '{recipe.Backbone}', which made the features that the run learned from (SHA-256 "
            + $"{found[..11]}…, expected {recipe.Sha256[..11]}…): name that one"
        )

    new Backbone(
        { File = file; Layer = Some recipe.Layer; Size = Some recipe.Size; Mean = List.ofSeq recipe.Mean; Deviation = List.ofSeq recipe.Deviation
          Order = recipe.Order; Threads = threads }
    )
