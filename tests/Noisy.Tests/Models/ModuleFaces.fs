/// Every module of the library behind one face, for tests of what holds for all of them.
module Noisy.Tests.ModuleFaces

open System
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A module, its plain call, and the same call with a context. `Steps`: time steps that a plain call takes.
type Face =
    { Model: torch.nn.Module
      Plain: unit -> Tensor list
      Pure: NoiseContext -> Tensor list
      Steps: int }

let private drawn (device: torch.Device) seed size : Tensor = (filled seed size).``to`` device

let private ids (device: torch.Device) (values: int64 list) : Tensor = (torch.tensor (Array.ofList values)).``to`` device

/// Made from activations, clock, backend and device.
type Maker = ActivationPair -> NoiseClock -> Backend -> torch.Device -> Face

let private makers: (string * Maker) list =
    let words device : Tensor = (ids device [ 3L; 1L; 4L; 5L; 0L; 6L ]).reshape (3L, 2L)
    let targets device = ids device [ 1L; 2L; 0L; 3L; 4L; 6L ]
    let source, target = SentenceBatch.Create [| [| 5; 2; 0 |]; [| 3; 0 |] |], SentenceBatch.Create [| [| 1; 4; 2; 0 |]; [| 6; 0 |] |]
    let layers = RecurrentShape(4L, 5L, 2, Dropout = 0.3, Bidirectional = true)
    [ "activation", fun pair clock backend device ->
          let m = new NoisyActivation(pair.Tanh, 5L, clock, Backend = backend)
          let x = drawn device 1L [ 3L; 5L ]
          { Model = m; Plain = (fun () -> [ m.forward x ]); Pure = (fun c -> [ m.forward (x, c) ]); Steps = 1 }
      "LSTM", fun pair clock backend device ->
          let m = new NoisyLstm(layers, pair, clock, Backend = backend)
          let x = drawn device 1L [ 3L; 2L; 4L ]
          let all struct (a, b, c) : Tensor list = [ a; b; c ]
          { Model = m; Plain = (fun () -> all (m.forward x)); Pure = (fun c -> all (m.forward (x, Nullable(), c))); Steps = 3 }
      "GRU", fun pair clock backend device ->
          let m = new NoisyGru(layers, pair, clock, Backend = backend)
          let x = drawn device 1L [ 3L; 2L; 4L ]
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m; Plain = (fun () -> all (m.forward x)); Pure = (fun c -> all (m.forward (x, null, c))); Steps = 3 }
      "LSTM cell", fun pair clock backend device ->
          let m = new NoisyLstmCell(4L, 5L, pair, clock, Backend = backend)
          let x = drawn device 1L [ 2L; 4L ]
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m; Plain = (fun () -> all (m.forward x)); Pure = (fun c -> all (m.forward (x, Nullable(), c))); Steps = 1 }
      "GRU cell", fun pair clock backend device ->
          let m = new NoisyGruCell(4L, 5L, pair, clock, Backend = backend)
          let x = drawn device 1L [ 2L; 4L ]
          { Model = m; Plain = (fun () -> [ m.forward x ]); Pure = (fun c -> [ m.forward (x, null, c) ]); Steps = 1 }
      "attention", fun pair clock backend device ->
          let m = new AdditiveAttention(4L, 3L, 5L, pair.Tanh, clock, Backend = backend)
          let query, annotations = drawn device 1L [ 2L; 4L ], drawn device 2L [ 6L; 2L; 3L ]
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m
            Plain = (fun () -> all (m.forward (query, annotations, m.Keys annotations)))
            Pure = (fun c -> all (m.forward (query, annotations, m.Keys annotations, null, c)))
            Steps = 1 }
      "machine", fun pair clock backend device ->
          let m = new NeuralTuringMachine(NtmShape(3, 2, NtmController.Lstm, 4, 5, 3, 1, 1), pair, clock, Backend = backend)
          let x = drawn device 1L [ 3L; 2L; 3L ]
          { Model = m; Plain = (fun () -> [ m.forward x ]); Pure = (fun c -> [ m.forward (x, c) ]); Steps = 3 }
      "perceptron", fun pair clock backend device ->
          let m = new NoisyMlp([| 3L; 5L; 4L; 2L |], pair.Tanh, clock, Backend = backend)
          let x = drawn device 1L [ 3L; 3L ]
          { Model = m; Plain = (fun () -> [ m.forward x ]); Pure = (fun c -> [ m.forward (x, c) ]); Steps = 1 }
      "classifier", fun pair clock backend device ->
          let m = new MeanPoolClassifier(7, RecurrentShape(4L, 5L), 4, 3, pair, clock, Backend = backend)
          { Model = m; Plain = (fun () -> [ m.forward (words device) ]); Pure = (fun c -> [ m.forward (words device, c) ]); Steps = 3 }
      "language model", fun pair clock backend device ->
          let m = new RecurrentLanguageModel(7, RecurrentShape(4L, 5L, 2, Dropout = 0.3), pair, 0.5, clock, RecurrentKind.Gru, Backend = backend)
          let state, targets = m.ZeroState(2L, device), targets device
          let all struct (a, b: Collections.Generic.IReadOnlyList<Tensor>) : Tensor list = a :: List.ofSeq b
          { Model = m
            Plain = (fun () -> all (m.Loss(words device, targets, state)))
            Pure = (fun c -> all (m.Loss(words device, targets, state, c)))
            Steps = 3 }
      "encoder", fun pair clock backend device ->
          let m = new SentenceEncoder(7L, 4L, 5L, pair, clock, Backend = backend)
          let all (e: EncodedSentences) : Tensor list = [ e.Annotations; e.Mean ]
          { Model = m
            Plain = (fun () -> all (m.forward (words device, [| 2; 3 |])))
            Pure = (fun c -> all (m.forward (words device, [| 2; 3 |], c)))
            Steps = 3 }
      "decoder", fun pair clock backend device ->
          let m = new AttentionDecoder(7L, 4L, 3L, 6L, 7L, pair, clock, Backend = backend)
          let encoded () = EncodedSentences(drawn device 1L [ 4L; 2L; 3L ], torch.zeros ([| 4L; 2L |], device = device), drawn device 2L [ 2L; 3L ])
          let targets = targets device
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m
            Plain = (fun () -> all (m.Loss(m.Start(encoded ()), words device, targets)))
            Pure = (fun c -> all (m.Loss(m.Start(encoded (), c), words device, targets, c.Later 1)))
            Steps = 4 }
      "translation", fun pair clock backend device ->
          let m = new TranslationModel(TranslationShape(7, 8, 4, 5, 6), pair, InitialScheme.Uniform, clock, Backend = backend)
          let all struct (a, b) : Tensor list = [ a; b ]
          { Model = m; Plain = (fun () -> all (m.Loss(source, target))); Pure = (fun c -> all (m.Loss(source, target, c))); Steps = 4 }
      "captions", fun pair clock backend device ->
          let m = new CaptionModel(CaptionShape(9, 3, 5, 6, 4, true, true, true, 0.3), pair, InitialScheme.Uniform, clock, Backend = backend)
          let places () = drawn device 7L [ 4L; 2L; 3L ]
          let all (s: CaptionLoss) : Tensor list = [ s.Sum; s.Nats; s.Attention; s.Selected ]
          { Model = m
            Plain = (fun () -> all (m.Loss(m.Start(places ()), source, draw = true)))
            Pure = (fun c -> all (m.Loss(m.Start(places (), c), source, c.Later 1, draw = true)))
            Steps = 4 } ]

/// Every module of the library with inputs of its own; with dropout where there is any.
let all: (string * Maker) list =
    [ for name, make in makers ->
          name,
          fun pair clock backend device ->
              let face = make pair clock backend device
              face.Model.``to`` device |> ignore
              face ]
