/// Fused steps of attention against composed tensor operations, and against themselves at other widths and thread counts.
module Noisy.Tests.AttentionStepTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

/// Some steps at the same annotations.
type AttentionSequence =
    { Activation: NoisyActivationSpec
      Places: int
      Batch: int
      Units: int
      Channels: int
      Steps: int
      Masked: bool
      Mode: NoiseMode
      Frozen: bool
      Width: VectorWidth
      Threads: int
      Seed: int64 }

type AttentionSequenceArbitrary =
    static member AttentionSequence() =
        gen {
            let! pair = Gen.elements Variants.All
            let! sigmoid = Gen.frequency [ 4, Gen.constant false; 1, Gen.constant true ]
            let! learned = Gen.frequency [ 4, Gen.constant true; 1, Gen.constant false ]
            let! places = Gen.choose (1, 9)
            let! batch = Gen.choose (1, 20)
            let! units = Gen.oneof [ Gen.choose (1, 40); Gen.choose (400, 600) ]
            let! channels = Gen.choose (1, 40)
            let! steps = Gen.choose (1, 3)
            let! masked = Gen.elements [ true; false ]
            let! mode = Gen.frequency [ 4, Gen.constant NoiseMode.Sample; 1, Gen.constant NoiseMode.Mean ]
            let! frozen = Gen.frequency [ 4, Gen.constant false; 1, Gen.constant true ]
            let! width = Gen.elements [ VectorWidth.Bits512; VectorWidth.Bits256; VectorWidth.Bits128; VectorWidth.Scalar ]
            let! threads = Gen.choose (1, 4)
            let! seed = Gen.choose (1, 1_000_000)
            let spec = if sigmoid then pair.Sigmoid else pair.Tanh
            return
                { Activation = (if spec.UsesP && not learned then spec.WithLearnP false else spec)
                  Places = places; Batch = batch; Units = units; Channels = channels; Steps = steps; Masked = masked; Mode = mode
                  Frozen = frozen; Width = width; Threads = threads; Seed = int64 seed }
        }
        |> Arb.fromGen

/// What some steps give, and every gradient, by name.
///
/// alone: leaves torch's own products out, whose bits depend on the number of threads; that of the first step's query has one term a
/// number then.
let private runPart alone (l: AttentionSequence) (path: Backend) =
    use _ = torch.NewDisposeScope()
    let leaf n size = (filled (l.Seed + n) size).mul((3.0f).ToScalar()).detach().requires_grad_ ()
    let inputs = if alone then 1L else 5L
    let m = new AdditiveAttention(inputs, int64 l.Channels, int64 l.Units, l.Activation, NoiseClock l.Seed, Backend = path)
    if l.Frozen then
        for p in m.parameters () do p.requires_grad <- false
    let query, annotations = leaf 1L [ int64 l.Steps; int64 l.Batch; inputs ], leaf 2L [ int64 l.Places; int64 l.Batch; int64 l.Channels ]
    // The first place is always there.
    let over s b = l.Masked && s > 0 && (s * 7 + b * 3) % 4 = 0
    let mask =
        if l.Masked then torch.tensor([| for s in 0 .. l.Places - 1 do for b in 0 .. l.Batch - 1 -> if over s b then -infinityf else 0.0f |]).reshape (int64 l.Places, int64 l.Batch)
        else null
    let context = NoiseContext(l.Mode, NoiseKey.FromSeed l.Seed, 5L, 2, Nullable())
    let keys = if alone then leaf 3L [ int64 l.Places; int64 l.Batch; int64 l.Units ] else m.Keys annotations
    let steps = m.Over(annotations, keys, mask)
    let results = [ for t in 0 .. l.Steps - 1 do let struct (mean, weights) = steps.forward (query.select (0L, int64 t), context.Later t) in mean, weights ]
    let weighted n (t: Tensor) = (t * filled (l.Seed + n) (shape t)).sum ()
    let loss = [ for t, (mean, weights) in List.indexed results do weighted (10L + int64 t) mean; weighted (20L + int64 t) weights ] |> List.reduce (fun a b -> a + b)
    loss.backward ()
    [ for t, (mean, weights) in List.indexed results do $"mean {t}", values mean; $"weights {t}", values weights ],
    [ "annotations", gradientOf annotations
      if alone then "keys", gradientOf keys else "query", gradientOf query
      for struct (name, p) in m.named_parameters () do if not (alone && name = "weight_query") then name, gradientOf p ]

