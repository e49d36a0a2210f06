/// The study of noise and leak: each task's network of hard units with and without the leak, with and without the noise, and how far the effects
/// go with saturation.
module Noisy.Scripts.Study

open System
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Plots
open Noisy.Scripts.Claims
open Noisy.Scripts.Found

/// The four networks of a task, which differ in leak and noise alone.
type Task =
    { Title: string
      Experiment: string
      Preset: string
      /// What test results are told in.
      Metric: string
      Neither: Row
      Leak: Row
      Noise: Row
      Both: Row }

let private row name settings = { Name = name; Set = settings }
let private noLeak = [ "alpha", "1" ]
let private noNoise = [ "c", "0" ]
let private saturated = [ "controllerGain", "16" ]

/// Every task that the study looks at.
let tasks =
    [ { Title = "MNIST"; Experiment = "mnist"; Preset = "paper"; Metric = "nll"
        Neither = row "hard" []; Leak = row "nah-no-noise" []; Noise = noiseAlone "nan"; Both = row "nah" [] }
      { Title = "Penn Treebank, words"; Experiment = "ptb"; Preset = "paper"; Metric = "perplexity"
        Neither = row "hard" []; Leak = row "nah-no-noise" []; Noise = row "nan-frozen" []; Both = row "nah" [] }
      { Title = "Penn Treebank, characters"; Experiment = "charlm"; Preset = "small"; Metric = "bpc"
        Neither = row "hard" []; Leak = row "nah" noNoise; Noise = row "nah" noLeak; Both = row "nah" [] }
      { Title = "translation"; Experiment = "nmt"; Preset = "small"; Metric = "bleu"
        Neither = row "hard" []; Leak = row "nah-no-noise" []; Noise = row "nah" noLeak; Both = row "nah" [] }
      { Title = "unique elements"; Experiment = "unique"; Preset = "small"; Metric = "error"
        Neither = row "hard" []; Leak = row "nan-constant" noNoise; Noise = row "nan-constant" noLeak; Both = row "nan-constant" [] }
      { Title = "Turing machine, saturated"; Experiment = "ntm"; Preset = "paper"; Metric = "nll"
        Neither = row "hard" saturated; Leak = row "nan" (noNoise @ saturated); Noise = row "noisy" (noLeak @ saturated); Both = row "noisy" saturated } ]

/// What is added to a network: its name, the network without it and the network with it.
let private additions: (string * (Task -> Row) * (Task -> Row)) list =
    [ "noise, without a leak", _.Neither, _.Noise
      "noise, beside the leak", _.Leak, _.Both
      "leak, without noise", _.Neither, _.Leak
      "leak, beside the noise", _.Noise, _.Both ]

let private runs (found: Found list) task (row: Row) =
    found |> List.filter (fun f -> f.Summary.Finished && f.Summary.Experiment = task.Experiment && isOf task.Preset row.Name row.Set f)

let private tested metric (runs: Found list) =
    [ for f in runs do
          match f.Summary.Metrics.Test.TryGetValue metric with
          | true, value when Double.IsFinite value -> (f.Summary.Data.Sha256, f.Summary.Seed), value
          | _ -> () ]

/// What the addition does to the test metric, seed by seed; None without a pair.
let private effect metric without with' = Statistics.paired (tested metric with') (tested metric without)

/// The mean share of saturated units over the nonlinearities and monitored updates of runs; None if none was monitored.
let private saturation (runs: Found list) =
    match [ for f in runs do if not (isNull f.Summary.Sites) then f.Summary.Sites.Values |> Seq.averageBy _.MeanSaturated ] with
    | [] -> None
    | shares -> Some(List.average shares)

let private percent (share: float option) = match share with Some share -> Statistics.text (Statistics.interval [ 100.0 * share ]) | None -> "–"

/// The tables of the study: what the networks reach, and what each addition does.
let markdown (found: Found list) =
    let line (cells: string list) = "| " + String.Join(" | ", cells) + " |"
    let table (head: string list) (body: string list list) = [ line head; "|" + String.replicate head.Length "---|"; yield! List.map line body ]
    let name task = $"{task.Title}: {Metrics.title task.Metric}"

    let reached task =
        let cell row =
            match List.map snd (tested task.Metric (runs found task row)) with
            | [] -> "–"
            | values -> $"{Metrics.mean task.Metric values} ({values.Length})"

        [ name task; cell task.Neither; cell task.Leak; cell task.Noise; cell task.Both; percent (saturation (runs found task task.Neither)); percent (saturation (runs found task task.Leak)) ]

    let added task =
        let cell (_, without, with') =
            match effect task.Metric (runs found task (without task)) (runs found task (with' task)) with
            | Some effect -> Statistics.text (Statistics.scale (if Metrics.isShare task.Metric then 100.0 else 1.0) effect) + $" ({effect.Count})" + (if effect.ExcludesZero then " **≠ 0**" else "")
            | None -> "–"

        name task :: List.map cell additions

    String.Join(
        "\n",
        table [ "test"; "neither"; "leak"; "noise"; "both"; "saturated, neither: %"; "saturated, leak: %" ] (List.map reached tasks)
        @ [ "" ]
        @ table ("what is added" :: [ for title, _, _ in additions -> title ]) (List.map added tasks)
    )

// Intervals of two or three seeds may be wider than all the rest: they are cut here, in percent.
let private edge = 40.0

/// The picture of the study: each addition's effect on the test loss against the share of saturated units in the network without it.
let internal figure (found: Found list) : Figure =
    let panel (title, without: Task -> Row, with': Task -> Row) =
        let points number task =
            let without, with' = runs found task (without task), runs found task (with' task)

            match effect "nll" without with', saturation without with
            | Some effect, Some share ->
                let relative = Statistics.scale (100.0 / List.averageBy snd (tested "nll" without)) effect
                let cut = max -edge >> min edge
                let x = 100.0 * share
                let colour = palette[number]
                [ if relative.IsBounded then { Name = ""; Colour = colour; Mark = Line([| x; x |], [| cut relative.Low; cut relative.High |]) }
                  { Name = $"{task.Title} ({effect.Count})"; Colour = colour; Mark = Marked([| x |], [| cut relative.Mean |]) } ]
            | _ -> []

        { Title = title; Horizontal = "saturated units in the network without it, %"; Vertical = "change of the test loss, %"; Scale = Linear; Legend = None
          Items =
            [ { Name = ""; Colour = "#808080"; Mark = Thin([| 0.0; 0.0 |], [| -edge; edge |]) }
              { Name = ""; Colour = "#808080"; Mark = Thin([| 0.0; 100.0 |], [| 0.0; 0.0 |]) }
              yield! tasks |> List.mapi points |> List.concat ] }

    { Title = "What noise and leak do to the test loss, and where units saturate"; Columns = 2; Panels = List.map panel additions }
