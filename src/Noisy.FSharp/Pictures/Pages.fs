/// What pages of examples have in common: a run's results, shown one by one.
module internal Noisy.FSharp.Pages

open System.IO
open Noisy.Models
open Noisy.Experiments

/// How noise was treated when a run was tested, with the scale of the weights that were.
let tested (config: RunConfig) (summary: RunSummary) = config.TestContext(summary.TestedUpdate config.Training.KeepBest)

/// The summary in a run's folder; None before the run has one.
let summary folder =
    match RunSummary.Read(Path.Combine(folder, "summary.json")) with
    | null -> None
    | found -> Some found

/// What a run is called on its pages.
let title (config: RunConfig) (summary: RunSummary) =
    $"{config.Experiment}, {config.Preset}: {config.Activation.Name}, seed {config.Seed}, after {summary.Updates} updates"

/// Draws figures into a run's folder: NAME.html, with Plotly's script in the folder above, where all runs of a command share it, and
/// NAME.png with panels of the size.
let saveFigure (folder: string) name size (figure: Plots.Figure) =
    Plots.savePng (Path.Combine(folder, name + ".png")) size figure // the smaller first
    FigurePages.save (Path.GetDirectoryName(Path.GetFullPath folder)) (Path.Combine(folder, name + ".html")) [ figure ]
