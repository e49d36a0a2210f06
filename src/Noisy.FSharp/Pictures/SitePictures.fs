/// What saturation and noise did at each nonlinearity over a run that was monitored.
module internal Noisy.FSharp.SitePictures

open System
open Noisy.Core
open Noisy.Experiments
open Noisy.FSharp.Plots

/// Quantities over the monitored updates; those without a value at any are left out.
let private items (points: (float * SiteStatistics)[]) (quantities: (string * (SiteStatistics -> float Nullable)) list) =
    [ for i, (name, value) in List.indexed quantities do
          match points |> Array.filter (fun (_, site) -> (value site).HasValue) with
          | [||] -> ()
          | found -> { Name = name; Colour = palette[i]; Mark = Marked(Array.map fst found, found |> Array.map (fun (_, site) -> (value site).Value)) } ]

let private shares: (string * (SiteStatistics -> float Nullable)) list =
    [ "saturated", fun s -> Nullable s.Saturated
      "of these, carried back by leak and draw", _.Returned
      "of the gradient's norm, through saturated units",
      fun s -> if s.Gradient.HasValue && s.Gradient.Value > 0.0 then Nullable(s.SaturatedGradient.Value / s.Gradient.Value) else Nullable()
      "outputs exactly at a bound at test time", _.AtBound ]

let private sizes: (string * (SiteStatistics -> float Nullable)) list =
    [ "mean σ", _.Sigma
      "mean |p|", _.Gain
      "noise to signal, σ_noise / σ_signal", fun s -> if s.SignalToNoise.HasValue && s.SignalToNoise.Value > 0.0 then Nullable(1.0 / s.SignalToNoise.Value) else Nullable() ]

/// Draws sites.html and sites.png in a run's folder from its log, a row of panels a nonlinearity; nothing for a run that was not monitored.
///
/// name: the run's row.
let ofRun folder (view: Pictures.View) name (config: RunConfig) =
    let monitored = [| for event in Pictures.log folder do if not (isNull event.Sites) then float (event.Update - 1L) / view.Unit, event.Sites |]

    if monitored.Length > 0 then
        let panel site title unit scale quantities =
            let points = [| for at, sites in monitored do match sites.TryGetValue site with | true, found -> at, found | _ -> () |]

            { Title = $"{site}: {title}"; Horizontal = view.Horizontal; Vertical = unit; Scale = scale; Legend = None; Items = items points quantities }

        // A function without noise has nothing to show in the second column.
        let noisy = monitored |> Array.exists (fun (_, sites) -> sites.Values |> Seq.exists _.Sigma.HasValue)

        let panels =
            [ for site in (snd (Array.last monitored)).Keys do
                  panel site "shares" "%" Percent shares
                  if noisy then panel site "noise" "" Linear sizes ]

        let figure = { Title = $"{config.Experiment}, {config.Preset}: {name}, seed {config.Seed}: saturation and noise by nonlinearity"; Columns = (if noisy then 2 else 1); Panels = panels }
        Pages.saveFigure folder "sites" (760, 340) figure
