/// Ranks, sizes and types of what modules take: as torch has them, or refused with the reason.
module Noisy.Tests.OperandTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests
open Noisy.Tests.TorchHelpers
open TorchSharp

let private engines = [ Backend.Auto; Backend.Composed ]
let private both (h: Tensor) (c: Tensor) = Nullable<struct (Tensor * Tensor)>(struct (h, c))
let private none = Nullable<struct (Tensor * Tensor)>()
let private parameters (m: torch.nn.Module) = [ for struct (name, p) in m.named_parameters () -> name, p ]
let private half = [ torch.ScalarType.Float16; torch.ScalarType.BFloat16 ]
let private refused message (action: unit -> unit) = Tol.throws<ArgumentException> message action
let private typed (t: Tensor) (dtype: torch.ScalarType) = t.to_type dtype
let private sampling = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2)
let private unlike name kind =
    let what = if (name: string).StartsWith "state" then "a state" else name
    $"{what} is {kind}, the weights are Float32: convert it with to_type, or the module with to (Parameter '{name}')"

/// Half precision keeps three digits.
let private half16: Tol.Tolerance = { Absolute = 0.1; Relative = 0.05; Reason = "three digits of bfloat16 over several steps" }

let private ranks =
    [ for engine in engines do
          torchTest $"cells take one example alone as torch's do: {engine}" (fun () ->
              let x, h, c = filled 1L [ 4L ], filled 2L [ 5L ], filled 3L [ 5L ]
              let lstm, theirs = new NoisyLstmCell(4L, 5L, Variants.Soft, NoiseClock 1L, Backend = engine), torch.nn.LSTMCell(4L, 5L)
              theirs.load_state_dict (lstm.state_dict ()) |> ignore
              let struct (eh, ec) = theirs.call (x, both h c)
              let struct (ah, ac) = lstm.call (x, both h c)
              closeTensor tensor32 eh ah "hidden"
              closeTensor tensor32 ec ac "cell"
              let struct (ah, ac) = lstm.call (x, none)
              Expect.equal (shape ah, shape ac) ([ 5L ], [ 5L ]) "without a state"
              let gru, theirs = new NoisyGruCell(4L, 5L, Variants.Soft, NoiseClock 1L, Backend = engine), torch.nn.GRUCell(4L, 5L)
              theirs.load_state_dict (gru.state_dict ()) |> ignore
              closeTensor tensor32 (theirs.call (x, h)) (gru.call (x, h)) "GRU"

              // The noise is that of a batch of one.
              let noisy = new NoisyLstmCell(4L, 5L, Variants.Nah, NoiseClock 1L, Backend = engine)
              let struct (one, _) = noisy.forward (x * 20, both h c, sampling)
              let struct (batch, _) = noisy.forward ((x * 20).unsqueeze 0L, both (h.unsqueeze 0L) (c.unsqueeze 0L), sampling)
              sameTensor (batch.squeeze 0L) one "noise")

          torchTest $"layers take one example alone: what a batch of one gives: {engine}" (fun () ->
              for first in [ false; true ] do
                  let dims = RecurrentShape(4L, 5L, 2, BatchFirst = first, Bidirectional = true)
                  let x, h, c = filled 1L [ 3L; 4L ], filled 2L [ 4L; 5L ], filled 3L [ 4L; 5L ]
                  let batch (t: Tensor) = t.unsqueeze 1L
                  let lstm = new NoisyLstm(dims, Variants.Nah, NoiseClock 1L, Backend = engine)
                  let struct (o, hn, cn) = lstm.forward (x, both h c, sampling)
                  let struct (eo, eh, ec) = lstm.forward (x.unsqueeze (if first then 0L else 1L), both (batch h) (batch c), sampling)
                  for e, a in [ eo.squeeze (if first then 0L else 1L), o; eh.squeeze 1L, hn; ec.squeeze 1L, cn ] do sameTensor e a "LSTM"
                  let gru = new NoisyGru(dims, Variants.Nah, NoiseClock 1L, Backend = engine)
                  let struct (o, hn) = gru.forward (x, h, sampling)
                  let struct (eo, eh) = gru.forward (x.unsqueeze (if first then 0L else 1L), batch h, sampling)
                  for e, a in [ eo.squeeze (if first then 0L else 1L), o; eh.squeeze 1L, hn ] do sameTensor e a "GRU"
                  let struct (o, _) = gru.forward (x, null)
                  Expect.equal (shape o) [ 3L; 10L ] "without a state")

          torchTest $"an empty batch gives empty outputs and gradients of zeros, as torch's does: {engine}" (fun () ->
              for pair in [ Variants.Soft; Variants.Nah ] do
                  let zeroGradients (m: torch.nn.Module) (outputs: Tensor list) =
                      (outputs |> List.map (fun o -> o.sum ()) |> List.reduce (fun a b -> a + b)).backward ()
                      for name, p in parameters m do
                          Expect.all (gradientOf p) ((=) 0.0) $"{pair.Name}, {name}"
                  let x = torch.zeros([| 3L; 0L; 4L |]).requires_grad_ ()
                  let lstm = new NoisyLstm(RecurrentShape(4L, 5L, 2, Bidirectional = true), pair, NoiseClock 1L, Backend = engine)
                  let struct (o, h, c) = lstm.call (x, none)
                  Expect.equal [ shape o; shape h; shape c ] [ [ 3L; 0L; 10L ]; [ 4L; 0L; 5L ]; [ 4L; 0L; 5L ] ] "LSTM"
                  zeroGradients lstm [ o; h; c ]
                  let gru = new NoisyGru(RecurrentShape(4L, 5L), pair, NoiseClock 1L, Backend = engine)
                  let struct (o, h) = gru.call (x, null)
                  Expect.equal [ shape o; shape h ] [ [ 3L; 0L; 5L ]; [ 1L; 0L; 5L ] ] "GRU"
                  zeroGradients gru [ o; h ]
                  let x = torch.zeros([| 0L; 4L |]).requires_grad_ ()
                  let lstm = new NoisyLstmCell(4L, 5L, pair, NoiseClock 1L, Backend = engine)
                  let struct (h, c) = lstm.call (x, none)
                  Expect.equal [ shape h; shape c ] [ [ 0L; 5L ]; [ 0L; 5L ] ] "LSTM cell"
                  zeroGradients lstm [ h; c ]
                  let gru = new NoisyGruCell(4L, 5L, pair, NoiseClock 1L, Backend = engine)
                  let h = gru.call (x, null)
                  Expect.equal (shape h) [ 0L; 5L ] "GRU cell"
                  zeroGradients gru [ h ])

      torchTest "cells refuse other ranks, other widths and states of another batch" (fun () ->
          let lstm, gru = new NoisyLstmCell(4L, 5L, Variants.Nah, NoiseClock 1L), new NoisyGruCell(4L, 5L, Variants.Nah, NoiseClock 1L)
          for size, text in [ [ 3L; 2L; 4L ], "3, 2, 4"; [], ""; [ 5L ], "5"; [ 4L; 5L ], "4, 5" ] do
              let x = torch.zeros (List.toArray size)
              let message = $"input is [{text}]: must be [B, 4] or [4] (Parameter 'input')"
              refused message (fun () -> lstm.call (x, none) |> ignore)
              refused message (fun () -> gru.call (x, null) |> ignore)
          for input, state, text, needed in
              [ [ 2L; 4L ], [ 3L; 5L ], "3, 5", "2, 5"; [ 2L; 4L ], [ 1L; 5L ], "1, 5", "2, 5"; [ 2L; 4L ], [ 5L ], "5", "2, 5"; [ 4L ], [ 1L; 5L ], "1, 5", "5" ] do
              let x, h = torch.zeros (List.toArray input), torch.zeros (List.toArray state)
              let message = $"a state is [{text}]: must be [{needed}] (Parameter 'state')"
              refused message (fun () -> lstm.call (x, both h h) |> ignore)
              refused message (fun () -> gru.call (x, h) |> ignore))

      torchTest "another number of states than a cell has is refused" (fun () ->
          let many number needed name = $"the number of states is {number}: must be {needed} (Parameter '{name}')"
          for engine in engines do
              let x, h = filled 1L [ 2L; 4L ], torch.zeros [| 2L; 5L |]
              use lstm = (new NoisyLstmCell(4L, 5L, Variants.Nah, NoiseClock 1L, Backend = engine)).Steps()
              for states in [ [||]; [| h |]; [| h; h; h |] ] do
                  refused (many states.Length 2 "state") (fun () -> lstm.Step(lstm.Project x, states, sampling) |> ignore)
              use gru = (new NoisyGruCell(4L, 5L, Variants.Nah, NoiseClock 1L, Backend = engine)).Steps()
              refused (many 2 1 "state") (fun () -> gru.Step(gru.Project x, [| h; h |], sampling) |> ignore)
              let model = new RecurrentLanguageModel(7, RecurrentShape(4L, 5L), Variants.Nah, 0.5, NoiseClock 1L, Backend = engine)
              let tokens = torch.ones ([| 3L; 2L |], dtype = torch.ScalarType.Int64)
              refused (many 1 2 "states") (fun () -> model.forward (tokens, [| h.unsqueeze 0L |], sampling) |> ignore))

      torchTest "a decoder refuses captions, masks and keys of another batch, at once and step by step" (fun () ->
          for engine in engines do
              let captions = new CaptionModel(CaptionShape(9, 3, 5, 6, 4), Variants.Nah, InitialScheme.Uniform, NoiseClock 1L, Backend = engine)
              refused "annotations are [4, 2, 2]: must be [S, B, 3] (Parameter 'annotations')" (fun () ->
                  captions.Start(filled 1L [ 4L; 2L; 2L ], sampling) |> ignore)
              let state = captions.Start(filled 1L [ 4L; 2L; 3L ], sampling)
              for count in [ 1; 10 ] do
                  let words = SentenceBatch.Create [| for _ in 1 .. count -> [| 5; 0 |] |]
                  refused $"words are [2, {count}]: must be [T, 2], a caption for each picture, with T >= 1 (Parameter 'words')" (fun () ->
                      captions.Loss(state, words, sampling) |> ignore)
              refused "last is [1]: must be [2] (Parameter 'last')" (fun () -> captions.Next(state, [| 3 |], sampling) |> ignore)
              let decoder = new AttentionDecoder(9L, 4L, 3L, 6L, 7L, Variants.Nah, NoiseClock 1L, Backend = engine)
              let annotations, mean, mask = filled 1L [ 5L; 2L; 3L ], filled 2L [ 2L; 3L ], torch.zeros [| 5L; 2L |]
              refused "Mask is [2, 5]: must be [5, 2] (Parameter 'Mask')" (fun () ->
                  decoder.Start(EncodedSentences(annotations, mask.t (), mean), sampling) |> ignore)
              let whole = decoder.Start(EncodedSentences(annotations, mask, mean), sampling)
              let words = torch.zeros ([| 2L; 2L |], dtype = torch.ScalarType.Int64)
              let loss annotations (mask: Tensor) keys () =
                  let state = new DecoderState(whole.Hidden, EncodedSentences(annotations, mask, mean), keys)
                  decoder.Loss(state, words, words.reshape -1L, sampling) |> ignore
              refused "keys is [5, 1, 7]: must be [5, 2, 7] (Parameter 'keys')" (loss annotations mask (whole.Keys.narrow (1L, 0L, 1L)))
              refused "mask is [2, 5]: must be [5, 2] (Parameter 'mask')" (loss annotations (mask.t ()) whole.Keys)
              refused "annotations are [5, 1, 3]: must be [S, 2, C] (Parameter 'start')"
                  (loss (annotations.narrow (1L, 0L, 1L)) (mask.narrow (1L, 0L, 1L)) (whole.Keys.narrow (1L, 0L, 1L))))

      torchTest "layers refuse other ranks, no time steps and states of another batch" (fun () ->
          let gru = new NoisyGru(RecurrentShape(4L, 5L), Variants.Nah, NoiseClock 1L)
          for size, text in [ [ 4L ], "4"; [ 1L; 3L; 2L; 4L ], "1, 3, 2, 4"; [ 0L; 2L; 4L ], "0, 2, 4"; [ 0L; 4L ], "0, 4"; [ 3L; 2L; 5L ], "3, 2, 5" ] do
              refused $"input is [{text}]: must be [T, B, 4] or [T, 4], with T >= 1 (Parameter 'input')" (fun () ->
                  gru.call (torch.zeros (List.toArray size), null) |> ignore)
          for input, state, text, needed in [ [ 3L; 2L; 4L ], [ 2L; 5L ], "2, 5", "1, 2, 5"; [ 3L; 4L ], [ 1L; 1L; 5L ], "1, 1, 5", "1, 5" ] do
              refused $"a state is [{text}]: must be [{needed}] (Parameter 'states')" (fun () ->
                  gru.call (torch.zeros (List.toArray input), torch.zeros (List.toArray state)) |> ignore))

      torchTest "a refused call takes no time step from the clock" (fun () ->
          let pass broken =
              let cell = new NoisyGruCell(4L, 5L, Variants.Nani, NoiseClock 1L)
              if broken then
                  for x in [ torch.zeros [| 3L; 5L |]; torch.zeros ([| 3L; 4L |], torch.ScalarType.Float64) ] do
                      try cell.call (x, null) |> ignore with :? ArgumentException -> ()
              cell.call (filled 1L [ 3L; 4L ], null)
          sameTensor (pass false) (pass true) "the first step")

      torchTest "attention, encoder, decoder and perceptron refuse what does not fit" (fun () ->
          let attention = new AdditiveAttention(4L, 5L, 7L, Variants.Nah.Tanh, NoiseClock 1L)
          let annotations = filled 1L [ 6L; 3L; 5L ]
          refused "annotations are [6, 5]: must be [S, B, 5] (Parameter 'annotations')" (fun () -> attention.Keys (annotations.select (1L, 0L)) |> ignore)
          let keys = attention.Keys annotations
          let look (query: Tensor) (annotations: Tensor) keys mask () = attention.forward (query, annotations, keys, mask, NoiseContext.Test) |> ignore
          refused "query is [4]: must be [3, 4] (Parameter 'query')" (look (filled 1L [ 4L ]) annotations keys null)
          refused "query is [1, 4]: must be [3, 4] (Parameter 'query')" (look (filled 1L [ 1L; 4L ]) annotations keys null)
          refused "keys is [6, 2, 7]: must be [6, 3, 7] (Parameter 'keys')" (look (filled 1L [ 3L; 4L ]) annotations (keys.narrow (1L, 0L, 2L)) null)
          refused "mask is [6]: must be [6, 3] (Parameter 'mask')" (look (filled 1L [ 3L; 4L ]) annotations keys (torch.zeros [| 6L |]))
          let ids size = torch.zeros (List.toArray size, dtype = torch.ScalarType.Int64)
          let encoder = new SentenceEncoder(9L, 4L, 5L, Variants.Nah, NoiseClock 1L)
          for size, text in [ [ 3L ], "3"; [ 3L; 2L; 1L ], "3, 2, 1"; [ 0L; 2L ], "0, 2" ] do
              refused $"tokens are [{text}]: must be [S, B], with S >= 1 (Parameter 'tokens')" (fun () -> encoder.forward (ids size, [| 1; 1 |], NoiseContext.Test) |> ignore)
          let decoder = new AttentionDecoder(9L, 4L, 10L, 6L, 7L, Variants.Nah, NoiseClock 1L)
          let state = decoder.Start(encoder.forward (ids [ 3L; 2L ], [| 3; 1 |], NoiseContext.Test), NoiseContext.Test)
          for size, text in [ [ 3L ], "3"; [ 3L; 1L ], "3, 1"; [ 0L; 2L ], "0, 2" ] do
              refused $"words are [{text}]: must be [T, 2], with T >= 1 (Parameter 'words')" (fun () ->
                  decoder.Loss(state, ids size, ids [ 6L ], NoiseContext.Test) |> ignore)
          refused "last is [1]: must be [2] (Parameter 'last')" (fun () -> decoder.Next(state, ids [ 1L ], NoiseContext.Test) |> ignore)
          let mlp = new NoisyMlp([| 4L; 3L; 2L |], Variants.Nah.Tanh, NoiseClock 1L)
          refused "x is [3, 5]: its last dimension must be 4 (Parameter 'x')" (fun () -> mlp.call (filled 1L [ 3L; 5L ]) |> ignore)
          refused (unlike "x" "Float64") (fun () -> mlp.call (typed (filled 1L [ 3L; 4L ]) torch.ScalarType.Float64) |> ignore)) ]

