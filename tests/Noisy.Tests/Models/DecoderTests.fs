/// All steps of a decoder as one function against composed tensor operations, and against itself at other widths and thread counts; and the
/// products with packed weights that it takes.
module Noisy.Tests.DecoderTests

#nowarn "9"

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

/// What a random decoder is made of.
type DecoderParting =
    | Gru of both: bool
    | Lstm of selector: bool

/// A random decoder and how it is run.
type Decoding =
    { Parting: DecoderParting
      Variant: ActivationPair
      Places: int
      Batch: int
      Units: int
      Channels: int
      Hidden: int
      Width: int
      Steps: int
      Masked: bool
      Mode: NoiseMode
      Frozen: bool
      Lanes: VectorWidth
      Threads: int
      Seed: int64 }

/// A random map of rows with packed weights.
type PackedMap =
    { Rows: int
      Outputs: int
      Inputs: int
      /// Columns of the matrix beyond the weights.
      Beyond: int
      Start: bool option
      MapLanes: VectorWidth
      MapThreads: int
      MapSeed: int64 }

let private widths = [ VectorWidth.Bits512; VectorWidth.Bits256; VectorWidth.Bits128; VectorWidth.Scalar ]

type DecodingArbitrary =
    static member Decoding() =
        gen {
            let! parting = Gen.elements [ Gru true; Gru false; Lstm true; Lstm false ]
            // NANIL's noise acts at a large c alone (decision 2).
            let! variant =
                Gen.elements
                    [ yield! Variants.All
                      Variants.Nanil.Map(fun s -> s.WithC 30.0)
                      Variants.Nah.Map(fun s -> s.WithP(Nullable 0.7).WithLearnP false)
                      Variants.Nah.Map(fun s -> s.WithAlpha(0.9).WithClipOutput true) ]
            let! places = Gen.choose (1, 6)
            let! batch = Gen.oneof [ Gen.choose (1, 12); Gen.choose (13, 40) ]
            let! units = Gen.oneof [ Gen.choose (1, 30); Gen.choose (250, 300) ]
            let! channels = Gen.choose (1, 30)
            let! hidden = Gen.choose (1, 40)
            let! width = Gen.choose (1, 20)
            let! steps = Gen.choose (1, 4)
            let! masked = Gen.elements [ true; false ]
            let! mode = Gen.frequency [ 5, Gen.constant NoiseMode.Sample; 1, Gen.constant NoiseMode.Mean; 1, Gen.constant NoiseMode.Off ]
            let! frozen = Gen.frequency [ 5, Gen.constant false; 1, Gen.constant true ]
            let! lanes = Gen.elements widths
            let! threads = Gen.choose (1, 4)
            let! seed = Gen.choose (1, 1_000_000)
            return
                { Parting = parting; Variant = variant; Places = places; Batch = batch; Units = units; Channels = channels; Hidden = hidden; Width = width
                  Steps = steps; Masked = masked; Mode = mode; Frozen = frozen; Lanes = lanes; Threads = threads; Seed = int64 seed }
        }
        |> Arb.fromGen

    static member PackedMap() =
        gen {
            let! rows = Gen.choose (1, 70)
            let! outputs = Gen.choose (1, 60)
            let! inputs = Gen.oneof [ Gen.choose (1, 50); Gen.choose (200, 700) ]
            let! beyond = Gen.choose (0, 9)
            let! start = Gen.elements [ None; Some false; Some true ]
            let! lanes = Gen.elements widths
            let! threads = Gen.choose (1, 4)
            let! seed = Gen.choose (1, 1_000_000)
            return
                { Rows = rows; Outputs = outputs; Inputs = inputs; Beyond = beyond; Start = start; MapLanes = lanes; MapThreads = threads; MapSeed = int64 seed }
        }
        |> Arb.fromGen

