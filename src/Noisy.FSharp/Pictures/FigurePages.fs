/// Figures as pages (Plotly) that can be zoomed and read off. The pages of an experiment share one copy of Plotly's script.
module internal Noisy.FSharp.FigurePages

open System
open System.IO
open System.Reflection
open Plotly.NET
open Plotly.NET.LayoutObjects
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp.Html
open Noisy.FSharp.Plots

/// Words as Plotly shows them: it takes some tags in its labels for its own, and drops others, such as <unk>.
let label (words: string) = words.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("\n", "<br>")

let private heatTrace showScale (map: HeatMap) =
    Chart.Heatmap(zData = map.Values, ColorScale = StyleParam.Colorscale.Viridis, ShowScale = showScale)
    |> GenericChart.mapTrace (
        match map.Range with
        | Some(low, high) -> Trace2DStyle.Heatmap(ZMin = low, ZMax = high)
        | None -> id
    )

let private dashes = [| StyleParam.DrawingStyle.Solid; StyleParam.DrawingStyle.Dash; StyleParam.DrawingStyle.Dot; StyleParam.DrawingStyle.LongDash |]

let private symbols =
    [| StyleParam.MarkerSymbol.Circle; StyleParam.MarkerSymbol.Square; StyleParam.MarkerSymbol.TriangleUp; StyleParam.MarkerSymbol.Diamond
       StyleParam.MarkerSymbol.TriangleDown; StyleParam.MarkerSymbol.Cross; StyleParam.MarkerSymbol.X; StyleParam.MarkerSymbol.Star |]

/// Whether the figure's curves go over updates or epochs, which its page can smooth and show logarithmically.
let private isOfCurves (figure: Figure) = figure.Panels |> List.exists (_.Horizontal >> isCount)

/// One panel's traces and axes; alone: it is the only one of its page; right: where its horizontal axis ends, if it counts.
let private chart alone right seen (panel: Panel) =
    let value = shown panel

    // Where rows are compared, all of a row's marks have its colour, and hide together.
    let grouped item chart = if areRows panel then Chart.withTraceInfo (LegendGroup = item.Colour) chart else chart

    // What was measured at every evaluation can be smoothed; levels and published curves, whose points lie anyhow, cannot.
    let isMeasured item = match item.Mark with Dashed _ | Heat _ -> false | Thin _ when areRows panel -> item.Name = "" | _ -> true

    let ofRow item chart =
        grouped item chart |> GenericChart.mapTrace (fun trace -> (if isMeasured item then trace.SetProperty("meta", "measured")); trace)

    let traces =
        [ for item in panel.Items do
              let colour = Color.fromString item.Colour
              let show = item.Name <> "" && not (Set.contains item.Name seen)

              match item.Mark with
              | Heat map -> heatTrace alone map
              | Band(x, low, high) ->
                  let around, edge = Array.append x (Array.rev x), Array.append (value high) (Array.rev (value low))
                  let opacity = if areRows panel then 0.3 else 0.5

                  Chart.Line(x = around, y = edge, Name = label item.Name, ShowLegend = show, LineWidth = 0.0, LineColor = colour, Opacity = opacity)
                  |> GenericChart.mapTrace (Trace2DStyle.Scatter(Fill = StyleParam.Fill.ToSelf))
                  |> ofRow item
              | Numbered(number, x, y) ->
                  let marks = x.Length <= mostMarks
                  let pattern, shape = style number
                  let dash, symbol = dashes[pattern], symbols[shape]

                  Chart.Line(
                      x = x, y = value y, Name = label item.Name, ShowLegend = show, ShowMarkers = marks, MarkerColor = colour, MarkerSymbol = symbol,
                      LineColor = colour, LineDash = dash, LineWidth = 2.5
                  )
                  |> ofRow item
              | Dots(x, y) -> Chart.Point(x = x, y = value y, Name = label item.Name, ShowLegend = show, MarkerColor = colour, Opacity = 0.5)
              | mark ->
                  let x, y = coordinates mark
                  let dash = match mark with | Dashed _ -> StyleParam.DrawingStyle.Dash | _ -> StyleParam.DrawingStyle.Solid
                  let width = match mark with | Line _ | Marked _ -> 2.5 | _ -> 1.3

                  Chart.Line(
                      x = x, y = value y.Head, Name = label item.Name, ShowLegend = show, ShowMarkers = mark.IsMarked, MarkerColor = colour,
                      LineColor = colour, LineDash = dash, LineWidth = width
                  )
                  |> ofRow item ]

    let heat = panel.Items |> List.tryPick (fun item -> match item.Mark with Heat map -> Some map | _ -> None)
    let named places = Array.map fst places, Array.map (snd >> label) places

    let vertical =
        match panel.Scale, heat with
        | _, Some map ->
            let at, names = named (places map.Values.Length map.Rows)
            LinearAxis.init (Title = Title.init (label panel.Vertical), TickMode = StyleParam.TickMode.Array, TickVals = at, TickText = names, AutoRange = StyleParam.AutoRange.Reversed)
        | Logarithmic, _ ->
            let low, high = bounds panel
            let ticks = logTicks low high

            LinearAxis.init (
                Title = Title.init (label panel.Vertical), AxisType = StyleParam.AxisType.Log, TickMode = StyleParam.TickMode.Array,
                TickVals = ticks, TickText = List.map number ticks, Range = StyleParam.Range.MinMax(log10 low, log10 high)
            )
        | _ when Option.isSome right ->
            LinearAxis.init (Title = Title.init (label panel.Vertical), Range = StyleParam.Range.ofMinMax (linearRange panel))
        | _ -> LinearAxis.init (Title = Title.init (label panel.Vertical))

    let horizontal =
        match heat, right with
        | None, Some right ->
            let ticks = countTicks right

            LinearAxis.init (
                Title = Title.init (label panel.Horizontal), TickMode = StyleParam.TickMode.Array, TickVals = ticks,
                TickText = Array.map number ticks, Range = StyleParam.Range.MinMax(0.0, 1.02 * right)
            )
        | Some map, _ ->
            let at, names = named (places map.Values[0].Length map.Columns)
            LinearAxis.init (Title = Title.init (label panel.Horizontal), TickMode = StyleParam.TickMode.Array, TickVals = at, TickText = names)
        | None, None -> LinearAxis.init (Title = Title.init (label panel.Horizontal))

    Chart.combine traces |> Chart.withYAxis vertical |> Chart.withXAxis horizontal

