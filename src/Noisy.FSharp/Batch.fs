/// The tensors within a batch: a tensor, or tuples, records, lists and arrays of such.
module internal Noisy.FSharp.Batch

open System
open System.Collections
open System.Security.Cryptography
open System.Text
open Microsoft.FSharp.Reflection
open TorchSharp

/// All tensors of a batch, in order.
let rec tensors (batch: obj) : torch.Tensor list =
    match batch with
    | null -> []
    | :? torch.Tensor as tensor -> [ tensor ]
    | :? string -> []
    | :? IEnumerable as items -> [ for item in items do yield! tensors item ]
    | _ when FSharpType.IsTuple(batch.GetType()) -> FSharpValue.GetTupleFields batch |> List.ofArray |> List.collect tensors
    | _ when FSharpType.IsRecord(batch.GetType()) -> FSharpValue.GetRecordFields batch |> List.ofArray |> List.collect tensors
    | _ -> []

/// The batch with every tensor on a device; as it is if it has none elsewhere.
let rec toDevice (device: torch.Device) (batch: 'B) : 'B =
    if tensors batch |> List.forall (fun tensor -> tensor.device = device) then batch else downcast moved device (box batch)

and private moved device (batch: obj) : obj =
    match batch with
    | :? torch.Tensor as tensor -> tensor.``to`` device
    | :? Array as array ->
        let copy = array.Clone() :?> Array
        for i in 0 .. copy.Length - 1 do copy.SetValue(moved device (copy.GetValue i), i)
        copy
    | null -> null
    | _ when FSharpType.IsTuple(batch.GetType()) -> FSharpValue.MakeTuple(FSharpValue.GetTupleFields batch |> Array.map (moved device), batch.GetType())
    | _ when FSharpType.IsRecord(batch.GetType()) -> FSharpValue.MakeRecord(batch.GetType(), FSharpValue.GetRecordFields batch |> Array.map (moved device))
    | other -> other

let private bytes (tensor: torch.Tensor) =
    use _ = torch.NewDisposeScope()
    let flat = tensor.detach().cpu().contiguous ()
    Array.append (Encoding.UTF8.GetBytes $"{tensor.dtype} {String.Join('x', tensor.shape)};") (flat.bytes.ToArray())

/// A checksum over the tensors of some batches, in hexadecimal.
let checksum (batches: obj list) =
    use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256
    for tensor in List.collect tensors batches do hash.AppendData(bytes tensor)
    Convert.ToHexStringLower(hash.GetHashAndReset())
