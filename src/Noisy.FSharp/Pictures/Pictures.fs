/// Learning curves: of one run in its folder, and of all runs of a command side by side.
module internal Noisy.FSharp.Pictures

open System
open System.Collections.Generic
open System.IO
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp.Plots

/// What the curves of a task's runs have in common.
type View =
    { Metric: string
      /// What the horizontal axis counts, and updates to a unit of it.
      Horizontal: string
      Unit: float
      Stages: int
      /// Levels worth a line.
      Levels: (string * float) list }

/// How the runs of a task are drawn: by epochs where each shows the same data again, else by updates.
let view (task: ITrainingTask) levels =
    { Metric = task.Metric
      Horizontal = if task.RepeatsData then "epochs" else "updates"
      Unit = if task.RepeatsData then float task.UpdatesPerEpoch else 1.0
      Stages = task.Stages
      Levels = levels }

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

let private at view (event: LogEvent) = float event.Update / view.Unit

/// The metric in evaluations; of: whose values.
let private evaluated view (values: LogEvent -> IReadOnlyDictionary<string, float>) (events: LogEvent seq) =
    events
    |> Seq.filter _.IsEvaluation
    |> Seq.choose (fun e -> valueOf view.Metric (values e) |> Option.map (fun value -> at view e, value))
    |> Array.ofSeq

/// Validation, at the current stage.
let validation view events = evaluated view _.Valid events

/// Validation at the last stage alone, whose values can be compared: the metric where that is the current stage,
/// elsewhere what the task tells of it besides, such as targetAccuracy.
let validationAtLast view (events: LogEvent seq) =
    let target = $"target{Char.ToUpperInvariant view.Metric[0]}{view.Metric[1..]}"
    let isAtLast (e: LogEvent) = not e.Stage.HasValue || e.Stage.Value = view.Stages

    events
    |> Seq.filter _.IsEvaluation
    |> Seq.choose (fun e -> valueOf (if isAtLast e then view.Metric else target) e.Valid |> Option.map (fun value -> at view e, value))
    |> Array.ofSeq

/// The metric over training batches, smoothed: from the batches' likelihoods or accuracies where those tell it, else from
/// the evaluations' training metrics.
let training view (events: LogEvent seq) =
    let updates (value: LogEvent -> float Nullable) =
        events
        |> Seq.filter (fun e -> not e.IsEvaluation && (value e).HasValue && Double.IsFinite (value e).Value)
        |> Seq.map (fun e -> at view e, (value e).Value)
        |> Array.ofSeq
        |> smooth 250

    match view.Metric with
    | "perplexity" -> updates _.Loss |> Array.map (fun (x, nats) -> x, exp nats)
    | "nll" -> updates _.Loss
    | "bpc" -> updates _.Loss |> Array.map (fun (x, nats) -> x, nats / log 2.0)
    | "accuracy" -> updates _.Accuracy
    | "error" -> updates _.Accuracy |> Array.map (fun (x, share) -> x, 1.0 - share)
    | _ -> evaluated view _.Train events

/// The events of a run's log; what is damaged is told.
let log folder = RunLog.Read(Path.Combine(folder, "log.jsonl"), Action<string>(eprintfn "%s"))

let private level view right colour (name, value) =
    { Name = $"{name}: {Metrics.withUnit view.Metric value}"; Colour = colour; Mark = Dashed([| 0.0; right |], [| value; value |]) }

let private levels view right =
    List.map2 (level view right) (List.truncate view.Levels.Length [ "#444444"; "#8C6D31"; "#B22222" ]) view.Levels

let private vertical view =
    let unit = Metrics.title view.Metric
    if Metrics.scale view.Metric = Logarithmic then $"{unit}, logarithmic" else unit

let private size (figure: Figure) = 1000, (if figure.Panels.Length = 1 then 620 else 460)

/// The stage of difficulty by update; nothing where it never changes.
let private stages view (events: LogEvent seq) =
    let points = [| for e in events do if not e.IsEvaluation && e.Stage.HasValue then at view e, float e.Stage.Value |]

    if points |> Array.distinctBy snd |> Array.length < 2 then
        []
    else
        [ { Title = "stage of difficulty of the curriculum"
            Horizontal = view.Horizontal
            Vertical = $"stage, of {view.Stages}"
            Scale = Linear
            Legend = None
            Items = [ { Name = ""; Colour = palette[2]; Mark = Line(Array.unzip (smooth 500 points)) } ] } ]

