/// How metrics are named, written and drawn.
module internal Noisy.FSharp.Metrics

open System
open System.Globalization
open Noisy.FSharp.Plots

/// Whether a metric is a fraction that people read in percent.
let isShare (metric: string) =
    List.contains metric [ "error"; "accuracy"; "meteor" ] || metric.StartsWith "bleu" || metric.EndsWith "Accuracy" || metric.EndsWith "Error"

/// Whether more of the metric is better.
let isHigherBetter (metric: string) = isShare metric && not (metric = "error" || metric.EndsWith "Error")

/// The metric with its unit, as heads of columns and axes have it: "perplexity", "error %".
let title metric = if isShare metric then $"{metric} %%" else metric

/// How the metric's axis is drawn.
let scale metric =
    if isShare metric then Percent
    elif metric = "perplexity" || metric = "nll" then Logarithmic
    else Linear

/// Items in the plural, as throughputs have them: "tokens", "batches".
let plural (item: string) = if item.EndsWith "ch" then item + "es" else item + "s"

/// A value without its unit, "–" for none: percent and perplexities in two decimals, others in four.
let figure metric (value: float) =
    let text (format: string) (v: float) = v.ToString(format, CultureInfo.InvariantCulture)

    if Double.IsNaN value then "–"
    elif isShare metric then text "0.00" (100.0 * value)
    elif metric = "perplexity" then text "#,0.00" value
    else text "#,0.0000" value

/// A value with its unit: "115.60", "33.28 %".
let withUnit metric value = figure metric value + (if isShare metric then " %" else "")

/// Values as people read them: fractions in percent.
let private shown metric = Statistics.scale (if isShare metric then 100.0 else 1.0)

/// "115.60" for one value, "113.1 [109.8, 116.4]" (mean and 95 % interval) for more, "–" for none.
let mean metric (values: float list) =
    match values with
    | [] -> "–"
    | [ one ] -> figure metric one
    | many when List.forall Double.IsFinite many -> Statistics.text (shown metric (Statistics.interval many))
    | many -> $"not finite in {many |> List.filter (Double.IsFinite >> not) |> List.length} of {many.Length}"

/// "0.27 (0.27 to 13.53)": the median and the quartiles; "–" for no values.
let median metric (values: float list) =
    if values.IsEmpty || not (List.forall Double.IsFinite values) then
        "–"
    else
        let low, middle, high = Statistics.quartiles values
        $"{figure metric middle} ({figure metric low} to {figure metric high})"

/// "5 of 8 [31, 86] %": how many runs solve their task, and the interval of their share.
let solved (runs: bool list) =
    let share = Statistics.share (List.length (List.filter id runs)) runs.Length
    let percent value = (100.0 * value).ToString("0", CultureInfo.InvariantCulture)
    $"{List.length (List.filter id runs)} of {runs.Length} [{percent share.Low}, {percent share.High}] %%"

/// The difference of two rows, in words: see Statistics.effect. Values are paired by key, such as seed and data; None if there is no pair.
let difference metric (values: ('Key * float) list) reference =
    let finite = List.filter (snd >> Double.IsFinite)
    Statistics.paired (finite values) (finite reference) |> Option.map (shown metric >> Statistics.effect)
