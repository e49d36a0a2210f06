module Noisy.Tests.RecurrentTests

open System
open System.Collections.Generic
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests
open Noisy.Tests.TorchHelpers
open TorchSharp

/// Sizes of a random recurrent module and its input.
type Sizes =
    { Input: int64
      Hidden: int64
      Layers: int
      Bidirectional: bool
      BatchFirst: bool
      Steps: int64
      Batch: int64
      Seed: int64 }

    member s.Shape = RecurrentShape(s.Input, s.Hidden, s.Layers, BatchFirst = s.BatchFirst, Bidirectional = s.Bidirectional)
    member s.Rows = int64 (s.Layers * (if s.Bidirectional then 2 else 1))
    member s.NewInput() = filled s.Seed (if s.BatchFirst then [ s.Batch; s.Steps; s.Input ] else [ s.Steps; s.Batch; s.Input ])
    member s.NewState n = filled (s.Seed + n) [ s.Rows; s.Batch; s.Hidden ]

type SizesArbitrary =
    static member Sizes() =
        gen {
            let! i = Gen.choose (1, 6)
            let! h = Gen.choose (1, 7)
            let! layers = Gen.choose (1, 3)
            let! both = Gen.elements [ true; false ]
            let! first = Gen.elements [ true; false ]
            let! steps = Gen.choose (1, 6)
            let! batch = Gen.choose (1, 4)
            let! seed = Gen.choose (0, 1_000_000)
            return
                { Input = int64 i; Hidden = int64 h; Layers = layers; Bidirectional = both; BatchFirst = first
                  Steps = int64 steps; Batch = int64 batch; Seed = int64 seed }
        }
        |> Arb.fromGen

let private sizesProperty name count (body: Sizes -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with arbitrary = [ typeof<SizesArbitrary> ]; maxTest = count } name (fun sizes ->
        TorchNative.EnsureLoaded()
        torch.set_num_threads 1
        use _ = torch.NewDisposeScope()
        body sizes)

let private both (h: Tensor) (c: Tensor) = Nullable<struct (Tensor * Tensor)>(struct (h, c))
let private none = Nullable<struct (Tensor * Tensor)>()

let private parameters (m: torch.nn.Module) = [ for struct (name, p) in m.named_parameters () -> name, p ]

let private copyInto (target: torch.nn.Module) (source: torch.nn.Module) =
    target.load_state_dict (source.state_dict ()) |> ignore

let private sameGradients (expected: torch.nn.Module) (actual: torch.nn.Module) =
    Expect.equal (parameters actual |> List.map fst |> List.sort) (parameters expected |> List.map fst |> List.sort) "names"
    for name, p in parameters expected do closeTensor tensor32 p.grad (actual.get_parameter(name).grad) $"gradient of {name}"

let private leaf (t: Tensor) = t.detach().clone().requires_grad_ ()

/// Weighted sums of outputs and states, so that every element has a gradient of its own.
let private objective (outputs: Tensor list) =
    outputs
    |> List.mapi (fun i o -> (o * filled (100L + int64 i) (shape o)).sum ())
    |> List.reduce (fun a b -> a + b)

