/// Tokens a second of the suite inference.
module Noisy.Scripts.BenchInferenceReport

open Noisy.FSharp
open Noisy.Scripts.BenchSuites

/// Tokens of a run of a measurement.
let private tokens (record: Record) =
    let batch = BenchInference.batches |> List.find (fun batch -> record.Config.EndsWith $" B{batch}")
    float (if record.What = "next" then batch else batch * BenchInference.length)

/// Prints a table of all who were measured, one line a configuration.
let table (records: Record list) =
    let records = records |> List.filter (fun r -> r.Suite = "inference")
    let rate (record: Record) ms = sprintf "%.0f" (1e3 * tokens record / ms)

    if not records.IsEmpty then
        printfn ""
        printfn "tokens a second:"

        for (config, what), rows in records |> List.groupBy (fun r -> r.Config, r.What) do
            let ours = rows |> List.groupBy _.Path |> List.map (fun (path, same) -> $"{path} {rate same.Head (BenchRounds.median [ for r in same -> r.MedianMs ])}")
            let theirs = rows |> List.groupBy _.Baseline |> List.map (fun (baseline, same) -> $"{baseline} {rate same.Head (BenchRounds.median [ for r in same -> r.BaselineMs ])}")
            printfn "  %-8s %-6s %s" config what (String.concat ", " (ours @ theirs))