/// What the steps give, and every gradient, by name.
///
/// exact: leaves out what torch's own products make, whose bits depend on the number of threads.
let private run exact (l: Decoding) (seed: int64) (path: Backend) =
    use _ = torch.NewDisposeScope()
    let leaf n size = (filled (seed + n) (size |> List.map int64)).mul((2.0f).ToScalar()).detach().requires_grad_ ()
    let clock = NoiseClock seed
    let width = if exact then 1 else l.Width // one term: the same in any product
    let gru input = new NoisyGruCell(int64 input, int64 l.Hidden, l.Variant, clock, Backend = path)
    let lstm input = new NoisyLstmCell(int64 input, int64 l.Hidden, l.Variant, clock, Backend = path)
    let attention = new AdditiveAttention(l.Hidden, l.Channels, l.Units, l.Variant.Tanh, clock, Backend = path)
    let first = match l.Parting with Gru true -> gru width | _ -> null
    let input = if isNull first then width + l.Channels else l.Channels
    let last: torch.nn.Module = match l.Parting with Gru _ -> gru input | Lstm _ -> lstm input
    let core (m: torch.nn.Module) = match m with :? NoisyGruCell as g -> g.Core | m -> (m :?> NoisyLstmCell).Core
    let selector, weight, bias =
        match l.Parting with
        | Lstm true -> new NoisyActivation(l.Variant.Sigmoid, 1L, clock, Backend = path), leaf 8L [ 1; l.Hidden ], leaf 9L [ 1 ]
        | _ -> null, null, null
    let modules = [ "attention", attention :> torch.nn.Module; "first", first; "last", last; "selector", selector ] |> List.filter (snd >> isNull >> not)
    if l.Frozen then
        for _, m in modules do
            for p in m.parameters () do p.requires_grad <- false
    let words, hidden = leaf 1L [ l.Steps; l.Batch; width ], leaf 2L [ l.Batch; l.Hidden ]
    let cell = match l.Parting with Lstm _ -> leaf 3L [ l.Batch; l.Hidden ] | Gru _ -> null
    let keys, annotations = leaf 4L [ l.Places; l.Batch; l.Units ], leaf 5L [ l.Places; l.Batch; l.Channels ]
    // The first place is always there.
    let over s b = l.Masked && s > 0 && (s * 7 + b * 3) % 4 = 0
    let mask =
        if not l.Masked then null
        else torch.tensor([| for s in 0 .. l.Places - 1 do for b in 0 .. l.Batch - 1 -> if over s b then -infinityf else 0.0f |]).reshape (int64 l.Places, int64 l.Batch)
    let context = NoiseContext(l.Mode, NoiseKey.FromSeed seed, 5L, 2, Nullable())
    let parts = DecoderParts((if isNull first then null else first.Core), attention, selector, weight, bias, core last)
    let start = DecoderStart(hidden, cell, keys, annotations, mask)
    let states, seen, weights =
        match path with
        | Backend.Auto ->
            let struct (h, s, w) = FusedDecoder.Run(parts, words, start, context).Value
            h, s, w
        | _ ->
            Expect.isFalse (FusedDecoder.Run(parts, words, start, context).HasValue) "composed is not fused"
            // The modules' own faces, step by step.
            let steps = attention.Over(annotations, keys, mask)
            let mutable state = [| hidden; if not (isNull cell) then cell |]
            [ for t in 0 .. l.Steps - 1 do
                  let now = context.Later t
                  let word = words.select (0L, int64 t)
                  let next (m: torch.nn.Module) (x: Tensor) = match m with :? NoisyGruCell as g -> [| g.forward (x, state[0], now) |] | m -> (let struct (h, c) = (m :?> NoisyLstmCell).forward (x, struct (state[0], state[1]), now) in [| h; c |])
                  if not (isNull first) then state <- next first word
                  let struct (mean, weights) = steps.forward (state[0], now)
                  let mean = if isNull selector then mean else mean * selector.forward (torch.nn.functional.linear (state[0], weight, bias), now)
                  state <- next last (if isNull first then torch.cat ([| word; mean |], -1L) else mean)
                  state[0], mean, weights ]
            |> List.unzip3
            |> fun (h, s, w) -> torch.stack (List.toArray h), torch.stack (List.toArray s), torch.stack (List.toArray w)
    let weighted n (t: Tensor) = (t * filled (seed + n) (shape t)).sum ()
    (weighted 20L states + weighted 21L seen + weighted 22L weights).backward ()
    [ "states", values states; "seen", values seen; "attention", values weights ],
    [ for name, t in [ "hidden", hidden; "cell", cell; "keys", keys; "annotations", annotations ] do if not (isNull t) then name, gradientOf t
      if not exact then
          for name, t in [ "words", words; "selector weight", weight; "selector bias", bias ] do if not (isNull t) then name, gradientOf t
      for part, m in modules do
          for struct (name, p) in m.named_parameters () do if not exact || name = "score" || name.EndsWith "p" then $"{part}.{name}", gradientOf p ]

