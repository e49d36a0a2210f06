/// The tensors within a batch: a tensor, or tuples, records, lists and arrays of such.
module internal Noisy.FSharp.Batch

open System
open System.Collections
open System.IO
open System.Security.Cryptography
open System.Text
open Microsoft.FSharp.Reflection
open Noisy.Models
open TorchSharp

/// All tensors of a batch, in order, with where they are in it: "" for the batch itself, "item 2" of a tuple or list, a record's field.
let rec private places (place: string) (batch: obj) : (string * torch.Tensor) list =
    let within name = if place = "" then name else $"{place}, {name}"
    let numbered items = [ for i, item in Seq.indexed items do yield! places (within $"item {i + 1}") item ]

    match batch with
    | null -> []
    | :? torch.Tensor as tensor -> [ place, tensor ]
    | :? string -> []
    | :? IEnumerable as items -> numbered (Seq.cast<obj> items)
    | _ when FSharpType.IsTuple(batch.GetType()) -> numbered (FSharpValue.GetTupleFields batch)
    | _ when FSharpType.IsRecord(batch.GetType()) ->
        let names = [ for field in FSharpType.GetRecordFields(batch.GetType()) -> field.Name ]
        List.zip names (List.ofArray (FSharpValue.GetRecordFields batch)) |> List.collect (fun (name, value) -> places (within name) value)
    | _ -> []

/// All tensors of a batch, in order.
let tensors (batch: obj) : torch.Tensor list = places "" batch |> List.map snd

/// The first tensor of a batch that holds what is no finite number, in words: "NaN in item 1 [32, 24, 2]"; None if all are finite.
let notFinite (batch: obj) : string option =
    use _ = torch.NewDisposeScope()

    places "" batch
    |> List.filter (fun (_, tensor) -> tensor.is_floating_point ())
    |> List.tryPick (fun (place, tensor) ->
        let holds (found: torch.Tensor) = found.any().item<bool> ()
        let shape = String.Join(", ", tensor.shape)
        let where = if place = "" then $"its tensor [{shape}]" else $"{place} [{shape}]"
        if holds (tensor.isnan ()) then Some $"NaN in {where}"
        elif holds (tensor.isinf ()) then Some $"an infinite number in {where}"
        else None)

/// Whether a type is F#'s list.
let private isList (kind: Type) = kind.IsGenericType && kind.GetGenericTypeDefinition() = typedefof<list<_>>

/// The batch with every tensor on a device; as it is if it has none elsewhere.
let rec toDevice (device: torch.Device) (batch: 'B) : 'B =
    if tensors batch |> List.forall (fun tensor -> tensor.device = device) then batch else downcast moved device (box batch)

and private moved (device: torch.Device) (batch: obj) : obj =
    match batch with
    | :? torch.Tensor as tensor -> tensor.``to`` device
    | :? Array as array ->
        let copy = array.Clone() :?> Array
        for i in 0 .. copy.Length - 1 do copy.SetValue(moved device (copy.GetValue i), i)
        copy
    | null -> null
    | _ when isList (batch.GetType()) ->
        let empty, cons = FSharpType.GetUnionCases(batch.GetType()) |> Array.partition (fun case -> case.GetFields().Length = 0)
        let add item rest = FSharpValue.MakeUnion(cons[0], [| moved device item; rest |])
        Seq.foldBack add (Seq.cast<obj> (batch :?> IEnumerable)) (FSharpValue.MakeUnion(empty[0], [||]))
    | _ when FSharpType.IsTuple(batch.GetType()) -> FSharpValue.MakeTuple(FSharpValue.GetTupleFields batch |> Array.map (moved device), batch.GetType())
    | _ when FSharpType.IsRecord(batch.GetType()) -> FSharpValue.MakeRecord(batch.GetType(), FSharpValue.GetRecordFields batch |> Array.map (moved device))
    | other ->
        if tensors other |> List.exists (fun tensor -> tensor.device.``type`` <> device.``type``) then
            let name = other.GetType().Name.Split('`')[0]
            raise (UsageException $"a batch has tensors within a {name}, which cannot be moved to {device}: put them into a tuple, record, list or array")

        other

let private bytes (tensor: torch.Tensor) =
    use _ = torch.NewDisposeScope()
    let flat = tensor.detach().cpu().contiguous ()
    Array.append (Encoding.UTF8.GetBytes $"{tensor.dtype} {String.Join('x', tensor.shape)};") (flat.bytes.ToArray())

/// A checksum over the tensors of some batches and all bytes of some files, in hexadecimal.
let checksum (files: string list) (batches: obj list) =
    use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256

    for file in files do
        use stream = File.OpenRead file
        hash.AppendData(SHA256.HashData stream)

    for tensor in List.collect tensors batches do hash.AppendData(bytes tensor)
    Convert.ToHexStringLower(hash.GetHashAndReset())