let private isSoftLstm =
    [ sizesProperty "the soft LSTM is torch's: outputs, states and all gradients" 30 (fun s ->
          let ours = new NoisyLstm(s.Shape, Variants.Soft, NoiseClock s.Seed)
          let theirs =
              torch.nn.LSTM(s.Input, s.Hidden, numLayers = int64 s.Layers, batchFirst = s.BatchFirst, bidirectional = s.Bidirectional)
          copyInto theirs ours
          let run (forward: Tensor -> Tensor -> Tensor -> Tensor list) =
              let x, h, c = leaf (s.NewInput()), leaf (s.NewState 1L), leaf (s.NewState 2L)
              let results = forward x h c
              (objective results).backward ()
              results @ [ x.grad; h.grad; c.grad ]
          let expected = run (fun x h c -> let struct (o, h, c) = theirs.forward (x, both h c) in [ o; h; c ])
          let actual = run (fun x h c -> let struct (o, h, c) = ours.forward (x, both h c) in [ o; h; c ])
          for name, e, a in List.zip3 [ "output"; "hidden"; "cell"; "dx"; "dh"; "dc" ] expected actual do
              closeTensor tensor32 e a name
          sameGradients theirs ours)

      sizesProperty "the soft GRU is torch's: outputs, states and all gradients" 30 (fun s ->
          let ours = new NoisyGru(s.Shape, Variants.Soft, NoiseClock s.Seed)
          let theirs =
              torch.nn.GRU(s.Input, s.Hidden, numLayers = int64 s.Layers, batchFirst = s.BatchFirst, bidirectional = s.Bidirectional)
          copyInto theirs ours
          let run (forward: Tensor -> Tensor -> Tensor list) =
              let x, h = leaf (s.NewInput()), leaf (s.NewState 1L)
              let results = forward x h
              (objective results).backward ()
              results @ [ x.grad; h.grad ]
          let expected = run (fun x h -> let struct (o, h) = theirs.forward (x, h) in [ o; h ])
          let actual = run (fun x h -> let struct (o, h) = ours.forward (x, h) in [ o; h ])
          for name, e, a in List.zip3 [ "output"; "hidden"; "dx"; "dh" ] expected actual do closeTensor tensor32 e a name
          sameGradients theirs ours)

      torchTest "weights of torch's modules load into ours, whose gains stay" (fun () ->
          let shape' = RecurrentShape(3L, 4L, 2, Bidirectional = true)
          let theirs = torch.nn.LSTM(3L, 4L, numLayers = 2L, bidirectional = true)
          let ours = new NoisyLstm(shape', Variants.Nan, NoiseClock 1L)
          let gains = [ for name, p in parameters ours do if name.StartsWith "p_" then name, values p ]
          ours.load_state_dict (theirs.state_dict (), strict = false) |> ignore
          for name, p in parameters theirs do sameTensor p (ours.get_parameter name) name
          for name, before in gains do Expect.equal (values (ours.get_parameter name)) before name
          Expect.equal (List.map fst gains) [ "p_l0"; "p_l0_reverse"; "p_l1"; "p_l1_reverse" ] "gains")

      torchTest "without a state both start from zeros" (fun () ->
          let lstm, gru = new NoisyLstm(RecurrentShape(3L, 4L), Variants.Nan, NoiseClock 1L), new NoisyGru(RecurrentShape(3L, 4L), Variants.Nan, NoiseClock 1L)
          lstm.eval ()
          gru.eval ()
          let x, zero = filled 1L [ 5L; 2L; 3L ], torch.zeros [| 1L; 2L; 4L |]
          let struct (a, _, _) = lstm.forward (x, none)
          let struct (b, _, _) = lstm.forward (x, both zero zero)
          sameTensor a b "LSTM"
          let struct (a, _) = gru.forward (x, null)
          let struct (b, _) = gru.forward (x, zero)
          sameTensor a b "GRU") ]

let private weighted (results: float[] list) (weights: float[] list) =
    List.sum (List.map2 (fun r w -> Array.fold2 (fun sum a b -> sum + a * b) 0.0 r w) results weights)

let private againstScalar cell (activations: ActivationPair) =
    let layers, inputs, hidden, steps, batch, update = 2, 2, 3, 3, 2, 11L
    let clock = NoiseClock 21L
    let dims = RecurrentShape(int64 inputs, int64 hidden, layers)
    let m: torch.nn.Module =
        match cell with
        | RecurrentReference.Lstm -> new NoisyLstm(dims, activations, clock)
        | RecurrentReference.Gru -> new NoisyGru(dims, activations, clock)
    // Wide weights, so that every site saturates now and then.
    do
        use _ = torch.no_grad ()
        for name, p in parameters m do
            if not (name.StartsWith "p_") then p.mul_ (torch.tensor 6.0f) |> ignore
    let x = leaf (filled 31L [ int64 steps; int64 batch; int64 inputs ] * 2)
    let state n = leaf (filled n [ int64 layers; int64 batch; int64 hidden ])
    let h, c = state 32L, state 33L
    let key = NoiseKey.FromSeed(99L).Child "noise"
    let context = NoiseContext(NoiseMode.Sample, key, update)
    let results =
        match m with
        | :? NoisyLstm as lstm ->
            let struct (o, h', c') = lstm.forward (x, both h c, context)
            [ o; h'; c' ]
        | m ->
            let struct (o, h') = (m :?> NoisyGru).forward (x, h, context)
            [ o; h' ]
    let leaves =
        [ "x", x; "h", h ]
        @ (if cell = RecurrentReference.Lstm then [ "c", c ] else [])
        @ [ for name, p in parameters m -> name, (p :> Tensor) ]
    let data = Dictionary(dict [ for name, t in leaves -> name, values t ])
    let scalar () = RecurrentReference.run cell activations (key.Child 0u) update layers inputs hidden steps batch data
    for name, e, a in List.zip3 (List.truncate results.Length [ "output"; "hidden"; "cell" ]) (scalar ()) results do
        Array.iteri2 (fun i e a -> Tol.close tensor32 e a $"{activations.Name}, {name} {i}") e (values a)

    (objective results).backward ()
    let weights = results |> List.mapi (fun i o -> values (filled (100L + int64 i) (shape o)))
    let step = 1e-6
    let size = List.sumBy (fun (name, t: Tensor) -> if isNull t.grad then 0.0 else Array.sumBy abs (values t.grad)) leaves
    Tol.above size 0.0 "there is a gradient"
    for name, t in leaves do
        let gradient = if isNull t.grad then Array.zeroCreate (int (t.numel ())) else values t.grad
        for i in 0 .. gradient.Length - 1 do
            let at = data[name][i]
            let loss v =
                data[name][i] <- v
                weighted (scalar ()) weights
            let slope = (loss (at + step) - loss (at - step)) / (2.0 * step)
            data[name][i] <- at
            Tol.close tensor32Slope slope gradient[i] $"{activations.Name}, gradient of {name} {i}"

let private scalarTests =
    [ for cell in [ RecurrentReference.Lstm; RecurrentReference.Gru ] do
          for pair in Variants.All do
              torchTest $"{cell} with {pair.Name} equals the scalar recurrence with the same noise, value and gradients" (fun () ->
                  againstScalar cell pair)
      torchTest "the same with a clip of the output and a leak of 1" (fun () ->
          againstScalar RecurrentReference.Lstm ((Variants.Nah.Map(fun s -> s.WithAlpha(1.0).WithClipOutput(true).WithC 4.0))))
      torchTest "a frozen row of gains gets no gradient, its learned neighbour does" (fun () ->
          let mixed = Variants.Nan
          let mixed = ActivationPair("mixed", mixed.Tanh.WithLearnP false, mixed.Sigmoid, "")
          let lstm = new NoisyLstm(RecurrentShape(2L, 3L), mixed, NoiseClock 1L)
          let struct (o, _, _) = lstm.forward (filled 1L [ 6L; 4L; 2L ] * 30, none)
          o.sum().backward ()
          let rows = values (lstm.get_parameter("p_l0").grad) |> Array.chunkBySize 3 |> Array.map (Array.exists ((<>) 0.0))
          Expect.equal rows[2] false "candidate"
          Expect.equal rows[4] false "cell output"
          Expect.isTrue (rows[0] || rows[1] || rows[3]) "gates")
      torchTest "gains that are all frozen are buffers" (fun () ->
          let lstm = new NoisyLstm(RecurrentShape(2L, 3L), Variants.Nan.Map(fun s -> s.WithLearnP false), NoiseClock 1L)
          Expect.equal [ for struct (name, _) in lstm.named_buffers () -> name ] [ "p_l0" ] "buffers"
          let struct (o, _, _) = lstm.forward (filled 1L [ 6L; 4L; 2L ], none)
          Expect.equal (shape o) [ 6L; 4L; 3L ] "output") ]

let private noisy = [ Variants.Nan; Variants.Nah; Variants.NanilReleased; Variants.Nanis ]

let private addressTests =
    [ sizesProperty "pieces with the state handed on are the whole sequence: noise and dropout go by time step" 12 (fun s ->
          let s = { s with Bidirectional = false; BatchFirst = false; Steps = s.Steps + 1L }
          let dims = RecurrentShape(s.Input, s.Hidden, s.Layers, Dropout = 0.4)
          let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed s.Seed, 5L, 3)
          let cut = 1L + s.Seed % (s.Steps - 1L)
          let x = s.NewInput()
          for pair in noisy do
              let lstm = new NoisyLstm(dims, pair, NoiseClock 1L)
              let h, c = s.NewState 1L, s.NewState 2L
              let struct (whole, hw, cw) = lstm.forward (x, both h c, context)
              let struct (a, h1, c1) = lstm.forward (x.narrow (0, 0, cut), both h c, context)
              let struct (b, h2, c2) = lstm.forward (x.narrow (0, cut, s.Steps - cut), both h1 c1, context.Later(int cut))
              closeTensor tensor32 whole (torch.cat [| a; b |]) $"{pair.Name} LSTM"
              closeTensor tensor32 hw h2 "hidden"
              closeTensor tensor32 cw c2 "cell"
              let gru = new NoisyGru(dims, pair, NoiseClock 1L)
              let struct (whole, hw) = gru.forward (x, h, context)
              let struct (a, h1) = gru.forward (x.narrow (0, 0, cut), h, context)
              let struct (b, h2) = gru.forward (x.narrow (0, cut, s.Steps - cut), h1, context.Later(int cut))
              closeTensor tensor32 whole (torch.cat [| a; b |]) $"{pair.Name} GRU"
              closeTensor tensor32 hw h2 "hidden")

      sizesProperty "batch first is a matter of layout alone" 20 (fun s ->
          let s = { s with BatchFirst = false }
          let first = RecurrentShape(s.Input, s.Hidden, s.Layers, BatchFirst = true, Bidirectional = s.Bidirectional)
          let x = s.NewInput()
          let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 3L, 1L)
          let struct (a, ha, ca) = (new NoisyLstm(s.Shape, Variants.Nan, NoiseClock 1L)).forward (x, none, context)
          let struct (b, hb, cb) = (new NoisyLstm(first, Variants.Nan, NoiseClock 1L)).forward (x.transpose (0, 1), none, context)
          sameTensor a (b.transpose (0, 1)) "output"
          sameTensor ha hb "hidden"
          sameTensor ca cb "cell")

      torchTest "the noise of a site, a layer, a direction, an update and a step are all its own" (fun () ->
          // Zero weights and a unit that shows its noise: whatever differs differs by its draws alone.
          let pair = Variants.Nani.Map(fun s -> s.WithC 0.01)
          let lstm = new NoisyLstm(RecurrentShape(2L, 64L, 2, Bidirectional = true), pair, NoiseClock 1L)
          do
              use _ = torch.no_grad ()
              for name, p in parameters lstm do p.fill_ ((if name.StartsWith "bias" then 0.25f else 0.0f).ToScalar()) |> ignore
          let run update = let struct (_, h, c) = lstm.forward (torch.zeros [| 2L; 1L; 2L |], none, NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L, update)) in values h, values c
          let h, c = run 0L
          let rows = Array.append (Array.chunkBySize 64 h) (Array.chunkBySize 64 c)
          for i in 0 .. rows.Length - 1 do
              for j in 0 .. i - 1 do Expect.notEqual rows[i] rows[j] $"rows {i} and {j}"
          Expect.notEqual (fst (run 1L)) h "another update"
          Expect.equal (run 0L) (h, c) "the same update")

      torchTest "a dropout mask goes by key, update and time step, and keeps the mean" (fun () ->
          let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L, 2L, 4)
          let drop probability context = KeyedDropout.Apply(torch.ones [| 10L; 100L; 100L |], probability, context)
          let a = drop 0.3 context
          sameTensor a (drop 0.3 context) "same address"
          for other in [ context.Child "x"; context.Child 1u; NoiseContext(NoiseMode.Sample, context.Key, 3L, 4) ] do
              Expect.isFalse (a.equal(drop 0.3 other).all().item<bool> ()) $"{other}"
          sameTensor (a.narrow (0, 3L, 7L)) ((drop 0.3 (context.Later 3)).narrow (0, 0L, 7L)) "later steps"
          Expect.equal (values a |> Array.distinct |> Array.sort) [| 0.0; float (float32 (1.0 / 0.7)) |] "values"
          let mean = Array.average (values a)
          Tol.below (abs (mean - 1.0) / sqrt (0.3 / 0.7 / 1e5)) 5.0 "standard errors of the mean"
          sameTensor (torch.ones [| 10L; 100L; 100L |]) (drop 0.3 NoiseContext.Test) "test time"
          sameTensor (torch.ones [| 10L; 100L; 100L |]) (drop 0.0 context) "nothing to drop")

      torchTest "dropout acts between layers in training, and nowhere else" (fun () ->
          let x = filled 1L [ 5L; 3L; 4L ]
          let run layers dropout training =
              let lstm = new NoisyLstm(RecurrentShape(4L, 6L, layers, Dropout = dropout), Variants.Soft, NoiseClock 1L)
              lstm.train training
              let struct (o, _, _) = lstm.forward (x, none)
              o
          sameTensor (run 1 0.0 true) (run 1 0.5 true) "one layer has no inside"
          sameTensor (run 2 0.0 false) (run 2 0.5 false) "evaluation"
          Expect.isFalse ((run 2 0.0 true).equal(run 2 0.5 true).all().item<bool> ()) "training") ]

