/// Today's records against those of an earlier run, which --json wrote.
module Noisy.Scripts.BenchCompare

open System
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open Noisy.FSharp
open Noisy.FSharp.Options
open Noisy.Scripts.BenchSuites

/// What an earlier run tells of a measurement. Interval: of the ratio's median; None where the file is of a version without.
type Earlier =
    { Key: string list
      Ratio: float
      Interval: (float * float) option
      Processor: string }

/// What tells a measurement from the others.
let key (r: Record) = [ r.Suite; r.Config; r.What; r.Activation; r.Path; r.Baseline; string r.Threads ]

/// The records of a file. Raises UsageException where it is none of ours.
let read (file: string) =
    try
        [ for item in JsonNode.Parse(File.ReadAllText file).AsArray() do
              let text (name: string) = item[name].GetValue<string>()
              let number (name: string) = item[name].GetValue<float>()
              { Key = [ text "suite"; text "config"; text "what"; text "activation"; text "path"; text "baseline"; string (number "threads") ]
                Ratio = number "ratio"
                Interval = if isNull item["ratio_low"] then None else Some(number "ratio_low", number "ratio_high")
                Processor = if isNull item["processor"] then "unknown" else text "processor" } ]
    with
    | :? IOException
    | :? UnauthorizedAccessException as error -> refuse $"--compare: {error.Message.TrimEnd '.'}: name a file that --json wrote"
    | :? JsonException
    | :? InvalidOperationException
    | :? NullReferenceException -> refuse $"--compare: {file} has no records of this benchmark: name a file that --json wrote"

/// What two intervals say of a ratio: that it has changed, only where they do not touch.
let verdict (before: Earlier) (now: Record) =
    match before.Interval with
    | None -> "no interval in the file"
    | Some _ when before.Processor <> now.Processor -> "another processor"
    | Some(_, high) when now.Low > high -> "faster"
    | Some(low, _) when now.High < low -> "slower"
    | Some _ -> "no difference shown"

/// Prints the ratio of each row then and now, and says of rows that only one of the runs has.
let table (file: string) (before: Earlier list) (records: Record list) =
    let found = dict [ for earlier in before |> List.distinctBy _.Key -> earlier.Key, earlier ]
    let range (low: float, high: float) = $"[%.3f{low}, %.3f{high}]"

    let body =
        [ for r in records do
              let now = $"%.3f{r.Ratio} {range (r.Low, r.High)}"
              match found.TryGetValue(key r) with
              | true, earlier ->
                  let then' = $"%.3f{earlier.Ratio}" + (match earlier.Interval with Some interval -> " " + range interval | None -> "")
                  [ r.Suite; r.Config; r.What; r.Activation; r.Baseline; then'; now; $"%+.1f{100.0 * (r.Ratio / earlier.Ratio - 1.0)} %%"; verdict earlier r ]
              | _ -> [ r.Suite; r.Config; r.What; r.Activation; r.Baseline; "–"; now; "–"; "not in the file" ] ]

    printfn ""
    printfn "against %s (ratios to the baseline, 95 %% intervals of their medians):" file
    let names = [ "suite"; "config"; "what"; "activation"; "against" ]
    Results.printTable (names @ [ "verdict" ]) [ "what"; "verdict" ] (names @ [ "then"; "now"; "change"; "verdict" ]) body

    match before |> List.filter (fun earlier -> records |> List.forall (fun r -> key r <> earlier.Key)) with
    | [] -> ()
    | missing -> printfn "%d rows of the file were not measured now" missing.Length

    for processor in before |> List.map _.Processor |> List.distinct do
        if records |> List.exists (fun r -> r.Processor <> processor) then
            printfn "the file is of another processor (%s), whose ratios tell nothing about a change" processor
