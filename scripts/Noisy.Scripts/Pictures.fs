/// Learning curves: of one run in its folder, and of all runs of a command side by side; as a page and as a PNG.
module Noisy.Scripts.Pictures

open System
open System.IO
open Plotly.NET
open Plotly.NET.LayoutObjects
open Noisy.Models

/// A curve in the plane.
type Curve =
    { Name: string
      X: float[]
      Y: float[]
      Colour: string
      Thick: bool
      Marks: bool }

/// A level that is no curve: the best attainable figure, or a published one.
type Level = { Label: string; Value: float; Shade: string }

/// A picture of curves over the epochs; the vertical axis is logarithmic.
type Picture =
    { Title: string
      Horizontal: string
      Vertical: string
      Curves: Curve list
      Levels: Level list }

/// Colours that differ for most colour-blind readers too (Okabe and Ito's).
let palette = [| "#0072B2"; "#D55E00"; "#009E73"; "#CC79A7"; "#E69F00"; "#56B4E9"; "#000000"; "#8C6D31" |]

let private grey = "#7F7F7F"

/// Means of consecutive windows, at most `count` of them: position of each window's end, mean.
let smooth count (points: (float * float)[]) =
    let size = max 1 ((points.Length + count - 1) / count)
    points |> Array.chunkBySize size |> Array.map (fun window -> fst (Array.last window), Array.averageBy snd window)

/// Round values between two bounds for a logarithmic axis: 1, 2, 5 and their powers of ten, or all that are needed where
/// the axis is short.
let logTicks (low: float) (high: float) =
    let choose (steps: float list) =
        [ for power in int (floor (log10 low)) .. int (ceil (log10 high)) do
              for step in steps do
                  let value = step * 10.0 ** float power
                  if value >= low && value <= high then value ]

    match choose [ 1; 2; 5 ] with
    | enough when enough.Length >= 4 -> enough
    | _ ->
        match choose [ 1; 1.2; 1.5; 2; 2.5; 3; 4; 5; 6; 7; 8; 9 ] with
        | enough when enough.Length >= 3 -> enough
        | _ ->
            let step = 10.0 ** floor (log10 (max 1e-9 (high - low)))
            let step = if (high - low) / step < 3.0 then step / 5.0 else step
            [ for i in ceil (low / step) .. floor (high / step) -> i * step ]

let private bounds (picture: Picture) =
    let values =
        [ for curve in picture.Curves do yield! curve.Y
          for level in picture.Levels do level.Value ]
        |> List.filter (fun v -> Double.IsFinite v && v > 0.0)

    if values.IsEmpty then 1.0, 10.0 else List.min values / 1.06, List.max values * 1.06

let private number (value: float) = value.ToString("#,0.###", Globalization.CultureInfo.InvariantCulture)

/// Writes a self-contained page.
let saveHtml (path: string) (picture: Picture) =
    let low, high = bounds picture
    let ticks = logTicks low high

    let curves =
        [ for c in picture.Curves do
              Chart.Line(
                  x = c.X, y = c.Y, Name = c.Name, ShowMarkers = c.Marks,
                  LineColor = Color.fromString c.Colour, LineWidth = (if c.Thick then 2.5 else 1.2),
                  MarkerColor = Color.fromString c.Colour
              ) ]

    let right = picture.Curves |> Seq.collect _.X |> Seq.fold max 1.0

    let levels =
        [ for l in picture.Levels do
              Chart.Line(
                  x = [ 0.0; right ], y = [ l.Value; l.Value ], Name = l.Label,
                  LineColor = Color.fromString l.Shade, LineDash = StyleParam.DrawingStyle.Dash, LineWidth = 1.5
              ) ]

    let vertical =
        LinearAxis.init (
            Title = Title.init picture.Vertical, AxisType = StyleParam.AxisType.Log,
            TickMode = StyleParam.TickMode.Array, TickVals = ticks, TickText = List.map number ticks,
            Range = StyleParam.Range.MinMax(log10 low, log10 high), ShowLine = true, LineColor = Color.fromString grey
        )

    Chart.combine (curves @ levels)
    |> Chart.withTemplate ChartTemplates.lightMirrored
    |> Chart.withTitle picture.Title
    |> Chart.withXAxisStyle (TitleText = picture.Horizontal, ShowLine = true)
    |> Chart.withYAxis vertical
    |> Chart.withSize (1000, 620)
    |> Chart.withDisplayOptionsStyle (PlotlyJSReference = PlotlyJSReference.Full)
    |> Chart.saveHtml path

