/// Noisify.Replace on modules in places that are neither a field nor a list.
module Noisy.Tests.DropInPlaceTests

open System
open System.Runtime.CompilerServices
open System.Threading
open System.Threading.Tasks
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.PublicModels
open Noisy.Tests.DropInModels
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A tanh that is reached by one way alone, beside torch's registration.
type private Held(hold: Map -> unit -> Map) as this =
    inherit torch.nn.Module<Tensor, Tensor>("held")
    let fc = linear ()
    let reach =
        let act: Map = torch.nn.Tanh()
        this.register_module ("act", act)
        hold act
    do this.RegisterComponents()
    override _.forward x = (reach ()).call (fc.call x)

/// Modules in arrays of two dimensions, of torch's general types and of a type of their own.
type private Grid() as this =
    inherit torch.nn.Module<Tensor, Tensor>("grid")
    let acts: Map[,] = Array2D.init 2 2 (fun _ _ -> torch.nn.Tanh())
    let typed: TorchSharp.Modules.Sigmoid[,] = Array2D.init 1 2 (fun _ _ -> torch.nn.Sigmoid())
    let rnns: Lstm[,] = Array2D.init 1 1 (fun _ _ -> torch.nn.LSTM(4L, 4L))
    do
        acts |> Array2D.iteri (fun i j m -> this.register_module ($"act{i}{j}", m))
        typed |> Array2D.iteri (fun i j m -> this.register_module ($"typed{i}{j}", m))
        this.register_module ("rnn", rnns[0, 0])
        this.RegisterComponents()
    override _.forward x =
        let struct (y, _, _) = rnns[0, 0].call (x, Nullable())
        acts[1, 1].call (typed[0, 1].call (acts[0, 1].call (acts[1, 0].call (typed[0, 0].call (acts[0, 0].call y)))))

let private holders: (string * (Map -> unit -> Map)) list =
    [ "an array of three dimensions", fun act -> let a = Array3D.create 1 1 1 act in fun () -> a[0, 0, 0]
      "an ArraySegment", fun act -> let s = ArraySegment<Map>([| act |]) in fun () -> s[0]
      "a Memory", fun act -> let m = Memory<Map>([| act |]) in fun () -> m.Span[0]
      "a StrongBox", fun act -> let b = StrongBox<Map> act in fun () -> b.Value
      "a Lazy", fun act -> let l = Lazy<Map>(fun () -> act) in l.Force() |> ignore; (fun () -> l.Value)
      "a tuple", fun act -> let t = (1, act) in fun () -> snd t
      "a Task", fun act -> let t = Task.FromResult act in fun () -> t.Result
      "a ValueTask", fun act -> let t = ValueTask<Map> act in fun () -> t.Result
      "a weak reference", fun act -> let w = WeakReference<Map> act in fun () -> (match w.TryGetTarget() with | true, m -> m | _ -> failwith "gone")
      "a weak reference to anything", fun act -> let w = WeakReference act in fun () -> w.Target :?> Map
      "a ThreadLocal", fun act -> let l = new ThreadLocal<Map>() in l.Value <- act; (fun () -> l.Value)
      "an AsyncLocal", fun act -> let l = AsyncLocal<Map>(Value = act) in fun () -> l.Value ]

/// Replaces, runs a pass there and back, and looks whether it reached every new module.
let private trained (model: torch.nn.Module<Tensor, Tensor>) =
    let report = Noisify.Replace(model, Variants.Nah, clock ())
    (model.call (filled 3L [ 5L; 4L ])).sum().backward ()
    report

let private places =
    [ for what, hold in holders do
          torchTest $"an activation that {what} holds is replaced" (fun () ->
              let report = trained (new Held(hold))
              Expect.equal (paths report.Replaced) [ "act" ] "replaced"
              Expect.isEmpty report.NotCalled "reached"
              Expect.all report.NewParameters (fun p -> not (isNull p.grad)) "gains have a gradient")

      torchTest "modules in arrays of two dimensions are replaced, by a hook where the elements are of a type of their own" (fun () ->
          let report = trained (new Grid())
          Expect.equal (Seq.length report.Replaced) 7 "replaced"
          Expect.isEmpty report.NotCalled "reached"
          Expect.all report.NewParameters (fun p -> not (isNull p.grad)) "gains have a gradient"
          Expect.isFalse (entry report "act01").ByHook "set"
          Expect.stringContains (string (entry report "typed01")) "by a hook on its call, since Grid.typed[0, 1] is declared as Sigmoid" "hook")

      torchTest "a static field of a model's class is changed, and a read-only one is served by a hook" (fun () ->
          for hook, model in [ false, (new StaticField() :> torch.nn.Module<Tensor, Tensor>); true, new StaticReadOnly() ] do
              let report = trained model
              Expect.equal (entry report "act").ByHook hook "hook"
              Expect.isEmpty report.NotCalled "reached"
              Expect.all report.NewParameters (fun p -> not (isNull p.grad)) "gains have a gradient")

      torchTest "a module that the code has from somewhere else is among those not called" (fun () ->
          Expect.equal (paths (trained (new StaticElsewhere())).NotCalled) [ "act" ] "not called") ]

let tests = testSequenced <| testList "drop-in places" places
