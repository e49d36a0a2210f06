/// results.csv: all finished runs of a folder, whichever commands trained them.
module internal Noisy.FSharp.ResultsFile

open System
open System.Globalization
open System.IO
open Deedle
open Noisy.Models
open Noisy.Experiments

/// What a run is called: as its summary says, else the row that its folder is named after, <preset>-<row>-s<seed>, else its activation.
let private rowOf (folder: string) (summary: RunSummary) =
    let name, before, after = Path.GetFileName folder, $"{summary.Preset}-", $"-s{summary.Seed}"

    if not (isNull summary.Label) then summary.Label
    elif name.StartsWith before && name.EndsWith after && name.Length > before.Length + after.Length then
        name[before.Length .. name.Length - after.Length - 1]
    else
        summary.Activation

/// A row for each run of a folder that has a summary, by the names of their folders.
///
/// metric: what runs of older versions are judged by, whose summaries do not say it.
let gather (folder: string) metric =
    [ for run in Directory.GetDirectories folder |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b)) do
          match RunSummary.Read(Path.Combine(run, "summary.json")) with
          | null -> ()
          | summary -> Results.row (if isNull summary.Metric then metric else summary.Metric) (rowOf run summary) run summary ]

// Longer than anyone needs to gather a folder's runs.
let private patience = TimeSpan.FromMinutes 1.0

/// Writes results.csv anew. Of commands that share the folder each has its turn, and so the last one knows the runs of all.
let update (folder: string) metric =
    use turn = FileLock.Take(Path.Combine(folder, ".results.lock"), patience, (fun () -> ()))
    if isNull turn then raise (UsageException $"another process has held {folder}/.results.lock for more than a minute")
    use text = new StringWriter(CultureInfo.InvariantCulture)
    (Results.frame (gather folder metric)).SaveCsv(text, includeRowKeys = false, culture = CultureInfo.InvariantCulture)
    AtomicFile.Write(Path.Combine(folder, "results.csv"), text.ToString())
