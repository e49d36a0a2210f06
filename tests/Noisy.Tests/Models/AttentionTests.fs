/// Attention, sentence encoder and decoder, from outside.
module Noisy.Tests.AttentionTests

open System
open Expecto
open FsCheck
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

let private sampling = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 0, Nullable 0.8)
let private ids (rows: int list list) = torch.tensor(rows |> List.concat |> List.map int64 |> List.toArray).reshape (int64 rows.Length, int64 rows.Head.Length)

/// What the formula says of one row, in double.
let private slowly (m: AdditiveAttention) (query: float[]) (annotations: float[][]) =
    let weight name = m.get_parameter name
    let matrix name = let w = weight name in values w |> Array.chunkBySize (int w.shape[1])
    let dot (a: float[]) (b: float[]) = Array.fold2 (fun sum x y -> sum + x * y) 0.0 a b
    let wq, wc, b, v = matrix "weight_query", matrix "weight_context", values (weight "bias"), values (weight "score")
    let scores = [| for a in annotations -> Array.sum [| for j in 0 .. v.Length - 1 -> v[j] * tanh (dot wq[j] query + dot wc[j] a + b[j]) |] |]
    let e = scores |> Array.map (fun s -> exp (s - Array.max scores))
    let weights = e |> Array.map (fun x -> x / Array.sum e)
    weights, [| for c in 0 .. annotations[0].Length - 1 -> Array.fold2 (fun sum w (a: float[]) -> sum + w * a[c]) 0.0 weights annotations |]

let private attention =
    [ torchProperty "attention is the formula's, and does not see what is masked" 20 (fun (seed: int64, s: byte, lengthsSeed: byte list) ->
          let steps, batch = int (s % 7uy) + 1, 3
          let m = new AdditiveAttention(4L, 5L, 6L, Variants.Soft.Tanh, NoiseClock seed)
          let q, a = filled seed [ 3L; 4L ], filled (seed + 1L) [ int64 steps; 3L; 5L ]
          let lengths = [| for b in 0 .. batch - 1 -> 1 + (lengthsSeed |> List.tryItem b |> Option.map int |> Option.defaultValue steps) % steps |]
          let mask = torch.tensor([| for t in 0 .. steps - 1 do for b in 0 .. batch - 1 -> if t < lengths[b] then 0.0f else -infinityf |]).reshape (int64 steps, 3L)
          let struct (mean, weights) = m.forward (q, a, m.Keys a, mask, NoiseContext.Test)
          let qs = values q |> Array.chunkBySize 4
          for b in 0 .. batch - 1 do
              let own = [| for t in 0 .. lengths[b] - 1 -> values (a.select(0L, int64 t).select (0L, int64 b)) |]
              let expectedWeights, expectedMean = slowly m qs[b] own
              let found = [| for t in 0 .. steps - 1 -> scalarOf (weights.select(0L, int64 t).select (0L, int64 b)) |]
              for t in 0 .. steps - 1 do
                  Tol.close tensor32 (if t < own.Length then expectedWeights[t] else 0.0) found[t] $"weight {t}"
              Array.iter2 (fun e f -> Tol.close tensor32 e f "mean") expectedMean (values (mean.select (0L, int64 b))))

      torchTest "noise is drawn for each annotation, unit and time step, the same on both paths" (fun () ->
          let make engine = new AdditiveAttention(4L, 5L, 6L, Variants.Nah.Tanh, NoiseClock 1L, Backend = engine)
          let q, a = filled 1L [ 3L; 4L ] * torch.tensor 20.0f, filled 2L [ 7L; 3L; 5L ]
          let run (m: AdditiveAttention) context = let struct (mean, _) = m.forward (q, a, m.Keys a, null, context) in mean
          let fused, composed = make Backend.Auto, make Backend.Composed
          closeTensor tensor32 (run composed sampling) (run fused sampling) "paths"
          Expect.isFalse ((run fused sampling).equal(run fused (sampling.Later 1)).all().item<bool> ()) "another time step") ]