/// The PNG's plot, ready to be saved.
let private draw (picture: Picture) =
    let plot = new ScottPlot.Plot()
    let low, high = bounds picture

    for c in picture.Curves do
        let points = Array.zip c.X c.Y |> Array.filter (fun (_, y) -> Double.IsFinite y && y > 0.0)
        let line = plot.Add.Scatter(Array.map fst points, Array.map (snd >> log10) points)
        line.LegendText <- c.Name
        line.Color <- ScottPlot.Color.FromHex c.Colour
        line.LineWidth <- if c.Thick then 2.5f else 1.2f
        line.MarkerSize <- if c.Marks then 7.0f else 0.0f

    for l in picture.Levels do
        let line = plot.Add.HorizontalLine(log10 l.Value)
        line.LegendText <- l.Label
        line.Color <- ScottPlot.Color.FromHex l.Shade
        line.LineWidth <- 1.5f
        line.LinePattern <- ScottPlot.LinePattern.Dashed

    let ticks = logTicks low high |> Array.ofList
    plot.Axes.Left.TickGenerator <- ScottPlot.TickGenerators.NumericManual(Array.map log10 ticks, Array.map number ticks)
    plot.Axes.SetLimitsY(log10 low, log10 high)
    plot.Title picture.Title
    plot.XLabel picture.Horizontal
    plot.YLabel picture.Vertical
    plot.ShowLegend ScottPlot.Alignment.UpperRight |> ignore
    plot

/// Writes a PNG of 1000 by 620 points.
let savePng (path: string) (picture: Picture) =
    use plot = draw picture
    plot.ScaleFactor <- 1.25
    plot.SavePng(path, 1250, 775) |> ignore

let private save (folder: string) (name: string) picture =
    saveHtml (Path.Combine(folder, name + ".html")) picture
    savePng (Path.Combine(folder, name + ".png")) picture

let private metricOf (metric: string) (values: Collections.Generic.IReadOnlyDictionary<string, float>) =
    if isNull values then None
    else match values.TryGetValue metric with | true, v -> Some v | _ -> None

/// The evaluated epochs of a log: epoch, training and validation metric.
let epochs metric (events: LogEvent seq) =
    [| for e in events do
           if e.Event = "epoch" then
               match metricOf metric e.Train, metricOf metric e.Valid with
               | Some train, Some valid -> float e.Epoch, train, valid
               | _ -> () |]

/// Training batches of a log as (epochs passed, perplexity), smoothed.
let training (perEpoch: int64) (events: LogEvent seq) =
    events
    |> Seq.filter (fun e -> e.Event = "update" && e.Loss.HasValue && Double.IsFinite e.Loss.Value)
    |> Seq.map (fun e -> float e.Update / float perEpoch, e.Loss.Value)
    |> Array.ofSeq
    |> smooth 250
    |> Array.map (fun (x, nats) -> x, exp nats)

let private levels (floor: float option) (paper: PaperFigure) =
    [ match floor with
      | Some value -> { Label = $"best attainable on test: {number value}"; Value = value; Shade = "#444444" }
      | None -> ()
      if not (isNull (box paper)) && paper.Test.HasValue then
          { Label = $"the paper's test figure ({paper.Row}): {number paper.Test.Value}"; Value = paper.Test.Value; Shade = "#B22222" } ]

/// Draws curves.html and curves.png in a run's folder from its log.
///
/// perEpoch: updates in an epoch; floor: best attainable figure if known; paper: the published figure, or null.
let ofRun (folder: string) (config: TrainConfig) (data: DataIdentity) metric perEpoch floor paper =
    let events = RunLog.Read(Path.Combine(folder, "log.jsonl"))
    let train = training perEpoch events
    let evaluated = epochs metric events

    if train.Length > 0 then
        save folder "curves"
            { Title = $"{config.Experiment}, {config.Preset}: {config.Activation}, seed {config.Seed} ({data.Name}, {data.Source})"
              Horizontal = "epochs"
              Vertical = $"{metric} (logarithmic)"
              Curves =
                [ { Name = "training, batches with noise"; X = Array.map fst train; Y = Array.map snd train; Colour = palette[5]; Thick = false; Marks = false }
                  if evaluated.Length > 0 then
                      { Name = "validation"
                        X = evaluated |> Array.map (fun (e, _, _) -> e)
                        Y = evaluated |> Array.map (fun (_, _, valid) -> valid)
                        Colour = palette[1]; Thick = true; Marks = true } ]
              Levels = levels floor paper }

/// Draws comparison.html and comparison.png: validation by epoch for each activation, averaged over its seeds.
///
/// runs: activation and folder of each run. Draws nothing before the first evaluated epoch.
let compare (folder: string) (title: string) metric (runs: (string * string) list) floor =
    let curves =
        runs
        |> List.groupBy fst
        |> List.mapi (fun i (activation, folders) ->
            let seeds = folders |> List.map (fun (_, run) -> epochs metric (RunLog.Read(Path.Combine(run, "log.jsonl"))))

            let points =
                seeds
                |> Seq.collect id
                |> Seq.groupBy (fun (epoch, _, _) -> epoch)
                |> Seq.map (fun (epoch, at) -> epoch, at |> Seq.averageBy (fun (_, _, valid) -> valid))
                |> Seq.sortBy fst
                |> Array.ofSeq

            { Name = (if folders.Length = 1 then activation else $"{activation}, mean of {folders.Length} seeds")
              X = Array.map fst points; Y = Array.map snd points
              Colour = palette[i % palette.Length]; Thick = true; Marks = true })
        |> List.filter (fun curve -> curve.X.Length > 0)

    if not curves.IsEmpty then
        save folder "comparison"
            { Title = title
              Horizontal = "epochs"
              Vertical = $"validation {metric} (logarithmic)"
              Curves = curves
              Levels = levels floor (Unchecked.defaultof<PaperFigure>) }
