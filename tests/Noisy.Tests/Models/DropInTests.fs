/// Noisify.Replace on models of many kinds.
module Noisy.Tests.DropInTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DropInModels
open Noisy.Tests.TorchHelpers
open TorchSharp

/// The outputs too: DropInOutputTests is about these.
let private replace (root: torch.nn.Module) pair = Noisify.Replace(root, pair, clock (), outputs = true)
let private names (m: torch.nn.Module) = [ for struct (name, _) in m.named_parameters () -> name ]
let private modules (m: torch.nn.Module) = [ for struct (name, m) in m.named_modules () -> name, m ]
let private ids () : Tensor = torch.tensor([| 1L; 2L; 3L; 4L |]).reshape (2L, 2L)
let private leaf (t: Tensor) = t.detach().clone().requires_grad_ ()
let private saturating (m: torch.nn.Module) =
    match m with
    | :? TorchSharp.Modules.Tanh | :? TorchSharp.Modules.Sigmoid | :? TorchSharp.Modules.LSTM | :? TorchSharp.Modules.GRU -> true
    | _ -> false

/// Results and all gradients, of the inputs and of every parameter by name.
let private trace (root: torch.nn.Module) (inputs: Tensor list) (run: Tensor list -> Tensor list) =
    root.zero_grad ()
    let inputs = inputs |> List.map leaf
    let results = run inputs
    results
    |> List.mapi (fun i o -> (o * filled (100L + int64 i) (shape o)).sum ())
    |> List.reduce (fun a b -> a + b)
    |> fun loss -> loss.backward ()
    [ for i, r in List.indexed results do yield $"result {i}", r.detach().clone ()
      for i, x in List.indexed inputs do yield $"gradient of input {i}", x.grad.clone ()
      for struct (name, p) in root.named_parameters () do
          if p.requires_grad then yield $"gradient of {name}", p.grad.clone () ]

let private unchanged root inputs run =
    let before = trace root inputs run
    let report = replace root Variants.Soft
    let after = trace root inputs run
    Expect.equal (List.map fst after) (List.map fst before) "the same things have gradients"
    for (what, e), (_, a) in List.zip before after do closeTensor tensor32 e a what
    report

let private note (report: NoisifyReport) path = (entry report path).Note

// ---- Tests ------------------------------------------------------------------------------------------------------------

let private shapes =
    [ for layers in [ 1L; 2L ] do
          for both in [ false; true ] do
              for first in [ false; true ] do
                  for bias in [ true; false ] do
                      layers, both, first, bias ]