let private activations = [ Variants.Soft; Variants.Nah; Variants.Nani ]

let private encoder =
    [ for pair in activations do
          torchTest $"a sentence is read the same whatever stands beside it: {pair.Name}" (fun () ->
              let m = new SentenceEncoder(10L, 4L, 5L, pair, NoiseClock 1L)
              let together = m.forward (ids [ [ 3; 1; 2 ]; [ 4; 5; 2 ]; [ 0; 6; 2 ]; [ 0; 0; 7 ] ], [| 2; 3; 4 |], NoiseContext.Test)
              let sentences = [ [ 3; 4 ]; [ 1; 5; 6 ]; [ 2; 2; 2; 7 ] ]
              for b, sentence in List.indexed sentences do
                  let alone = m.forward (ids [ for w in sentence -> [ w ] ], [| sentence.Length |], NoiseContext.Test)
                  let own = together.Annotations.select(1L, int64 b).narrow (0L, 0L, int64 sentence.Length)
                  closeTensor tensor32 (alone.Annotations.select (1L, 0L)) own $"annotations of sentence {b}"
                  closeTensor tensor32 (alone.Mean.select (0L, 0L)) (together.Mean.select (0L, int64 b)) $"mean of sentence {b}"
                  let expected = [| for t in 0 .. 3 -> if t < sentence.Length then 0.0 else -infinity |]
                  Expect.equal (values (together.Mask.select (1L, int64 b))) expected "mask")

      torchTest "on whole sentences it is torch's bidirectional GRU" (fun () ->
          let m = new SentenceEncoder(10L, 4L, 5L, Variants.Soft, NoiseClock 1L)
          let theirs = torch.nn.GRU(4L, 5L, bidirectional = true)
          (use _ = torch.no_grad ()
           for struct (name, p) in theirs.named_parameters () do
               let own = if name.EndsWith "_reverse" then "backward." + name.Replace("_reverse", "") else "forward." + name
               p.copy_ (m.get_parameter own) |> ignore)
          let tokens = ids [ [ 3; 1 ]; [ 4; 5 ]; [ 0; 6 ] ]
          let embedded = (m.get_parameter "embedding").index_select(0L, tokens.reshape -1L).reshape (3L, 2L, 4L)
          let struct (expected, _) = theirs.call (embedded, null)
          closeTensor tensor32 expected (m.forward (tokens, [| 3; 3 |], NoiseContext.Test)).Annotations "annotations")

      torchTest "lengths that do not fit are refused" (fun () ->
          let m = new SentenceEncoder(10L, 4L, 5L, Variants.Soft, NoiseClock 1L)
          for lengths in [ [| 2 |]; [| 0; 2 |]; [| 2; 3 |] ] do
              Expect.throwsT<ArgumentException> (fun () -> m.forward (ids [ [ 3; 1 ]; [ 4; 5 ] ], lengths, NoiseContext.Test) |> ignore) $"{lengths}") ]

type private Model(pair, engine) =
    let clock = NoiseClock 1L
    member val Encoder = new SentenceEncoder(10L, 4L, 5L, pair, clock, Backend = engine)
    member val Decoder = new AttentionDecoder(8L, 4L, 10L, 6L, 7L, pair, clock, Backend = engine)

    member this.Start context =
        let encoded = this.Encoder.forward (ids [ [ 3; 1 ]; [ 4; 5 ]; [ 0; 6 ] ], [| 2; 3 |], context)
        this.Decoder.Start(encoded, context)

    member this.Loss context =
        let target = ids [ [ 5; 2 ]; [ 0; 3 ]; [ 0; 0 ] ]
        let counted = torch.tensor [| 5L; 2L; 0L; 3L; LinearCrossEntropy.IgnoreIndex; 0L |]
        this.Decoder.Loss(this.Start context, target, counted, context)

