namespace Noisy.FSharp

open System
open Noisy.Core
open Noisy.Experiments

/// How runs are trained, as a record to copy from: { Training.defaults with LearningRate = 0.01; Noise = Some cosine }. The fields but
/// Noise bear the names that --set takes, in camel case; Noise is --set schedule.
type Training =
    { /// Periods of EpochUpdates, or passes over data that end; ≥ 1. Validation follows each.
      Epochs: int
      /// Updates of an epoch, ≥ 1.
      EpochUpdates: int
      Optimizer: OptimizerKind
      /// Learning rate of the first epoch, > 0.
      LearningRate: float
      /// Divisor of the learning rate after each epoch past DecayAfter, ≥ 1.
      Decay: float
      /// Last epoch, counted from 1, with the first learning rate; ≥ 0.
      DecayAfter: int
      /// Momentum of the optimiser, in [0, 1); None keeps the method's own.
      Momentum: float option
      /// Weight decay λ, ≥ 0: λ w is added to every parameter's gradient.
      WeightDecay: float
      /// Threshold of the gradient's global norm, > 0; infinity never clips.
      Clip: float
      /// Schedule of the noise scale c, shared by all modules; None keeps each spec's own c.
      Noise: Noisy.Core.Schedule option
      /// Whether the gap gains p are trained.
      LearnP: bool
      /// Clips activations to the range of the hard function.
      ClipOutput: bool
      /// Order of difficulty of the training's batches, for an experiment with Experiment.stages.
      Curriculum: Noisy.Experiments.Curriculum
      /// What replaces the noise in evaluation.
      TestNoise: NoiseMode
      /// The run is finished once validation is at or beyond this value of the metric; None never.
      StopAt: float option
      /// The run is finished after this many evaluations without improvement; 0 never.
      Patience: int
      /// Tests and exports the weights of the best validation, not the final ones.
      KeepBest: bool }

/// Curricula of an experiment whose batches have stages of difficulty: Curriculum.combined, or Curriculum.naive |> Curriculum.over 2000L. By
/// themselves they go by results: after a validation with an accuracy above 0.95 the stage goes up by one; at the last stage the learning rate is
/// multiplied by 0.8 instead, and the run ends once it is below 1/500 of its start. Source: Zaremba and Sutskever, 2014.
[<RequireQualifiedAccess>]
module Curriculum =
    let private ofKind kind = Noisy.Experiments.Curriculum.Create kind

    /// Always the last stage.
    let none = ofKind CurriculumKind.None

    /// The current stage.
    let naive = ofKind CurriculumKind.Naive

    /// Each batch from any stage, all alike; the current one is that of validation.
    let mix = ofKind CurriculumKind.Mix

    /// One batch in five from any stage, the others from the current one.
    let combined = ofKind CurriculumKind.Combined

    /// From the first stage to the last over so many updates (≥ 1), evenly, whatever the results.
    let over (updates: int64) (curriculum: Noisy.Experiments.Curriculum) = Noisy.Experiments.Curriculum.Create(curriculum.Kind, Nullable updates)

/// Ready values of Training, and short names of optimisers.
[<AutoOpen>]
module TrainingValues =
    /// Adam (Kingma and Ba, 2015).
    [<Literal>]
    let Adam = OptimizerKind.Adam

    /// Stochastic gradient descent, with momentum if Training.Momentum says so.
    [<Literal>]
    let Sgd = OptimizerKind.Sgd

    /// Adadelta (Zeiler, 2012).
    [<Literal>]
    let Adadelta = OptimizerKind.Adadelta

    /// RMSprop in the form of Graves, 2013.
    [<Literal>]
    let GravesRmsProp = OptimizerKind.GravesRmsProp

/// Ready values of Training.
[<RequireQualifiedAccess>]
module Training =
    /// Ten epochs of 100 updates by Adam at a rate of 0.001; gradients clipped at a norm of 5; each spec's own noise scale, and its
    /// expectation at test time.
    let defaults =
        { Epochs = 10
          EpochUpdates = 100
          Optimizer = Adam
          LearningRate = 0.001
          Decay = 1.0
          DecayAfter = 0
          Momentum = None
          WeightDecay = 0.0
          Clip = 5.0
          Noise = None
          LearnP = true
          ClipOutput = false
          Curriculum = Curriculum.none
          TestNoise = NoiseMode.Mean
          StopAt = None
          Patience = 0
          KeepBest = false }

    let internal settings (training: Training) =
        TrainingSettings(
            Epochs = training.Epochs, EpochUpdates = Nullable training.EpochUpdates, Optimizer = training.Optimizer, LearningRate = training.LearningRate,
            Decay = training.Decay, DecayAfter = training.DecayAfter, Momentum = Option.toNullable training.Momentum,
            WeightDecay = training.WeightDecay, Clip = training.Clip,
            Schedule = Option.toObj training.Noise, LearnP = training.LearnP, ClipOutput = training.ClipOutput, Curriculum = training.Curriculum,
            TestNoise = training.TestNoise, StopAt = Option.toNullable training.StopAt, Patience = training.Patience, KeepBest = training.KeepBest
        )