let private config count = { FsCheckConfig.defaultConfig with arbitrary = [ typeof<DecodingArbitrary> ]; maxTest = count }

let private property name count (body: Decoding -> unit) =
    testPropertyWithConfig (config count) name (fun (l: Decoding) ->
        TorchNative.EnsureLoaded()
        body l)

/// Pieces of the depth, one chain of fused multiply-adds each: what an element is.
let private element (m: PackedMap) (x: float32[]) (w: float32[]) (start: float32[]) row output =
    let pieces = (m.Inputs + 223) / 224
    let sum =
        Seq.fold
            (fun (total: float32) piece ->
                let mutable chain = 0.0f
                for k in m.Inputs * piece / pieces .. m.Inputs * (piece + 1) / pieces - 1 do
                    chain <- MathF.FusedMultiplyAdd(x[row * m.Inputs + k], w[output * (m.Inputs + m.Beyond) + k], chain)
                if piece = 0 then chain else total + chain)
            0.0f
            [ 0 .. pieces - 1 ]
    match m.Start with
    | None -> sum
    | Some perRow -> start[(if perRow then row * m.Outputs else 0) + output] + sum

let private packedMaps =
    [ testPropertyWithConfig (config 150) "packed weights: every element is its chains of multiply-adds, at every width and number of threads" (fun (m: PackedMap) ->
          let numbers n length = Array.init length (fun i -> let v = sin (float (i + 1) * (1.3 + float n) + float m.MapSeed) in float32 v)
          let x, w, start = numbers 1 (m.Rows * m.Inputs), numbers 2 (m.Outputs * (m.Inputs + m.Beyond)), numbers 3 (m.Rows * m.Outputs)
          let y, gradX = Array.create (m.Rows * m.Outputs + 1) 7.0f, Array.create (m.Rows * m.Inputs + 1) 7.0f
          let kernel = LinearKernel.Create m.MapLanes
          use xs = fixed x
          use ws = fixed w
          use starts = fixed start
          use ys = fixed y
          use grads = fixed gradX
          let packed = kernel.Pack(ws, m.Inputs + m.Beyond, m.Outputs, m.Inputs, m.MapThreads)
          let from = if m.Start.IsNone then NativeInterop.NativePtr.ofNativeInt 0n else starts
          kernel.Forward(packed.Start, xs, m.Rows, m.Outputs, m.Inputs, from, (if m.Start = Some true then m.Outputs else 0), ys, m.MapThreads)
          let back = kernel.PackBack(ws, m.Inputs + m.Beyond, m.Outputs, m.Inputs, m.MapThreads)
          kernel.Back(back.Start, starts, m.Rows, m.Outputs, m.Inputs, grads, m.MapThreads)
          let gradW, gradB = Array.create (m.Outputs * m.Inputs + 1) 0.5f, Array.create (m.Outputs + 1) 7.0f
          use gradWs = fixed gradW
          use gradBs = fixed gradB
          kernel.GradWeight(starts, xs, m.Rows, m.Outputs, m.Inputs, GradientTarget(At = gradWs, Add = true), GradientTarget(At = gradBs), m.MapThreads)
          BufferPool.Return packed
          BufferPool.Return back
          for o in 0 .. m.Outputs - 1 do
              for i in 0 .. m.Inputs - 1 do
                  let chain = Seq.fold (fun sum row -> MathF.FusedMultiplyAdd(start[row * m.Outputs + o], x[row * m.Inputs + i], sum)) 0.0f [ 0 .. m.Rows - 1 ]
                  Expect.equal gradW[o * m.Inputs + i] (0.5f + chain) $"weight {o}, {i}"
              Expect.equal gradB[o] (Seq.fold (fun sum row -> sum + start[row * m.Outputs + o]) 0.0f [ 0 .. m.Rows - 1 ]) $"bias {o}"
          Expect.equal (gradW[m.Outputs * m.Inputs], gradB[m.Outputs]) (0.5f, 7.0f) "nothing beyond the gradients"
          for row in 0 .. m.Rows - 1 do
              for o in 0 .. m.Outputs - 1 do
                  Expect.equal y[row * m.Outputs + o] (element m x w start row o) $"row {row}, output {o}"
              for i in 0 .. m.Inputs - 1 do
                  let expected = Seq.sum (seq { for o in 0 .. m.Outputs - 1 -> float start[row * m.Outputs + o] * float w[o * (m.Inputs + m.Beyond) + i] })
                  Tol.below (abs (float gradX[row * m.Inputs + i] - expected)) 1e-4 $"row {row}, input {i}"
          Expect.equal (y[m.Rows * m.Outputs], gradX[m.Rows * m.Inputs]) (7.0f, 7.0f) "nothing beyond") ]

