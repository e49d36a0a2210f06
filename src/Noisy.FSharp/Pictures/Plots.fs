/// Figures of one or more panels, from one description: as PNG (ScottPlot) here, as pages (Plotly) in FigurePages.fs.
module internal Noisy.FSharp.Plots

open System
open System.Globalization
open Noisy.Models
open Noisy.Experiments

/// A matrix in colours from dark (low) to light (high), its first row on top.
type HeatMap =
    { /// What the columns and rows are called along the axes; empty for their numbers from 0.
      Columns: string[]
      Rows: string[]
      /// Row by row; all of one length.
      Values: float[][]
      /// The values of the darkest and the lightest colour; None takes the smallest and the largest value.
      Range: (float * float) option }

/// How something is drawn.
type Mark =
    | Line of x: float[] * y: float[]
    /// A line with a mark at each point.
    | Marked of x: float[] * y: float[]
    | Thin of x: float[] * y: float[]
    | Dashed of x: float[] * y: float[]
    /// The line of a row among others: its number, from 0, gives it a pattern and marks of its own, which print in grey shows too.
    | Numbered of number: int * x: float[] * y: float[]
    | Dots of x: float[] * y: float[]
    | Band of x: float[] * low: float[] * high: float[]
    /// Alone in its panel; its colour is not used.
    | Heat of HeatMap

/// A mark with its entry in the legend ("" for none) and its colour (#RRGGBB).
type Item = { Name: string; Colour: string; Mark: Mark }

/// What a vertical axis does to its values.
type Scale =
    | Linear
    /// Only positive values can be drawn; others lie at the lower edge.
    | Logarithmic
    /// Fractions, shown as hundredths.
    | Percent

/// One system of axes.
type Panel =
    { Title: string
      Horizontal: string
      Vertical: string
      Scale: Scale
      /// Where the legend of the PNG lies; below the axes if nowhere within them.
      Legend: ScottPlot.Alignment option
      Items: Item list }

/// Panels in rows.
type Figure = { Title: string; Columns: int; Panels: Panel list }

/// Colours that differ for most colour-blind readers too: seven of Okabe and Ito's, brown, and four that are no blues and lie far from these and
/// from one another, also as readers without red or green cones see them (at least 15 in CIELAB).
let palette =
    [| "#0072B2"; "#D55E00"; "#009E73"; "#CC79A7"; "#E69F00"; "#56B4E9"; "#000000"; "#8C6D31"; "#770066"; "#BBCC77"; "#114422"; "#CC33FF" |]

/// The colour of a row among others, by its number from 0: those of the palette, then lighter and lighter ones.
let colour number =
    let base' = SkiaSharp.SKColor.Parse palette[number % palette.Length]
    let part (channel: byte) = byte (255.0 - (255.0 - float channel) * Math.Pow(0.65, float (number / palette.Length)))
    $"#%02X{part base'.Red}%02X{part base'.Green}%02X{part base'.Blue}"

/// How many patterns of lines and shapes of marks there are.
let internal patternCount, shapeCount = 4, 8

/// The pattern and the shape of a row among others, by its number from 0: no two of 32 have the same pair.
let style number = (number + number / shapeCount) % patternCount, number % shapeCount

/// A number for people.
let number (value: float) = value.ToString("#,0.###", CultureInfo.InvariantCulture)

/// Round values between two bounds for a logarithmic axis: 1, 2, 5 and their powers of ten, and more of them where the
/// axis is short.
let logTicks (low: float) (high: float) =
    let choose steps =
        [ for power in int (floor (log10 low)) .. int (ceil (log10 high)) do
              for step in steps do
                  let value = step * Math.Pow(10.0, float power)
                  if value >= low && value <= high then value ]

    let even =
        lazy
            (let step = Math.Pow(10.0, floor (log10 (high - low)))
             let step = if (high - low) / step < 3.0 then step / 5.0 else step
             [ for i in ceil (low / step) .. floor (high / step) -> i * step ])

    [ lazy (choose [ 1.0; 2.0; 5.0 ]); lazy (choose [ 1.0; 1.2; 1.5; 2.0; 2.5; 3.0; 4.0; 5.0; 6.0; 7.0; 8.0; 9.0 ]); even ]
    |> List.map _.Force()
    |> List.tryFind (fun ticks -> ticks.Length >= 4)
    |> Option.defaultWith even.Force

/// A mark's places and one or two values at each.
let internal coordinates mark =
    match mark with
    | Line(x, y) | Marked(x, y) | Thin(x, y) | Dashed(x, y) | Dots(x, y) | Numbered(_, x, y) -> x, [ y ]
    | Band(x, low, high) -> x, [ low; high ]
    | Heat _ -> [||], []

