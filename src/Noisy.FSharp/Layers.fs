namespace Noisy.FSharp

open System
open Noisy.Core
open Noisy.Models
open TorchSharp

type private TensorModule = torch.nn.Module<torch.Tensor, torch.Tensor>

/// A part of a network that is yet to be built: it learns from the part before it how many units there are, and from the clock whose
/// noise it draws. Parts compose: linear 2 16 --> noisy Variants.nah.Tanh --> linear 16 1.
type Layer = private Layer of (NoiseClock -> int64 option -> (string * TensorModule) list * int64 option)

/// A module of a function that has no weights. onnx: the function in ONNX, if that is known.
type private Function(name: string, f: torch.Tensor -> torch.Tensor, onnx: (OnnxGraph -> OnnxValue -> OnnxValue) option) =
    inherit torch.nn.Module<torch.Tensor, torch.Tensor>(name)
    override _.forward x = f x

    interface IOnnxModule with
        member _.ToOnnx(graph, input) =
            match onnx with
            | Some form -> form graph input
            | None ->
                let remedy = "write it as a module with the interface IOnnxModule, and put that in with modul"
                raise (UsageException $"the function '{name}' cannot be exported to ONNX: {remedy}")

/// Recurrent layers as a module from sequences to sequences.
type private Sequence(name: string, layers: torch.nn.Module, f: torch.Tensor -> torch.Tensor) as this =
    inherit torch.nn.Module<torch.Tensor, torch.Tensor>(name)
    do this.register_module (name, layers)
    override _.forward x = f x

    interface IOnnxModule with
        member _.ToOnnx(graph, input) = graph.Apply(layers, input)

/// Parts of networks, and their composition.
[<AutoOpen>]
module Layers =
    let private one name units (make: NoiseClock -> int64 option -> TensorModule) =
        Layer(fun clock before -> [ name, make clock before ], (match units with Some units -> Some units | None -> before))

    /// One part after the other.
    let (-->) (Layer first) (Layer second) =
        Layer(fun clock before ->
            let modules, units = first clock before
            let rest, after = second clock units
            modules @ rest, after)

    /// A linear layer with a bias, [.., inputs] to [.., outputs], with torch's initial weights.
    let linear (inputs: int) (outputs: int) =
        one "linear" (Some(int64 outputs)) (fun _ _ -> torch.nn.Linear(int64 inputs, int64 outputs))

    /// A noisy activation of the units before it, each with a gap gain of its own.
    let noisy (spec: NoisyActivationSpec) =
        one "noisy" None (fun clock before ->
            match before with
            | Some units -> new NoisyActivation(spec, units, clock)
            | None -> raise (UsageException "noisy does not know how many units there are: put a layer such as linear before it"))

    /// A function without weights, under a name.
    let func (name: string) (f: torch.Tensor -> torch.Tensor) = one name None (fun _ _ -> new Function(name, f, None))

    /// A module of any kind from one tensor to one; units: how many numbers its outputs have in the last dimension.
    let modul (name: string) (units: int) (make: NoiseClock -> torch.nn.Module<torch.Tensor, torch.Tensor>) =
        one name (Some(int64 units)) (fun clock _ -> make clock)

    /// Dropout with the given probability, from torch's generator; Experiment seeds that anew at each update.
    let dropout (probability: float) = one "dropout" None (fun _ _ -> torch.nn.Dropout probability)

    /// A noisy LSTM layer, [T, B, inputs] to the hidden states [T, B, units].
    let lstm (inputs: int) (units: int) (activation: ActivationPair) =
        one "lstm" (Some(int64 units)) (fun clock _ ->
            let layers = new NoisyLstm(RecurrentShape(int64 inputs, int64 units), activation, clock)
            new Sequence("lstm", layers, (fun x -> let struct (output, _, _) = layers.forward (x, Nullable()) in output)))

    /// A noisy GRU layer, [T, B, inputs] to the hidden states [T, B, units].
    let gru (inputs: int) (units: int) (activation: ActivationPair) =
        one "gru" (Some(int64 units)) (fun clock _ ->
            let layers = new NoisyGru(RecurrentShape(int64 inputs, int64 units), activation, clock)
            new Sequence("gru", layers, (fun x -> let struct (output, _) = layers.forward (x, null) in output)))

    /// A function that takes the first axis away.
    let private overTime name f (onnx: OnnxGraph -> OnnxValue -> OnnxValue) =
        let form graph (x: OnnxValue) = OnnxValue((onnx graph x).Name, [| for axis in Seq.skip 1 x.Axes -> axis |])
        one name None (fun _ _ -> new Function(name, f, Some form))

    /// The last time step of a sequence, [T, B, n] to [B, n].
    let lastStep =
        overTime "lastStep" (fun x -> x.select (0L, -1L)) (fun graph x ->
            graph.Node("Gather", [| x; graph.Weight("last", torch.tensor (-1L)) |], struct ("axis", box 0)))

    /// The mean over the time steps of a sequence, [T, B, n] to [B, n].
    let meanStep =
        overTime "meanStep" (fun x -> x.mean [| 0L |]) (fun graph x ->
            graph.Node("ReduceMean", [| x |], struct ("axes", box [| 0L |]), struct ("keepdims", box 0)))

/// From layers to modules.
[<RequireQualifiedAccess>]
module Layer =
    /// Builds the network: torch's Sequential, whose parts are called 0, 1, ... as in PyTorch. Its noise is the clock's.
    let build (clock: NoiseClock) (Layer make) : torch.nn.Module<torch.Tensor, torch.Tensor> =
        let modules, _ = make clock None
        torch.nn.Sequential([| for i, (_, part) in List.indexed modules -> struct (string i, part) |])
