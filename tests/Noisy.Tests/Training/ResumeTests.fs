/// A run that is stopped anywhere ends as if it never had been.
module Noisy.Tests.ResumeTests

open System
open System.IO
open System.Threading
open Expecto
open FsCheck
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers

/// Every kind of state that a run can have: a carried one, stages and rates of a curriculum, best weights, an early end.
let private trials =
    [ languageModel
      perceptron
      mixture
      signs "by results, best kept" [ "curriculum", "combined"; "keepBest", "true" ]
      signs "over updates, until solved" [ "curriculum", "mix over 10"; "stopAt", "0.05"; "keepBest", "true" ]
      signs "patience" [ "patience", "3"; "optimizer", "adam"; "learningRate", "0.1" ]
      UniqueElementsTests.trial
      CharacterLmTests.trial
      TranslationTests.trial
      CaptionTests.trial ]

let private wholes = dict [ for trial in trials -> trial.Name, lazy whole trial ]

/// Stopped, killed and cut in pieces, a trial ends as it does in one go.
let private resumes (trial: Trial) =
    let whole, every = wholes[trial.Name], trial.Every
    let finish folder = finishAs whole.Value trial folder
    [ testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = 4 } "stopped anywhere, several times, and resumed: the same bits" (fun (places: byte list) ->
          use folder = new TempFolder()
          for place in List.truncate 3 places do trial.InterruptAt(folder.Path, int64 place % whole.Value.Summary.Updates) |> ignore
          finish folder)

      for at in [ 0L; 1L; every; every + 1L; 2L * every ] do
          torchTest $"stopped after update {at} (every {every} there is an evaluation, in which it stops)" (fun () ->
              use folder = new TempFolder()
              let summary = trial.InterruptAt(folder.Path, at)
              Expect.isNone summary "no summary"
              Expect.isFalse (File.Exists(folder.In "summary.json")) "no file"
              finish folder)

      torchTest "stopped in the final evaluation" (fun () ->
          use folder = new TempFolder()
          use source = new CancellationTokenSource()
          let summary, _ = trial.Train(folder.Path, Nullable(), observer ignore (fun m -> if m = "evaluating" then source.Cancel()), source.Token)
          Expect.isNone summary "no summary"
          finish folder)

      for pieces in [ [ 1L; every - 1L; every; every + 2L ]; [ every ]; [ 0L; 2L * every - 1L ] ] do
          torchTest $"run in pieces of --max-updates {pieces}" (fun () ->
              use folder = new TempFolder()
              for limit in pieces do
                  let summary, _ = trial.Train(folder.Path, Nullable limit, quiet, CancellationToken.None)
                  Expect.equal (summary.Value.Updates, summary.Value.Finished) (limit, false) $"piece {limit}"
              finish folder)

      torchTest "killed after an update: what was on the disk then is enough" (fun () ->
          for at in [ 1L; every; every + 1L; 2L * every - 1L; 2L * every ] do
              use folder = new TempFolder()
              use killed = new TempFolder()
              trial.Train(folder.Path, Nullable(), observer (fun u -> if u = at then copyFolder folder.Path killed.Path) ignore, CancellationToken.None) |> ignore
              Expect.isTrue (File.Exists(killed.In "log.jsonl")) "there is a log to be cut back"
              finish killed)

      torchTest "a finished run is not repeated" (fun () ->
          use folder = new TempFolder()
          trial.ToEnd folder.Path |> ignore
          let before = File.GetLastWriteTimeUtc(folder.In "summary.json")
          let mutable notes = []
          let summary, _ =
              trial.Train(folder.Path, Nullable(), observer (fun _ -> failtest "an update ran") (fun m -> notes <- m :: notes), CancellationToken.None)
          let updates = whole.Value.Summary.Updates
          Expect.equal summary.Value.Updates updates "summary"
          Expect.equal notes [ $"{folder.Path} is done ({updates} updates): not repeated" ] "note"
          Expect.equal (File.GetLastWriteTimeUtc(folder.In "summary.json")) before "untouched") ]