let private draw (figure: Figure) =
    let rows = (figure.Panels.Length + figure.Columns - 1) / figure.Columns
    let names (panel: Panel) = panel.Items |> List.map _.Name |> Set.ofList
    let seen = figure.Panels |> List.scan (fun seen panel -> Set.union seen (names panel)) Set.empty
    let alone = figure.Panels.Length = 1
    let charts = List.map2 (fun seen panel -> chart alone (right figure panel) seen panel) (List.take figure.Panels.Length seen) figure.Panels

    let whole =
        match charts with
        | [ one ] -> one
        | many ->
            // The gap, a part of a panel's height, holds the ticks and the title below one panel and the title above the next.
            Chart.Grid(rows, figure.Columns, SubPlotTitles = (figure.Panels |> List.map (_.Title >> label)), YGap = 0.3) many

    whole
    |> Chart.withTemplate ChartTemplates.lightMirrored
    |> Chart.withLayoutStyle (Font = Font.init (Family = StyleParam.FontFamily.Custom "sans-serif"))
    |> Chart.withTitle (label (match figure.Panels with [ one ] -> one.Title | _ -> figure.Title))
    |> Chart.withSize (1100, (if rows = 1 then 560 else 340 * rows + 120))

/// Plotly's script: its name, with the version, and its text.
let private script =
    lazy
        (let assembly = typeof<GenericChart>.Assembly
         let resource = assembly.GetManifestResourceNames() |> Array.find _.EndsWith(".min.js")
         use stream = assembly.GetManifestResourceStream resource
         use copy = new MemoryStream()
         stream.CopyTo copy
         resource[resource.IndexOf "plotly-" ..], copy.ToArray())

/// Puts the script into a folder unless it is there.
let private provideScript folder =
    let name, bytes = script.Force()
    let file = FileInfo(Path.Combine(folder, name))
    if not (file.Exists && file.Length = bytes.LongLength) then AtomicFile.Write(file.FullName, (fun stream -> stream.Write(ReadOnlySpan bytes)))
    name