let private decoder =
    [ for pair in activations do
          torchTest $"the loss adds up what the decoder says word by word: {pair.Name}" (fun () ->
              let m = Model(pair, Backend.Auto)
              let struct (sum, all) = m.Loss NoiseContext.Test
              let mutable state = m.Start NoiseContext.Test
              let mutable nll = 0.0
              for t, (last, next) in List.indexed [ [], [ 5; 2 ]; [ 5; 2 ], [ 0; 3 ]; [ 0; 3 ], [ -1; 0 ] ] do
                  let last = if last.IsEmpty then null else torch.tensor [| for w in last -> int64 w |]
                  let struct (logs, now, hidden) = m.Decoder.Next(state, last, NoiseContext.Test)
                  let rows = values logs |> Array.chunkBySize 8
                  for b, w in List.indexed next do if w >= 0 then nll <- nll - rows[b][w]
                  for row in rows do Tol.close tensor32 1.0 (Array.sumBy exp row) "probabilities"
                  closeTensor tensor32 (all.select (0L, int64 t)) now "attention"
                  Tol.close tensor32 2.0 (Array.sum (values now)) "weights"
                  state <- new DecoderState(hidden, state.Encoded, state.Keys)
              Tol.close tensor32 nll (scalarOf sum) "sum")

          torchTest $"both paths agree, noise and gradients included: {pair.Name}" (fun () ->
              let run engine =
                  let m = Model(pair, engine)
                  let struct (sum, _) = m.Loss sampling
                  sum.backward ()
                  sum, [ for part in [ m.Encoder :> torch.nn.Module; m.Decoder ] do
                             for struct (name, p) in part.named_parameters () do name, p.grad ]
              let sum, gradients = run Backend.Auto
              let expected, expectedGradients = run Backend.Composed
              Tol.close tensor32 (scalarOf expected) (scalarOf sum) "sum"
              for (name, e), (_, a) in List.zip expectedGradients gradients do closeTensor tensor32Slope (e.to_dense ()) (a.to_dense ()) name)

      torchTest "gradients are those of central differences" (fun () ->
          let m = Model(Variants.Nah, Backend.Auto)
          let loss () = let struct (sum, _) = m.Loss sampling in sum
          (loss ()).backward ()
          for name in [ "start_weight"; "first.weight_hh"; "attention.weight_query"; "attention.score"; "second.weight_ih"; "readout_context"; "readout_state" ] do
              let p = m.Decoder.get_parameter name
              let direction = filled 8L (shape p)
              let expected = (p.grad * direction).sum () |> scalarOf
              use _ = torch.no_grad ()
              let h = 1e-2
              let at (step: float) =
                  p.add_ (direction * torch.tensor (float32 step)) |> ignore
                  let value = scalarOf (loss ())
                  p.sub_ (direction * torch.tensor (float32 step)) |> ignore
                  value
              let difference = (at h - at -h) / (2.0 * h)
              Tol.below (abs (difference - expected)) (0.02 * (abs expected + 0.1)) $"{name}: {difference} and {expected}")

      torchTest "rows of a state go on as they would alone" (fun () ->
          let m = Model(Variants.Hard, Backend.Auto)
          let state = m.Start NoiseContext.Test
          use rows = state.Rows [| 1; 0; 1 |]
          let struct (logs, _, _) = m.Decoder.Next(rows, torch.tensor [| 3L; 2L; 3L |], NoiseContext.Test)
          let struct (expected, _, _) = m.Decoder.Next(state, torch.tensor [| 2L; 3L |], NoiseContext.Test)
          let row (t: Tensor) i = values (t.select (0L, int64 i))
          for mine, theirs in [ 0, 1; 1, 0; 2, 1 ] do
              Array.iter2 (fun e a -> Tol.close tensor32 e a "row") (row expected theirs) (row logs mine)) ]

let tests =
    testSequenced
    <| testList "attention and decoder" [
        testList "attention" attention
        testList "encoder" encoder
        testList "decoder" decoder
    ]