let private faceTests =
    [ for pair in noisy do
          torchTest $"eval takes the expectation, with {pair.Name}" (fun () ->
              let x = filled 1L [ 5L; 3L; 4L ] * 9
              let lstm = new NoisyLstm(RecurrentShape(4L, 6L, 2), pair, NoiseClock 1L)
              lstm.eval ()
              let struct (a, _, _) = lstm.forward (x, none)
              let struct (b, _, _) = lstm.forward (x, none, NoiseContext.Test)
              sameTensor a b "LSTM"
              let gru = new NoisyGru(RecurrentShape(4L, 6L, 2), pair, NoiseClock 1L)
              gru.eval ()
              let struct (a, _) = gru.forward (x, null)
              let struct (b, _) = gru.forward (x, null, NoiseContext.Test)
              sameTensor a b "GRU")

      torchTest "a module that runs twice in an update uses later time steps the second time" (fun () ->
          let clock = NoiseClock 5L
          let gru = new NoisyGru(RecurrentShape(4L, 6L), Variants.Nani, clock)
          let x = filled 1L [ 5L; 3L; 4L ]
          clock.Advance 8L
          let struct (a, _) = gru.forward (x, null)
          let struct (b, _) = gru.forward (x, null)
          let context = NoiseContext(NoiseMode.Sample, clock.Key.Child("noise"), 8L)
          let struct (first, _) = gru.forward (x, null, context)
          let struct (second, _) = gru.forward (x, null, context.Later 5)
          sameTensor first a "first"
          sameTensor second b "second"
          Expect.isFalse (a.equal(b).all().item<bool> ()) "differ")

      torchTest "one scale from the clock serves all sites" (fun () ->
          let clock = NoiseClock 5L
          let pair = Variants.Nan.Map(fun s -> s.WithC 3.0)
          let make (pair: ActivationPair) =
              let clock = NoiseClock 5L
              let lstm = new NoisyLstm(RecurrentShape(4L, 6L), pair, clock)
              lstm, clock
          let x = filled 1L [ 5L; 3L; 4L ] * 20
          let (a, clockA), (b, _) = make Variants.Nan, make pair
          clockA.Advance(0L, 3.0)
          let struct (oa, _, _) = a.forward (x, none)
          let struct (ob, _, _) = b.forward (x, none)
          sameTensor ob oa "scale 3") ]

