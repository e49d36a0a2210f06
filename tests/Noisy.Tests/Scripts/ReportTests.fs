module Noisy.Tests.ReportTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open Expecto
open FsCheck
open Noisy.Models
open Noisy.Scripts

let private metrics value = Dictionary(dict [ "perplexity", value; "nll", log value ]) :> IReadOnlyDictionary<string, float>

/// A summary such as a real-data run of the paper's preset writes.
let private summary (change: TrainConfig -> TrainConfig) activation seed finished test =
    let ptb = ExperimentRegistry.ByName "ptb"
    let data = DataIdentity("ptb", DataIdentity.Real, String('a', 64))
    let config = change (ptb.Config("paper").With("activation", activation).With("seed", string seed))
    let paper = ptb.Paper(config, data)

    RunSummary(
        Experiment = "ptb", Preset = "paper", Activation = activation, Seed = seed, Device = "cpu", Path = "composed", Threads = 2,
        Data = data, Updates = 30191L, Epochs = 13.0, Seconds = 100.0, ItemsPerSecond = 5000.0, ItemName = "token",
        Finished = finished, WeightsSha256 = "", Metrics = SplitMetrics(metrics 60.0, metrics (test + 4.0), metrics test),
        Table = (if isNull (box paper) then null else paper.Table), Paper = paper, Config = ConfigJson.ToJson config,
        Versions = Dictionary()
    )

let private found folder summary : Tables.Found = { Folder = folder; Summary = summary }

let tests =
    testList "tables and curves" [
        test "a spread is a mean with the sample standard deviation, or the value alone" {
            Expect.equal (Results.spread []) "–" "none"
            Expect.equal (Results.spread [ 115.6 ]) "115.60" "one"
            Expect.equal (Results.spread [ 1.0; 2.0; 3.0 ]) "2.00 ± 1.00" "three"
        }
        test "the table at the end has a row an activation over its seeds" {
            let row = Results.row "perplexity"
            let head, body =
                [ row "a" (summary id "soft" 1L true 115.0); row "b" (summary id "soft" 2L true 117.0); row "c" (summary id "nan" 1L false 110.0) ]
                |> Results.frame
                |> Results.cells
            let cell i name = List.item (List.findIndex ((=) name) head) (List.item i body)
            Expect.equal body.Length 2 "rows"
            Expect.equal (cell 0 "test") "116.00 ± 1.41" "mean over seeds"
            Expect.equal (cell 0 "paper") "115.60" "the paper's figure"
            Expect.equal (cell 0 "seeds") "2" "seeds"
            Expect.equal (cell 1 "updates") "30,191\nunfinished" "unfinished runs say so"
        }
        test "Markdown sets ours beside the paper's, and keeps overridden and unfinished runs apart" {
            let text =
                Tables.markdown [
                    found "runs/a" (summary id "soft" 1L true 115.0)
                    found "runs/b" (summary id "soft" 2L true 117.0)
                    found "runs/c" (summary (fun c -> c.With("c", "2")) "nan" 1L true 109.0)
                    found "runs/d" (summary id "nah" 1L false 300.0)
                ]
            Expect.stringContains text "## ptb, preset paper (ptb, real), Table 2 of the paper" "heading"
            Expect.stringContains text "| soft | 60.00 ± 0.00 | 120.00 ± 1.41 | 116.00 ± 1.41 | 119.40 / 115.60 (recalled) | – | 2 | 30,191 |" "reference"
            Expect.stringContains text "| nan (c=2) | 60.00 | 113.00 | 109.00 | – |" "an override has no published figure"
            Expect.stringContains text "| nah | 60.00 | 304.00 | 300.00 | 112.60 / 108.70 (recalled) | – | 1 | **unfinished**, 30,191 (13.0 epochs) |" "unfinished"
        }
        test "a run found in two places counts once" {
            let one = summary id "soft" 1L true 115.0
            Expect.equal (Tables.distinct [ found "runs/a" one; found "docs/results/ptb/a" one ]).Length 1 "runs"
        }
        test "summaries are found below folders and kept by experiment and run" {
            let folder = Path.Combine(Path.GetTempPath(), "noisy-tables-" + Guid.NewGuid().ToString "N")
            let run = Path.Combine(folder, "runs", "ptb", "paper-soft-s1")
            try
                Directory.CreateDirectory run |> ignore
                File.WriteAllText(Path.Combine(run, "summary.json"), JsonSerializer.Serialize(summary id "soft" 1L true 115.0, ConfigJson.Indented))
                let all = Tables.gather [ Path.Combine(folder, "runs"); Path.Combine(folder, "nowhere") ]
                Expect.equal (all |> List.map (fun f -> f.Summary.Metrics.Test["perplexity"])) [ 115.0 ] "found"
                let kept = Tables.keep (Path.Combine(folder, "docs")) all
                Expect.equal kept [ Path.Combine(folder, "docs", "ptb", "paper-soft-s1", "summary.json") ] "kept"
                Expect.isEmpty (Tables.keep (Path.Combine(folder, "docs")) (Tables.gather [ Path.Combine(folder, "docs") ])) "not copied onto itself"
            finally
                if Directory.Exists folder then Directory.Delete(folder, true)
        }
        test "ticks of a logarithmic axis lie within it, in order, and are three or more" {
            for low, high in [ 9.7, 215.0; 100.0, 130.0; 108.0, 109.0; 1.0, 10.0; 80.0, 10_000.0; 0.02, 3.0 ] do
                let ticks = Plots.logTicks low high
                Expect.isTrue (ticks |> List.forall (fun t -> t >= low && t <= high)) $"within {low} .. {high}: {ticks}"
                Expect.equal (List.sort ticks) ticks "order"
                Expect.isGreaterThanOrEqual ticks.Length 3 $"{low} .. {high}: {ticks}"
        }
        testProperty "smoothing keeps the last place and the limit of points" (fun (values: NormalFloat list) ->
            let points = values |> List.mapi (fun i v -> float i, v.Get) |> Array.ofList
            let smooth = Pictures.smooth 10 points
            smooth.Length <= 10 && (points.Length = 0 || fst (Array.last smooth) = fst (Array.last points)))
        test "a duration is said as people say it" {
            Expect.equal (Progress.duration (TimeSpan.FromSeconds 42.0)) "42 s" "seconds"
            Expect.equal (Progress.duration (TimeSpan.FromSeconds 185.0)) "3 min 05 s" "minutes"
            Expect.equal (Progress.duration (TimeSpan.FromMinutes 127.0)) "2 h 07 min" "hours"
        }
    ]
