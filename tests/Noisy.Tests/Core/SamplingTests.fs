module Noisy.Tests.SamplingTests

open System
open Expecto
open Noisy.Core
open Noisy.Tests.Arbitraries

/// Five standard errors: with a fixed key a failure means a wrong law, not bad luck (1 in 1.7 million).
let private sigmas = 5.0

/// Kolmogorov's law: P(√n D > 2.74) = 6e-7, as rare as five standard errors.
let private kolmogorov = 2.74

let private draws = 1_000_000

let private fill (sample: NoiseStream -> int64 -> float32[] -> unit) stream first count =
    let values = Array.zeroCreate<float32> count
    sample stream first values
    values

let private normal = fill (fun s first v -> NoiseSampler.Normal(s, first, v.AsSpan()))
let private halfNormal = fill (fun s first v -> NoiseSampler.HalfNormal(s, first, v.AsSpan()))
let private uniform = fill (fun s first v -> NoiseSampler.Uniform(s, first, v.AsSpan()))
let private bits (v: float32) = BitConverter.SingleToUInt32Bits v
let private stream seed = NoiseKey.FromSeed(seed).Child("noise").Child(3u).At(12L, 5)

let private samplers =
    [ "uniform", uniform; "normal", normal; "half-normal", halfNormal; "mask", fill (fun s first v -> NoiseSampler.Mask(s, first, 0.5, v.AsSpan())) ]

let private widths = [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512; VectorWidth.Auto ]

/// A sampler into part of an array, at a width, and what it makes of a word by the scalar specification.
type private Kind =
    { Name: string
      Fill: VectorWidth -> NoiseStream -> int64 -> Memory<float32> -> unit
      Draw: uint32 -> float32 }

/// Elements of the long stretch's stream whose words have the smallest and the largest leading 23 bits.
let private ends = [ 2652660L, 0u; 14243300L, 0x7FFFFFu ]

let private mask (p: float) =
    { Name = $"mask of probability {p:R}"
      Fill = fun width s first v -> NoiseSampler.Mask(s, first, p, v.Span, width)
      Draw = fun word -> if float (NoiseTransform.Uniform word) < p then 0.0f else float32 (1.0 / (1.0 - p)) }

let private kinds =
    [ { Name = "uniform"; Fill = (fun width s first v -> NoiseSampler.Uniform(s, first, v.Span, width)); Draw = NoiseTransform.Uniform }
      { Name = "normal"; Fill = (fun width s first v -> NoiseSampler.Normal(s, first, v.Span, width)); Draw = NoiseTransform.Normal }
      { Name = "half-normal"; Fill = (fun width s first v -> NoiseSampler.HalfNormal(s, first, v.Span, width)); Draw = NoiseTransform.HalfNormal }
      for p in [ 0.0; 0.3; 0.5; 1.0 - 1e-9 ] do mask p ]

/// Bits that no sampler makes: a NaN with a payload.
let private untouched = BitConverter.UInt32BitsToSingle 0x7FC12345u

/// The bits of an array of which a sampler is given the middle.
let private around kind width stream first count =
    let margin = 70
    let values = Array.create (count + 2 * margin) untouched
    kind.Fill width stream first (values.AsMemory(margin, count))
    Array.map bits values

let private specified kind (stream: NoiseStream) first count =
    let margin = Array.create 70 (bits untouched)
    Array.concat [ margin; Array.init count (fun i -> bits (kind.Draw(stream.Word(first + int64 i)))); margin ]

/// Largest distance between the empirical and the exact distribution function, times √n.
let private distance (law: float -> float) (values: float32[]) =
    let sorted = Array.sort values
    let n = float sorted.Length
    let mutable d = 0.0
    for i in 0 .. sorted.Length - 1 do
        let f = law (float sorted[i])
        d <- max d (max (f - float i / n) (float (i + 1) / n - f))
    d * sqrt n

/// Mean of a function over the draws, in standard errors of its exact mean and variance.
let private deviation (f: float -> float) mean variance (values: float32[]) =
    (Array.averageBy (fun v -> f (float v)) values - mean) / sqrt (variance / float values.Length)

let private correlation (a: float32[]) (b: float32[]) =
    Array.fold2 (fun sum x y -> sum + float x * float y) 0.0 a b / sqrt (float a.Length)

/// What the scalar specification makes of every leading 23 bits of a word, with either sign.
let private everyWord = lazy Array.init (1 <<< 23) (fun k -> (uint32 k <<< 9) ||| (uint32 k &&& 1u))
let private everyNormal = lazy (everyWord.Value |> Array.map (NoiseTransform.Normal >> bits))

