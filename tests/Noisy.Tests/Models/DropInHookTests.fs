/// Noisify.Replace on models whose fields have torch's own classes for types.
module Noisy.Tests.DropInHookTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.PublicModels
open Noisy.Tests.DropInModels
open Noisy.Tests.TorchHelpers
open TorchSharp

let private replace (root: torch.nn.Module) pair = Noisify.Replace(root, pair, clock ())
let private refusal (root: torch.nn.Module) =
    try
        replace root Variants.Nah |> ignore
        failtest "nothing was refused"
    with :? UsageException as e -> e.Message

let private tokens () : Tensor = torch.tensor([| 1L; 2L; 3L; 4L; 5L; 6L |]).reshape (2L, 3L)
let private floats size : Tensor = filled 3L size

/// Each model, a pass of it, and what a replacement finds in it.
let private models: (string * (unit -> torch.nn.Module * (unit -> Tensor)) * string list) list =
    let simple (make: unit -> #torch.nn.Module<Tensor, Tensor>) (input: unit -> Tensor) () =
        let model = make ()
        model :> torch.nn.Module, fun () -> model.call (input ())
    [ "classifier with an LSTM", simple (fun () -> new SentimentNet()) tokens, [ "lstm"; "sigmoid" ]
      "character model with its state",
      (fun () ->
          let model = new CharRnn()
          let state = Nullable<struct (Tensor * Tensor)>(struct (floats [ 2L; 3L; 8L ], floats [ 2L; 3L; 8L ]))
          model, fun () ->
              let struct (output, struct (h, c)) = model.call (tokens (), state)
              torch.cat (ResizeArray [ output.flatten (); h.flatten (); c.flatten () ])),
      [ "rnn" ]
      "classifier with a GRU", simple (fun () -> new GruClassifier()) (fun () -> floats [ 2L; 5L; 6L ]), [ "gru"; "tanh" ]
      "encoder and decoder", simple (fun () -> new Seq2Seq()) (fun () -> floats [ 5L; 2L; 6L ]), [ "encoder.lstm"; "decoder.cell" ]
      "LSTMs in a list, then a GRU cell", simple (fun () -> new StackedRnn()) (fun () -> floats [ 5L; 2L; 6L ]), [ "layers.0"; "layers.1"; "last" ]
      "perceptron", simple (fun () -> new Perceptron()) (fun () -> floats [ 5L; 4L ]), [ "tanh"; "sigmoid" ]
      "advised classifier", simple (fun () -> new AdvisedSentiment()) tokens, [ "lstm" ]
      "advised list", simple (fun () -> new AdvisedStack()) (fun () -> floats [ 5L; 2L; 6L ]), [ "layers.0"; "layers.1" ]
      "advised fields", simple (fun () -> new AdvisedFields()) (fun () -> floats [ 5L; 2L; 6L ]), [ "gru"; "cell"; "step"; "lstm" ]
      "advised packed", simple (fun () -> new AdvisedPacked()) (fun () -> floats [ 5L; 2L; 6L ]), [ "lstm"; "gru" ]
      "F# fields, a list and a bound method", simple (fun () -> new Concrete false) (fun () -> floats [ 5L; 4L ]), [ "tanh"; "tanhs.0"; "bound"; "good" ] ]

let private trace (root: torch.nn.Module) (pass: unit -> Tensor) =
    root.zero_grad ()
    let output = pass ()
    (output * filled 9L (shape output)).sum().backward ()
    ("output", output.detach ()) :: [ for struct (name, p) in root.named_parameters () do
                                          if not (isNull p.grad) then name, p.grad.clone () ]

let private identity =
    [ for name, make, found in models do
          torchTest $"a {name} made soft is unchanged, value and gradients" (fun () ->
              torch.manual_seed 1L |> ignore
              let model, pass = make ()
              model.eval () // dropout
              let before = trace model pass
              let keys = List.ofSeq (model.state_dict().Keys)
              let report = replace model Variants.Soft
              Expect.equal (List.sort (paths report.Replaced)) (List.sort found) "replaced"
              let after = trace model pass
              Expect.equal (List.map fst after) (List.map fst before) "the same things have gradients"
              for (what, e), (_, a) in List.zip before after do closeTensor tensor32 e a what
              Expect.equal (List.ofSeq (model.state_dict().Keys)) keys "state"
              Expect.isEmpty report.NotCalled "every hook was called")

          torchTest $"a {name} made noisy has noise in train(), none in eval(), and its gains learn" (fun () ->
              torch.manual_seed 1L |> ignore
              let model, pass = make ()
              let pair = Variants.Nan.Map(fun s -> s.WithAlpha(1).WithC(0.5).WithP(Nullable 2.0)) // without a leak states are bounded
              for p in model.parameters () do (use _ = torch.no_grad () in p.mul_ (torch.tensor 9.0f) |> ignore) // saturate
              let report = replace model pair
              model.train ()
              Expect.notEqual (values (pass ())) (values (pass ())) "train"
              let optimiser = torch.optim.SGD(model.parameters (), 0.1)
              let gains = List.ofSeq report.NewParameters
              let start = gains |> List.map values
              pass().square().sum().backward ()
              optimiser.step () |> ignore
              Expect.exists (List.zip start gains) (fun (s, g) -> s <> values g) "gains"
              model.eval ()
              sameTensor (pass ()) (pass ()) "eval"
              Expect.isEmpty (replace model Variants.Nah).Entries "a second call finds nothing to do") ]

let private lstm = "nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)>"

let private refused =
    let message path was reason =
        [ "1 of 1 modules cannot be replaced, and nothing was changed:"
          $"  {path}: {was} cannot be replaced: {reason}"
          "Change them, leave them out with the argument where, or allow a partial replacement with allowPartial." ]
        |> String.concat Environment.NewLine
    [ torchTest "a model that calls forward is refused, with the field to declare and the call to write" (fun () ->
          let model = new SentimentByForward()
          Expect.equal (refusal model)
              (message "lstm" "LSTM"
                  ("SentimentByForward.lstm is declared as LSTM, and SentimentByForward.forward calls forward, which no hook sees (write call instead); "
                   + $"or declare SentimentByForward.lstm as {lstm}: with using Noisy.Models its calls compile as they are"))
              "message")

      torchTest "a list of LSTMs is named by its field, and a lambda's call is found" (fun () ->
          let text = refusal (new StackedByForward())
          Expect.stringContains text "layers.1: LSTM cannot be replaced: StackedByForward.layers[1] is declared as LSTM, and StackedByForward calls forward" "place"
          Expect.stringContains text $"or declare the elements of StackedByForward.layers as {lstm}" "remedy")

      torchTest "an F# closure that calls forward by an extension method is found" (fun () ->
          Expect.stringContains (refusal (new ByForward())) "lstm: LSTM cannot be replaced: ByForward.lstm is declared as LSTM, and " "message")

      torchTest "a packed sequence is no call that a hook sees" (fun () ->
          Expect.stringContains (refusal (new PackedNet()))
              "PackedNet.lstm is declared as LSTM, and PackedNet.forward calls it with a packed sequence, which no hook sees; or declare PackedNet.lstm" "message")

      torchTest "a method of a module held for good is refused if it is forward" (fun () ->
          Expect.stringContains (refusal (new Concrete true))
              "bound: Sigmoid cannot be replaced: Concrete.method' (a delegate) holds it for good, and Concrete.method' (a delegate) is its forward, which no hook sees; keep the module there" "message")

      torchTest "a module with hooks of its own is refused where it must stay" (fun () ->
          let model = new SentimentNet()
          model.Lstm.register_forward_hook (fun _ _ _ output -> output) |> ignore
          Expect.stringContains (refusal model) "SentimentNet.lstm is declared as LSTM, and it has hooks of its own" "message")

      torchTest "a partial replacement replaces the rest and reports what it could not" (fun () ->
          let model = new Concrete true
          let report = Noisify.Replace(model, Variants.Nah, clock (), allowPartial = true)
          Expect.equal (paths report.Refused, paths report.Replaced) ([ "bound" ], [ "tanh"; "tanhs.0"; "good" ]) "outcome") ]

let private behaviour =
    [ torchTest "what is replaced by a hook is said, and torch's registration has the new module" (fun () ->
          let model = new SentimentNet()
          let report = replace model Variants.Nah
          Expect.isTrue (entry report "lstm").ByHook "by a hook"
          Expect.equal (string (entry report "lstm"))
              "lstm: LSTM -> NoisyLstm (6 -> 8, 2 layers, dropout 0.2, batch first; by a hook on its call, since SentimentNet.lstm is declared as LSTM)" "line"
          let registered = [ for struct (path, m) in model.named_modules () do if path = "lstm" then m ]
          Expect.isTrue (registered |> List.forall (fun m -> obj.ReferenceEquals(m, (entry report "lstm").Now))) "registration"
          Expect.equal (paths report.NotCalled) [ "lstm"; "sigmoid" ] "before the first pass"
          model.call (tokens ()) |> ignore
          Expect.isEmpty report.NotCalled "after it")

      torchTest "a call from outside that passes the hook by leaves its module among those not called" (fun () ->
          let model = new SentimentNet()
          let report = replace model Variants.Nah
          model.Lstm.forward (floats [ 2L; 3L; 6L ]) |> ignore
          Expect.contains (paths report.NotCalled) "lstm" "not called")

      torchTest "train and eval of the field's module reach the new one" (fun () ->
          let model = new SentimentNet()
          let now = (entry (replace model Variants.Nah) "lstm").Now
          let x = floats [ 2L; 3L; 6L ]
          let run () = model.Lstm.call x |> ignore
          run ()
          Expect.isTrue now.training "at first"
          model.eval ()
          run ()
          Expect.isFalse now.training "the model's mode"
          model.Lstm.train ()
          run ()
          Expect.isTrue now.training "the field's"
          model.Lstm.eval ()
          run ()
          Expect.isFalse now.training "the field's, back")

      torchTest "a part of the model can be kept in eval while the rest trains" (fun () ->
          let model = new SentimentNet()
          let now = (entry (replace model Variants.Nah) "lstm").Now
          let run () = model.Lstm.call (floats [ 2L; 3L; 6L ]) |> ignore
          for _ in 1..2 do
              model.train ()
              model.Lstm.eval ()
              run ()
              Expect.isFalse now.training "the part"
              run ()
              Expect.isFalse now.training "later"
          model.train ()
          run ()
          Expect.isTrue now.training "the model again")

      torchTest "a hook registered later on the old module is refused at its call, one on the new module runs" (fun () ->
          let model = new SentimentNet()
          let now = (entry (replace model Variants.Nah) "lstm").Now :?> NoisyLstm
          let mutable calls = 0
          now.register_forward_hook (fun _ _ _ output -> calls <- calls + 1; output) |> ignore
          model.call (tokens ()) |> ignore
          Expect.equal calls 1 "calls"
          model.Lstm.register_forward_pre_hook (fun _ x s -> Nullable<struct (Tensor * Nullable<struct (Tensor * Tensor)>)>(struct (x, s))) |> ignore
          Expect.throwsC (fun () -> model.call (tokens ()) |> ignore) (fun e ->
              Expect.stringContains e.Message "register it on the NoisyLstm, property Now of its entry in the report" "message"))

      torchTest "a hook draws nothing from torch's generator and keeps no tensor" (fun () ->
          let model = new SentimentNet()
          replace model Variants.Nah |> ignore
          let pass () =
              use _ = torch.NewDisposeScope()
              model.Lstm.call (floats [ 2L; 3L; 6L ]) |> ignore
          pass ()
          let generator = torch.get_rng_state ()
          let before = torch.Tensor.TotalCount
          for _ in 1..20 do pass ()
          Expect.equal torch.Tensor.TotalCount before "tensors"
          sameTensor generator (torch.get_rng_state ()) "generator")

      torchTest "a model replaced by hooks moves to double precision" (fun () ->
          let model = new GruClassifier()
          let report = replace model Variants.Nah
          model.``to`` torch.ScalarType.Float64 |> ignore
          Expect.all report.NewParameters (fun p -> p.dtype = torch.ScalarType.Float64) "gains"
          let x = torch.zeros (2L, 5L, 6L, dtype = torch.ScalarType.Float64)
          let struct (output, _) = ((entry report "gru").Now :?> NoisyGru).call (x, null)
          Expect.equal output.dtype torch.ScalarType.Float64 "the new module"
          let old = torch.get_default_dtype ()
          torch.set_default_dtype torch.ScalarType.Float64
          try Expect.equal (model.call x).dtype torch.ScalarType.Float64 "the model"
          finally torch.set_default_dtype old)

      torchTest "the module in a field of its own type has the parameters of the new one, before and after a move" (fun () ->
          let model = new SentimentNet()
          let now = (entry (replace model Variants.Nah) "lstm").Now
          let named (m: torch.nn.Module) = [ for struct (name, p) in m.named_parameters () -> name, p ]
          let same (dtype: torch.ScalarType) =
              Expect.isNonEmpty (named now) "parameters"
              for (name, a), (other, b) in List.zip (named model.Lstm) (named now) do
                  Expect.equal name other "name"
                  Expect.isTrue (obj.ReferenceEquals(a, b) && a.dtype = dtype) $"{name} is the very parameter"
              Expect.equal (model.Lstm.get_parameter "weight_hh_l0").dtype dtype "by name"
          same torch.ScalarType.Float32
          model.``to`` torch.ScalarType.Float64 |> ignore
          same torch.ScalarType.Float64)

      torchTest "noisy layers have torch's flatten_parameters, which does nothing" (fun () ->
          let lstm, gru = new NoisyLstm(RecurrentShape(2L, 3L), Variants.Nah, clock ()), new NoisyGru(RecurrentShape(2L, 3L), Variants.Nah, clock ())
          let before = [ for p in Seq.append (lstm.parameters ()) (gru.parameters ()) -> values p ]
          lstm.flatten_parameters ()
          gru.flatten_parameters ()
          Expect.equal [ for p in Seq.append (lstm.parameters ()) (gru.parameters ()) -> values p ] before "weights") ]

let tests =
    testSequenced // one watches torch's generator and the count of tensors
    <| testList "drop-in by hooks" [
        testList "identity" identity
        testList "refused" refused
        testList "behaviour" behaviour
    ]