/// Whether a panel compares rows.
let internal areRows (panel: Panel) = panel.Items |> List.exists _.Mark.IsNumbered

/// The values that a panel's axis must show. Where rows are compared their bands do not count: the interval of three seeds can be wider than all
/// the rest, and may go beyond the edge.
let private measured (panel: Panel) =
    let items = if areRows panel then panel.Items |> List.filter (_.Mark.IsBand >> not) else panel.Items
    [ for item in items do for y in snd (coordinates item.Mark) do for v in y do if Double.IsFinite v then v ]

/// The positive values of a logarithmic panel and a little room around them.
let internal bounds (panel: Panel) =
    match measured panel |> List.filter (fun v -> v > 0.0) with
    | [] -> 1.0, 10.0
    | values -> List.min values / 1.06, List.max values * 1.06

/// Whether a horizontal axis counts from 0.
let internal isCount horizontal = horizontal = "epochs" || horizontal = "updates"

/// Where a panel's horizontal axis ends if it counts: panels of a figure that count the same thing end together.
let internal right (figure: Figure) (panel: Panel) =
    let alike = figure.Panels |> List.filter (fun other -> other.Horizontal = panel.Horizontal)
    let ends = [ for other in alike do for item in other.Items do yield! fst (coordinates item.Mark) ]
    if isCount panel.Horizontal && not ends.IsEmpty && List.max ends > 0.0 then Some(List.max ends) else None

/// Ticks of an axis that counts from 0: whole numbers, unless it ends before 1.
let internal countTicks (right: float) =
    let steps = [ for power in -2.0 .. 12.0 do for first in [ 1.0; 2.0; 5.0 ] -> first * Math.Pow(10.0, power) ]
    let step = steps |> List.find (fun step -> right / step <= 13.0 && (step >= 1.0 || right < 1.0))
    [| for i in 0 .. int (right / step + 1e-9) -> float i * step |]

/// The vertical range of a panel whose horizontal axis counts, in what is shown; a quantity that cannot be negative has no negative ticks.
let internal linearRange (panel: Panel) =
    let factor = if panel.Scale = Percent then 100.0 else 1.0

    match measured panel with
    | [] -> 0.0, 1.0
    | values ->
        let low, high = factor * List.min values, factor * List.max values
        let room = if high > low then 0.05 * (high - low) else max 0.1 (0.1 * abs high)
        (if low >= 0.0 then max 0.0 (low - room) else low - room), high + room

/// What is drawn for a panel's values, before a logarithm is taken.
let internal shown (panel: Panel) =
    match panel.Scale with
    | Linear -> id
    | Percent -> Array.map (fun v -> 100.0 * v)
    | Logarithmic ->
        let low = fst (bounds panel)
        Array.map (fun v -> if v < low then low else v)

/// Up to some twenty of an axis' places with their names.
let internal places count (names: string[]) =
    let every = max 1 ((count + 19) / 20)
    [| for i in 0..every .. count - 1 -> float i, (if names.Length = 0 then string i else names[i]) |]

let private drawHeat (map: HeatMap) (plot: ScottPlot.Plot) =
    let rows, columns = map.Values.Length, map.Values[0].Length
    let heat = plot.Add.Heatmap(Array2D.init rows columns (fun r c -> map.Values[r][c]))
    heat.Colormap <- ScottPlot.Colormaps.Viridis()
    heat.Rectangle <- ScottPlot.CoordinateRect(-0.5, float columns - 0.5, -0.5, float rows - 0.5)
    map.Range |> Option.iter (fun (low, high) -> heat.ManualRange <- ScottPlot.Range(low, high))
    plot.Add.ColorBar heat |> ignore
    let ticks values = values |> Array.unzip |> ScottPlot.TickGenerators.NumericManual
    plot.Axes.Bottom.TickGenerator <- ticks (places columns map.Columns)
    plot.Axes.Left.TickGenerator <- ticks (places rows map.Rows |> Array.map (fun (at, name) -> float (rows - 1) - at, name))
    plot.Axes.Margins(0.0, 0.0)

/// A font that pictures have everywhere, so that they are alike: the first of these that is installed, else the system's own.
let font =
    lazy
        (let installed = set SkiaSharp.SKFontManager.Default.FontFamilies
         [ "DejaVu Sans"; "Liberation Sans"; "Arial"; "Helvetica" ] |> List.tryFind installed.Contains)

