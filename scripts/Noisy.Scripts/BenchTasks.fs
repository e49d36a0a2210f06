/// Updates of an experiment's own task, made as the trainer makes them.
module Noisy.Scripts.BenchTasks

open System
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Scripts.BenchWork
open TorchSharp

/// An experiment's task on an engine.
let private build (config: RunConfig) (engine: Backend) =
    let before = FusedEngine.Default
    FusedEngine.Default <- engine // before the model is made

    try
        (PaperExperiments.ByName config.Experiment).Build(config, DataCache(DataCacheSettings.FromEnvironment DataCacheSettings.BuiltIn), torch.CPU)
    finally
        FusedEngine.Default <- before

/// A training loop around a task's loss, which is told the update.
let private loop (config: RunConfig) (task: ITrainingTask) (loss: int64 -> NoiseContext -> BatchLoss) =
    let optimizer = Optimizer.Create(config.Training.OptimizerSpec(), task.Model)
    optimizer.OwnsGradients <- true
    let noise = NoiseKey.FromSeed(config.Seed).Child "noise"
    let schedule = config.Training.Schedule
    let mutable update = 0L

    let run () =
        use _ = torch.NewDisposeScope()
        let scale = if isNull schedule then Nullable() else Nullable(schedule.At update)
        let loss = loss update (NoiseContext(NoiseMode.Sample, noise, update, 0, scale))
        loss.Objective.backward ()
        loss.NllSum.item<float32> () |> ignore
        let norm = optimizer.GradientNorm()
        update <- update + 1L
        optimizer.Step(config.Training.LearningRateAt 1, update, (if norm > config.Training.Clip then config.Training.Clip / norm else 1.0))

    { Run = run
      Path = fun () -> task.Backend
      Free =
        fun () ->
            optimizer.Dispose()
            task.Dispose() }

/// An experiment's update at the last stage of difficulty; on the data of its first epoch again and again, so that no data
/// are made while the clock runs.
let update (config: RunConfig) (engine: Backend) =
    let task = build config engine
    loop config task (fun update context -> task.Loss(BatchPosition(update, 1, update % task.UpdatesPerEpoch, task.Stages), context))

/// So many updates on the first batches of an epoch, the same at every run: where batches differ in length, both sides do the same.
let updates count (config: RunConfig) (engine: Backend) =
    let task = build config engine
    let work = loop config task (fun update context -> task.Loss(BatchPosition(update, 1, update % int64 count, task.Stages), context))
    { work with Run = fun () -> for _ in 1 .. count do work.Run() }

/// What is done besides in an update that is monitored.
let monitors (config: RunConfig) =
    let task = build config Backend.Auto
    let noise = NoiseKey.FromSeed(config.Seed).Child "noise"
    let position = BatchPosition(0L, 1, 0L, task.Stages)

    { Run = fun () -> BatchMonitor.Observe(task, position, NoiseContext(NoiseMode.Sample, noise), NoiseContext config.Training.TestNoise) |> ignore
      Path = fun () -> task.Backend
      Free = task.Dispose }

/// An update of associative recall on episodes of as many items as the config has at most: all updates are alike.
let recall (config: RunConfig) (engine: Backend) =
    let own = config.SettingsAs<NtmRecallSettings>()
    let task = build config engine :?> NtmRecallTask
    let key = NoiseKey.FromSeed config.Seed
    loop config task (fun update context -> task.Loss(AssociativeRecall.Episodes(own.MaxItems, key, update * int64 own.Batch, own.Batch), context))
