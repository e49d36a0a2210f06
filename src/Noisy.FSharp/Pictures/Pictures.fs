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
    let unit = match view.Metric with "nll" -> "nll, nats" | "bpc" -> "bits per character" | metric -> Metrics.title metric
    if Metrics.scale view.Metric = Logarithmic then $"{unit}, logarithmic" else unit

/// Of each panel, with room for the entries of its legend, up to three a line.
let private size (figure: Figure) =
    let entries = figure.Panels |> List.map (fun panel -> panel.Items |> List.filter (fun item -> item.Name <> "") |> List.length) |> List.max
    1000, (if figure.Panels.Length = 1 then 580 else 440) + 22 * ((entries + 2) / 3)

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

/// A run's curve, and whether the run has come to its end, or to where its command stopped it.
type Seed = { Points: (float * float)[]; HasEnded: bool }

let private seed points folder =
    let events = log folder
    let last = if events.Count = 0 then 0L else events[events.Count - 1].Update
    let hasEnded = match Pages.summary folder with Some summary -> summary.Updates >= last | None -> false
    { Points = points events; HasEnded = hasEnded }

/// A curve's value at a place: the last that was measured up to there, which a run that has ended keeps.
let private valueAt place seed =
    match seed.Points |> Array.tryFindBack (fun (at, _) -> at <= place) with
    | Some(_, value) when seed.HasEnded || place <= fst (Array.last seed.Points) -> Some value
    | _ -> None

/// Places with the values of all seeds there, as far as all have some, and finite ones.
let private together (seeds: Seed list) =
    [| for place in seeds |> Seq.collect (_.Points >> Seq.map fst) |> Seq.distinct |> Seq.sort do
           let values = seeds |> List.choose (valueAt place)
           if values.Length = seeds.Length && List.forall Double.IsFinite values then place, values |]

/// How the seeds of a row are drawn: each alone, as their mean, or as their median because they do not end together.
type Shape = | Alone | Mean | Median

let shape seeds =
    match seeds |> List.filter _.HasEnded |> List.map (_.Points >> Array.map fst) |> List.distinct with
    | _ when List.length seeds < 2 -> Alone
    | [ _ ] -> Mean
    | _ -> Median

/// What is drawn of a row: over seeds that end together their mean with its 95 % interval, which two seeds do not make narrow enough to be drawn;
/// where they do not end together, as runs that stop when they have solved their task, median and quartiles, a run that has ended counting with
/// its last value. Runs that are not whole in that are thin lines.
///
/// number: the row's; seeds: with points.
let itemsOf number row (seeds: Seed list) =
    let colour = colour number
    let item name mark = { Name = name; Colour = colour; Mark = mark }
    let thin seeds = [ for seed in seeds -> item "" (Thin(Array.unzip seed.Points)) ]
    let line name (points: (float * float)[]) = item name (Numbered(number, Array.map fst points, Array.map snd points))

    let band points ends = item "" (Band(Array.map fst points, points |> Array.map (snd >> ends >> fst), points |> Array.map (snd >> ends >> snd)))
    let seedsOf count = if count = 1 then "1 seed" else $"{count} seeds"

    match shape seeds with
    | Alone -> [ for seed in seeds -> line (if seed.HasEnded then $"{row}, 1 seed" else $"{row}, 1 seed, unfinished") seed.Points ]
    | Mean ->
        let whole, rest = seeds |> List.partition _.HasEnded
        let found = together whole |> Array.map (fun (place, values) -> place, Statistics.interval values)
        let thinner = if rest.IsEmpty then "" else $", {rest.Length} unfinished"

        [ if whole.Length > 2 then band found (fun interval -> interval.Low, interval.High)
          line $"{row}, {seedsOf whole.Length}{thinner}" (found |> Array.map (fun (place, interval) -> place, interval.Mean)) ]
        @ thin (if whole.Length = 2 then seeds else rest)
    | Median ->
        let found = together seeds |> Array.map (fun (place, values) -> place, Statistics.quartiles values)

        [ band found (fun (low, _, high) -> low, high)
          line $"{row}, {seedsOf seeds.Length}" (found |> Array.map (fun (place, (_, middle, _)) -> place, middle)) ]
        @ thin seeds

/// What the marks of some rows mean, beneath the title.
let private legend (items: Item list) (rows: (string * Seed list) list) =
    let has mark = items |> List.exists (fun item -> item.Name = "" && mark item.Mark)
    let thin = if has _.IsThin then [ "thin: single runs" ] else []

    match rows |> List.map (snd >> shape) |> List.distinct with
    | shapes when List.contains Median shapes && List.contains Mean shapes ->
        [ "line: median where runs end at different places, one that has ended counting with its last value, else mean"
          "band: quartiles, or the mean's 95 % interval" ]
        @ thin
    | shapes when List.contains Median shapes -> [ "line: median, a run that has ended counting with its last value; band: quartiles" ] @ thin
    | shapes when List.contains Mean shapes -> [ (if has _.IsBand then "line: mean; band: its 95 % interval" else "line: mean") ] @ thin
    | _ -> []
    |> String.concat "; "

/// The seeds of each row that have points, in the order of the rows.
///
/// points: those of a log.
let private byRow (points: IReadOnlyList<LogEvent> -> (float * float)[]) (runs: (string * string) list) =
    let seeds group = group |> List.map (snd >> seed points) |> List.filter (fun seed -> seed.Points.Length > 0)
    runs |> List.groupBy fst |> List.map (fun (row, group) -> row, seeds group)

/// Draws comparison.html and comparison.png: each row's curves of validation, at the last stage of difficulty, and, where there
/// is one stage, that of training, both at the evaluations; nothing before the first.
///
/// published: the paper's curves, which go as far as ours; runs: row and folder of each run.
let compare folder title view (published: PaperCurve seq) (runs: (string * string) list) =
    let drawn = byRow (validationAtLast view) runs

    // Bands lie beneath the lines of all rows, and single runs beneath those of the rows.
    let layer item = match item.Mark with Band _ -> 0 | Thin _ -> 1 | _ -> 2
    let items rows = [ for number, (row, seeds) in List.indexed rows do yield! itemsOf number row seeds ] |> List.sortBy layer

    let ofPaper i (curve: PaperCurve) =
        let points = [| for struct (update, value) in curve.Points -> float update / view.Unit, value |]
        { Name = $"the paper's {curve.Row}, {curve.Figure}"; Colour = colour (drawn.Length + i); Mark = Thin(Array.unzip points) }

    let panel what rows besides =
        let items = items rows

        { Title = $"{title}: {what}\n{legend items rows}".TrimEnd()
          Horizontal = view.Horizontal
          Vertical = vertical view
          Scale = Metrics.scale view.Metric
          Legend = None
          Items = items @ besides }

    let ends = [ for _, seeds in drawn do for seed in seeds -> fst (Array.last seed.Points) ]

    if not ends.IsEmpty then
        let place = if view.Stages > 1 then "validation at the last stage" else "validation"

        let panels = [
            panel place drawn (List.mapi ofPaper (List.ofSeq published) @ levels view (List.max ends))
            let inTraining = byRow (evaluated view _.Train) runs
            if view.Stages = 1 && inTraining |> List.exists (fun (_, seeds) -> not seeds.IsEmpty) then panel "training, with noise" inTraining []
        ]

        let figure = { Title = title; Columns = 1; Panels = panels }
        Plots.savePng (Path.Combine(folder, "comparison.png")) (size figure) figure
        FigurePages.save folder (Path.Combine(folder, "comparison.html")) [ figure ]