let private patterns =
    [| ScottPlot.LinePattern.Solid; ScottPlot.LinePattern.Dashed; ScottPlot.LinePattern.Dotted; ScottPlot.LinePattern.DenselyDashed |]

let private shapes =
    [| ScottPlot.MarkerShape.FilledCircle; ScottPlot.MarkerShape.FilledSquare; ScottPlot.MarkerShape.FilledTriangleUp
       ScottPlot.MarkerShape.FilledDiamond; ScottPlot.MarkerShape.FilledTriangleDown; ScottPlot.MarkerShape.Cross; ScottPlot.MarkerShape.Eks; ScottPlot.MarkerShape.Asterisk |]

/// Points of a line at most that each get a mark.
let internal mostMarks = 45

let private draw right (panel: Panel) (plot: ScottPlot.Plot) =
    let value = if panel.Scale = Logarithmic then shown panel >> Array.map log10 else shown panel
    let mutable named = false

    for item in panel.Items do
        let colour = ScottPlot.Color.FromHex item.Colour
        let legend = if item.Name = "" then null else item.Name
        named <- named || item.Name <> ""

        match item.Mark with
        | Heat map -> drawHeat map plot
        | Band(x, low, high) ->
            let band = plot.Add.FillY(x, value low, value high)
            band.FillColor <- colour.WithAlpha(if areRows panel then 0.12 else 0.25) // the bands of many rows overlap
            band.LineWidth <- 0f
            band.LegendText <- legend
        | mark ->
            let x, y = coordinates mark
            let line = plot.Add.Scatter(x, value y.Head)
            line.Color <- colour
            line.LegendText <- legend
            line.MarkerSize <- match mark with | Marked _ -> 7f | Dots _ -> 3.5f | _ -> 0f
            line.LineWidth <- match mark with | Line _ | Marked _ -> 2.5f | Dots _ -> 0f | Thin _ when areRows panel -> 1f | _ -> 1.5f
            line.LinePattern <- match mark with | Dashed _ -> ScottPlot.LinePattern.Dashed | _ -> ScottPlot.LinePattern.Solid

            match mark with
            | Numbered(number, x, _) ->
                line.LineWidth <- 2.5f
                let pattern, shape = style number
                line.LinePattern <- patterns[pattern]
                line.MarkerShape <- shapes[shape]
                line.MarkerSize <- if x.Length <= mostMarks then 7f else 0f
            | _ -> ()

    if panel.Scale = Logarithmic then
        let low, high = bounds panel
        let ticks = Array.ofList (logTicks low high)
        plot.Axes.Left.TickGenerator <- ScottPlot.TickGenerators.NumericManual(Array.map log10 ticks, Array.map number ticks)
        plot.Axes.SetLimitsY(log10 low, log10 high)

    match right with
    | Some right ->
        let ticks = countTicks right
        plot.Axes.Bottom.TickGenerator <- ScottPlot.TickGenerators.NumericManual(ticks, Array.map number ticks)
        plot.Axes.SetLimitsX(0.0, 1.02 * right)

        if panel.Scale <> Logarithmic then
            let low, high = linearRange panel
            plot.Axes.SetLimitsY(low, high)
    | None -> ()

    plot.Title panel.Title
    plot.XLabel panel.Horizontal
    plot.YLabel panel.Vertical
    plot.Axes.Bottom.Label.Bold <- false
    plot.Axes.Left.Label.Bold <- false

    if named then
        match panel.Legend with
        | Some corner -> plot.ShowLegend corner |> ignore
        | None -> plot.ShowLegend(ScottPlot.Edge.Bottom).Legend.Orientation <- ScottPlot.Orientation.Horizontal

    font.Value |> Option.iter (fun name -> plot.Font.Set name |> ignore)

/// Writes a figure as PNG, each panel of the given size: all of it or, if the disk is full, nothing.
let savePng (path: string) (width: int, height: int) (figure: Figure) =
    let rows = (figure.Panels.Length + figure.Columns - 1) / figure.Columns
    let plots = ScottPlot.Multiplot()
    ScottPlot.IMultiplotExtensions.AddPlots(plots, figure.Panels.Length)
    figure.Panels |> List.iteri (fun i panel -> draw (right figure panel) panel (ScottPlot.IMultiplotExtensions.GetPlot(plots, i)))
    plots.Layout <- ScottPlot.MultiplotLayouts.Grid(rows, figure.Columns)
    use image = ScottPlot.IMultiplotExtensions.Render(plots, width * figure.Columns, height * rows)
    AtomicFile.Write(path, fun stream -> stream.Write(ReadOnlySpan(image.GetImageBytes ScottPlot.ImageFormat.Png)))
