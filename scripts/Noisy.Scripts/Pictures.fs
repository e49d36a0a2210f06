/// Learning curves: of one run in its folder, and of all runs of a command side by side.
module Noisy.Scripts.Pictures

open System
open System.Collections.Generic
open System.IO
open Noisy.Models
open Noisy.Scripts.Plots

/// Means of consecutive windows, at most `count` of them: place of each window's end, mean.
let smooth count (points: (float * float)[]) =
    let size = max 1 ((points.Length + count - 1) / count)
    points |> Array.chunkBySize size |> Array.map (fun window -> fst (Array.last window), Array.averageBy snd window)

let private valueOf (metric: string) (values: IReadOnlyDictionary<string, float>) =
    if isNull (box values) then
        None
    else
        match values.TryGetValue metric with
        | true, value -> Some value
        | _ -> None

/// Validation by epoch.
let validation metric (events: LogEvent seq) =
    events
    |> Seq.filter (fun e -> e.Event = "epoch")
    |> Seq.choose (fun e -> valueOf metric e.Valid |> Option.map (fun value -> float e.Epoch, value))
    |> Array.ofSeq

/// Training batches as (epochs passed, perplexity), smoothed by averaging their log-likelihoods.
let training (perEpoch: int64) (events: LogEvent seq) =
    events
    |> Seq.filter (fun e -> e.Event = "update" && e.Loss.HasValue && Double.IsFinite e.Loss.Value)
    |> Seq.map (fun e -> float e.Update / float perEpoch, e.Loss.Value)
    |> Array.ofSeq
    |> smooth 250
    |> Array.map (fun (x, nats) -> x, exp nats)

let private log folder = RunLog.Read(Path.Combine(folder, "log.jsonl"))

let private level right name colour (value: float) =
    { Name = $"{name}: {number value}"; Colour = colour; Mark = Dashed([| 0.0; right |], [| value; value |]) }

let private floorLevel right floor =
    floor |> Option.map (level right "best attainable" "#444444") |> Option.toList

let private save folder name title panel =
    let figure = { Title = title; Columns = 1; Panels = [ panel ] }
    Plots.saveHtml (Path.Combine(folder, name + ".html")) [ figure ]
    Plots.savePng (Path.Combine(folder, name + ".png")) (1000, 620) figure

/// Draws curves.html and curves.png in a run's folder from its log; nothing before the first update.
///
/// perEpoch: updates in an epoch; floor: best attainable figure if known; paper: the published figure, or null.
let ofRun folder (config: TrainConfig) (data: DataIdentity) metric perEpoch floor (paper: PaperFigure) =
    let events = log folder
    let train = training perEpoch events
    let valid = validation metric events

    if train.Length > 0 then
        let right = max (fst (Array.last train)) 1.0
        let title = $"{config.Experiment}, {config.Preset}: {config.Activation}, seed {config.Seed} ({data.Name}, {data.Source})"

        save folder "curves" title
            { Title = title
              Horizontal = "epochs"
              Vertical = $"{metric}, logarithmic"
              Log = true
              Legend = None
              Items =
                [ { Name = "training, with noise"; Colour = palette[5]; Mark = Thin(Array.unzip train) }
                  if valid.Length > 0 then { Name = "validation"; Colour = palette[1]; Mark = Marked(Array.unzip valid) }
                  yield! floorLevel right floor
                  if not (isNull (box paper)) && paper.Test.HasValue then
                      level right $"the paper's test figure, {paper.Row}" "#B22222" paper.Test.Value ] }

/// Draws comparison.html and comparison.png: validation by epoch for each activation, averaged over its seeds; nothing
/// before the first evaluated epoch.
///
/// runs: activation and folder of each run.
let compare folder title metric (runs: (string * string) list) floor =
    let mean (folders: string list) =
        folders
        |> Seq.collect (log >> validation metric)
        |> Seq.groupBy fst
        |> Seq.map (fun (epoch, points) -> epoch, Seq.averageBy snd points)
        |> Seq.sortBy fst
        |> Array.ofSeq

    let curves =
        runs
        |> List.groupBy fst
        |> List.mapi (fun i (activation, group) ->
            let name = if group.Length = 1 then activation else $"{activation}, mean of {group.Length} seeds"
            name, palette[i % palette.Length], mean (List.map snd group))
        |> List.filter (fun (_, _, points) -> points.Length > 0)

    if not curves.IsEmpty then
        let right = curves |> List.map (fun (_, _, points) -> fst (Array.last points)) |> List.max

        save folder "comparison" title
            { Title = title
              Horizontal = "epochs"
              Vertical = $"validation {metric}, logarithmic"
              Log = true
              Legend = None
              Items =
                [ for name, colour, points in curves do
                      { Name = name; Colour = colour; Mark = Marked(Array.unzip points) }
                  yield! floorLevel right floor ] }
