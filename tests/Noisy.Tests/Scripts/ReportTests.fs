module Noisy.Tests.ReportTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open FsCheck
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts

let private metrics value = Dictionary(dict [ "perplexity", value; "nll", log value ]) :> IReadOnlyDictionary<string, float>

/// A summary such as a real-data run of the paper's preset writes.
let summary (change: RunConfig -> RunConfig) activation seed finished test =
    let ptb = PaperExperiments.ByName "ptb"
    let data = DataIdentity("ptb", DataIdentity.Real, String('a', 64))
    let config = change (ptb.Config("paper").With("activation", activation).With("seed", string seed))
    let paper = ptb.Paper(config, data)

    RunSummary(
        Experiment = "ptb", Preset = "paper", Activation = activation, Seed = seed, Device = "cpu", Backend = "composed", Threads = 2,
        Data = data, Updates = 30191L, Epochs = 13.0, Seconds = 100.0, ItemsPerSecond = 5000.0, ItemName = "token",
        Finished = finished, WeightsSha256 = "", Metrics = SplitMetrics(metrics 60.0, metrics (test + 4.0), metrics test),
        Table = (if isNull (box paper) then null else paper.Table), Paper = paper, Config = ConfigJson.ToJson config,
        Versions = Dictionary()
    )

/// A row's config with its own settings, and the rules that it breaks.
let private configOf experiment preset (row: Claims.Row) =
    let experiment = PaperExperiments.ByName experiment
    let config = (experiment.RowConfig(preset, row.Name), row.Set) ||> List.fold (fun config (name, value) -> config.With(name, value))
    config, experiment.BrokenRules config

let private found folder summary : Found.Found = { Folder = folder; Summary = summary }

