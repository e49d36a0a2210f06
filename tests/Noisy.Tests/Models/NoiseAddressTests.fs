/// One address for every draw: the clock's plain calls and contexts lead to the same numbers, and no number is used twice.
module Noisy.Tests.NoiseAddressTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A module, its plain call, and the same call with a context. `Steps`: time steps that a plain call takes.
type private Face =
    { Model: torch.nn.Module
      Plain: unit -> Tensor list
      Pure: NoiseContext -> Tensor list
      Steps: int }

let private ids (rows: int list list) : Tensor =
    torch.tensor([| for row in rows do for id in row -> int64 id |]).reshape (int64 rows.Length, int64 rows.Head.Length)

/// Every module of the library, of a variant that shows its noise at every site; with dropout where there is any.
let private faces: (string * (NoiseClock -> Backend -> Face)) list =
    let pair = Variants.Nani
    let words () = ids [ [ 3; 1 ]; [ 4; 5 ]; [ 0; 6 ] ]
    let source, target = SentenceBatch.Create [| [| 5; 2; 0 |]; [| 3; 0 |] |], SentenceBatch.Create [| [| 1; 4; 2; 0 |]; [| 6; 0 |] |]
    let layers = RecurrentShape(4L, 5L, 2, Dropout = 0.3, Bidirectional = true)
    [ "activation", fun clock backend ->
          let m = new NoisyActivation(pair.Tanh, 5L, clock, Backend = backend)
          let x = filled 1L [ 3L; 5L ]
          { Model = m; Plain = (fun () -> [ m.forward x ]); Pure = (fun c -> [ m.forward (x, c) ]); Steps = 1 }
      "LSTM", fun clock backend ->
          let m = new NoisyLstm(layers, pair, clock, Backend = backend)
          let x = filled 1L [ 3L; 2L; 4L ]
          let all struct (a, b, c) : Tensor list = [ a; b; c ]
          { Model = m; Plain = (fun () -> all (m.forward x)); Pure = (fun c -> all (m.forward (x, Nullable(), c))); Steps = 3 }
      "GRU", fun clock backend ->
          let m = new NoisyGru(layers, pair, clock, Backend = backend)
          let x = filled 1L [ 3L; 2L; 4L ]
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m; Plain = (fun () -> all (m.forward x)); Pure = (fun c -> all (m.forward (x, null, c))); Steps = 3 }
      "LSTM cell", fun clock backend ->
          let m = new NoisyLstmCell(4L, 5L, pair, clock, Backend = backend)
          let x = filled 1L [ 2L; 4L ]
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m; Plain = (fun () -> all (m.forward x)); Pure = (fun c -> all (m.forward (x, Nullable(), c))); Steps = 1 }
      "GRU cell", fun clock backend ->
          let m = new NoisyGruCell(4L, 5L, pair, clock, Backend = backend)
          let x = filled 1L [ 2L; 4L ]
          { Model = m; Plain = (fun () -> [ m.forward x ]); Pure = (fun c -> [ m.forward (x, null, c) ]); Steps = 1 }
      "attention", fun clock backend ->
          let m = new AdditiveAttention(4L, 3L, 5L, pair.Tanh, clock, Backend = backend)
          let query, annotations = filled 1L [ 2L; 4L ], filled 2L [ 6L; 2L; 3L ]
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m
            Plain = (fun () -> all (m.forward (query, annotations, m.Keys annotations)))
            Pure = (fun c -> all (m.forward (query, annotations, m.Keys annotations, null, c)))
            Steps = 1 }
      "machine", fun clock backend ->
          let m = new NeuralTuringMachine(NtmShape(3, 2, NtmController.Lstm, 4, 5, 3, 1, 1), pair, clock, Backend = backend)
          let x = filled 1L [ 3L; 2L; 3L ]
          { Model = m; Plain = (fun () -> [ m.forward x ]); Pure = (fun c -> [ m.forward (x, c) ]); Steps = 3 }
      "perceptron", fun clock backend ->
          let m = new NoisyMlp([| 3L; 5L; 4L; 2L |], pair.Tanh, clock, Backend = backend)
          let x = filled 1L [ 3L; 3L ]
          { Model = m; Plain = (fun () -> [ m.forward x ]); Pure = (fun c -> [ m.forward (x, c) ]); Steps = 1 }
      "classifier", fun clock backend ->
          let m = new MeanPoolClassifier(7, RecurrentShape(4L, 5L), 4, 3, pair, clock, Backend = backend)
          { Model = m; Plain = (fun () -> [ m.forward (words ()) ]); Pure = (fun c -> [ m.forward (words (), c) ]); Steps = 3 }
      "language model", fun clock backend ->
          let m = new RecurrentLanguageModel(7, RecurrentShape(4L, 5L, 2, Dropout = 0.3), pair, 0.5, clock, RecurrentKind.Gru, Backend = backend)
          let state, targets = m.ZeroState(2L, torch.CPU), torch.tensor [| 1L; 2L; 0L; 3L; 4L; 6L |]
          let all struct (a, b: Collections.Generic.IReadOnlyList<Tensor>) : Tensor list = a :: List.ofSeq b
          { Model = m
            Plain = (fun () -> all (m.Loss(words (), targets, state)))
            Pure = (fun c -> all (m.Loss(words (), targets, state, c)))
            Steps = 3 }
      "encoder", fun clock backend ->
          let m = new SentenceEncoder(7L, 4L, 5L, pair, clock, Backend = backend)
          let all (e: EncodedSentences) : Tensor list = [ e.Annotations; e.Mean ]
          { Model = m
            Plain = (fun () -> all (m.forward (words (), [| 2; 3 |])))
            Pure = (fun c -> all (m.forward (words (), [| 2; 3 |], c)))
            Steps = 3 }
      "decoder", fun clock backend ->
          let m = new AttentionDecoder(7L, 4L, 3L, 6L, 7L, pair, clock, Backend = backend)
          let encoded () = EncodedSentences(filled 1L [ 4L; 2L; 3L ], torch.zeros [| 4L; 2L |], filled 2L [ 2L; 3L ])
          let targets = torch.tensor [| 1L; 2L; 0L; 3L; 4L; 6L |]
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m
            Plain = (fun () -> all (m.Loss(m.Start(encoded ()), words (), targets)))
            Pure = (fun c -> all (m.Loss(m.Start(encoded (), c), words (), targets, c.Later 1)))
            Steps = 4 }
      "translation", fun clock backend ->
          let m = new TranslationModel(TranslationShape(7, 8, 4, 5, 6), pair, InitialScheme.Uniform, clock, Backend = backend)
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m; Plain = (fun () -> all (m.Loss(source, target))); Pure = (fun c -> all (m.Loss(source, target, c))); Steps = 4 }
      "captions", fun clock backend ->
          let m = new CaptionModel(CaptionShape(9, 3, 5, 6, 4, true, true, true, 0.3), pair, InitialScheme.Uniform, clock, Backend = backend)
          let places () = filled 7L [ 4L; 2L; 3L ]
          let all (s: CaptionLoss) : Tensor list = [ s.Sum; s.Nats; s.Attention; s.Selected ]
          { Model = m
            Plain = (fun () -> all (m.Loss(m.Start(places ()), source, draw = true)))
            Pure = (fun c -> all (m.Loss(m.Start(places (), c), source, c.Later 1, draw = true)))
            Steps = 4 } ]

