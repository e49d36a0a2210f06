/// What every experiment must keep to.
module Noisy.Tests.ExperimentTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

let private registry =
    [ for experiment in PaperExperiments.All do
          test $"{experiment.Name}: every preset is valid and bears its name" {
              for preset in experiment.Presets do
                  let name, summary = preset.Name, preset.Summary
                  let config = experiment.Config name
                  Expect.isEmpty (experiment.BrokenRules config) name
                  Expect.equal (config.Experiment, config.Preset) (experiment.Name, name) name
                  Expect.isNotEmpty summary name
              for name in [ for preset in experiment.Presets -> preset.Name ] do
                  let own = [ for row in experiment.Rows name -> row.Name ]
                  Expect.equal (List.distinct own) own "rows"
                  for row in own @ List.ofSeq experiment.DefaultRows do
                      let config = experiment.RowConfig(name, row)
                      config.Validate()
                      Expect.equal (experiment.RowOf(config.With("seed", "7"))) row $"{name}: {row}"
              let known = String.Join(", ", [ for preset in experiment.Presets -> preset.Name ])
              Tol.throws<UsageException> $"unknown preset 'huge' of {experiment.Name}: known are {known}" (fun () -> experiment.Config "huge" |> ignore)
          }
          torchTest $"{experiment.Name}: its default preset builds, and one update lowers the loss of its batch, with every variant" (fun () ->
              let cache = DataCache(DataCacheSettings.From(DataCacheSettings.BuiltIn, (fun _ -> null)))
              for pair in Variants.All do
                  use _ = torch.NewDisposeScope()
                  let preset = experiment.Presets[0].Name
                  let config = (experiment.Config preset).With("activation", pair.Name)
                  config.Validate()
                  use task = experiment.Build(config, cache, torch.CPU)
                  Tol.above task.UpdatesPerEpoch 0L "updates"
                  Expect.equal (task.UpdatesPerEpoch % int64 task.EvaluationsPerEpoch) 0L "evaluations"
                  let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L)
                  use optimizer = Optimizer.Create(OptimizerSpec.Sgd, task.Model)
                  let start = BatchPosition(0L, 1, 0L, task.Stages)
                  let before = task.Loss(start, context)
                  before.Objective.backward ()
                  let norm = optimizer.GradientNorm()
                  Expect.isTrue (norm > 0.0 && Double.IsFinite norm) $"{pair.Name}: gradient"
                  optimizer.Step(0.1, 1L, min 1.0 (config.Training.Clip / norm))
                  let after = task.Loss(start, context)
                  Tol.below (scalarOf after.NllSum) (scalarOf before.NllSum) pair.Name)
      test "an unknown experiment lists the known ones" {
          let known = String.Join(", ", [ for e in PaperExperiments.All -> e.Name ])
          Tol.throws<UsageException> $"unknown experiment 'pbt': known are {known}" (fun () -> PaperExperiments.ByName "pbt" |> ignore)
      } ]

let tests = testSequenced <| testList "experiments" registry
