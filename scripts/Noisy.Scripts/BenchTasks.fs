/// Updates of an experiment's own task, made as the trainer makes them.
module Noisy.Scripts.BenchTasks

open System
open Noisy.Core
open Noisy.Models
open Noisy.Scripts.BenchWork
open TorchSharp

/// An experiment's task on an engine.
let private build (config: TrainConfig) (engine: EnginePath) =
    let before = FusedEngine.Path
    FusedEngine.Path <- engine // before the model is made

    try
        (ExperimentRegistry.ByName config.Experiment).Build(config, DataCache(DataCacheSettings.FromEnvironment DataCacheSettings.BuiltIn), torch.CPU)
    finally
        FusedEngine.Path <- before

/// A training loop around a task's loss, which is told the update.
let private loop (config: TrainConfig) (task: ITrainingTask) (loss: int64 -> NoiseContext -> BatchLoss) =
    let optimizer = Optimizer.Of(config.OptimizerSpec(), task.Model)
    let noise = NoiseKey.FromSeed(config.Seed).Child "noise"
    let schedule = config.NoiseSchedule()
    let mutable update = 0L

    let run () =
        use _ = torch.NewDisposeScope()
        let scale = if isNull schedule then Nullable() else Nullable(schedule.At update)
        let loss = loss update (NoiseContext(NoiseMode.Sample, noise, update, 0, scale))
        loss.Objective.backward ()
        loss.NllSum.item<float32> () |> ignore
        let norm = optimizer.GradientNorm()
        update <- update + 1L
        optimizer.Step(config.LearningRateAt 1, update, (if norm > config.Clip then config.Clip / norm else 1.0))

    { Run = run
      Path = fun () -> task.Path
      Free =
        fun () ->
            optimizer.Dispose()
            task.Dispose() }

/// An experiment's update at the last stage of difficulty; on the data of its first epoch again and again, so that no data
/// are made while the clock runs.
let update (config: TrainConfig) (engine: EnginePath) =
    let task = build config engine
    loop config task (fun update context -> task.Loss(TrainingMoment(update, 1, update % task.UpdatesPerEpoch, task.Stages, task.Stages), context))

/// An update of associative recall on episodes of as many items as the config has at most: all updates are alike.
let recall (config: NtmRecallConfig) (engine: EnginePath) =
    let task = build config engine :?> NtmRecallTask
    let key = NoiseKey.FromSeed config.Seed
    loop config task (fun update context -> task.Loss(AssociativeRecall.Episodes(config.MaxItems, key, update * int64 config.Batch, config.Batch), context))
