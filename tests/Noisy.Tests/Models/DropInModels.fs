/// Models such as people write, to be made noisy.
module Noisy.Tests.DropInModels

open System
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

let clock () = NoiseClock 5L
let entry (report: NoisifyReport) path = report.Entries |> Seq.find (fun e -> e.Path = path)
let paths (entries: NoisifyEntry seq) = [ for e in entries -> e.Path ]

type Map = torch.nn.Module<Tensor, Tensor>
type Lstm = torch.nn.Module<Tensor, Nullable<struct (Tensor * Tensor)>, struct (Tensor * Tensor * Tensor)>
type Gru = torch.nn.Module<Tensor, Tensor, struct (Tensor * Tensor)>

/// One recurrent module, in a field of torch's general type.
type LstmModel(theirs: TorchSharp.Modules.LSTM) as this =
    inherit torch.nn.Module("model")
    let lstm: Lstm = theirs
    do this.RegisterComponents()
    member _.Inner = lstm
    member _.Run(x: Tensor, h: Tensor, c: Tensor) =
        let struct (o, h, c) = lstm.call (x, Nullable<struct (Tensor * Tensor)>(struct (h, c)))
        [ o; h; c ]

type GruModel(theirs: TorchSharp.Modules.GRU) as this =
    inherit torch.nn.Module("model")
    let gru: Gru = theirs
    do this.RegisterComponents()
    member _.Inner = gru
    member _.Run(x: Tensor, h: Tensor) =
        let struct (o, h) = gru.call (x, h)
        [ o; h ]

let linear () : Map = torch.nn.Linear(4L, 4L)

type Inner() as this =
    inherit torch.nn.Module<Tensor, Tensor>("inner")
    let act: Map = torch.nn.Sigmoid()
    let seq = torch.nn.Sequential(linear (), torch.nn.Sequential(torch.nn.Tanh(), linear ()), torch.nn.Sigmoid())
    do this.RegisterComponents()
    override _.forward x = act.call (seq.call x)

/// An activation in every kind of place.
type Places() as this =
    inherit torch.nn.Module<Tensor, Tensor>("places")
    let field: Map = torch.nn.Tanh()
    let anything: torch.nn.Module = torch.nn.Tanh()
    let inner = new Inner()
    let list = torch.nn.ModuleList<Map>(torch.nn.Tanh(), linear (), torch.nn.Sigmoid())
    let dict = new TorchSharp.Modules.ModuleDict<Map>()
    let array: Map[] = [| torch.nn.Tanh(); torch.nn.Sigmoid() |]
    let fsharpList: Map list = [ torch.nn.Tanh(); torch.nn.Sigmoid() ]
    let some: Map option = Some(torch.nn.Tanh())
    let pair: struct (string * Map) = struct ("pair", torch.nn.Sigmoid())
    let captured: Tensor -> Tensor =
        let local: Map = torch.nn.Tanh()
        this.register_module ("captured", local)
        fun x -> local.call x
    do
        dict.Add("first", torch.nn.Tanh())
        array |> Array.iteri (fun i m -> this.register_module ($"array{i}", m))
        fsharpList |> List.iteri (fun i m -> this.register_module ($"fsharp{i}", m))
        this.register_module ("some", some.Value)
        let struct (_, second) = pair
        this.register_module ("pair", second)
        this.RegisterComponents()
    member val Property: Map = torch.nn.Sigmoid() with get
    member this.Finish() = this.register_module ("property", this.Property); this
    override this.forward x =
        let struct (_, second) = pair
        let mutable y = inner.call (field.call x)
        y <- (anything :?> Map).call y
        for m in list do y <- m.call y
        y <- dict["first"].call y
        for m in array do y <- m.call y
        for m in fsharpList do y <- m.call y
        this.Property.call (captured (second.call (some.Value.call y)))

/// Places that hold nothing but torch's own classes, or one of a module's methods.
type Concrete(ofForward: bool) as this =
    inherit torch.nn.Module<Tensor, Tensor>("concrete")
    let fc = linear ()
    let tanh = torch.nn.Tanh()
    let tanhs = torch.nn.ModuleList<TorchSharp.Modules.Tanh>(torch.nn.Tanh())
    let bound: Map = torch.nn.Sigmoid()
    let good: Map = torch.nn.Tanh()
    // What C# makes of a method group; F# would wrap it in a lambda, whose captured variable can be exchanged.
    let method' = Delegate.CreateDelegate(typeof<Func<Tensor, Tensor>>, bound, (if ofForward then "forward" else "call")) :?> Func<Tensor, Tensor>
    do this.RegisterComponents()
    member _.Bound = bound
    override _.forward x =
        let mutable y = tanh.call (fc.call x)
        for t in tanhs do y <- t.call y
        good.call (method'.Invoke y)

type Plain() as this =
    inherit torch.nn.Module("plain")
    let cell, rnn = torch.nn.RNNCell(2L, 2L), torch.nn.RNN(2L, 2L)
    do this.RegisterComponents()
    member _.All = box (cell, rnn)

/// One step of an LSTM, whose output a GRU takes one step of.
type Cells(bias: bool) as this =
    inherit torch.nn.Module("cells")
    let lstm: torch.nn.Module<Tensor, Nullable<struct (Tensor * Tensor)>, struct (Tensor * Tensor)> = torch.nn.LSTMCell(3L, 4L, bias)
    let gru: torch.nn.Module<Tensor, Tensor, Tensor> = torch.nn.GRUCell(3L, 4L, bias)
    do this.RegisterComponents()
    member _.Run(x: Tensor, h: Tensor, c: Tensor) =
        let struct (h1, c1) = lstm.call (x, Nullable<struct (Tensor * Tensor)>(struct (h, c)))
        [ h1; c1; gru.call (x, h1) ]

/// What a model of F# compiles to where Noisy.Models is open: an extension method, in a closure.
type ByForward() as this =
    inherit torch.nn.Module<Tensor, Tensor>("forward")
    let lstm = torch.nn.LSTM(3L, 4L)
    do this.RegisterComponents()
    override _.forward x =
        [ x ] |> List.map (fun x -> (let struct (o, _, _) = lstm.forward x in o)) |> List.head