let private run = runPart false
let private sampling = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L)

let private property name count (body: AttentionSequence -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with arbitrary = [ typeof<AttentionSequenceArbitrary> ]; maxTest = count } name (fun (l: AttentionSequence) ->
        TorchNative.EnsureLoaded()
        body l)

let tests =
    testSequenced
    <| testList "steps of attention" [
        property "fused equals composed: outputs to 1e-5, gradients to 1e-4" 120 (fun l ->
            let expected, actual = run l Backend.Composed, withEngine l.Width l.Threads (fun () -> run l Backend.Auto)
            let outputs, gradients = worst 1.0 (fst expected) (fst actual), worst 1.0 (snd expected) (snd actual)
            if not (snd outputs <= 1e-5 && snd gradients <= 1e-4) then failtest $"{outputs}, {gradients}")

        property "every width and every number of threads gives the same bits" 60 (fun l ->
            let reference = withEngine VectorWidth.Bits512 1 (fun () -> runPart true l Backend.Auto)
            Expect.equal (withEngine l.Width l.Threads (fun () -> runPart true l Backend.Auto)) reference "bits")

        torchTest "shapes that do not fit are refused" (fun () ->
            for engine in [ Backend.Auto; Backend.Composed ] do
                let m = new AdditiveAttention(3L, 4L, 5L, Variants.Nah.Tanh, NoiseClock 1L, Backend = engine)
                let a, k, mask = torch.zeros [| 6L; 2L; 4L |], torch.zeros [| 6L; 2L; 5L |], torch.zeros [| 6L; 2L |]
                let refused name what = Expect.throwsC (fun () -> what () |> ignore) (fun e -> Expect.stringStarts e.Message name name; Expect.isTrue (e :? ArgumentException) name)
                refused "annotations" (fun () -> m.Over(torch.zeros [| 6L; 2L; 3L |], k, mask))
                refused "keys" (fun () -> m.Over(a, torch.zeros [| 6L; 1L; 5L |], mask))
                refused "mask" (fun () -> m.Over(a, k, torch.zeros [| 6L; 1L |]))
                let steps = m.Over(a, k, mask)
                for shape in [ [| 3L; 3L |]; [| 2L; 4L |]; [| 3L |] ] do refused "query" (fun () -> steps.forward (torch.zeros shape, NoiseContext.Test)))

        torchTest "a second backward pass over the same steps gives the same gradients again" (fun () ->
            let m = new AdditiveAttention(3L, 4L, 5L, Variants.Nah.Tanh, NoiseClock 1L)
            let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L)
            let annotations = filled 1L [ 6L; 2L; 4L ]
            let steps = m.Over(annotations, m.Keys annotations, null)
            let loss = torch.stack([| for t in 0 .. 2 -> let struct (mean, _) = steps.forward (filled (2L + int64 t) [ 2L; 3L ], context.Later t) in mean |]).sum ()
            let gradients () =
                m.zero_grad ()
                loss.backward (retain_graph = true)
                [ for struct (name, p) in m.named_parameters () -> name, values p.grad ]
            Expect.equal (gradients ()) (gradients ()) "gradients")

        torchTest "only the steps that a loss depends on have a part in the gradients" (fun () ->
            let m = new AdditiveAttention(3L, 4L, 5L, Variants.Soft.Tanh, NoiseClock 1L)
            let annotations = filled 1L [ 6L; 2L; 4L ]
            let gradients count =
                m.zero_grad ()
                let steps = m.Over(annotations, m.Keys annotations, null)
                let means = [ for t in 0 .. count - 1 -> let struct (mean, _) = steps.forward (filled (2L + int64 t) [ 2L; 3L ], NoiseContext.Test) in mean ]
                means.Head.sum().backward ()
                [ for struct (name, p) in m.named_parameters () -> name, values p.grad ]
            Expect.equal (gradients 3) (gradients 1) "gradients")

        torchTest "a backward pass over the later steps leaves nothing in the gradients of the earlier ones" (fun () ->
            if not TorchInternals.Verified then skiptest "torch does not tell which pass is running here"
            let gradients engine =
                let m = new AdditiveAttention(4L, 4L, 5L, Variants.Nah.Tanh, NoiseClock 1L, Backend = engine)
                let annotations = (filled 1L [ 6L; 2L; 4L ]).detach().requires_grad_ ()
                let steps = m.Over(annotations, m.Keys annotations, null)
                let look (query: Tensor) t = (let struct (mean, _) = steps.forward (query, sampling.Later t) in mean)
                let means = List.scan look (filled 2L [ 2L; 4L ]) [ 0 .. 4 ]
                torch.autograd.grad ([| (List.last means).sum () |], [| means[3] |]) |> ignore
                (means[3] * filled 3L [ 2L; 4L ]).sum().backward ()
                ("annotations", gradientOf annotations) :: [ for struct (name, p) in m.named_parameters () -> name, gradientOf p ]
            Tol.atMost (snd (worst 1.0 (gradients Backend.Composed) (gradients Backend.Auto))) 1e-5 "difference")

        torchTest "steps begun with gradients off and taken with gradients on have all of them" (fun () ->
            let gradients late =
                let m = new AdditiveAttention(3L, 4L, 5L, Variants.Nah.Tanh, NoiseClock 1L)
                let annotations = (filled 1L [ 6L; 2L; 4L ]).detach().requires_grad_ ()
                let keys = m.Keys annotations
                let steps = if late then (use _ = torch.no_grad () in m.Over(annotations, keys, null)) else m.Over(annotations, keys, null)
                let struct (mean, _) = steps.forward (filled 2L [ 2L; 3L ], sampling)
                (mean * filled 3L [ 2L; 4L ]).sum().backward ()
                ("annotations", gradientOf annotations) :: [ for struct (name, p) in m.named_parameters () -> name, gradientOf p ]
            Tol.atMost (snd (worst 1.0 (gradients false) (gradients true))) 1e-5 "difference")

        torchTest "a mask that has a gradient gets it, in steps and in a decoder" (fun () ->
            let annotations, words = filled 1L [ 6L; 2L; 4L ], torch.tensor [| 3L; 1L; 2L; 4L |]
            let gradients engine =
                let leaf seed = (filled seed [ 6L; 2L ]).detach().requires_grad_ ()
                let own, ofDecoder = leaf 2L, leaf 3L
                let m = new AdditiveAttention(3L, 4L, 5L, Variants.Nah.Tanh, NoiseClock 1L, Backend = engine)
                let struct (mean, _) = m.forward (filled 4L [ 2L; 3L ], annotations, m.Keys annotations, own, sampling)
                (mean * filled 5L [ 2L; 4L ]).sum().backward ()
                let decoder = new AttentionDecoder(9L, 4L, 4L, 6L, 7L, Variants.Nah, NoiseClock 1L, Backend = engine)
                let start = decoder.Start(EncodedSentences(annotations, ofDecoder, filled 6L [ 2L; 4L ]), sampling)
                let struct (sum, _) = decoder.Loss(start, words.reshape (2L, 2L), words, sampling)
                sum.backward ()
                [ "attention", gradientOf own; "decoder", gradientOf ofDecoder ]
            let expected = gradients Backend.Composed
            for name, g in expected do Expect.isTrue (Array.exists ((<>) 0.0) g) name
            for (name, e), (_, a) in List.zip expected (gradients Backend.Auto) do Array.iter2 (fun e a -> Tol.close tensor32 e a name) e a)

        torchTest "activations within attention and decoders say which backend they ran on" (fun () ->
            let annotations = filled 1L [ 6L; 2L; 4L ]
            for engine, name in [ Backend.Auto, FusedEngine.FusedName; Backend.Composed, FusedEngine.ComposedName ] do
                let m = new AdditiveAttention(3L, 4L, 5L, Variants.Nah.Tanh, NoiseClock 1L, Backend = engine)
                m.forward (filled 2L [ 2L; 3L ], annotations, m.Keys annotations) |> ignore
                let captions = new CaptionModel(CaptionShape(9, 4, 5, 6, 7, true), Variants.Nah, InitialScheme.Uniform, NoiseClock 1L, Backend = engine)
                captions.Loss(captions.Start annotations, SentenceBatch.Create [| [| 3; 0 |]; [| 2; 0 |] |]) |> ignore
                for whole in [ m :> torch.nn.Module; captions ] do
                    for struct (path, part) in whole.named_modules () do
                        match part with
                        | :? NoisyActivation as activation -> Expect.equal activation.LastBackend name path
                        | _ -> ())
    ]