let private errorTests =
    let run (x: Tensor) (m: NoisyLstm) = m.forward (x, none) |> ignore
    let lstm first = new NoisyLstm(RecurrentShape(3L, 4L, 2, BatchFirst = first), Variants.Nan, NoiseClock 1L)
    [ torchTest "a wrong input is an error that shows both shapes" (fun () ->
          for size, text in [ [| 5L; 2L; 4L |], "5, 2, 4"; [| 5L; 4L |], "5, 4"; [| 0L; 2L; 3L |], "0, 2, 3"; [| 3L |], "3" ] do
              Tol.throws<ArgumentException> $"input is [{text}]: must be [T, B, 3] or [T, 3], with T >= 1 (Parameter 'input')" (fun () ->
                  run (torch.zeros size) (lstm false))
          Tol.throws<ArgumentException> "input is [5, 2, 4]: must be [B, T, 3] or [T, 3], with T >= 1 (Parameter 'input')" (fun () ->
              run (torch.zeros [| 5L; 2L; 4L |]) (lstm true)))

      torchTest "a wrong state is an error that shows both shapes" (fun () ->
          let x, good, bad = torch.zeros [| 5L; 2L; 3L |], torch.zeros [| 2L; 2L; 4L |], torch.zeros [| 1L; 2L; 4L |]
          for h, c in [ bad, good; good, bad ] do
              Tol.throws<ArgumentException> "a state is [1, 2, 4]: must be [2, 2, 4] (Parameter 'states')" (fun () ->
                  (lstm false).forward (x, both h c) |> ignore))

      torchTest "impossible sizes are all named" (fun () ->
          Tol.throws<InvalidSpecException>
              (InvalidSpecException(
                  [| "input size is 0: must be >= 1"
                     "hidden size is -1: must be >= 1"
                     "number of layers is 0: must be >= 1"
                     "dropout is 1: must be in [0, 1)" |])
                  .Message)
              (fun () -> new NoisyGru(RecurrentShape(0L, -1L, 0, Dropout = 1.0), Variants.Nan, NoiseClock 1L) |> ignore))

      torchTest "models of tokens refuse layers that are batch first or run both ways" (fun () ->
          for shape', message in
              [ RecurrentShape(3L, 4L, BatchFirst = true), "batch first is true: must be false, since the model takes tokens [T, B]"
                RecurrentShape(3L, 4L, Bidirectional = true), "bidirectional is true: must be false, since the model reads one direction" ] do
              Tol.throws<InvalidSpecException> message (fun () -> new MeanPoolClassifier(5, shape', 4, 3, Variants.Nah, NoiseClock 1L) |> ignore)
              Tol.throws<InvalidSpecException> message (fun () -> new RecurrentLanguageModel(5, shape', Variants.Nah, 0.1, NoiseClock 1L) |> ignore)) ]

let tests =
    testSequenced
    <| testList "recurrent modules" [
        testList "soft modules" isSoftLstm
        testList "scalar recurrence" scalarTests
        testList "addresses of the noise" addressTests
        testList "plain face" faceTests
        testList "errors" errorTests
    ]