let private identity =
    [ for layers, both, first, bias in shapes do
          let what = $"""{layers} layers, {(if both then "both directions" else "one direction")}, batch {(if first then "first" else "second")}{(if bias then "" else ", no biases")}"""
          let rows = if both then 2L * layers else layers
          let inputs states = filled 1L (if first then [ 2L; 5L; 3L ] else [ 5L; 2L; 3L ]) :: [ for i in 1..states -> filled (int64 i) [ rows; 2L; 4L ] ]

          torchTest $"an LSTM made soft is unchanged, value and gradients: {what}" (fun () ->
              let model = new LstmModel(torch.nn.LSTM(3L, 4L, layers, bias, first, 0.0, both))
              let report = unchanged model (inputs 2) (fun i -> model.Run(i[0], i[1], i[2]))
              Expect.equal (paths report.Replaced) [ "lstm" ] "replaced"
              let shape' = (box model.Inner :?> NoisyLstm).Shape
              Expect.equal shape' (RecurrentShape(3L, 4L, int layers, bias, first, 0.0, both)) "shape")

          torchTest $"a GRU made soft is unchanged, value and gradients: {what}" (fun () ->
              let model = new GruModel(torch.nn.GRU(3L, 4L, layers, bias, first, 0.0, both))
              unchanged model (inputs 1) (fun i -> model.Run(i[0], i[1])) |> ignore
              let shape' = (box model.Inner :?> NoisyGru).Shape
              Expect.equal shape' (RecurrentShape(3L, 4L, int layers, bias, first, 0.0, both)) "shape")

      for bias in [ true; false ] do
          torchTest $"""cells made soft are unchanged, value and gradients{(if bias then "" else ": no biases")}""" (fun () ->
              let model = new Cells(bias)
              let report = unchanged model [ filled 1L [ 2L; 3L ]; filled 2L [ 2L; 4L ]; filled 3L [ 2L; 4L ] ] (fun i -> model.Run(i[0], i[1], i[2]))
              Expect.equal (paths report.Replaced) [ "lstm"; "gru" ] "replaced"
              let note' = if bias then "3 -> 4" else "3 -> 4, no biases"
              Expect.equal [ note report "lstm"; note report "gru" ] [ note'; note' ] "notes")

      torchTest "a cell made noisy has noise of its own at every step" (fun () ->
          let model = new Cells(true)
          replace model Variants.Nan |> ignore
          let x, h, c = filled 1L [ 2L; 3L ] * 9, filled 2L [ 2L; 4L ], filled 3L [ 2L; 4L ]
          let first, second = model.Run(x, h, c), model.Run(x, h, c)
          for a, b in List.zip first second do Expect.notEqual (values a) (values b) "noise"
          model.eval ()
          for a, b in List.zip (model.Run(x, h, c)) (model.Run(x, h, c)) do sameTensor a b "eval"
          Expect.isEmpty (replace model Variants.Nah).Entries "a second call finds nothing to do")

      torchTest "nested models made soft are unchanged, value and gradients" (fun () ->
          let model = (new Places()).Finish()
          let report = unchanged model [ filled 3L [ 6L; 4L ] * 3 ] (fun i -> [ model.call i[0] ])
          Expect.hasLength report.Replaced 16 "every activation")

      torchTest "what has no biases gets none, and the report says so" (fun () ->
          let model = new LstmModel(torch.nn.LSTM(3L, 4L, bias = false))
          let report = replace model Variants.Nan
          Expect.equal (names model) [ "lstm.weight_ih_l0"; "lstm.weight_hh_l0"; "lstm.p_l0" ] "parameters"
          Expect.isEmpty (model.buffers ()) "buffers"
          Expect.equal (note report "lstm") "3 -> 4, no biases" "note") ]

let private places =
    [ torchTest "every place that holds an activation gets the new one, and none keeps the old" (fun () ->
          let model = (new Places()).Finish()
          let old = modules model |> List.filter (snd >> saturating)
          let before = List.map fst (modules model)
          let report = replace model Variants.Hard
          Expect.equal (List.map fst (modules model)) before "paths and their order"
          Expect.equal (List.sort (paths report.Replaced)) (old |> List.map fst |> List.sort) "report"
          for path, m in modules model do Expect.isFalse (saturating m) path
          let left = ModuleReferences.Find(model, List.map snd old)
          for path, m in old do Expect.isEmpty left[m] $"{path} is still held by {left[m] |> Seq.map string |> List.ofSeq}")

      torchTest "forward uses the new modules" (fun () ->
          // A hard sigmoid is exactly 1 beyond 2, which the soft one never is; the last of the chain gets at most 1.
          let seq = torch.nn.Sequential(torch.nn.Sigmoid(), torch.nn.Tanh())
          replace seq Variants.Hard |> ignore
          Expect.equal (values (seq.call (vector [ -3.0; 0.0; 1.0; 2.5 ]))) [| 0.0; 0.5; 0.75; 1.0 |] "hard functions")

      torchTest "read-only fields of a C# model are set" (fun () ->
          let model = new Noisy.Examples.DropIn.SequenceClassifier(5L, 4L, 2L)
          let report = replace model Variants.Nan
          Expect.equal (paths report.Replaced) [ "lstm"; "head.1" ] "replaced"
          Expect.equal (note report "lstm") "4 -> 4, 2 layers, dropout 0.1, batch first" "what was found out"
          let tokens = ids ()
          Expect.isFalse (model.call(tokens).equal(model.call tokens).all().item<bool> ()) "noise"
          model.eval ()
          sameTensor (model.call tokens) (model.call tokens) "eval")

      torchTest "one module at two paths is replaced by one" (fun () ->
          let shared: Map = torch.nn.Tanh()
          let model = torch.nn.Sequential(struct ("a", shared), struct ("b", shared))
          let report = replace model Variants.Nah
          Expect.equal (paths report.Entries) [ "a" ] "one entry"
          Expect.stringEnds (note report "a") "; also at b" "note"
          let all = modules model
          Expect.isTrue (obj.ReferenceEquals(snd all[0], snd all[1])) "one object")

      torchTest "the model itself cannot be replaced" (fun () ->
          Expect.throwsC (fun () -> replace (torch.nn.LSTM(2L, 2L)) Variants.Nah |> ignore) (fun e ->
              Expect.stringContains e.Message "(root): LSTM cannot be replaced: it is the model itself, which the caller holds: build a NoisyLstm instead" "message")) ]

let private choices =
    [ torchTest "the predicate chooses by path and module, and what it leaves is reported" (fun () ->
          let model = (new Places()).Finish()
          let report = Noisify.Replace(model, Variants.Nah, clock (), where = fun path m -> path.StartsWith "inner." && m :? TorchSharp.Modules.Tanh)
          Expect.equal (paths report.Replaced) [ "inner.seq.1.0" ] "replaced"
          Expect.hasLength report.LeftOut 15 "left out"
          Expect.all report.LeftOut (fun e -> e.Note = "the argument where leaves it out") "reason"
          Expect.equal [ for path, m in modules model do if m :? NoisyActivation then path ] [ "inner.seq.1.0" ] "model")

      torchTest "a second call finds nothing to do" (fun () ->
          let model = (new Places()).Finish()
          replace model Variants.Nah |> ignore
          let before = modules model |> List.map (fun (path, m) -> path, m.GetHashCode())
          Expect.isEmpty (replace model Variants.Nan).Entries "entries"
          Expect.equal (modules model |> List.map (fun (path, m) -> path, m.GetHashCode())) before "modules")

      torchTest "other activations are named, and replaced where a spec is given" (fun () ->
          let chain () = torch.nn.Sequential(torch.nn.Hardtanh(), torch.nn.ReLU6(), torch.nn.GELU(), torch.nn.Tanh())
          let report = replace (chain ()) Variants.Nah
          Expect.equal (paths report.LeftOut) [ "0"; "1" ] "left out"
          Expect.equal (note report "0") "give it a spec (argument specs) to make it noisy" "note"
          let model = chain ()
          let relu6 = Variants.Nani.Tanh.WithUnit SaturatingUnit.Relu6
          let report =
              Noisify.Replace(model, Variants.Nah, clock (), outputs = true,
                  specs = fun path m ->
                      match m with
                      | :? TorchSharp.Modules.Hardtanh -> Variants.Nan.Tanh
                      | :? TorchSharp.Modules.ReLU6 -> relu6
                      | _ -> null)
          Expect.equal (paths report.Replaced) [ "0"; "1"; "3" ] "replaced"
          Expect.equal
              [ for e in report.Replaced -> (e.Now :?> NoisyActivation).Spec ]
              [ Variants.Nan.Tanh; relu6; Variants.Nah.Tanh ]
              "specs")

      torchTest "plain recurrent modules have no counterpart and are named" (fun () ->
          Expect.equal [ for e in (replace (new Plain()) Variants.Nah).LeftOut -> e.Note ] (List.replicate 2 "there is no noisy module with its signature") "notes")

      torchTest "one gain serves all units unless a width is given" (fun () ->
          let model = torch.nn.Sequential(linear (), torch.nn.Tanh(), linear (), torch.nn.Tanh())
          Noisify.Replace(model, Variants.Nah, clock (), outputs = true, widths = fun path -> if path = "3" then 4L else 1L) |> ignore
          Expect.equal (shape (model.get_parameter "1.p"), shape (model.get_parameter "3.p")) ([ 1L ], [ 4L ]) "gains"
          for size in [ [ 4L ]; [ 5L; 4L ]; [ 2L; 5L; 4L ] ] do
              Expect.equal (shape (model.call (filled 1L size))) size "any shape"
          let scalar = torch.nn.Sequential(torch.nn.Tanh())
          replace scalar Variants.Nah |> ignore
          Expect.equal (shape (scalar.call (torch.tensor 3.0f))) [] "a number stays a number")

      torchTest "a shared gain is many gains of one value, and gathers their gradients" (fun () ->
          let spec = Variants.Nan.Tanh.WithP(Nullable 0.7)
          let one, many = new NoisyActivation(spec, 1L, clock ()), new NoisyActivation(spec, 4L, clock ())
          let x = filled 2L [ 6L; 4L ] * 4
          let a, b = one.call x, many.call x
          sameTensor b a "value"
          a.sum().backward ()
          b.sum().backward ()
          let whole = many.get_parameter("p").grad.sum (0L, keepdim = true)
          Tol.above (abs (scalarOf whole)) 0.0 "there is a gradient"
          closeTensor tensor32 whole (one.get_parameter("p").grad) "gradient")

      torchTest "an impossible width is refused before anything changes" (fun () ->
          let model = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Tanh())
          Expect.throwsC
              (fun () -> Noisify.Replace(model, Variants.Nah, clock (), widths = fun path -> int64 path - 1L) |> ignore)
              (fun e -> Expect.stringContains e.Message "0: Tanh cannot be replaced: the argument widths says -1: a width must be >= 1" "message")
          Expect.isFalse (modules model |> List.exists (fun (_, m) -> m :? NoisyActivation)) "unchanged") ]

let private state =
    [ torchTest "parameters, state and mode of the root are those of the new modules" (fun () ->
          let model = torch.nn.Sequential(struct ("in", linear ()), struct ("act", torch.nn.Tanh() :> Map))
          model.eval ()
          replace model Variants.Nah |> ignore
          Expect.equal (names model) [ "in.weight"; "in.bias"; "act.p" ] "parameters"
          Expect.containsAll (model.state_dict().Keys) [ "in.weight"; "in.bias"; "act.p" ] "state"
          let act = modules model |> List.find (fun (path, _) -> path = "act") |> snd
          Expect.isFalse act.training "the mode of the old one"
          model.train ()
          Expect.isTrue act.training "train"
          model.eval ()
          Expect.isFalse act.training "eval"
          model.``to`` torch.ScalarType.Float64 |> ignore
          Expect.equal (act.get_parameter("p").dtype) torch.ScalarType.Float64 "to")

      torchTest "the weights are the same parameters, so that an optimiser made before goes on; the gains are new" (fun () ->
          let model = new LstmModel(torch.nn.LSTM(3L, 4L, 2L, bidirectional = true))
          let before = [ for struct (name, p) in model.named_parameters () -> name, p ]
          let optimizer = torch.optim.SGD(List.map snd before, 0.1)
          let report = replace model Variants.Nan
          for name, p in before do Expect.isTrue (obj.ReferenceEquals(p, model.get_parameter name)) name
          let gains = names model |> List.except (List.map fst before)
          Expect.equal gains [ "lstm.p_l0"; "lstm.p_l0_reverse"; "lstm.p_l1"; "lstm.p_l1_reverse" ] "gains"
          Expect.isTrue (Seq.forall2 (fun a b -> obj.ReferenceEquals(a, b)) report.NewParameters (gains |> List.map model.get_parameter)) "new parameters"
          GC.Collect()
          GC.WaitForPendingFinalizers() // the old module goes, its parameters must not
          let start = values (model.get_parameter "lstm.weight_hh_l0")
          let struct (o, _, _) = model.Inner.call (filled 1L [ 5L; 2L; 3L ], Nullable())
          o.square().sum().backward ()
          optimizer.step () |> ignore
          Expect.notEqual (values (model.get_parameter "lstm.weight_hh_l0")) start "the old optimiser moved it")

      torchTest "new modules outlive the scope that they were made in" (fun () ->
          let model = new LstmModel(torch.nn.LSTM(3L, 4L, bias = false))
          do
              use _ = torch.NewDisposeScope()
              replace model Variants.Nan |> ignore
          for struct (name, p) in model.named_parameters () do Expect.isFalse p.IsInvalid name
          let struct (o, _, _) = model.Inner.call (filled 1L [ 5L; 2L; 3L ], Nullable())
          Expect.equal (shape o) [ 5L; 2L; 4L ] "forward")

      torchTest "the state of one replaced model loads into another" (fun () ->
          let make seed =
              let model = new Noisy.Examples.DropIn.SequenceClassifier(5L, 4L, 2L)
              Noisify.Replace(model, Variants.Nah, NoiseClock(seed: int64)) |> ignore
              model
          let a, b = make 1L, make 2L
          b.load_state_dict (a.state_dict ()) |> ignore
          a.eval ()
          b.eval ()
          let tokens = ids ()
          sameTensor (a.call tokens) (b.call tokens) "the same function")

      torchTest "double precision stays; half precision of a recurrent module is refused" (fun () ->
          let model = new LstmModel(torch.nn.LSTM(3L, 4L, dtype = torch.ScalarType.Float64))
          replace model Variants.Nan |> ignore
          let struct (o, _, _) = model.Inner.call ((filled 1L [ 5L; 2L; 3L ]).``to`` torch.ScalarType.Float64, Nullable())
          Expect.equal o.dtype torch.ScalarType.Float64 "output"
          Expect.equal (model.get_parameter("lstm.p_l0").dtype) torch.ScalarType.Float64 "gains"
          Expect.throwsC
              (fun () -> replace (new LstmModel(torch.nn.LSTM(3L, 4L, dtype = torch.ScalarType.BFloat16))) Variants.Nan |> ignore)
              (fun e -> Expect.stringContains e.Message "its weights are BFloat16: only Float32 and Float64 can be replaced; convert the model afterwards, not before" "message"))

      torchTest "gap gains are frozen where the weights around them are, and trained where those are" (fun () ->
          let model = new Noisy.PublicModels.SentimentNet()
          for p in model.parameters () do p.requires_grad <- false
          let report = Noisify.Replace(model, Variants.Nah, clock ())
          for p in report.NewParameters do Expect.isFalse p.requires_grad "frozen"
          Expect.stringContains (string report) "gap gains frozen, as the weights are" "report"
          let trained = new Noisy.PublicModels.SentimentNet()
          for p in (Noisify.Replace(trained, Variants.Nah, clock ())).NewParameters do Expect.isTrue p.requires_grad "trained"
          let parts = torch.nn.Sequential(torch.nn.Sequential(linear (), torch.nn.Tanh(), linear ()), torch.nn.Tanh(), linear ())
          for struct (name, p) in parts.named_parameters () do if name.StartsWith "0." then p.requires_grad <- false
          let report = Noisify.Replace(parts, Variants.Nah, clock ())
          Expect.equal [ for p in report.NewParameters -> p.requires_grad ] [ false; true ] "a frozen part of a model")

      torchTest "weights on the meta device are refused by name; the rest is replaced if that is allowed" (fun () ->
          let make () =
              let model = new Noisy.PublicModels.SentimentNet()
              model.``to``(torch.device "meta") |> ignore
              model
          Expect.throwsC (fun () -> replace (make ()) Variants.Nah |> ignore) (fun e ->
              Expect.isTrue (e :? UsageException) "kind"
              Expect.stringContains e.Message "its weights are on the meta device and have no numbers" "message")
          let report = Noisify.Replace(make (), Variants.Nah, clock (), allowPartial = true)
          Expect.equal (paths report.Refused) [ "lstm" ] "refused"
          Expect.isNonEmpty report.Replaced "the rest")

      torchTest "hooks go on" (fun () ->
          let model = torch.nn.Sequential(torch.nn.Tanh())
          let tanh = modules model |> List.head |> snd :?> Map
          let mutable calls = 0
          tanh.register_forward_hook (fun _ _ output -> calls <- calls + 1; output) |> ignore
          replace model Variants.Nah |> ignore
          model.call (filled 1L [ 3L ]) |> ignore
          Expect.equal calls 1 "calls")

      cudaTest "on a GPU the new parameters are where the old ones are" (fun device ->
          let model = new Noisy.Examples.DropIn.SequenceClassifier(5L, 4L, 2L)
          model.``to`` device |> ignore
          replace model Variants.Nah |> ignore
          for struct (name, p) in model.named_parameters () do Expect.equal p.device_type DeviceType.CUDA name
          model.call(ids().``to`` device).sum().backward ()) ]

let private dropouts =
    [ for dropout in [ 0.0; 0.05; 0.1; 0.25; 1.0 / 3.0; 0.5; 0.8; 0.97 ] do
          torchTest $"the dropout of a stack is measured: {dropout:F2}" (fun () ->
              for both, bias in [ false, true; true, false ] do
                  let lstm = new LstmModel(torch.nn.LSTM(3L, 4L, 2L, bias, false, dropout, both))
                  let gru = new GruModel(torch.nn.GRU(3L, 4L, 3L, bias, true, dropout, both))
                  replace lstm Variants.Nan |> ignore
                  replace gru Variants.Nan |> ignore
                  let expected = Math.Round(dropout, 5)
                  Expect.equal (box lstm.Inner :?> NoisyLstm).Shape.Dropout expected "LSTM"
                  Expect.equal (box gru.Inner :?> NoisyGru).Shape.Dropout expected "GRU")

      torchTest "measuring leaves no trace: gradients, frozen weights, mode, torch's generator" (fun () ->
          let model = new LstmModel(torch.nn.LSTM(3L, 4L, 2L, dropout = 0.5))
          let weight = model.get_parameter "lstm.weight_hh_l1"
          weight.requires_grad <- false
          model.eval ()
          let before = torch.get_rng_state ()
          let copies = [ for p in model.parameters () -> values p ]
          Noisify.Replace(model, Variants.Soft, clock ()) |> ignore
          sameTensor before (torch.get_rng_state ()) "generator"
          Expect.isFalse weight.requires_grad "frozen"
          Expect.isFalse model.Inner.training "mode"
          Expect.equal [ for p in model.parameters () -> values p ] copies "values"
          for p in model.parameters () do Expect.isNull p.grad "gradient")

      torchTest "a dropout that is said is taken" (fun () ->
          let model = new LstmModel(torch.nn.LSTM(3L, 4L, 2L, dropout = 0.5))
          Noisify.Replace(model, Variants.Nan, clock (), dropouts = fun path -> if path = "lstm" then Nullable 0.125 else Nullable()) |> ignore
          Expect.equal (box model.Inner :?> NoisyLstm).Shape.Dropout 0.125 "dropout"
          let model = new LstmModel(torch.nn.LSTM(3L, 4L, 2L))
          Expect.throwsT<InvalidSpecException> (fun () -> Noisify.Replace(model, Variants.Nan, clock (), dropouts = fun _ -> Nullable -0.5) |> ignore) "impossible")

      torchTest "a dropout of 1, which torch allows, is refused by its name" (fun () ->
          let make () = new LstmModel(torch.nn.LSTM(3L, 4L, 2L, dropout = 1.0))
          Expect.throwsC
              (fun () -> Noisify.Replace(make (), Variants.Nan, clock (), dropouts = fun _ -> Nullable 1.0) |> ignore)
              (fun e ->
                  Expect.isTrue (e :? UsageException) "kind"
                  Expect.stringContains e.Message "its dropout is 1, which lets nothing through" "message")
          let report = Noisify.Replace(make (), Variants.Nan, clock (), allowPartial = true, dropouts = fun _ -> Nullable 1.0)
          Expect.equal (paths report.Refused) [ "lstm" ] "left out") ]

let tests =
    testSequenced // they share torch's generator, which one of them watches
    <| testList "drop-in" [
        testList "identity" identity
        testList "places" places
        testList "choices" choices
        testList "state" state
        testList "dropout" dropouts
    ]
