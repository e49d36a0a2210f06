/// How metrics are named, written and drawn.
module internal Noisy.FSharp.Metrics

open System
open System.Globalization
open Noisy.FSharp.Plots

/// Whether a metric is a fraction that people read in percent.
let isShare (metric: string) =
    List.contains metric [ "error"; "accuracy"; "meteor" ] || metric.StartsWith "bleu" || metric.EndsWith "Accuracy" || metric.EndsWith "Error"

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

/// "115.60" for one value, "115.60 ± 0.42" (mean and sample standard deviation) for more.
let spread metric (values: float list) =
    match values with
    | [] -> "–"
    | [ one ] -> figure metric one
    | many ->
        let mean = List.average many
        let deviation = sqrt (List.sumBy (fun v -> (v - mean) ** 2.0) many / float (many.Length - 1))
        $"{figure metric mean} ± {figure metric deviation}"