let private types =
    [ for dtype in half do
          for pair in Variants.All do
              torchTest $"{dtype} goes through every module and stays what it is: {pair.Name}" (fun () ->
                  let x, h = filled 1L [ 3L; 2L; 4L ] * 3, filled 2L [ 1L; 2L; 4L ]
                  let near name (m: torch.nn.Module) (run: torch.ScalarType -> Tensor list) =
                      let expected = run torch.ScalarType.Float32
                      m.``to`` dtype |> ignore
                      let actual = run dtype
                      for e, a in List.zip expected actual do
                          Expect.equal a.dtype dtype name
                          closeTensor half16 e (a.to_type torch.ScalarType.Float32) $"{pair.Name}, {name}"
                      (List.last actual).sum().backward ()
                      for p, t in parameters m do
                          if not (isNull t.grad) then Expect.equal t.grad.dtype dtype $"gradient of {p}"
                  for engine in engines do
                      let unit = new NoisyActivation(pair.Tanh, 4L, NoiseClock 1L, Backend = engine)
                      near "activation" unit (fun d -> [ unit.forward (((typed x d).detach()).requires_grad_ (), sampling) ])
                      let lstm = new NoisyLstm(RecurrentShape(4L, 4L, 2, Dropout = 0.2), pair, NoiseClock 1L, Backend = engine)
                      near "LSTM" lstm (fun d -> let struct (o, h, c) = lstm.forward (typed x d, none, sampling) in [ o; h; c ])
                      let gru = new NoisyGru(RecurrentShape(4L, 4L), pair, NoiseClock 1L, Backend = engine)
                      near "GRU" gru (fun d -> let struct (o, h) = gru.forward (typed x d, typed h d, sampling) in [ o; h ])
                      let lstm = new NoisyLstmCell(4L, 4L, pair, NoiseClock 1L, Backend = engine)
                      near "LSTM cell" lstm (fun d -> let struct (h, c) = lstm.forward (typed (x.select (0L, 0L)) d, none, sampling) in [ h; c ])
                      let gru = new NoisyGruCell(4L, 4L, pair, NoiseClock 1L, Backend = engine)
                      near "GRU cell" gru (fun d -> [ gru.forward (typed (x.select (0L, 0L)) d, null, sampling) ])
                      let mlp = new NoisyMlp([| 4L; 3L; 2L |], pair.Tanh, NoiseClock 1L, Backend = engine)
                      near "perceptron" mlp (fun d -> [ mlp.forward (typed x d, sampling) ])
                      let attention = new AdditiveAttention(4L, 4L, 7L, pair.Tanh, NoiseClock 1L, Backend = engine)
                      near "attention" attention (fun d ->
                          let annotations = typed x d
                          let struct (mean, weights) = attention.forward (typed (h.select (0L, 0L)) d, annotations, attention.Keys annotations, null, sampling)
                          [ weights; mean ]))

      torchTest "half precision goes through encoder, decoder and machine and stays what it is" (fun () ->
          for dtype in half do
              let ids size = torch.ones (List.toArray size, dtype = torch.ScalarType.Int64)
              let encoder = new SentenceEncoder(9L, 4L, 5L, Variants.Nah, NoiseClock 1L)
              let decoder = new AttentionDecoder(9L, 4L, 10L, 6L, 7L, Variants.Nah, NoiseClock 1L)
              encoder.``to`` dtype |> ignore
              decoder.``to`` dtype |> ignore
              let encoded = encoder.forward (ids [ 3L; 2L ], [| 3; 1 |], NoiseContext.Test)
              Expect.equal (encoded.Annotations.dtype, encoded.Mask.dtype, encoded.Mean.dtype) (dtype, dtype, dtype) "encoder"
              let state = decoder.Start(encoded, NoiseContext.Test)
              let struct (sum, weights) = decoder.Loss(state, ids [ 3L; 2L ], ids [ 6L ], NoiseContext.Test)
              Expect.equal (sum.dtype, weights.dtype) (dtype, dtype) "loss"
              let struct (logs, _, hidden) = decoder.Next(state, ids [ 2L ], NoiseContext.Test)
              Expect.equal (logs.dtype, hidden.dtype) (dtype, dtype) "next"
              let machine = new NeuralTuringMachine(NtmShape(3, 4, Hidden = 5, MemoryRows = 6, MemoryWidth = 4), Variants.Nah, NoiseClock 1L)
              machine.``to`` dtype |> ignore
              Expect.equal (machine.forward (typed (filled 1L [ 3L; 2L; 3L ]) dtype, sampling)).dtype dtype "machine")

      torchTest "captions with places drawn, beam search and a language model's own state take every precision" (fun () ->
          for dtype in torch.ScalarType.Float64 :: half do
              let captions = new CaptionModel(CaptionShape(9, 3, 5, 6, 4, true, true, true), Variants.Nah, InitialScheme.Uniform, NoiseClock 1L)
              captions.``to`` dtype |> ignore
              let features, words = typed (filled 1L [ 4L; 2L; 3L ]) dtype, SentenceBatch.Create [| [| 5; 2; 0 |]; [| 3; 0 |] |]
              let loss = captions.Loss(captions.Start(features, sampling), words, sampling, draw = true)
              Expect.equal (loss.Sum.dtype, loss.Selected.dtype) (dtype, dtype) "captions"
              use start = captions.Start(features, NoiseContext.Test)
              Expect.equal (BeamSearch(2, 4, 0).Search(CaptionDecoder(captions, NoiseContext.Test), start, 2)).Count 2 "captions found"
              let translation = new TranslationModel(TranslationShape(7, 8, 4, 5, 6), Variants.Nah, InitialScheme.Uniform, NoiseClock 1L)
              translation.``to`` dtype |> ignore
              use start = translation.Start(words, NoiseContext.Test)
              Expect.equal (BeamSearch(2, 4, 0).Search(TranslationDecoder(translation, NoiseContext.Test), start, 2)).Count 2 "translations found"
              let model = new RecurrentLanguageModel(7, RecurrentShape(4L, 5L), Variants.Nah, 0.5, NoiseClock 1L)
              model.``to`` dtype |> ignore
              let tokens = torch.ones ([| 3L; 2L |], dtype = torch.ScalarType.Int64)
              let struct (logits, _) = model.forward (tokens, model.ZeroState(2L, torch.CPU), sampling)
              Expect.equal logits.dtype dtype "language model")

      torchTest "an activation refuses integers, and numbers that are not of its gains' type" (fun () ->
          for pair in Variants.All do
              for engine in engines do
                  let unit = new NoisyActivation(pair.Tanh, 4L, NoiseClock 1L, Backend = engine)
                  for dtype in [ torch.ScalarType.Int64; torch.ScalarType.Int32; torch.ScalarType.Byte; torch.ScalarType.Bool ] do
                      refused $"x is {dtype}: must be of a floating-point type; convert it with to_type (Parameter 'x')" (fun () ->
                          unit.call (torch.ones ([| 2L; 4L |], dtype)) |> ignore)
                  let wide = typed (filled 1L [ 2L; 4L ]) torch.ScalarType.Float64
                  if pair.Tanh.UsesP then refused (unlike "x" "Float64") (fun () -> unit.call wide |> ignore)
                  else Expect.equal (unit.call wide).dtype torch.ScalarType.Float64 pair.Name)

      torchTest "layers and cells refuse inputs and states that are not of their weights' type" (fun () ->
          let narrow, wide = filled 1L [ 3L; 2L; 4L ], typed (filled 1L [ 3L; 2L; 4L ]) torch.ScalarType.Float64
          let state = filled 2L [ 1L; 2L; 5L ]
          let wideState = typed state torch.ScalarType.Float64
          for engine in engines do
              for pair in [ Variants.Soft; Variants.Hard; Variants.Nah ] do
                  let lstm = new NoisyLstm(RecurrentShape(4L, 5L), pair, NoiseClock 1L, Backend = engine)
                  refused (unlike "input" "Float64") (fun () -> lstm.call (wide, none) |> ignore)
                  refused (unlike "input" "Int64") (fun () -> lstm.call (typed narrow torch.ScalarType.Int64, none) |> ignore)
                  refused (unlike "states" "Float64") (fun () -> lstm.call (narrow, both state wideState) |> ignore)
                  let gru = new NoisyGru(RecurrentShape(4L, 5L), pair, NoiseClock 1L, Backend = engine)
                  refused (unlike "states" "Float64") (fun () -> gru.call (narrow, wideState) |> ignore)
                  let first (t: Tensor) = t.select (0L, 0L)
                  let lstm = new NoisyLstmCell(4L, 5L, pair, NoiseClock 1L, Backend = engine)
                  refused (unlike "input" "Float64") (fun () -> lstm.call (first wide, none) |> ignore)
                  refused (unlike "state" "Float64") (fun () -> lstm.call (first narrow, both (first state) (first wideState)) |> ignore)
                  let gru = new NoisyGruCell(4L, 5L, pair, NoiseClock 1L, Backend = engine)
                  refused (unlike "state" "Float64") (fun () -> gru.call (first narrow, first wideState) |> ignore)
                  let steps = gru.Steps()
                  refused (unlike "input" "Float64") (fun () -> steps.Project (first wide) |> ignore)
                  refused "what was projected is [2, 4]: must be [B, 15] (Parameter 'projected')" (fun () -> steps.Step(first narrow, null, sampling) |> ignore)
                  let projected = typed (steps.Project(first narrow)) torch.ScalarType.Float64
                  refused (unlike "projected" "Float64") (fun () -> steps.Step(projected, null, sampling) |> ignore)) ]

let tests = testSequenced <| testList "operands" [ testList "ranks and sizes" ranks; testList "types" types ]
