/// The paper's figures of the activations, from the reference functions of the core.
module internal Noisy.Scripts.Figures

open Noisy.FSharp
open System
open System.IO
open Noisy.Core
open Noisy.FSharp.Plots

let private grid low high count = Array.init count (fun i -> low + (high - low) * float i / float (count - 1))

/// The two functions, with the range of x that shows their saturation.
let private sides = [ "tanh", (fun (v: ActivationPair) -> v.Tanh), 4.0; "sigmoid", (fun (v: ActivationPair) -> v.Sigmoid), 8.0 ]

let private p = 1.0
let private line colour name x (f: float -> float) = { Name = name; Colour = colour; Mark = Line(x, Array.map f x) }
let private dashed colour name x (f: float -> float) = { Name = name; Colour = colour; Mark = Dashed(x, Array.map f x) }

/// Reproducible draws of ξ, the same on every machine.
let private draws (name: string) count =
    let raw = Array.zeroCreate<float32> count
    NoiseSampler.Normal(NoiseKey.FromSeed(1L).Child(name).At(0L, 0), 0L, Span raw)
    Array.map float raw

/// The functions: soft, hard and linearisation.
let functions =
    { Title = "The functions: smooth original, linearisation u and hard version h"
      Columns = 2
      Panels =
        [ for name, side, range in sides do
              let unit = (side Variants.Hard).Unit
              let x = grid -range range 401
              let inside = x |> Array.filter (fun v -> abs v <= range * 0.45)

              { Title = if name = "tanh" then "tanh: h(x) = clip(x, -1, 1)" else "sigmoid: h(x) = clip(x/4 + 1/2, 0, 1)"
                Horizontal = "pre-activation x"; Vertical = "value"; Scale = Linear; Legend = Some ScottPlot.Alignment.UpperLeft
                Items =
                  [ line palette[0] name x (fun v -> HardFunctions.Soft(unit.Soft, v))
                    dashed palette[2] "u" inside (fun v -> HardFunctions.Linear(unit, v))
                    line palette[1] $"hard-{name} h" x (fun v -> HardFunctions.Hard(unit, v)) ] } ] }

/// The paper's Figure 4: what the leak α does to one-sided noise.
let alphas =
    let x = grid -4.0 4.0 801
    let xi = draws "figure of alpha" x.Length

    { Title = "Half-normal noise at the output of hard-tanh, c = 0.5, p = 1, for four leaks α"
      Columns = 2
      Panels =
        [ for i, alpha in List.indexed [ 0.9; 1.0; 1.1; 1.2 ] do
              let spec = Variants.Nah.Tanh.WithAlpha(alpha).WithC 0.5
              let colour = palette[i]

              { Title = $"α = %.1f{alpha}"
                Horizontal = "pre-activation x"; Vertical = "φ(x, ξ)"; Scale = Linear; Legend = Some ScottPlot.Alignment.UpperLeft
                Items =
                  [ { Name = "draws"; Colour = colour; Mark = Dots(x, Array.map2 (fun v n -> NoisyFunction.Value(spec, v, n, p, 0.5)) x xi) }
                    line "#222222" "mean" x (fun v -> NoisyMoments.Mean(spec, v, p, 0.5))
                    dashed "#7F7F7F" "hard-tanh" x (fun v -> HardFunctions.Hard(spec.Unit, v)) ] } ] }

let private noisy = Variants.All |> Seq.filter _.IsNoisy |> List.ofSeq

/// A noise scale at which the noise can be seen: the defaults of the sigmoid and of nanil are too small for a picture.
let private visible name (spec: NoisyActivationSpec) =
    match spec.Placement, spec.Scaling with
    | NoisePlacement.Output, _ -> if name = "tanh" then 0.5 else 1.0
    | _, NoiseScaling.Gap -> if name = "tanh" then 10.0 else 60.0
    | _ -> if name = "tanh" then 0.25 else 0.75

