namespace Noisy.FSharp

open System
open System.Diagnostics
open System.IO
open Noisy.Core
open Noisy.Experiments
open Noisy.FSharp.Plots

/// A picture that is yet to be saved or shown.
type Chart = internal { Figure: Figure; Size: int * int }

/// Pictures in one call, without a network: Chart.spec mine.Tanh |> Chart.show.
[<RequireQualifiedAccess>]
module Chart =
    let private draws (count: int) =
        let raw = Array.zeroCreate<float32> count
        NoiseSampler.Normal(NoiseKey.FromSeed(1L).Child("chart").At(0L, 0), 0L, Span raw)
        Array.map float raw

    /// A sentence of parts on as many lines as a panel's width asks for.
    let private wrapped (text: string) =
        let add (lines: string list) (part: string) =
            match lines with
            | last :: rest when last.Length + part.Length + 2 <= 50 -> $"{last}, {part}" :: rest
            | _ -> part :: lines

        let lines = text.Split ", " |> List.ofArray |> List.fold add [] |> List.rev
        String.Join(",\n", lines)

    let private panels title (spec: Spec) =
        spec.Validate() |> ignore
        let unit = spec.Unit
        let finite value other = if Double.IsFinite value then value else other
        let low = finite unit.LowerThreshold (min -3.0 (unit.UpperThreshold - 3.0))
        let high = finite unit.UpperThreshold (max 3.0 (unit.LowerThreshold + 3.0))
        let range = 1.5 * (high - low) + 0.5
        let middle = 0.5 * (low + high)
        let x = Array.init 601 (fun i -> middle + range * (float i / 300.0 - 1.0))
        let p = if spec.P.HasValue then spec.P.Value else 1.0
        let moments = x |> Array.map (fun v -> NoisyMoments.Evaluate(spec, v, p, spec.C))
        let samples = Array.map2 (fun v xi -> NoisyFunction.Value(spec, v, xi, p, spec.C)) x (draws x.Length)
        let edge sign = moments |> Array.map (fun m -> m.Mean + sign * sqrt m.Variance)
        let panel vertical items = { Title = title; Horizontal = "pre-activation x"; Vertical = vertical; Scale = Linear; Legend = Some ScottPlot.Alignment.UpperLeft; Items = items }

        [ panel (if spec.UsesP then $"φ(x, ξ), p = {number p}" else "φ(x, ξ)") [
              if spec.Noise <> NoiseKind.None then
                  { Name = "mean ± sd"; Colour = palette[5]; Mark = Band(x, edge -1.0, edge 1.0) }
                  { Name = "draws"; Colour = palette[0]; Mark = Dots(x, samples) }
              { Name = "mean"; Colour = palette[1]; Mark = Line(x, moments |> Array.map _.Mean) }
              { Name = "hard"; Colour = "#444444"; Mark = Dashed(x, x |> Array.map (fun v -> HardFunctions.Hard(unit, v))) }
          ]
          panel "E[∂φ/∂x]" [
              { Name = "expected gradient"; Colour = palette[1]; Mark = Line(x, moments |> Array.map _.MeanDx) }
              { Name = "of the hard function"; Colour = "#444444"; Mark = Dashed(x, x |> Array.map (fun v -> HardFunctions.HardSlope(unit, v))) }
          ] ]

    let private chart title columns panels = { Figure = { Title = title; Columns = columns; Panels = panels }; Size = 620, 460 }

    /// A spec over its pre-activation: mean, deviation and draws on the left, the expected gradient on the right; with the spec's own noise
    /// scale, and with its initial gap gain or 1.
    let spec (spec: Spec) = chart (string spec) 2 (panels (wrapped (string spec)) spec)

    /// Both activations of a variant.
    let variant (variant: Variant) =
        chart variant.Name 2 (panels $"{variant.Name}: tanh" variant.Tanh @ panels $"{variant.Name}: sigmoid" variant.Sigmoid)

    /// Schedules over a number of updates, ≥ 1.
    let schedules (updates: int64) (schedules: Noisy.Core.Schedule list) =
        if updates < 1L then raise (Noisy.Models.UsageException $"a chart over {updates} updates: must be at least 1")
        let step = max 1L (updates / 1000L)
        let x = [| 0L .. step .. updates - 1L |]

        chart "noise scale" 1 [
            { Title = "noise scale"; Horizontal = "update"; Vertical = "c"; Scale = Linear; Legend = Some ScottPlot.Alignment.UpperRight
              Items =
                [ for i, schedule in List.indexed schedules ->
                      { Name = string schedule; Colour = palette[i % palette.Length]; Mark = Line(Array.map float x, x |> Array.map schedule.At) } ] }
        ]

    /// A schedule over a number of updates, ≥ 1.
    let schedule (updates: int64) (schedule: Noisy.Core.Schedule) = schedules updates [ schedule ]

    /// Writes a picture (.png) or a page that can be zoomed (.html, with Plotly's script beside it); returns the file.
    let save (path: string) (chart: Chart) =
        let full = Path.GetFullPath path
        Directory.CreateDirectory(Path.GetDirectoryName full) |> ignore

        match (Path.GetExtension full).ToLowerInvariant() with
        | ".png" -> Plots.savePng full chart.Size chart.Figure
        | ".html" -> FigurePages.save (Path.GetDirectoryName full) full [ chart.Figure ]
        | other -> raise (Noisy.Models.UsageException $"a chart cannot be saved as '{other}': take .png or .html")

        full

    /// Saves the chart as a page among the temporary files, prints its name, and opens it in the browser where there is a screen.
    let show (chart: Chart) =
        let path = save (Path.Combine(Path.GetTempPath(), "noisy-charts", $"chart-{Guid.NewGuid():N}.html")) chart
        printfn "%s" path

        try
            if Noisy.Models.Terminal.HasScreen then Process.Start(ProcessStartInfo(path, UseShellExecute = true)) |> ignore
        with _ ->
            ()