/// What the trials are there for; else the tests above would prove little.
let private variety =
    let log name = wholes[name].Value.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries) |> Array.map (fun line -> Text.Json.JsonSerializer.Deserialize<LogEvent>(line, ConfigJson.Line))

    [ torchTest "an uninterrupted run ends, is whole and logs every update and epoch" (fun () ->
          let { Summary = summary; Hash = hash; Log = log } = wholes["language model"].Value
          Expect.equal (summary.Updates, summary.Finished, summary.Epochs) (10L, true, 2.0) "summary"
          Expect.equal summary.EndedBy (Nullable RunEnd.Epochs) "end"
          Expect.equal summary.WeightsSha256 hash "fingerprint"
          let events = log.Split('\n', StringSplitOptions.RemoveEmptyEntries)
          Expect.equal events.Length 12 "10 updates and 2 epochs"
          Expect.stringStarts events[5] "{\"event\":\"epoch\",\"update\":5,\"epoch\":1,\"learningRate\":1," "epoch after update 5"
          Expect.stringContains events[6] "\"learningRate\":0.5," "decayed")

      torchTest "a curriculum that goes by results climbs all stages, then lowers the rate; the best weights are not the last" (fun () ->
          let summary = wholes["by results, best kept"].Value.Summary
          let events = log "by results, best kept"
          let evaluations = events |> Array.filter _.IsEvaluation
          Expect.equal (evaluations |> Array.map _.Event |> Array.take 4) [| "check"; "epoch"; "check"; "epoch" |] "two in an epoch"
          let stages = [ for e in events -> e.Stage.Value ]
          Expect.equal (List.distinct stages) [ 1; 2; 3; 4 ] "stages"
          Tol.below (Array.last events).LearningRate 10.0 "rate"
          Tol.below summary.BestUpdate.Value summary.Updates "best"
          let best = [ for e in evaluations do if e.Stage.Value = 4 then e.Valid["error"] ] |> List.min
          Expect.equal (summary.Metrics.Valid["error"], summary.BestValid.Value) (best, best) "the weights that were tested")

      torchTest "the summary's validation is at the last stage, whichever was reached" (fun () ->
          use folder = new TempFolder()
          let trial = signs "at the first stage" [ "curriculum", "naive over 1000" ]
          use task = trial.Task trial.Config
          let summary, _ = trainTask task trial.Config folder.Path (Nullable()) quiet CancellationToken.None
          let at stage = (task.Evaluate(Split.Valid, stage, NoiseContext.Test, CancellationToken.None))["error"]
          Expect.notEqual (at 1) (at task.Stages) "the test can tell"
          Expect.equal summary.Value.Stage (Nullable 1) "reached"
          Expect.equal summary.Value.Metrics.Valid["error"] (at task.Stages) "validation")

      torchTest "a solved run ends there and says when" (fun () ->
          let summary = wholes["over updates, until solved"].Value.Summary
          Expect.equal (summary.Finished, summary.EndedBy) (true, Nullable RunEnd.StopAt) "end"
          Expect.equal summary.SolvedAtUpdate (Nullable summary.Updates) "update"
          Tol.below summary.Updates 96L "before the last epoch"
          Tol.atMost summary.Metrics.Valid["error"] 0.05 "solved"
          Expect.isTrue (log "over updates, until solved" |> Array.exists (fun e -> e.Stage.Value = 2)) "stages"
          Expect.isTrue (log "over updates, until solved" |> Array.exists (fun e -> e.IsEvaluation && e.Stage.Value < 4)) "evaluations at earlier stages")

      torchTest "an easier stage that is solved neither ends a run nor has its best weights" (fun () ->
          use folder = new TempFolder()
          let rules = [ "curriculum", "mix over 10"; "stopAt", "0.05"; "patience", "1"; "keepBest", "true" ]
          let trial = { signs "easier stages solved" rules with Task = fun config -> new SignTask(config, easierIsSolved = true) }
          let summary, _ = trial.ToEnd folder.Path
          let evaluations = RunLog.Read(folder.In "log.jsonl") |> Seq.filter _.IsEvaluation |> List.ofSeq
          let easier, last = evaluations |> List.partition (fun e -> e.Stage.Value < 4)
          Expect.equal [ for e in easier -> e.Update, e.Valid["error"] ] [ 4L, 0.0; 8L, 0.0 ] "solved there"
          Expect.isNonEmpty last "it goes on to the last stage"
          Tol.above summary.Value.BestUpdate.Value 8L "best")

      torchTest "patience ends a run that no longer improves" (fun () ->
          let summary = wholes["patience"].Value.Summary
          Expect.equal (summary.Finished, summary.EndedBy) (true, Nullable RunEnd.Patience) "end"
          Expect.equal (summary.Updates - summary.BestUpdate.Value) 12L "three evaluations of four updates") ]

let tests =
    testSequenced
    <| testList "resuming" [
        for trial in trials do testList trial.Name (resumes trial)
        testList "the trials" variety
    ]