let tests =
    testList "tables and curves" [
        test "several seeds are a mean with its interval, one is the value alone" {
            Expect.equal (Metrics.mean "perplexity" []) "–" "none"
            Expect.equal (Metrics.mean "perplexity" [ 115.6 ]) "115.60" "one"
            Expect.equal (Metrics.mean "perplexity" [ 1.0; 2.0; 3.0 ]) "2.0 [−0.5, 4.5]" "three"
            Expect.equal (Metrics.mean "perplexity" [ 1.0; infinity ]) "not finite in 1 of 2" "infinite"
        }
        test "errors and accuracies are percent in two decimals, perplexities have two, likelihoods four" {
            Expect.equal (Metrics.mean "error" [ 0.3328; 0.3112 ]) "32 [18, 46]" "error"
            Expect.equal (Metrics.median "error" [ 0.1; 0.3; 0.2 ], Metrics.solved [ true; false; true ]) ("20.00 (15.00 to 25.00)", "2 of 3 [21, 94] %") "shares"
            Expect.equal (List.map Metrics.isHigherBetter [ "accuracy"; "bleu"; "meteor"; "targetAccuracy"; "error"; "nll"; "perplexity" ]) [ true; true; true; true; false; false; false ] "better"
            Expect.equal (Metrics.withUnit "accuracy" 0.48091, Metrics.title "accuracy") ("48.09 %", "accuracy %") "accuracy"
            Expect.equal (Metrics.withUnit "perplexity" 1234.567, Metrics.title "perplexity") ("1,234.57", "perplexity") "perplexity"
            Expect.equal (Metrics.figure "nll" 2.0794415, Metrics.figure "error" nan) ("2.0794", "–") "nll, none"
            Expect.equal (List.map Metrics.scale [ "perplexity"; "nll"; "error"; "accuracy"; "bpc" ]) [ Plots.Logarithmic; Plots.Logarithmic; Plots.Percent; Plots.Percent; Plots.Linear ] "axes"
        }
        test "the table at the end has a row for each of the experiment over its seeds" {
            let row = Results.row "perplexity"
            let head, body =
                [ row "soft" "a" (summary id "soft" 1L true 115.0); row "soft" "b" (summary id "soft" 2L true 117.0); row "nan" "c" (summary id "nan" 1L false 110.0) ]
                |> Results.cells
            let cell i name = List.item (List.findIndex ((=) name) head) (List.item i body)
            Expect.equal [ for row in body -> row.Head ] [ "soft"; "nan" ] "rows"
            Expect.equal (cell 0 "test") "116 [103, 129]" "mean over seeds"
            Expect.equal (cell 0 "paper") "115.60" "the paper's figure"
            Expect.equal (cell 0 "seeds") "2" "seeds"
            Expect.equal (cell 1 "updates") "30,191\nunfinished" "unfinished runs say so"
            Expect.isFalse (List.contains "solved" head) "nobody solves a language"
        }
        test "rows are compared with the first, seed by seed; other data and unfinished runs are not" {
            let runs name values = [ for seed, finished, value in values -> Results.row "perplexity" name $"{name}-{seed}" (summary id "nan" seed finished value) ]
            let soft, nan = runs "soft" [ 1L, true, 115.0; 2L, true, 117.0; 3L, false, 900.0 ], runs "nan" [ 2L, true, 107.0; 1L, true, 106.0; 3L, true, 100.0; 4L, true, 1.0 ]
            let head, body = Results.differences (soft @ nan)
            Expect.equal head [ "less soft, by seed"; "valid perplexity"; "test perplexity" ] "columns"
            Expect.equal body [ [ "nan"; "−9.5 [−15.9, −3.1], 2 pairs"; "−9.5 [−15.9, −3.1], 2 pairs" ] ] "differences of 1 and 2"
            let elsewhere = nan |> List.map (fun row -> { row with Data = "other" })
            Expect.isEmpty (snd (Results.differences (soft @ elsewhere))) "nothing to pair"
            Expect.isEmpty (snd (Results.differences soft)) "one row"
        }
        test "runs solve their task by their own stopAt, else by what the experiment declares" {
            let solvedOn source experiment preset metric stop best solvedAt finished =
                let config = (PaperExperiments.ByName experiment).Config(preset).With("stopAt", stop)
                RunSummary(
                    Experiment = experiment, Preset = preset, Activation = "soft", Seed = 1L, Device = "cpu", Backend = "composed", Threads = 1,
                    Data = DataIdentity("d", source, ""), Updates = 1L, Epochs = 1.0, Seconds = 1.0, ItemsPerSecond = 1.0, ItemName = "token", Finished = finished,
                    WeightsSha256 = "", Metrics = SplitMetrics(metrics 1.0, metrics 1.0, metrics 1.0), Config = ConfigJson.ToJson config, Versions = Dictionary(),
                    BestValid = Nullable best, SolvedAtUpdate = Option.toNullable solvedAt
                )
                |> Solving.hasSolved metric
            let solved = solvedOn DataIdentity.Real
            Expect.equal (solved "ptb" "paper" "perplexity" "null" 1.0 None true) None "no question"
            Expect.equal (solved "unique" "small" "error" "null" 0.004 None true) (Some true) "declared"
            Expect.equal (solved "unique" "small" "error" "null" 0.16 None true) (Some false) "above it"
            Expect.equal (solved "unique" "small" "error" "null" 0.004 None false) None "not done"
            Expect.equal (solved "unique" "small" "error" "0.001" 0.004 None true) (Some false) "its own level"
            Expect.equal (solved "lte" "tiny" "accuracy" "0.9" 0.95 (Some 1L) true) (Some true) "more is better"
            Expect.equal (solvedOn DataIdentity.Own "lte" "tiny" "f1" "0.9" 0.5 None true) (Some false) "a score whose name does not tell that more is better"
            Expect.equal (solvedOn DataIdentity.Own "unique" "small" "error" "null" 0.004 None true) None "one of the user's own that bears the name of another"
            Expect.equal (solved "ntm" "paper" "nll" "0.05" 0.2 (Some 16_000L) true) (Some true) "at an update"
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
            Expect.stringContains text "| row | train perplexity | valid | test | paper: valid / test | seeds | updates | path |" "columns that have something to show"
            Expect.stringContains text "| soft | 60.0 [60.0, 60.0] | 120 [107, 133] | 116 [103, 129] | 119.40 / 115.60 (recalled) | 2 | 30,191 |" "reference"
            Expect.stringContains text "| nan (c=2) | 60.00 | 113.00 | 109.00 | – |" "an override has no published figure"
            Expect.stringContains text "| nah | 60.00 | 304.00 | 300.00 | 112.60 / 108.70 (recalled) | 1 | **unfinished**, 30,191 (13.0 epochs) |" "unfinished"
            Expect.stringContains text "| less soft, seed by seed | valid perplexity | test perplexity |" "differences"
            Expect.stringContains text "| nan (c=2) | −6.00, 1 pair: no interval | −6.00, 1 pair: no interval |" "of seed 1"
            Expect.isFalse (text.Contains "| nah | –") "an unfinished run is no pair"
        }
        test "verdicts are the intervals'" {
            let claim says source : Claims.Claim =
                { Text = "c"; Source = source; Experiment = "ptb"; Preset = "paper"; Row = { Name = "nan"; Set = [] }; Other = { Name = "soft"; Set = [] }
                  Measure = Claims.Metric(Split.Test, "perplexity"); Says = says; Seeds = 2 }
            let between low high = { Mean = 0.5 * (low + high); Low = low; High = high; Count = 5 }
            let verdict says low high = Answer.verdict (claim says Claims.Paper) (between low high)
            Expect.equal (verdict Claims.Lower -3.0 -1.0) "**held**" "lower"
            Expect.equal (verdict Claims.Higher -3.0 -1.0) "**did not hold**: the opposite" "higher"
            Expect.equal (verdict Claims.Higher 1.0 3.0) "**held**" "higher, and it is"
            Expect.equal (verdict Claims.Alike 1.0 3.0) "**did not hold**: they differ" "alike"
            for says in [ Claims.Lower; Claims.Higher; Claims.Alike ] do Expect.equal (verdict says -1.0 1.0) "not shown" "0 lies within"
            Expect.equal (Answer.verdict (claim Claims.Lower Claims.Ours) (between 1.0 2.0)) "**no**: the opposite" "a question"
        }
        test "the answer has a line for each claim, with what is missing, and replaces what stood there" {
            let runs = [ for seed, soft, nan in [ 1L, 115.0, 109.0; 2L, 117.0, 110.9 ] do found "a" (summary id "soft" seed true soft); found "b" (summary id "nan" seed true nan) ]
            let text = Answer.markdown (found "c" (summary id "nah" 1L false 300.0) :: runs)
            Expect.stringContains text "| Penn Treebank: NAN beats the reference | **held**, **unfinished** | test perplexity: −6.05 [−6.69, −5.41] | 2 pairs of 5 |" "fewer than planned"
            Expect.stringContains text "| Penn Treebank: NAH beats the reference | **unfinished** | – | 0 of 5 |" "begun"
            Expect.stringContains text "| translation: NAH beats tanh | not measured | – | 0 of 2 |" "no runs"
            let page = Block.renew "answer" "p" "before\n<!-- answer: written by scripts/tables.fsx --answer, do not edit -->\nold\n<!-- end of the answer -->\nafter\n" text
            Expect.isFalse (page.Contains "old") "replaced"
            Expect.equal (page.StartsWith "before\n<!-- answer", page.EndsWith "<!-- end of the answer -->\nafter\n", Block.renew "answer" "p" page text = page) (true, true, true) "the rest stays"
            Expect.throwsT<UsageException> (fun () -> Block.renew "answer" "p" "no marks" text |> ignore) "no place"
        }
        test "validations of runs without logs come from the table beside them, those of the same weights alone" {
            use folder = new TorchHelpers.TempFolder()
            let run (place: string) (weights: string) =
                let fields = JsonSerializer.SerializeToNode(summary id "nan" 1L true 109.0, ConfigJson.Indented).AsObject()
                fields["weights_sha256"] <- Nodes.JsonValue.Create weights
                found (folder.In $"{place}/paper-nan-s1") (fields.Deserialize<RunSummary> ConfigJson.Indented)
            let hash = String('c', 64)
            for place: string in [ "a"; "b" ] do Directory.CreateDirectory(folder.In place) |> ignore
            Expect.isEmpty (Found.validations (run "a" hash)) "no table"
            let lines = [ "run,weights,update,validation"; "paper-nan-s1,cccccccccccc,10,4.5"; "paper-nan-s1,cccccccccccc,20,3.25"; "paper-nan-s2,cccccccccccc,10,9" ]
            File.WriteAllLines(folder.In $"a/{Found.validationsFile}", lines)
            let expected = Map [ 10L, 4.5; 20L, 3.25 ]
            Expect.equal (Found.validations (run "a" hash)) expected "its own"
            Expect.isEmpty (Found.validations (run "a" (String('d', 64)))) "another training of that name"
            Found.keepValidations (folder.In "b") [ run "a" hash ]
            Expect.equal (Found.validations (run "b" hash)) expected "kept"
        }
        test "every claim is of rows that exist, and so is the study" {
            for claim in Claims.all do
                for row in [ claim.Row; claim.Other ] do
                    Expect.isEmpty (snd (configOf claim.Experiment claim.Preset row)) $"{claim.Text}: {row.Name}"
            Expect.equal (Claims.all |> List.distinctBy _.Text).Length Claims.all.Length "each once"
        }
        test "the networks of the study differ in leak and noise alone" {
            for task in Study.tasks do
                let configs = [ for row in [ task.Neither; task.Leak; task.Noise; task.Both ] -> configOf task.Experiment task.Preset row ]
                for config, broken in configs do Expect.isEmpty broken $"{task.Title}: {config.Activation.Name}"
                let parts (config: RunConfig) =
                    let spec = config.Activations().Tanh
                    let takes = spec.Noise <> NoiseKind.None
                    takes && spec.Alpha <> 1.0, takes && (spec.C > 0.0 || not (isNull config.Training.Schedule))
                let hasLeak, hasNoise = List.unzip [ for config, _ in configs -> parts config ]
                Expect.equal (hasLeak, hasNoise) ([ false; true; false; true ], [ false; false; true; true ]) task.Title
        }
        test "the study compares networks seed by seed, and shows where units saturate" {
            let site share = SiteSummary(SiteStatistics(Count = 10L, Saturated = share), SiteStatistics(Count = 10L, Saturated = share), 1, share)
            let monitored share (summary: RunSummary) =
                let fields = JsonSerializer.SerializeToNode(summary, ConfigJson.Indented).AsObject()
                fields["sites"] <- JsonSerializer.SerializeToNode(dict [ "a", site (share - 0.1); "b", site (share + 0.1) ], ConfigJson.Indented)
                fields.Deserialize<RunSummary> ConfigJson.Indented
            let runs =
                [ for seed, hard, noise in [ 1L, 115.0, 109.0; 2L, 117.0, 110.9 ] do
                      found "a" (monitored 0.25 (summary id "hard" seed true hard))
                      found "b" (summary (fun c -> c.With("alpha", "1").With("c", "5").With("learnP", "false")) "nan" seed true noise) ]
            let text = Study.markdown runs
            Expect.stringContains text "| Penn Treebank, words: perplexity | 116 [103, 129] (2) | – | 110 [98, 122] (2) | – | 25.0 | – |" "reached"
            Expect.stringContains text "| Penn Treebank, words: perplexity | −6.05 [−6.69, −5.41] (2) **≠ 0** | – | – | – |" "added"
            let panels = (Study.figure runs).Panels
            let points = [ for panel in panels -> [ for item in panel.Items do if item.Name <> "" then item.Name, Plots.coordinates item.Mark ] ]
            match points with
            | [ [ name, (x, [ y ]) ]; []; []; [] ] ->
                Expect.equal (name, x) ("Penn Treebank, words (2)", [| 25.0 |]) "the network without it"
                Tol.close Tol.scalar (100.0 * (log 109.0 + log 110.9 - log 115.0 - log 117.0) / (log 115.0 + log 117.0)) y[0] "relative to the loss without it"
            | other -> failtestf "%A" other
        }
        test "the published tables and the answer are what the published summaries give" {
            let docs = Repository.file [ "docs" ]
            let read name = File.ReadAllText(Path.Combine(docs, name)).ReplaceLineEndings "\n"
            let runs = Found.gather [ Path.Combine(docs, "results") ]
            Expect.isTrue (Tables.markdown runs = read "results.md") "dotnet fsi scripts/tables.fsx --runs docs/results --out docs/results.md"
            let isRenewed name file text = Block.renew name "" (read file) (text (Found.distinct runs)) = read file
            Expect.isTrue (isRenewed "answer" "experiments.md" Answer.markdown) "dotnet fsi scripts/tables.fsx --runs docs/results --answer docs/experiments.md"
            Expect.isTrue (isRenewed "study" "noise-or-leak.md" Study.markdown) "dotnet fsi scripts/tables.fsx --runs docs/results --study docs/noise-or-leak.md"
        }
        test "README's table of results has published figures with their seeds, and published differences with their verdicts" {
            let read (parts: string list) = File.ReadAllText(Repository.file parts).ReplaceLineEndings "\n"
            let table (text: string) =
                [ for line in text.Split '\n' do
                      if line.StartsWith '|' then (let cells = line.Split '|' in [ for i in 1 .. cells.Length - 2 -> cells[i].Trim() ]) ]
            let after (mark: string) (text: string) = text.Substring(text.IndexOf(mark, StringComparison.Ordinal) + mark.Length)
            let column (title: string) (rows: string list list) =
                let at = rows.Head |> List.findIndex (fun head -> head.StartsWith(title, StringComparison.Ordinal))
                [ for row in rows -> row[at] ]
            let decimals (number: string) = match number.IndexOf '.' with -1 -> 0 | at -> number.Length - at - 1
            let agree (a: string) (b: string) = abs (decimal a - decimal b) <= 0.5M / pown 10M (min (decimals a) (decimals b))
            let results = read [ "docs"; "results.md" ]
            let check (section: string) title (row: string list) =
                let parts = (after ("\n## " + section) results).Split("\n\n")
                let main, differences = table parts[1], table parts[2]
                let published = List.zip (column title main) (column "seeds" main)
                for found in Regex.Matches(String.Join(" ", row), @"(\d+\.\d+)( %)? \((\d+)\)") do
                    let isThere (cell: string, seeds) =
                        let number = Regex.Match(cell, @"^\d+(\.\d+)?").Value
                        seeds = found.Groups[3].Value && number <> "" && agree number found.Groups[1].Value
                    Expect.exists published isThere $"{section}: {found.Value}"
                let difference = row[3].Replace("**", "")
                let text = Regex.Match(difference, @"^−?[\d.]+ \[.*?\]").Value
                let same = column title differences |> List.filter (fun cell -> text <> "" && cell.Contains(text + ","))
                Expect.isNonEmpty same $"{section}: {difference}"
                Expect.equal (same.Head.StartsWith "no difference shown") (difference.Contains "not shown") $"{section}: {difference}"
            let sections =
                [ "Penn Treebank", "ptb, preset paper", "test"; "Unique", "unique, preset small", "test"; "MNIST", "mnist, preset paper", "test"
                  "Translation", "nmt, preset small", "bleu %"; "Captions", "captions, preset small", "bleu %"
                  "Learning to Execute", "lte, preset small", "test"; "Characters", "charlm, preset small", "test" ]
            let rows = (after "## Results" (read [ "README.md" ])).Split("## ")[0] |> table |> List.skip 2
            let named = rows |> List.scan (fun (name, _) row -> (if List.head row = "" then name else List.head row), row) ("", []) |> List.tail
            let isKnown (name: string) = name = "Turing machine" || sections |> List.exists (fun (start, _, _) -> name.StartsWith(start, StringComparison.Ordinal))
            for name, _ in named do Expect.isTrue (isKnown name) $"{name} is compared with a section"
            for start, section, title in sections do
                let its = named |> List.filter (fun (name, _) -> name.StartsWith(start, StringComparison.Ordinal))
                Expect.isNonEmpty its start
                for _, row in its do check section title row
        }
        test "rows bear their experiment's name, and a summary of an older version is the same row" {
            let frozen seed = summary (fun c -> c.With("alpha", "1").With("c", "5").With("learnP", "false")) "nan" seed true 109.0
            let old = frozen 2L
            for field in [ "curriculum"; "stopAt"; "patience"; "keepBest" ] do Expect.isTrue (old.Config.Remove field) field
            let text = Tables.markdown [ found "runs/a" (frozen 1L); found "runs/b" old; found "runs/c" (summary id "soft" 1L true 115.0) ]
            Expect.stringContains text "| nan-frozen | 60.0 [60.0, 60.0] | 113 [113, 113] | 109 [109, 109] | – | 2 |" "one row of two seeds"
            Tol.below (text.IndexOf "| soft |") (text.IndexOf "| nan-frozen |") "the default rows come first"
        }
        test "a run found in two places counts once" {
            let one = summary id "soft" 1L true 115.0
            Expect.equal (Found.distinct [ found "runs/a" one; found "docs/results/ptb/a" one ]).Length 1 "runs"
        }
        test "summaries are found below folders and kept by experiment and run" {
            let folder = Path.Combine(Path.GetTempPath(), "noisy-tables-" + Guid.NewGuid().ToString "N")
            let run = Path.Combine(folder, "runs", "ptb", "paper-soft-s1")
            try
                Directory.CreateDirectory run |> ignore
                File.WriteAllText(Path.Combine(run, "summary.json"), JsonSerializer.Serialize(summary id "soft" 1L true 115.0, ConfigJson.Indented))
                let all = Found.gather [ Path.Combine(folder, "runs"); Path.Combine(folder, "nowhere") ]
                Expect.equal (all |> List.map (fun f -> f.Summary.Metrics.Test["perplexity"])) [ 115.0 ] "found"
                let kept = Tables.keep (Path.Combine(folder, "docs")) all
                Expect.equal kept [ Path.Combine(folder, "docs", "ptb", "paper-soft-s1", "summary.json") ] "kept"
                Expect.isEmpty (Tables.keep (Path.Combine(folder, "docs")) (Found.gather [ Path.Combine(folder, "docs") ])) "not copied onto itself"
            finally
                if Directory.Exists folder then Directory.Delete(folder, true)
        }
        test "ticks of a logarithmic axis lie within it, in order, and are three or more" {
            for low, high in [ 9.7, 215.0; 100.0, 130.0; 108.0, 109.0; 1.0, 10.0; 80.0, 10_000.0; 0.02, 3.0 ] do
                let ticks = Plots.logTicks low high
                Expect.isTrue (ticks |> List.forall (fun t -> t >= low && t <= high)) $"within {low} .. {high}: {ticks}"
                Expect.equal (List.sort ticks) ticks "order"
                Tol.atLeast ticks.Length 3 $"{low} .. {high}: {ticks}"
        }
        test "curves follow the task's metric, by epochs or updates, and comparisons keep to the last stage" {
            let metrics value = Dictionary(dict [ "error", value ])
            let events =
                [ LogEvent("update", 1L, 1, 1.0, Nullable(), Loss = Nullable 2.0, Accuracy = Nullable 0.25, Stage = Nullable 1)
                  LogEvent("check", 1L, 1, 1.0, Nullable(), Stage = Nullable 1, Valid = metrics 0.5)
                  LogEvent("update", 2L, 1, 1.0, Nullable(), Loss = Nullable 1.0, Accuracy = Nullable 0.75, Stage = Nullable 2)
                  LogEvent("epoch", 2L, 1, 1.0, Nullable(), Stage = Nullable 2, Valid = metrics 0.25) ]
            let view metric by : Pictures.View = { Metric = metric; Horizontal = ""; Unit = by; Stages = 2; Levels = [] }
            Expect.equal (Pictures.training (view "error" 1.0) events) [| 1.0, 0.75; 2.0, 0.25 |] "error"
            Expect.equal (Pictures.training (view "perplexity" 2.0) events) [| 0.5, exp 2.0; 1.0, exp 1.0 |] "perplexity, by epochs"
            Expect.equal (Pictures.validation (view "error" 1.0) events) [| 1.0, 0.5; 2.0, 0.25 |] "validation"
            Expect.equal (Pictures.validationAtLast (view "error" 1.0) events) [| 2.0, 0.25 |] "at the last stage"
        }
        test "rows are drawn over their seeds: mean and interval, or median where a run that has ended keeps its last value" {
            let seed ended points : Pictures.Seed = { Points = Array.ofList points; HasEnded = ended }
            let items seeds = Pictures.itemsOf 1 "nah" seeds
            let numbered (items: Plots.Item list) = items |> List.pick (fun item -> match item.Mark with Plots.Numbered(_, x, y) -> Some(item.Name, List.ofArray x, List.ofArray y) | _ -> None)
            let count mark (items: Plots.Item list) = items |> List.filter (fun item -> mark item.Mark) |> List.length
            let together = [ for level in [ 1.0; 2.0; 6.0 ] -> seed true [ 1.0, level; 2.0, level + 1.0 ] ]
            Expect.equal (numbered (items together)) ("nah, 3 seeds", [ 1.0; 2.0 ], [ 3.0; 4.0 ]) "means"
            let interval = Statistics.interval [ 2.0; 3.0; 7.0 ]
            Expect.isTrue (items together |> List.exists (fun item -> match item.Mark with Plots.Band(_, low, high) -> low[1] = interval.Low && high[1] = interval.High | _ -> false)) "intervals"
            let two = items (List.truncate 2 together)
            Expect.equal (numbered two, count _.IsBand two, count _.IsThin two) (("nah, 2 seeds", [ 1.0; 2.0 ], [ 1.5; 2.5 ]), 0, 2) "two seeds are shown themselves"
            let unfinished = items (seed false [ 1.0, 100.0 ] :: together)
            Expect.equal (numbered unfinished, count _.IsThin unfinished) (("nah, 3 seeds, 1 unfinished", [ 1.0; 2.0 ], [ 3.0; 4.0 ]), 1) "an unfinished run is no part of the mean"
            let solved = [ seed true [ 1.0, 5.0; 2.0, 0.1 ]; seed true [ 1.0, 5.0; 2.0, 5.0; 3.0, 4.0 ]; seed true [ 1.0, 5.0 ] ]
            Expect.equal (numbered (items solved)) ("nah, 3 seeds", [ 1.0; 2.0; 3.0 ], [ 5.0; 5.0; 4.0 ]) "median of 0.1, 4 and 5 at last"
            Expect.equal (count _.IsThin (items solved)) 3 "and each of them"
            let running = items (seed false [ 1.0, 5.0; 2.0, 3.0 ] :: solved)
            let _, places, _ = numbered running
            Expect.equal places [ 1.0; 2.0 ] "nothing is made up for a run that has not ended"
            Expect.equal (numbered (items [ seed false [ 1.0, 2.0 ] ])) ("nah, 1 seed, unfinished", [ 1.0 ], [ 2.0 ]) "one"
        }
        test "axes that count have whole ticks from 0, panels that count the same end together, and bands of rows do not widen them" {
            for right, ticks in [ 13.0, 14; 1.6, 2; 5.0, 6; 20_000.0, 11; 0.4, 9 ] do
                Expect.equal (Plots.countTicks right).Length ticks $"to {right}"
            for right in [ 1.0; 7.0; 40.0; 50_000.0 ] do Expect.isTrue (Plots.countTicks right |> Array.forall (fun tick -> tick = round tick && tick <= right)) $"whole up to {right}"
            let panel horizontal marks : Plots.Panel =
                { Title = ""; Horizontal = horizontal; Vertical = ""; Scale = Plots.Linear; Legend = None; Items = [ for mark in marks -> { Name = ""; Colour = "#000000"; Mark = mark } ] }
            let first = panel "epochs" [ Plots.Numbered(0, [| 1.0; 5.0 |], [| 0.0; 2.0 |]); Plots.Band([| 1.0; 5.0 |], [| -90.0; -90.0 |], [| 90.0; 90.0 |]) ]
            let figure: Plots.Figure = { Title = ""; Columns = 1; Panels = [ first; panel "epochs" [ Plots.Line([| 8.0 |], [| 1.0 |]) ]; panel "x" [ Plots.Line([| 50.0 |], [| 1.0 |]) ] ] }
            Expect.equal (figure.Panels |> List.map (Plots.right figure)) [ Some 8.0; Some 8.0; None ] "ends"
            let low, high = Plots.linearRange first
            Expect.equal low 0.0 "what is never negative begins at 0"
            Tol.below high 3.0 "the band"
        }
        test "every row has a colour of its own, and a pattern with marks" {
            let colours = List.init 30 Plots.colour
            Expect.equal (List.distinct colours).Length 30 "colours"
            Expect.equal (List.truncate 12 colours) (List.ofArray Plots.palette) "the palette's first"
            Expect.equal (List.init 32 Plots.style |> List.distinct).Length 32 "patterns and marks"
        }
        test "heat maps, logarithms of zero and shares are drawn, as PNG and as a page" {
            let folder = Directory.CreateTempSubdirectory("noisy-plots-").FullName
            try
                let heat: Plots.HeatMap = { Columns = [| "a"; "b"; "a" |]; Rows = [||]; Values = [| [| 0.0; 0.5; 1.0 |]; [| nan; 0.25; 0.125 |] |]; Range = Some(0.0, 1.0) }
                let panel scale mark : Plots.Panel =
                    { Title = "t"; Horizontal = "x"; Vertical = "y"; Scale = scale; Legend = None; Items = [ { Name = "n"; Colour = "#000000"; Mark = mark } ] }
                let figure: Plots.Figure =
                    { Title = "f"; Columns = 3
                      Panels = [ panel Plots.Linear (Plots.Heat heat); panel Plots.Logarithmic (Plots.Line([| 0.0; 1.0 |], [| 0.0; 2.0 |])); panel Plots.Percent (Plots.Dots([| 0.0 |], [| 0.5 |])) ] }
                let file name = Path.Combine(folder, name)
                Plots.savePng (file "f.png") (300, 200) figure
                FigurePages.save folder (file "f.html") [ figure; { figure with Panels = [ figure.Panels.Head ] } ]
                Tol.above (FileInfo(file "f.png").Length) 1000L "PNG"
                let page = File.ReadAllText(file "f.html")
                Expect.stringContains page "\"type\":\"heatmap\"" "heat map"
                Expect.stringContains page "\"y\":[50.0]" "percent"
            finally
                Directory.Delete(folder, true)
        }
        test "a table breaks no number, however narrow the terminal, and is one line a row where there is room" {
            let head = [ "row"; "what it is"; "train perplexity"; "valid"; "updates"; "folder" ]
            let body = [ for row in [ "soft"; "noisy-tanh" ] -> [ row; "some words on it"; "1,234.57"; "107.25"; "100,000\nunfinished"; $"tiny-{row}-s1" ] ]
            let words (cell: string) = cell.Split [| ' '; '\n' |] |> List.ofArray
            for width in [ 400; 80; 60; 40; 10 ] do
                let text = Results.tableText true width [ "row"; "what it is"; "folder" ] [ "row"; "folder" ] head body
                for row in body do
                    for whole in row[0] :: row[2..] |> List.collect (fun cell -> List.ofArray (cell.Split '\n')) do
                        Expect.stringContains text whole $"whole at {width}"
                    for word in words row[1] do Expect.stringContains text word $"words at {width}"
                let isTable = text.StartsWith '╭'
                Expect.equal isTable (width >= 80) $"a table at {width}"
                if isTable then
                    for line in text.Split '\n' do Tol.atMost line.Length width "fits"
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