let private same (expected: Tensor list) (actual: Tensor list) what =
    for i, (e, a) in List.indexed (List.zip expected actual) do sameTensor e a $"{what}, result {i}"

let private differs (a: Tensor list) (b: Tensor list) what = Expect.isFalse (a.Head.equal(b.Head).all().item<bool> ()) what

let private context update scale = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed(6L).Child "noise", update, 0, Nullable scale)

let tests =
    testSequenced
    <| testList "noise addresses" [
        for name, make in faces do
            for backend in [ Backend.Auto; Backend.Composed ] do
                torchTest $"{name}: a plain call and a context of the same update draw the same, {backend}" (fun () ->
                    let clock = NoiseClock 6L
                    clock.NewModuleId() |> ignore // so that the module is not the first
                    let face = make clock backend
                    clock.Advance(7L, 0.5)
                    let first, second = face.Plain(), face.Plain()
                    same (face.Pure(context 7L 0.5)) first "first call"
                    same (face.Pure((context 7L 0.5).Later face.Steps)) second "second call"
                    differs first second "they draw different numbers"
                    clock.Advance(8L, 0.5)
                    same (face.Pure(context 8L 0.5)) (face.Plain()) "the next update"
                    clock.Advance(7L, 0.5)
                    same first (face.Plain()) "the same update again"
                    face.Model.eval ()
                    same (face.Pure(NoiseContext(NoiseMode.Mean, Scale = Nullable 0.5))) (face.Plain()) "eval")

        torchTest "every module of the library is among them" (fun () ->
            let tested = [ for _, make in faces -> (make (NoiseClock 1L) Backend.Auto).Model.GetType() ]
            let all =
                [ for t in typeof<NoisyLstm>.Assembly.GetExportedTypes() do
                      if typeof<torch.nn.Module>.IsAssignableFrom t && not t.IsAbstract then t ]
            Expect.isEmpty (all |> List.except tested |> List.map _.Name) "modules without a test")

        torchTest "modules of one model draw different numbers" (fun () ->
            let clock = NoiseClock 6L
            let make () = new NoisyActivation(Variants.Nani.Tanh, 5L, clock)
            let first, second = make (), make ()
            let x = filled 1L [ 3L; 5L ]
            differs [ first.forward (x, context 7L 0.5) ] [ second.forward (x, context 7L 0.5) ] "with the same context")

        torchTest "a module and its parts, called in one update, use no draw twice" (fun () ->
            let clock = NoiseClock 6L
            let m = new NoisyMlp([| 3L; 5L; 2L |], Variants.Nani.Tanh, clock)
            let part = m.Activations[0]
            let x, y = filled 1L [ 3L; 3L ], filled 2L [ 3L; 5L ]
            let later n = (context 7L 0.5).Later n
            clock.Advance(7L, 0.5)
            sameTensor (m.forward (x, later 0)) (m.forward x) "the whole"
            sameTensor (part.forward (y, later 1)) (part.forward y) "then a part"
            sameTensor (part.forward (y, later 2)) (part.forward y) "the part again"
            sameTensor (m.forward (x, later 3)) (m.forward x) "then the whole")

        torchTest "a cell draws what layers with its id draw" (fun () ->
            let layers, cell = new NoisyGru(RecurrentShape(4L, 6L), Variants.Nani, NoiseClock 6L), new NoisyGruCell(4L, 6L, Variants.Nani, NoiseClock 6L)
            cell.load_state_dict (dict [ for KeyValue(name, t) in layers.state_dict () -> name.Replace("_l0", ""), t ] |> Collections.Generic.Dictionary) |> ignore
            let x = filled 1L [ 1L; 2L; 4L ]
            let struct (_, h) = layers.forward (x, null, context 7L 0.5)
            closeTensor tensor32 (h.squeeze 0) (cell.forward (x.squeeze 0, null, context 7L 0.5)) "hidden")
    ]
