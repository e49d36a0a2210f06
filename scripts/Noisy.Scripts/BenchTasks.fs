/// Updates of an experiment's own task, made as the trainer makes them.
module Noisy.Scripts.BenchTasks

open System
open Noisy.Core
open Noisy.Models
open Noisy.Scripts.BenchWork
open TorchSharp

/// An experiment's update of a row at a preset's sizes, at the last stage of difficulty; on the data of its first epoch again
/// and again, so that no data are made while the clock runs.
let update (experiment: Experiment) preset (row: string) (engine: EnginePath) =
    let config = experiment.RowConfig(preset, row)
    let before = FusedEngine.Path
    FusedEngine.Path <- engine // before the model is made

    let task =
        try
            experiment.Build(config, DataCache(DataCacheSettings.FromEnvironment DataCacheSettings.BuiltIn), torch.CPU)
        finally
            FusedEngine.Path <- before

    let optimizer = Optimizer.Of(config.OptimizerSpec(), task.Model)
    let noise = NoiseKey.FromSeed(config.Seed).Child "noise"
    let schedule = config.NoiseSchedule()
    let mutable update = 0L

    let run () =
        use _ = torch.NewDisposeScope()
        let scale = if isNull schedule then Nullable() else Nullable(schedule.At update)
        let moment = TrainingMoment(update, 1, update % task.UpdatesPerEpoch, task.Stages, task.Stages)
        let loss = task.Loss(moment, NoiseContext(NoiseMode.Sample, noise, update, 0, scale))
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
