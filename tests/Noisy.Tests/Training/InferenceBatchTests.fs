/// Several sequences side by side without torch, sessions, and weights of eight bits.
module Noisy.Tests.InferenceBatchTests

#nowarn "9" // matrices are multiplied through pointers

open System
open System.Collections.Generic
open System.IO
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

let private widths = [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512 ]

let private vocabulary = 57

/// A model as a run leaves it; weights wide enough that units saturate.
let private bytesOf vocabulary (pair: ActivationPair) kind hidden =
    TorchNative.EnsureLoaded()
    use _ = torch.NewDisposeScope()
    use model = new RecurrentLanguageModel(vocabulary, RecurrentShape(13L, hidden, 2), pair, 0.5, NoiseClock 3L, kind)
    let codec = TextCodec([| for i in 0 .. vocabulary - 1 -> $"w{i}" |], null, null)
    let metadata = [ yield! ModelMetadata.Write(pair, NoiseContext(NoiseMode.Mean, Scale = Nullable 0.7)); yield! ModelMetadata.Write codec ]
    use stream = new MemoryStream()
    Safetensors.Write(stream, model.state_dict (), Dictionary metadata)
    stream.ToArray()

let private bytes pair = bytesOf vocabulary pair

let private load (file: byte[]) width precision = LanguageModel.Load(new MemoryStream(file), width, false, precision)

/// Texts of different lengths, two of them longer than a window of the scorer; so many that two threads share them, until some have ended.
let private texts = [| for length in [ 40; 2; 300; 17; 40; 333; 3; 40; 17; 29 ] -> Array.init length (fun i -> (i * i + 7 * length + i) % vocabulary) |]

let private equalStates (a: RecurrentState) (b: RecurrentState) what =
    for layer in 0 .. a.Layers - 1 do
        Expect.equal (a.Hidden(layer).ToArray()) (b.Hidden(layer).ToArray()) $"{what}: hidden state {layer}"
        Expect.equal (a.Cell(layer).ToArray()) (b.Cell(layer).ToArray()) $"{what}: cell state {layer}"

let private excludedClasses () =
    let logits = Array.init (LogSumExp.Piece + 3) (fun i -> if i >= LogSumExp.Piece then Single.NegativeInfinity else float32 (i % 7))
    use at = fixed logits

    for width in [ VectorWidth.Scalar; VectorWidth.Bits256 ] do
        let pieces = [| LogSumExp.OfPiece(at, LogSumExp.Piece, width); LogSumExp.OfPiece(Microsoft.FSharp.NativeInterop.NativePtr.add at LogSumExp.Piece, 3, width) |]
        let expected = log (Array.sumBy (fun (x: float32) -> exp (float x)) logits)
        Expect.floatClose { absolute = 0.0; relative = 1e-6 } (LogSumExp.Of(ReadOnlySpan pieces)) expected $"{width}"

