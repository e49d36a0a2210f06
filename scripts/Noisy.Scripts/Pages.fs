/// What pages of examples have in common: a run's results, shown one by one.
module Noisy.Scripts.Pages

open System
open System.IO
open System.Net
open System.Text
open Noisy.Core
open Noisy.Models

/// How noise was treated when a run was tested, with the scale of the weights that were.
let tested (config: TrainConfig) (summary: RunSummary) =
    let update = if config.KeepBest && summary.BestUpdate.HasValue then summary.BestUpdate.Value else summary.Updates
    let scale = match config.NoiseSchedule() with null -> Nullable() | schedule -> Nullable(schedule.At update)
    NoiseContext(config.TestNoise, Scale = scale)

/// The summary in a run's folder; None before the run has one.
let summary folder =
    match RunSummary.Read(Path.Combine(folder, "summary.json")) with
    | null -> None
    | found -> Some found

/// What a run is called on its pages.
let title (config: TrainConfig) (summary: RunSummary) =
    $"{config.Experiment}, {config.Preset}: {config.Activation}, seed {config.Seed}, after {summary.Updates} updates"

/// Text as HTML.
let text (words: string) = WebUtility.HtmlEncode words

/// A page with a heading, a paragraph and more, which is HTML.
let page (title: string) (style: string) (introduction: string) (body: string) =
    let html = StringBuilder()
    let add (line: string) = html.AppendLine line |> ignore
    add "<!DOCTYPE html>"
    add "<html lang=\"en\"><head><meta charset=\"utf-8\">"
    add $"<title>{text title}</title>"
    add "<style>body { font: 15px sans-serif; margin: 2em } td, th { padding: .4em 1em; text-align: left; vertical-align: top; border-top: 1px solid #ccc }"
    add $"{style}</style></head><body>"
    add $"<h1>{text title}</h1>"
    add $"<p>{text introduction}</p>"
    add body
    add "</body></html>"
    html.ToString()

/// A table of cells that are HTML.
let table (head: string list) (rows: string list seq) =
    let row tag cells = $"""<tr>{cells |> List.map (fun cell -> $"<{tag}>{cell}</{tag}>") |> String.concat ""}</tr>"""
    let lines = seq { row "th" (List.map text head); yield! Seq.map (row "td") rows }
    "<table>\n" + String.Join("\n", lines) + "\n</table>"
