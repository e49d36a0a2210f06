/// Every function of the engine in a small model, for tests of what all of them owe to torch's habits.
module Noisy.Tests.GradientCases

open System
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A model with weights of its own and an input that has a gradient.
type Case =
    { Name: string
      Model: torch.nn.Module
      Input: Tensor
      /// A new graph at every call: the result of the forward pass.
      Run: Tensor -> Tensor }

    /// A scalar in which no two elements of the result count alike.
    member this.Loss() =
        let y = this.Run this.Input
        (y * filled 9L (shape y)).sum ()

    member this.Parameters = [ for struct (name, p) in this.Model.named_parameters () -> name, p ]

    /// Gradients by name, those of the input first; null for none.
    member this.Gradients() = ("input", this.Input.grad) :: [ for name, p in this.Parameters -> name, p.grad ]

    member this.Clear() =
        this.Model.zero_grad ()
        this.Input.grad <- null

let private sampling = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2, Nullable 0.8)

let private leaf seed (size: int64 list) = (filled seed size * torch.tensor 3.0f).detach().requires_grad_ ()

/// A layer that owns one weight matrix, for functions that are no modules.
type private Weights(rows: int64, width: int64) as this =
    inherit torch.nn.Module("weights")
    let weight = torch.nn.Parameter(filled 11L [ rows; width ])
    let bias = torch.nn.Parameter(filled 12L [ rows ])
    do this.RegisterComponents()
    member _.Weight = weight
    member _.Bias = bias

/// All of them, from the same weights for the same variant, whatever the path.
let cases (variant: ActivationPair) (path: Backend) : Case list =
    let clock = NoiseClock 1L
    let case name (model: torch.nn.Module) input run = { Name = name; Model = model; Input = input; Run = run }
    let layers = RecurrentShape(4L, 5L, 2, Bidirectional = true)
    let lstm = new NoisyLstm(layers, variant, clock, Backend = path)
    let gru = new NoisyGru(layers, variant, clock, Backend = path)
    let lstmCell = new NoisyLstmCell(4L, 5L, variant, clock, Backend = path)
    let gruCell = new NoisyGruCell(4L, 5L, variant, clock, Backend = path)
    let unit = new NoisyActivation(variant.Tanh, 5L, clock, Backend = path)
    let attention = new AdditiveAttention(4L, 3L, 5L, variant.Tanh, clock, Backend = path)
    let machine = new NeuralTuringMachine(NtmShape(3, 2, NtmController.Lstm, 4, 5, 3, 1, 1), variant, clock, Backend = path)
    let decoder = new AttentionDecoder(6L, 4L, 3L, 5L, 5L, variant, clock, Backend = path)
    let captions = new CaptionModel(CaptionShape(6, 3, 4, 5, 5, true, true, true), variant, InitialScheme.Uniform, clock, Backend = path)
    let output, table = new Weights(6L, 5L), new Weights(6L, 5L)
    let annotations = filled 21L [ 6L; 2L; 3L ]
    let targets = torch.tensor [| 1L; 5L; LinearCrossEntropy.IgnoreIndex |]
    let tokens = torch.tensor [| 1L; 4L; 1L |]
    [ case "LSTM" lstm (leaf 1L [ 3L; 2L; 4L ]) (fun x ->
          let struct (y, _, _) = lstm.forward (x, Nullable(), sampling)
          y)
      case "GRU" gru (leaf 2L [ 3L; 2L; 4L ]) (fun x ->
          let struct (y, _) = gru.forward (x, null, sampling)
          y)
      case "LSTM cell" lstmCell (leaf 3L [ 2L; 4L ]) (fun x ->
          let struct (h, c) = lstmCell.forward (x, Nullable(), sampling)
          torch.cat [| h; c |])
      case "GRU cell" gruCell (leaf 4L [ 2L; 4L ]) (fun x -> gruCell.forward (x, null, sampling))
      case "steps of an LSTM" lstmCell (leaf 5L [ 3L; 2L; 4L ]) (fun x -> sequence lstmCell.Steps sampling x)
      case "steps of a GRU" gruCell (leaf 6L [ 3L; 2L; 4L ]) (fun x -> sequence gruCell.Steps sampling x)
      case "steps of an LSTM, many of them" lstmCell (leaf 15L [ 25L; 2L; 4L ]) (fun x -> sequence lstmCell.Steps sampling x)
      case "activation" unit (leaf 7L [ 4L; 5L ]) (fun x -> unit.forward (x, sampling))
      case "attention" attention (leaf 8L [ 2L; 4L ]) (fun x ->
          let struct (mean, weights) = attention.forward (x, annotations, attention.Keys annotations, null, sampling)
          torch.cat [| mean.reshape -1L; weights.reshape -1L |])
      case "decoder of sentences" decoder (leaf 16L [ 6L; 3L; 3L ]) (fun x ->
          let encoded = EncodedSentences(x, torch.zeros [| 6L; 3L |], x.mean [| 0L |])
          let words = torch.tensor([| 1L; 2L; 3L; 4L; 5L; 0L |]).reshape (2L, 3L)
          let struct (sum, weights) = decoder.Loss(decoder.Start(encoded, sampling), words, words.reshape -1L, sampling)
          torch.cat [| sum.reshape -1L; weights.reshape -1L |])
      case "decoder of captions" captions (leaf 17L [ 6L; 3L; 3L ]) (fun x ->
          let loss = captions.Loss(captions.Start(x, sampling), SentenceBatch.Create [| [| 1; 2 |]; [| 3; 4 |]; [| 5; 0 |] |], sampling)
          torch.cat [| loss.Sum.reshape -1L; loss.Attention.reshape -1L |])
      case "machine" machine (leaf 10L [ 3L; 2L; 3L ]) (fun x -> machine.forward (x, sampling))
      case "cross-entropy" output (leaf 13L [ 3L; 5L ]) (fun x -> LinearCrossEntropy.Sum(x, output.Weight, output.Bias, targets, path))
      case "linear layer" output (leaf 18L [ 2L; 3L; 5L ]) (fun x -> ownProducts (fun () -> FusedLinear.Apply(x, output.Weight, output.Bias, path)))
      case "lookup" table (leaf 14L [ 3L; 5L ]) (fun x -> EmbeddingLookup.Rows(table.Weight, tokens, path) * x) ]