let private columns =
    [ for kind in [ RecurrentKind.Lstm; RecurrentKind.Gru ] do
          for pair in [ Variants.Soft; Variants.Hard; Variants.Nah ] do
              for precision in [ WeightPrecision.Single; WeightPrecision.Int8 ] do
                  torchTest $"a text has the same bits alone and among others, at every width and number of threads: {kind}, {pair.Name}, {precision}" (fun () ->
                      let file = bytes pair kind 37L
                      let model = load file VectorWidth.Scalar precision
                      let alone = [ for text in texts -> model.Score(ReadOnlySpan text) ]
                      use single = model.CreateSession()
                      for t in 0..5 do single.Next(texts[5][t]).Length |> ignore
                      let logits, state = single.Logits(0).ToArray(), single.State
                      for width in widths do
                          let model = load file width precision
                          for threads in [ 1; 2; 5 ] do
                              let found = model.Score(texts, threads = threads)
                              for i in 0 .. texts.Length - 1 do
                                  let what = $"{width}, {threads} threads, text {i}"
                                  Expect.equal found[i].Nats alone[i].Nats what
                                  Expect.equal found[i].Predicted (texts[i].Length - 1) what
                                  equalStates found[i].State alone[i].State what

                              // The same from a session, token by token.
                              use session = model.CreateSession(3, threads)
                              for t in 0..5 do session.Next [| texts[0][t]; texts[2][t]; texts[5][t] |]
                              Expect.equal (session.Logits(2).ToArray()) logits $"logits, {width}, {threads} threads"
                              equalStates (session.State.Column 2) state $"session, {width}, {threads} threads")

      for kind in [ RecurrentKind.Lstm; RecurrentKind.Gru ] do
          torchTest $"so it is with the exact mean of the noise: {kind}" (fun () ->
              let model = load (bytes Variants.Nah kind 37L) VectorWidth.Auto WeightPrecision.Single
              let noise = NoiseContext(NoiseMode.ExactMean, Scale = Nullable 0.7)
              let texts = texts |> Array.map (Array.truncate 9)
              let alone = [ for text in texts -> model.Score(ReadOnlySpan text, noise = noise) ]
              Expect.notEqual alone[0].Nats (model.Score(ReadOnlySpan texts[0])).Nats "another mean"
              for threads in [ 1; 2; 5 ] do
                  let found = model.Score(texts, noise = noise, threads = threads)
                  for i in 0 .. texts.Length - 1 do
                      Expect.equal found[i].Nats alone[i].Nats $"{threads} threads, text {i}"
                      equalStates found[i].State alone[i].State $"{threads} threads, text {i}")

      test "classes that a bias of minus infinity excludes count nothing, also where they are a whole piece" { excludedClasses () }

      // Panels of three vectors at every width, several pieces of the vocabulary and several blocks of rows.
      torchTest "so it is with many units and a great vocabulary" (fun () ->
          let words = 2001
          let file = bytesOf words Variants.Nah RecurrentKind.Lstm 400L
          let texts = [| for length in [ 150; 2; 90 ] -> Array.init length (fun i -> (i * i + 7 * length + i) % words) |]

          for precision in [ WeightPrecision.Single; WeightPrecision.Int8 ] do
              let model = load file VectorWidth.Auto precision
              let alone = [ for text in texts -> model.Score(ReadOnlySpan text) ]
              use session = model.CreateSession()

              // From logits of the session, in double precision.
              let nats =
                  [ for t in 0..88 do
                        let logits = Array.map float (session.Next(texts[2][t]).ToArray())
                        let most = Array.max logits
                        most + log (Array.sumBy (fun x -> exp (x - most)) logits) - logits[texts[2][t + 1]] ]

              Expect.floatClose { absolute = 0.0; relative = 1e-6 } alone[2].Nats (List.sum nats) "nats"

              for width in widths do
                  for threads in [ 1; 3 ] do
                      let found = (load file width precision).Score(texts, threads = threads)
                      for i in 0..2 do
                          Expect.equal found[i].Nats alone[i].Nats $"{width}, {threads} threads, text {i}"
                          equalStates found[i].State alone[i].State $"{width}, {threads} threads, text {i}")

      // The engine adds up many inputs in pieces.
      for kind, inputs, units, batch in
          [ for kind in [ RecurrentKind.Lstm; RecurrentKind.Gru ] do for inputs, units, batch in [ 7, 21, 3; 7, 21, 11; 300, 230, 3 ] -> kind, inputs, units, batch ] do
          torchTest $"{batch} columns with drawn noise have the training engine's bits, at every width and number of threads: {kind}, {inputs} inputs, {units} units" (fun () ->
              let shape = RecurrentShape(int64 inputs, int64 units, 2)
              let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2, Nullable 0.7)
              let steps = 9
              let x: Tensor = filled 6L [ int64 steps; int64 batch; int64 inputs ]
              let weights, (output: Tensor), (hidden: Tensor) =
                  if kind = RecurrentKind.Lstm then
                      let m = new NoisyLstm(shape, Variants.Nah, NoiseClock 1L)
                      let struct (y, h, _) = m.forward (x, Nullable(), context)
                      m.state_dict (), y, h
                  else
                      let m = new NoisyGru(shape, Variants.Nah, NoiseClock 1L)
                      let struct (y, h) = m.forward (x, null, context)
                      m.state_dict (), y, h
              use stream = new MemoryStream()
              Safetensors.Write(stream, weights, Dictionary())
              for width in widths do
                  stream.Position <- 0L
                  let stack = RecurrentStack(SafetensorsReader.Read stream, "", Variants.Nah, Nullable 0.7, width)
                  for threads in [ 1; 2; 4 ] do
                      let input, y = Array.map float32 (values x), Array.zeroCreate<float32> (steps * batch * units)
                      let cut = 4 * batch
                      let state = stack.Forward(ReadOnlySpan(input, 0, cut * inputs), stack.ZeroState batch, y.AsSpan(0, cut * units), context, threads)
                      let state = stack.Forward(ReadOnlySpan(input, cut * inputs, input.Length - cut * inputs), state, y.AsSpan(cut * units), context.Later 4, threads)
                      Expect.equal (Array.map float y) (values output) $"output, {width}, {threads} threads"
                      Expect.equal (Array.map float (state.Hidden(1).ToArray())) (values (hidden.select (0L, 1L))) $"state, {width}, {threads} threads")

      torchTest "drawn noise goes by column: the first text has that of the text alone, and the noise of a column stays when others end" (fun () ->
          let model = load (bytes Variants.Nah RecurrentKind.Lstm 37L) VectorWidth.Auto WeightPrecision.Single
          let noise = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 4L)
          let all = model.Score(texts, noise = noise)
          Expect.equal all[0].Nats (model.Score(ReadOnlySpan texts[0], noise = noise)).Nats "the first column"
          Expect.notEqual all[4].Nats all[0].Nats "another column"
          // The fourth text has the third column whichever texts ended before.
          let others = Array.mapi (fun i (text: int[]) -> if i = 3 then text else text[..1]) texts
          Expect.equal (model.Score(others, noise = noise)[3]).Nats all[3].Nats "its column"
          use session = model.CreateSession(texts.Length, 2, noise)
          for t in 0 .. 15 do session.Next [| for text in texts -> text[t % text.Length] |]
          equalStates (session.State.Column 3) all[3].State "session") ]