/// Buttons over a figure of curves: logarithmic or linear, and means over neighbouring points. A band is one line forth and one back.
let private tools =
    """<script>
function noisyTools(id, figure) {
  const raw = figure.data.map(t => t.y);
  const bar = document.createElement("p"), scale = document.createElement("button");
  const slider = document.createElement("input"), said = document.createElement("span");
  const axes = Object.keys(figure.layout).filter(key => key.startsWith("yaxis"));
  const first = JSON.parse(JSON.stringify(axes.map(key => figure.layout[key])));
  let turned = false;
  scale.textContent = "logarithmic or linear";
  scale.onclick = () => {
    turned = !turned;
    const change = {};
    axes.forEach((key, i) => {
      const own = first[i].type === "log", title = first[i].title && first[i].title.text || "", plain = title.replace(", logarithmic", "");
      change[key + ".title.text"] = own !== turned ? plain + ", logarithmic" : plain;
      if (turned) {
        change[key + ".type"] = own ? "linear" : "log";
        change[key + ".autorange"] = true;
        change[key + ".tickmode"] = "auto";
      } else {
        change[key + ".type"] = own ? "log" : "linear";
        if (first[i].range) change[key + ".range"] = first[i].range.slice(); else change[key + ".autorange"] = true;
        change[key + ".tickmode"] = first[i].tickmode || "auto";
      }
    });
    Plotly.relayout(id, change);
  };
  slider.type = "range"; slider.min = 0; slider.max = 10; slider.value = 0;
  const mean = (y, k) => y.map((_, i) => {
    const near = y.slice(Math.max(0, i - k), i + k + 1);
    return near.reduce((a, b) => a + b, 0) / near.length;
  });
  const smooth = (trace, y, k) => trace.fill === "toself"
    ? mean(y.slice(0, y.length / 2), k).concat(mean(y.slice(y.length / 2), k))
    : mean(y, k);
  const tell = () => { said.textContent = slider.value === "0" ? "as measured" : "mean over " + (2 * slider.value + 1) + " points"; };
  slider.oninput = () => {
    tell();
    const lines = figure.data.map((t, i) => i).filter(i => raw[i] && figure.data[i].meta === "measured");
    Plotly.restyle(id, { y: lines.map(i => smooth(figure.data[i], raw[i], +slider.value)) }, lines);
  };
  tell();
  bar.append(scale, " smoothing ", slider, " ", said, ". A click on a name in the legend hides its row, a double click all others.");
  const place = document.getElementById(id);
  place.parentNode.insertBefore(bar, place);
}
</script>"""

/// A figure in a page; id: its own within it.
let private part (id: string) (figure: Figure) =
    // Within <script> nothing but '<' could end it or begin something else, and in JSON a '<' is always part of a string.
    let json = (draw figure |> GenericChart.toJson).Replace("<", "\\u003c")

    let call = if isOfCurves figure then $" noisyTools(\"{id}\", figure);" else ""

    markup $"""<div id="{id}"></div>
<script>if (window.Plotly) {{ const figure = {json}; Plotly.newPlot("{id}", figure.data, figure.layout, figure.config);{call} }}</script>"""

/// Writes figures one below another as a page that needs no network, and beside it or above it the script that draws them.
///
/// scripts: the folder of the script, which the page names relative to itself.
let save (scripts: string) (path: string) (figures: Figure list) =
    let name = provideScript scripts
    let address = Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath path), Path.Combine(scripts, name)).Replace('\\', '/')
    let tools = if List.exists isOfCurves figures then "\n" + tools else ""
    let head = markup $"<script src=\"{text address}\"></script>{tools}"
    let missing = text $"The figures of this page are drawn by {address}, which is not there: copy it along with the page, or see the PNG of the same name."
    let warning = markup $"<p id=\"missing\">{missing}</p><script>if (window.Plotly) document.getElementById(\"missing\").remove()</script>"
    let parts = figures |> List.mapi (fun i figure -> part $"figure{i}" figure)
    Html.document figures.Head.Title "body { font: 15px sans-serif }" head (concat "\n" (warning :: parts)) |> Html.save path