/// Draws curves.html and curves.png in a run's folder from its log; nothing before the first update.
///
/// name: the run's row; paper: the published figure, or null.
let ofRun folder view name (config: RunConfig) (data: DataIdentity) (paper: PaperFigure) =
    let events = log folder
    let train = training view events
    let valid = validation view events
    let atLast = validationAtLast view events

    if train.Length > 0 || valid.Length > 0 then
        let right = Seq.append train valid |> Seq.map fst |> Seq.max |> max 1.0
        let title = $"{config.Experiment}, {config.Preset}: {name}, seed {config.Seed} ({data.Name}, {data.Source})"
        let ofStage = if view.Stages > 1 && config.Training.Curriculum.Kind <> CurriculumKind.None then ", at the current stage" else ""

        let panels = [
            { Title = title
              Horizontal = view.Horizontal
              Vertical = vertical view
              Scale = Metrics.scale view.Metric
              Legend = None
              Items =
                [ if train.Length > 0 then { Name = "training, with noise"; Colour = palette[5]; Mark = Thin(Array.unzip train) }
                  if valid.Length > 0 then { Name = "validation" + ofStage; Colour = palette[1]; Mark = Marked(Array.unzip valid) }
                  if ofStage <> "" && atLast.Length > 0 then { Name = "validation, at the last stage"; Colour = palette[0]; Mark = Marked(Array.unzip atLast) }
                  yield! levels view right
                  if not (isNull (box paper)) && paper.Test.HasValue then
                      level view right "#B22222" ($"the paper's test figure, {paper.Row}", paper.Test.Value) ] }
            yield! stages view events
        ]

        let figure = { Title = title; Columns = 1; Panels = panels }
        Pages.saveFigure folder "curves" (size figure) figure

/// A curve for each row: name, colour, points. Over seeds it is their mean; but where they do not end together, as runs that
/// stop when they have solved their task, each seed has a curve of its own, the first of which bears the name.
///
/// points: those of a log.
let private byRow (points: LogEvent seq -> (float * float)[]) (runs: (string * string) list) =
    [ for i, (row, group) in runs |> List.groupBy fst |> List.indexed do
          let colour = palette[i % palette.Length]
          let seeds = group |> List.map (snd >> log >> points) |> List.filter (fun curve -> curve.Length > 0)

          match seeds |> List.distinctBy (Array.map fst) with
          | [] -> ()
          | [ curve ] when seeds.Length = 1 -> row, colour, curve
          | [ curve ] -> $"{row}, mean of {seeds.Length} seeds", colour, curve |> Array.mapi (fun at (place, _) -> place, seeds |> List.averageBy (fun seed -> snd seed[at]))
          | _ -> for j, curve in List.indexed seeds do (if j = 0 then $"{row}, {seeds.Length} seeds" else ""), colour, curve ]

/// Draws comparison.html and comparison.png: each row's curves of validation, at the last stage of difficulty, and, where there
/// is one stage, that of training, both at the evaluations; nothing before the first.
///
/// published: the paper's curves, which go as far as ours; runs: row and folder of each run.
let compare folder title view (published: PaperCurve seq) (runs: (string * string) list) =
    let curves = byRow (validationAtLast view) runs

    let ofPaper first i (curve: PaperCurve) =
        let points = [| for struct (update, value) in curve.Points -> float update / view.Unit, value |]
        { Name = $"the paper's {curve.Row}, {curve.Figure}"; Colour = palette[(first + i) % palette.Length]; Mark = Thin(Array.unzip points) }

    let panel what curves items =
        { Title = $"{title}: {what}"
          Horizontal = view.Horizontal
          Vertical = vertical view
          Scale = Metrics.scale view.Metric
          Legend = None
          Items = [ for name, colour, points in curves do { Name = name; Colour = colour; Mark = Marked(Array.unzip points) } ] @ items }

    if not curves.IsEmpty then
        let right = curves |> List.map (fun (_, _, points) -> fst (Array.last points)) |> List.max
        let rows = curves |> List.distinctBy (fun (_, colour, _) -> colour) |> List.length
        let place = if view.Stages > 1 then "validation at the last stage" else "validation"

        let panels = [
            panel place curves (List.mapi (ofPaper rows) (List.ofSeq published) @ levels view right)
            match byRow (evaluated view _.Train) runs with
            | [] -> ()
            | inTraining -> if view.Stages = 1 then panel "training, with noise" inTraining []
        ]

        let figure = { Title = title; Columns = 1; Panels = panels }
        Plots.savePng (Path.Combine(folder, "comparison.png")) (size figure) figure
        FigurePages.save folder (Path.Combine(folder, "comparison.html")) [ figure ]