let private argument name message action = Tol.throws<ArgumentException> $"{message} (Parameter '{name}')" action

let private sessions =
    [ torchTest "states can be taken out, put together and put back; a column starts anew alone" (fun () ->
          let model = load (bytes Variants.Nah RecurrentKind.Gru 37L) VectorWidth.Auto WeightPrecision.Single
          let scores = model.Score texts
          let joined = RecurrentState.Join [ for score in scores -> score.State ]
          Expect.equal joined.Batch texts.Length "columns"
          for i in 0 .. texts.Length - 1 do equalStates (joined.Column i) scores[i].State $"column {i}"
          use session = model.CreateSession(texts.Length, 2)
          session.State <- joined
          session.Next [| for text in texts -> text[0] |]
          let next = model.Next(texts[3][0], scores[3].State)
          Expect.equal (session.Logits(3).ToArray()) next.Logits "logits"
          equalStates (session.State.Column 3) next.State "after"
          let stream = NoiseKey.FromSeed(1L).At(0L, 0)
          Expect.equal (session.Sample(stream, 0.7, 3)) (next.Sample(stream, 0.7)) "draws"
          Expect.equal (session.Sample(stream, 0.0, 3)) (Array.IndexOf(next.Logits, Array.max next.Logits)) "the greatest"
          session.Reset 3
          Tol.throws<InvalidOperationException> "no token has been read yet: call Next first" (fun () -> session.Sample(stream, 0.7, 3) |> ignore)
          session.Logits(2).ToArray() |> ignore
          session.State <- joined
          Tol.throws<InvalidOperationException> "no token has been read yet: call Next first" (fun () -> session.Logits(2).ToArray() |> ignore)
          session.Reset 3
          session.Next [| for text in texts -> text[0] |]
          Expect.equal (session.Logits(3).ToArray()) (model.Next(texts[3][0])).Logits "from zeros")

      torchTest "a session allocates nothing from token to token" (fun () ->
          for precision in [ WeightPrecision.Single; WeightPrecision.Int8 ] do
              let model = load (bytes Variants.Nah RecurrentKind.Lstm 37L) VectorWidth.Auto precision
              use session = model.CreateSession()
              let run () = for i in 0 .. 99 do session.Next(i % vocabulary).Length |> ignore
              run ()
              let before = GC.GetAllocatedBytesForCurrentThread()
              run ()
              Tol.below (GC.GetAllocatedBytesForCurrentThread() - before) 1_000L $"{precision}: bytes of a hundred tokens")

      torchTest "Next depends on its arguments alone, on several threads too, and after a call that was refused" (fun () ->
          for kind in [ RecurrentKind.Lstm; RecurrentKind.Gru ] do
              let model = load (bytes Variants.Nah kind 37L) VectorWidth.Auto WeightPrecision.Single
              let walk (text: int[]) =
                  let start = model.Next(text[0])
                  (start, text[1..]) ||> Array.scan (fun before token -> model.Next(token, before.State)) |> Array.map _.Logits
              let inSession (text: int[]) =
                  use session = model.CreateSession()
                  [| for token in text -> session.Next(token).ToArray() |]
              let expected = Array.map inSession texts
              let rounds = Array.Parallel.init (8 * texts.Length) (fun i -> walk texts[i % texts.Length])
              for i in 0 .. rounds.Length - 1 do Expect.equal rounds[i] expected[i % texts.Length] $"text {i % texts.Length}"
              Expect.throws (fun () -> model.Next(vocabulary, (model.Next(texts[1][0])).State) |> ignore) "no such token"
              Expect.equal (walk texts[2]) expected[2] "afterwards"
              let off = NoiseContext NoiseMode.Off
              use session = model.CreateSession(noise = off)
              Expect.equal (model.Next(texts[0][0], noise = off)).Logits (session.Next(texts[0][0]).ToArray()) "another noise")

      torchTest "what does not fit is said, and changes nothing" (fun () ->
          let model = load (bytes Variants.Nah RecurrentKind.Lstm 37L) VectorWidth.Auto WeightPrecision.Single
          let other = load (bytes Variants.Nah RecurrentKind.Gru 37L) VectorWidth.Auto WeightPrecision.Single
          use session = model.CreateSession 2
          Tol.throws<InvalidOperationException> "no token has been read yet: call Next first" (fun () -> session.Logits(0).ToArray() |> ignore)
          session.Next [| 1; 2 |]
          let before = session.State
          argument "tokens" "there are 1 tokens for 2 columns" (fun () -> session.Next [| 1 |])
          argument "token" $"token {vocabulary} is not in the vocabulary, which has ids 0 to {vocabulary - 1}" (fun () -> session.Next [| 1; vocabulary |])
          Tol.throws<InvalidOperationException> "the session has 2 columns: give it a token for each" (fun () -> session.Next(1).ToArray() |> ignore)
          argument "value" "the state has 3 columns, and the session 2" (fun () -> session.State <- model.Layers.ZeroState 3)
          argument "state" "the state is of another model" (fun () -> session.State <- other.Layers.ZeroState 2)
          argument "states" "the states are of different models" (fun () -> RecurrentState.Join [ model.Layers.ZeroState(); other.Layers.ZeroState() ] |> ignore)
          argument "states" "Value cannot be null." (fun () -> RecurrentState.Join [ model.Layers.ZeroState(); null ] |> ignore)
          argument "texts" "Value cannot be null." (fun () -> model.Score([| [| 1; 2 |]; null |]) |> ignore)
          argument "file" "Value cannot be null." (fun () -> RecurrentStack(null, "", Variants.Nah) |> ignore)
          argument "state" "Value cannot be null." (fun () ->
              let x, y = Array.zeroCreate<float32> model.Layers.InputSize, Array.zeroCreate<float32> model.Layers.HiddenSize
              model.Layers.Forward(ReadOnlySpan x, null, Span y, NoiseContext.Test) |> ignore)
          argument "state" "the state is that of 2 texts, and there are 10" (fun () -> model.Score(texts, model.Layers.ZeroState 2) |> ignore)
          argument "texts" "a text of 1 tokens cannot be scored: at least two are needed" (fun () -> model.Score([| [| 1; 2 |]; [| 1 |] |]) |> ignore)
          argument "texts" "there is no text to score" (fun () -> model.Score(Array.empty<int[]>) |> ignore)
          equalStates session.State before "state"
          session.Dispose()
          Expect.throwsT<ObjectDisposedException> (fun () -> session.Next [| 1; 2 |]) "after the end") ]