let private decoders =
    [ property "at once equals step by step of composed operations: outputs to 1e-5, gradients to 1e-4" 150 (fun l ->
          fusedAgrees 1.0 l.Lanes l.Threads l.Seed (run false l))

      property "every width and every number of threads gives the same bits" 80 (fun l ->
          let reference = withEngine VectorWidth.Bits512 1 (fun () -> run true l l.Seed Backend.Auto)
          Expect.equal (withEngine l.Lanes l.Threads (fun () -> run true l l.Seed Backend.Auto)) reference "bits")

      torchTest "a second backward pass gives the same gradients, and so does one that records a graph" (fun () ->
          for variant in [ Variants.Nah; Variants.Hard ] do
              let clock = NoiseClock 1L
              let attention = new AdditiveAttention(6L, 5L, 7L, variant.Tanh, clock)
              let last = new NoisyLstmCell(8L, 6L, variant, clock)
              let leaf n size = (filled n size).detach().requires_grad_ ()
              let words, h, c, keys, annotations = leaf 1L [ 3L; 4L; 3L ], leaf 2L [ 4L; 6L ], leaf 3L [ 4L; 6L ], leaf 4L [ 5L; 4L; 7L ], leaf 5L [ 5L; 4L; 5L ]
              let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 3L, 1L)
              let struct (states, seen, weights) =
                  FusedDecoder.Run(DecoderParts(null, attention, null, null, null, last.Core), words, DecoderStart(h, c, keys, annotations, null), context).Value
              let loss = (states * filled 6L (shape states)).sum () + (seen * seen).sum () + (weights * weights).sum ()
              let leaves = [| words; h; c; keys; annotations; for p in Seq.append (last.parameters ()) (attention.parameters ()) do if p.requires_grad then p :> Tensor |]
              let gradients create =
                  torch.autograd.grad ([| loss |], leaves, retain_graph = true, create_graph = create, allow_unused = true)
                  |> Seq.map (fun g -> if isNull g || g.IsInvalid then [||] else values g)
                  |> List.ofSeq
              let once = gradients false
              Expect.equal (gradients false) once "again"
              for e, a in List.zip once (gradients true) do
                  Expect.equal a.Length e.Length "there"
                  Array.iter2 (fun x y -> Tol.close tensor32Slope x y "with a graph") e a) ]

let tests =
    testSequenced
    <| testList "decoder at once" [
        testList "products" packedMaps
        testList "steps" decoders
    ]