/// Mean and deviation of each noisy variant.
let bands =
    [ for name, side, range in sides do
          let x = grid -range range 401

          { Title = $"Mean ± standard deviation of the noisy variants of {name}, p = 1"
            Columns = 3
            Panels =
              [ for i, variant in List.indexed noisy do
                    let spec = side variant
                    let c = visible name spec
                    let at = x |> Array.map (fun v -> NoisyMoments.Evaluate(spec, v, p, c))
                    let edge sign = at |> Array.map (fun m -> m.Mean + sign * sqrt m.Variance)
                    let leak = if spec.Placement = NoisePlacement.Output then $"α = {number spec.Alpha}, " else ""

                    { Title = $"{variant.Name}, {name}: {leak}c = {number c}"
                      Horizontal = "pre-activation x"; Vertical = "φ"; Scale = Linear; Legend = Some ScottPlot.Alignment.UpperLeft
                      Items =
                        [ { Name = "mean ± sd"; Colour = palette[i]; Mark = Band(x, edge -1.0, edge 1.0) }
                          { Name = "mean"; Colour = palette[i]; Mark = Line(x, at |> Array.map _.Mean) }
                          dashed "#444444" $"hard-{name}" x (fun v -> HardFunctions.Hard(spec.Unit, v)) ] } ] } ]

/// The gradient that a unit passes on, on average over its noise.
let gradients =
    let groups =
        [ "noise at the output", (fun (spec: NoisyActivationSpec) -> spec.Placement = NoisePlacement.Output)
          "noise at the input", (fun spec -> spec.Placement <> NoisePlacement.Output) ]

    { Title = "Expected gradient E[∂φ/∂x], p = 1"
      Columns = 2
      Panels =
        [ for place, belongs in groups do
              for name, side, range in sides do
                  let x = grid -range range 802
                  let mean spec c v = NoisyMoments.Evaluate(spec, v, p, c).MeanDx

                  { Title = $"{name}, {place}"
                    Horizontal = "pre-activation x"; Vertical = "E[∂φ/∂x]"; Scale = Linear; Legend = Some ScottPlot.Alignment.UpperLeft
                    Items =
                      [ dashed "#7F7F7F" "soft" x (mean (side Variants.Soft) 0.0)
                        for i, variant in List.indexed noisy do
                            let spec = side variant

                            if belongs spec then
                                let c = visible name spec
                                line palette[i] $"{variant.Name}, c = {number c}" x (mean spec c)
                        dashed "#222222" "hard" x (mean (side Variants.Hard) 0.0) ] } ] }

/// The noise deviation of Eq. 9.
let deviations =
    { Title = "Noise deviation σ(x) = c (sigmoid(p Δ(x)) - 1/2)², c = 0.5"
      Columns = 2
      Panels =
        [ for name, side, range in sides do
              let spec = side Variants.Nan
              let x = grid -range range 401

              { Title = $"{name}, c = 0.5"
                Horizontal = "pre-activation x"; Vertical = "σ(x)"; Scale = Linear; Legend = Some ScottPlot.Alignment.UpperCenter
                Items =
                  [ for i, gain in List.indexed [ 0.25; 0.5; 1.0; 2.0; 4.0 ] do
                        line palette[i] $"p = {number gain}" x (fun v -> NoisyFunction.Evaluate(spec, v, 0.0, gain, 0.5).Sigma) ] } ] }

/// Draws everything in a folder: a PNG a figure and one page with all of them. Returns the files.
let save (folder: string) =
    Directory.CreateDirectory folder |> ignore
    let file name = Path.Combine(folder, name)

    let named =
        [ "functions.png", functions
          "alpha.png", alphas
          "noise-tanh.png", bands[0]
          "noise-sigmoid.png", bands[1]
          "gradient.png", gradients
          "deviation.png", deviations ]

    for name, figure in named do
        Plots.savePng (file name) ((if figure.Columns = 3 then 480 else 620), 420) figure

    FigurePages.save folder (file "activations.html") (List.map snd named)
    [ for name, _ in named -> file name ] @ [ file "activations.html" ]