/// Packs a matrix, multiplies, and gives y.
let private multiply (weight: FloatTensor) blocks width precision (x: float32[]) rows (start: float32[]) =
    let matrix = PackedMatrix.Create(weight, blocks, width, precision, false)
    let y = Array.zeroCreate<float32> (rows * blocks * matrix.Padded)
    use x' = fixed x
    use start' = fixed start
    use y' = fixed y
    let mutable at = PackedOperands()
    at.X <- x'
    at.RowX <- nativeint matrix.Depth
    at.Rows <- rows
    at.Start <- start'
    at.BlockStart <- nativeint matrix.Padded
    at.Y <- y'
    at.BlockY <- nativeint matrix.Padded
    at.RowY <- nativeint (blocks * matrix.Padded)
    matrix.Multiply(&at, 0, blocks, 0, matrix.Panels)
    matrix, y

let private integers =
    [ for depth, units, blocks, rows in [ 1, 1, 1, 1; 7, 5, 3, 1; 21, 37, 4, 1; 64, 100, 1, 1; 33, 40, 4, 6; 13, 130, 1, 47 ] do
          test $"a product with integers is what the definition says: {depth} deep, {blocks} x {units}, {rows} rows" {
              let key = NoiseKey.FromSeed 8L
              let random i count = (let a = Array.zeroCreate<float32> count in NoiseSampler.Normal(key.At(0L, i), 0L, Span a); a)
              let values, x = random 0 (blocks * units * depth), random 1 (rows * depth)
              if rows > 1 then Array.fill x depth depth 0.0f // a row of zeros
              if units > 1 then Array.fill values depth depth 0.0f
              let weight = FloatTensor("w", [| blocks * units; depth |], values)
              let padded = (units + 15) / 16 * 16
              let start = random 2 (blocks * padded)

              // Nearest integers of both sides, the sum exact, one rounding for the factor and one for the result.
              let greatest = min 32767 (Int32.MaxValue / (127 * depth))
              let quantised (row: float32[]) greatest =
                  let most = row |> Array.map abs |> Array.max
                  if most = 0.0f then Array.map (fun _ -> 0L) row, 0.0f
                  else (let inverse = float32 greatest / most in row |> Array.map (fun v -> int64 (MathF.Round(v * inverse)))), most / float32 greatest
              let expected =
                  [| for r in 0 .. rows - 1 do
                         let integersX, scaleX = quantised x[r * depth .. (r + 1) * depth - 1] greatest
                         for b in 0 .. blocks - 1 do
                             for u in 0 .. units - 1 do
                                 let row = b * units + u
                                 let integersW, scaleW = quantised values[row * depth .. (row + 1) * depth - 1] 127
                                 let sum = Array.map2 (*) integersW integersX |> Array.sum
                                 MathF.FusedMultiplyAdd(float32 sum, scaleW * scaleX, start[b * padded + u]) |]
              for width in widths do
                  let _, y = multiply weight blocks width WeightPrecision.Int8 x rows start
                  let found = [| for r in 0 .. rows - 1 do for b in 0 .. blocks - 1 do for u in 0 .. units - 1 -> y[(r * blocks + b) * padded + u] |]
                  Expect.equal found expected $"{width}"
          }

      test "the greatest sum of integers fits" {
          for depth in [ 1; 200; 650; 1500; 20_000 ] do
              let weight = FloatTensor("w", [| 1; depth |], Array.create depth -3.0f)
              for width in widths do
                  let _, y = multiply weight 1 width WeightPrecision.Int8 (Array.create depth 2.0f) 1 (Array.zeroCreate 16)
                  Tol.close { Absolute = 0.0; Relative = 1e-6; Reason = "four roundings" } (-6.0 * float depth) (float y[0]) $"{depth} deep, {width}"
      }

      test "an input that is not finite gives no number, and a weight that is not is refused" {
          let weight = FloatTensor("w", [| 2; 3 |], [| 1.0f; 2.0f; 3.0f; 4.0f; 5.0f; 6.0f |])
          for bad in [ nanf; infinityf; -infinityf ] do
              for width in widths do
                  let _, y = multiply weight 1 width WeightPrecision.Int8 [| 1.0f; bad; 2.0f |] 1 (Array.zeroCreate 16)
                  Expect.isTrue (Single.IsNaN y[0] && Single.IsNaN y[1]) $"{bad}, {width}"
              Tol.throws<InvalidDataException>
                  "its tensor w [1, 2] is not finite, so eight bits cannot hold it: load it in single precision"
                  (fun () -> PackedMatrix.Create(FloatTensor("w", [| 1; 2 |], [| 1.0f; bad |]), 1, VectorWidth.Auto, WeightPrecision.Int8, false) |> ignore)
      }

      torchTest "a model of eight bits predicts nearly what the model does" (fun () ->
          for kind in [ RecurrentKind.Lstm; RecurrentKind.Gru ] do
              let file = bytes Variants.Nah kind 64L
              let score precision = (load file VectorWidth.Auto precision).Score(ReadOnlySpan texts[5])
              let single, int8 = score WeightPrecision.Single, score WeightPrecision.Int8
              Tol.below (abs (int8.Perplexity / single.Perplexity - 1.0)) 0.05 $"{kind}: perplexity"
              Expect.notEqual int8.Nats single.Nats $"{kind}: it is another model") ]

let private limits =
    [ torchTest "more columns than one array can hold the logits of are refused with the most" (fun () ->
          let model = load (bytes Variants.Nah RecurrentKind.Lstm 8L) VectorWidth.Auto WeightPrecision.Single
          Expect.throwsC (fun () -> model.CreateSession(1 <<< 28) |> ignore) (fun e ->
              Expect.isTrue (e :? ArgumentOutOfRangeException) "kind"
              Expect.stringContains e.Message "one array holds the logits of" "message")
          Expect.throwsT<ArgumentNullException> (fun () -> model.Codec.Encode null |> ignore) "no text") ]

let tests =
    testSequenced (testList "Inference of batches" [
        testList "Limits" limits
        testList "Columns" columns
        testList "Sessions" sessions
        testList "Integers" integers ])