let tests =
    testList "sampling" [
        testList "Philox4x32-10 gives the known answers of Random123" [
            for name, counter, key, answer in
                [ "zeros", [ 0u; 0u; 0u; 0u ], [ 0u; 0u ], (0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)
                  "ones", List.replicate 4 0xffffffffu, List.replicate 2 0xffffffffu, (0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)
                  "digits of pi",
                  [ 0x243f6a88u; 0x85a308d3u; 0x13198a2eu; 0x03707344u ],
                  [ 0xa4093822u; 0x299f31d0u ],
                  (0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u) ] do
                test name {
                    let struct (a, b, c, d) = Philox.Block(key[0], key[1], counter[0], counter[1], counter[2], counter[3])
                    Expect.equal (a, b, c, d) answer "block"
                }
        ]

        testList "a sampler gives the bits of the scalar specification and touches nothing else, whatever its start and length" [
            for kind in kinds do
                for width in widths do
                    property $"{kind.Name}, {width}" 100 (fun (seed: int64) (start: FsCheck.NonNegativeInt) (length: FsCheck.NonNegativeInt) (far: bool) ->
                        let draws = Draws(uint64 seed + uint64 start.Get * 977UL + uint64 length.Get)
                        let first = int64 (draws.Word() % 1001UL)
                        let count = int (draws.Word() % 301UL)
                        let first = if far then (1L <<< 34) - int64 count - first else first
                        let s = NoiseKey.FromSeed(seed).At(int64 (draws.Word() >>> 1), int (draws.Word() >>> 33))
                        Expect.equal (around kind width s first count) (specified kind s first count) $"first {first}, length {count}")
        ]

        testList "every length to three groups, from every place in a group, gives the specification's bits" [
            for width in widths do
                test $"{width}" {
                    let s = stream 6L
                    let whole = specified kinds[1] s 0L 512
                    for start in 0 .. 65 do
                        for count in 0 .. 193 do
                            let found = around kinds[1] width s (int64 start) count
                            if found[70 .. 69 + count] <> whole[70 + start .. 69 + start + count] then
                                failtestf "first %d, length %d" start count
                            if Array.exists ((<>) (bits untouched)) (Array.append found[..69] found[70 + count ..]) then
                                failtestf "outside: first %d, length %d" start count
                }
        ]

        testList "a long stretch, and the smallest and the largest words, give the specification's bits" [
            for kind in kinds do
                for width in widths do
                    test $"{kind.Name}, {width}" {
                        // 65536 draws have some 220 in the tail of the inverse; the ends of its range were searched for.
                        let s = NoiseKey.FromSeed(99L).At(1L <<< 33 ||| 5L, 7)
                        Expect.equal (around kind width s 0L 65536) (specified kind s 0L 65536) "long"
                        for element, k in ends do
                            Expect.equal (s.Word element >>> 9) k "the word that was searched for"
                            for first in [ element; element - 64L ] do
                                Expect.equal (around kind width s first 128) (specified kind s first 128) $"element {element}"
                    }
        ]

        testList "the vector form of the transform gives the specification's bits for all of its 2^23 values" [
            for name, replace in
                [ "four numbers", fun (words: float32[]) (scratch: float32[]) ->
                      NormalDraw().Replace<Lanes4>(&words[0], &scratch[0], unativeint words.Length)
                  "eight numbers", fun words scratch ->
                      NormalDraw().Replace<Lanes8>(&words[0], &scratch[0], unativeint words.Length)
                  "sixteen numbers", fun words scratch ->
                      NormalDraw().Replace<Lanes16>(&words[0], &scratch[0], unativeint words.Length) ] do
                test name {
                    let found = everyWord.Value |> Array.map BitConverter.UInt32BitsToSingle
                    replace found (Array.zeroCreate (2 * found.Length))
                    let differing = Array.fold2 (fun n e f -> if e = bits f then n else n + 1) 0 everyNormal.Value found
                    Expect.equal differing 0 "values that differ"
                }
        ]

        testList "a span cut anywhere is the whole span" [
            for kind in kinds do
                for width in widths do
                    property $"{kind.Name}, {width}" 50 (fun (seed: int64) (first: uint16) (cuts: byte list) ->
                        let s = NoiseKey.FromSeed(seed).At(0L, 0)
                        let whole, pieces = Array.zeroCreate<float32> 256, Array.zeroCreate<float32> 256
                        kind.Fill width s (int64 first) (whole.AsMemory())
                        for from, until in [ 0; yield! cuts |> List.map int |> List.sort; 256 ] |> List.pairwise do
                            kind.Fill width s (int64 first + int64 from) (pieces.AsMemory(from, until - from))
                        Expect.equal pieces whole $"cuts {cuts}")
        ]

        testList "a mask drops exactly the uniform draws below the probability" [
            for width in widths do
                test $"{width}" {
                    let s = stream 8L
                    for i in 0 .. 299 do
                        let v = float (NoiseTransform.Uniform(s.Word(int64 i)))
                        for p, dropped in [ v, false; Math.BitIncrement v, true; Math.BitDecrement v, false ] do
                            let found = [| nanf |]
                            NoiseSampler.Mask(s, int64 i, p, found.AsSpan(), width)
                            Expect.equal found[0] (if dropped then 0.0f else float32 (1.0 / (1.0 - p))) $"draw {v:R}, probability {p:R}"
                }
        ]

        test "the elements of a stream take every word of its blocks once" {
            let s = stream 1L
            let words = Array.init 4096 (fun i -> s.Word(int64 i)) |> Array.sort
            let blocks =
                [| for block in 0u .. 1023u do
                       let struct (a, b, c, d) =
                           Philox.Block(s.Key.K0, s.Key.K1, block, uint32 s.TimeStep, uint32 s.Update, uint32 (s.Update >>> 32))
                       a; b; c; d |]
            Expect.equal words (Array.sort blocks) "words"
        }

        test "keys of different seeds, children, updates and time steps share no block" {
            let root = NoiseKey.FromSeed 7L
            let streams =
                [ for seed in [ -1L; 0L; 1L; 2L; 7L; 1L <<< 32; Int64.MinValue; Int64.MaxValue ] do
                      let key = NoiseKey.FromSeed seed
                      for child in 0u .. 19u do
                          key.Child(child).At(0L, 0)
                          key.Child(child).Child(child).At(0L, 0)
                      for name in [ "noise"; "Noise"; "init"; "dropout"; ""; "a"; "\u0100"; "\u0001" ] do
                          key.Child(name).At(0L, 0)
                  for update in [ 0L; 1L; 2L; 1L <<< 32; (1L <<< 32) + 1L; Int64.MaxValue ] do
                      for step in [ 0; 1; 2; 1000; Int32.MaxValue ] do
                          root.At(update, step) ]
            let blocks = [ for s in streams do for group in 0L .. 3L -> [ for i in 0L .. 3L -> s.Word(64L * group + 16L * i) ] ]
            Expect.equal (List.length (List.distinct blocks)) blocks.Length "distinct blocks"
        }

        test "streams of neighbouring keys, updates and time steps are uncorrelated" {
            let root = NoiseKey.FromSeed 11L
            let n = 100_000
            let reference = normal (root.Child(0u).At(0L, 0)) 0L n
            for name, other in
                [ "child", root.Child(1u).At(0L, 0)
                  "named child", root.Child("0").At(0L, 0)
                  "grandchild", root.Child(0u).Child(0u).At(0L, 0)
                  "parent", root.At(0L, 0)
                  "seed", NoiseKey.FromSeed(12L).Child(0u).At(0L, 0)
                  "update", root.Child(0u).At(1L, 0)
                  "time step", root.Child(0u).At(0L, 1)
                  "high half of the update", root.Child(0u).At(1L <<< 32, 0) ] do
                let values = normal other 0L n
                Tol.below (abs (correlation reference values)) sigmas $"another {name}"
                let squares = Array.map (fun v -> (v * v - 1.0f) / sqrt 2.0f)
                Tol.below (abs (correlation (squares reference) (squares values))) sigmas $"squares, another {name}"
            for lag in [ 1; 2; 4; 16; 32; 64; 200; 1000 ] do
                let shifted = normal (root.Child(0u).At(0L, 0)) (int64 lag) n
                Tol.below (abs (correlation reference shifted)) sigmas $"lag {lag}"
        }

        testList "the draws have the exact law" [
            test "uniform" {
                let u = uniform (stream 1L) 0L draws
                Tol.below (distance id u) kolmogorov "distribution"
                Tol.below (abs (deviation id 0.5 (1.0 / 12.0) u)) sigmas "mean"
                Tol.below (abs (deviation (fun v -> (v - 0.5) ** 2.0) (1.0 / 12.0) (1.0 / 80.0 - 1.0 / 144.0) u)) sigmas "variance"
            }
            test "normal" {
                let xi = normal (stream 2L) 0L draws
                Tol.below (distance Normal.Distribution xi) kolmogorov "distribution"
                for power, mean, variance in [ 1, 0.0, 1.0; 2, 1.0, 2.0; 3, 0.0, 15.0; 4, 3.0, 96.0 ] do
                    Tol.below (abs (deviation (fun v -> pown v power) mean variance xi)) sigmas $"moment {power}"
            }
            test "half-normal" {
                let size = halfNormal (stream 3L) 0L draws
                Tol.below (distance (fun v -> 1.0 - 2.0 * Normal.Survival v) size) kolmogorov "distribution"
                Tol.below (abs (deviation id NoisyMoments.HalfNormalMean NoisyMoments.HalfNormalVariance size)) sigmas "mean"
                Tol.below (abs (deviation (fun v -> v * v) 1.0 2.0 size)) sigmas "second moment"
            }
            test "sign and size of a normal draw are independent" {
                let xi = normal (stream 4L) 0L draws
                let product = xi |> Array.averageBy (fun v -> float (sign v) * (abs (float v) - NoisyMoments.HalfNormalMean))
                Tol.below (abs product / sqrt (NoisyMoments.HalfNormalVariance / float draws)) sigmas "covariance"
            }
        ]

        test "half-normal draws are the sizes of the normal ones, bit for bit" {
            let s = stream 5L
            Expect.equal (normal s 0L 10_000 |> Array.map abs) (halfNormal s 0L 10_000) "sizes"
        }

        test "every draw is finite, uniform draws lie inside (0, 1)" {
            for word in [ 0u; 1u; 0x1FFu; 0x200u; 0x7FFFFFFFu; 0x80000000u; 0xFFFFFE00u; 0xFFFFFFFEu; UInt32.MaxValue ] do
                let u, size, xi = NoiseTransform.Uniform word, NoiseTransform.HalfNormal word, NoiseTransform.Normal word
                Expect.isTrue (u > 0.0f && u < 1.0f) $"uniform of {word} is {u}"
                Expect.isTrue (size > 0.0f && size < 5.5f) $"half-normal of {word} is {size}"
                Expect.equal (xi < 0.0f) (word &&& 1u = 1u) $"sign of {word}"
        }

        test "the transform follows the exact inverse over the whole range, and never falls" {
            let mutable last = 0.0f
            let mutable falls = 0
            let check (k: uint32) =
                let v = (float k + 0.5) / 8388608.0
                let found = NoiseTransform.HalfNormal(k <<< 9)
                Tol.close Tol.draw32 (Normal.Inverse(0.5 + v / 2.0)) (float found) $"half-normal at {v}"
                if float found < float last * (1.0 - 2.0 * Tol.draw32.Relative) then falls <- falls + 1
                last <- found
            for k in 0u .. 4095u do check k
            for k in 4096u .. 37u .. 8384511u do check k
            for k in 8384512u .. 8388607u do check k
            Expect.equal falls 0 "places where the inverse falls"
        }

        testList "arguments out of range throw" [
            test "update" { Expect.throwsT<ArgumentOutOfRangeException> (fun () -> (NoiseKey.FromSeed 0L).At(-1L, 0) |> ignore) "update" }
            test "element" {
                for element in [ -1L; 1L <<< 34 ] do
                    Expect.throwsT<ArgumentOutOfRangeException> (fun () -> (stream 0L).Word element |> ignore) "word"
                    Expect.throwsT<ArgumentOutOfRangeException> (fun () -> (stream 0L).Below(5, element) |> ignore) "number"
            }
            test "time step" { Expect.throwsT<ArgumentOutOfRangeException> (fun () -> (NoiseKey.FromSeed 0L).At(0L, -1) |> ignore) "time step" }
            for name, sample in samplers do
                test $"first element, {name}" {
                    Expect.throwsT<ArgumentOutOfRangeException> (fun () -> sample (stream 0L) -1L 4 |> ignore) "first element"
                    Expect.throwsT<ArgumentOutOfRangeException> (fun () -> sample (stream 0L) ((1L <<< 34) - 3L) 4 |> ignore) "beyond the last"
                    Expect.throwsT<ArgumentOutOfRangeException> (fun () -> sample (stream 0L) Int64.MaxValue 4 |> ignore) "far beyond it"
                    sample (stream 0L) ((1L <<< 34) - 4L) 4 |> ignore
                }
            for p in [ -0.1; 1.0; nan; infinity ] do
                test $"probability {p}" {
                    Expect.throwsT<ArgumentOutOfRangeException>
                        (fun () -> NoiseSampler.Mask(stream 0L, 0L, p, Array.zeroCreate(4).AsSpan())) "probability"
                }
            for kind in kinds do
                test $"width, {kind.Name}" {
                    Expect.throwsT<ArgumentOutOfRangeException>
                        (fun () -> kind.Fill (enum<VectorWidth> 64) (stream 0L) 0L (Memory(Array.zeroCreate 4))) "width"
                }
        ]
    ]
