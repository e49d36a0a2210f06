/// Sizes of what is measured, and how much arithmetic and memory traffic they stand for.
module Noisy.Scripts.BenchSizes

open Noisy.Models
open Noisy.Experiments

/// A recurrent network over a vocabulary; embedding and layers have the same width.
type Size =
    { Name: string
      Batch: int
      Steps: int
      Layers: int
      Hidden: int
      Vocabulary: int }

    /// Time steps of all examples together.
    member this.Rows = this.Batch * this.Steps

/// Zaremba's small and medium language models.
let all =
    [ { Name = "S"; Batch = 20; Steps = 20; Layers = 2; Hidden = 200; Vocabulary = 10_000 }
      { Name = "M"; Batch = 20; Steps = 35; Layers = 2; Hidden = 650; Vocabulary = 10_000 } ]

/// The recurrent cell of a stack.
type Cell =
    | Lstm
    | Gru

    /// Blocks of rows in the weights.
    member this.Gates =
        match this with
        | Lstm -> 4
        | Gru -> 3

    /// State tensors carried in time.
    member this.States =
        match this with
        | Lstm -> 2
        | Gru -> 1

// Every product of the forward pass has two of the same size in the backward pass: one gives the gradient in the values,
// one that in the weights. A multiply-add counts as two operations.
let private passes = 3.0

/// Operations of the matrix products of the recurrent layers, forward and backward: each row and layer multiplies gates ×
/// hidden weights of the input and as many of the state. First time steps count too, gate arithmetic and noise do not.
let stackOperations (cell: Cell) (size: Size) =
    let weights = float (cell.Gates * size.Hidden) * float (2 * size.Hidden)
    passes * 2.0 * float size.Rows * weights * float size.Layers

/// Operations of the matrix products of the output layer, forward and backward.
let softmaxOperations (size: Size) =
    passes * 2.0 * float size.Rows * float size.Hidden * float size.Vocabulary

/// Operations of the matrix products of a training step.
let stepOperations cell size = stackOperations cell size + softmaxOperations size

/// Operations of the products of a training step by the engine's stages. Those of the stage GradWeights are of inputs and states.
let stageOperations (cell: Cell) (size: Size) =
    let layers = stackOperations cell size / (2.0 * passes)
    let output = softmaxOperations size / passes

    Map
        [ "Project", layers
          "RecurrentProduct", layers
          "RecurrentProductBack", layers
          "GradInput", layers
          "GradWeights", 2.0 * layers
          "Logits", output
          "SoftmaxGradInput", output
          "SoftmaxGradWeights", output ]

/// Operations of the matrix products of a row of an LSTM language model, forward alone.
let forwardOperations (size: Size) =
    2.0 * float size.Hidden * float (size.Layers * 8 * size.Hidden + size.Vocabulary)

/// Operations of the products of a Neural Turing Machine, forward and backward: those with weights, each head's cosines, and what
/// it reads or writes.
let machineOperations (run: RunConfig) =
    let config = run.SettingsAs<NtmRecallSettings>()
    let heads, reads = config.ReadHeads + config.WriteHeads, config.ReadHeads * config.MemoryWidth
    let gates, recurrent = match config.Controller with | NtmController.Lstm -> 4, config.Hidden | _ -> 1, 0
    let numbers = heads * (config.MemoryWidth + 6) + config.WriteHeads * 2 * config.MemoryWidth
    let weights = gates * config.Hidden * (AssociativeRecall.Inputs + reads + recurrent) + numbers * config.Hidden + AssociativeRecall.Bits * (config.Hidden + reads)
    let rows = config.Batch * AssociativeRecall.Steps config.MaxItems
    passes * 2.0 * float rows * float (weights + 2 * heads * config.MemoryRows * config.MemoryWidth)

/// Weights of the recurrent layers, without gap gains.
let private stackWeights (cell: Cell) (size: Size) =
    let rows = cell.Gates * size.Hidden
    float size.Layers * float (rows * (2 * size.Hidden + 2))

/// Bytes that a training step moves at the very least if caches keep nothing from one use to the next but what a time step
/// or a tile shares.
///
/// A dense weight is read forward, backward and at the update, where it is also written; its gradient is written, read for
/// the norm and read at the update: seven times four bytes, and six for the embedding's rows, one a token. Gates (or
/// exponentials of the output layer), kept for the backward pass, are written once and read once.
let stepBytes (cell: Cell) (size: Size) =
    let output = float size.Vocabulary * float (size.Hidden + 1)
    let embedding = float size.Rows * float size.Hidden
    let kept = float size.Rows * (float size.Layers * float (cell.Gates * size.Hidden) + float size.Vocabulary)
    28.0 * (stackWeights cell size + output) + 24.0 * embedding + 8.0 * kept
