/// What the runs say to each claim: a table with verdicts that intervals decide, kept between two marks in a page.
module Noisy.Scripts.Answer

open System
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts.Claims
open Noisy.Scripts.Found

/// What two rows' finished runs show of a claim: the difference of the row from the other, its words, and what is counted. None where there is
/// nothing to compare.
let private compare (claim: Claim) (row: Found list) (other: Found list) =
    let pairedBy (value: Found -> float option) =
        let of' runs = [ for f in runs do match value f with Some value -> (f.Summary.Data.Sha256, f.Summary.Seed), value | None -> () ]
        Statistics.paired (of' row) (of' other)

    let keyed (value: RunSummary -> float option) = pairedBy (fun f -> value f.Summary)

    let pairs (difference: Interval) = $"""{difference.Count} {if difference.Count = 1 then "pair" else "pairs"}"""
    let words what difference = $"{what}: {Statistics.text difference}" + (if difference.IsBounded then "" else ", no interval")

    match claim.Measure with
    | Metric(split, metric) ->
        let value (summary: RunSummary) =
            let metrics = match split with Split.Train -> summary.Metrics.Train | Split.Valid -> summary.Metrics.Valid | _ -> summary.Metrics.Test
            match metrics.TryGetValue metric with | true, value -> Some value | _ -> None

        let place = match split with Split.Train -> "training" | Split.Valid -> "validation" | _ -> "test"
        let percent = Statistics.scale (if Metrics.isShare metric then 100.0 else 1.0)
        keyed value |> Option.map (fun found -> found, words $"{place} {Metrics.title metric}" (percent found), pairs found)
    | ValidationAt update ->
        pairedBy (validations >> Map.tryFind update)
        |> Option.map (fun found ->
            let metric = Found.metric row.Head.Summary
            let percent = Statistics.scale (if Metrics.isShare metric then 100.0 else 1.0)
            found, words $"validation {Metrics.title metric}" (percent found), pairs found)
    | SolvedAt ->
        keyed Solving.update |> Option.map (fun found -> found, words "thousands of updates" (Statistics.scale 1e-3 found), pairs found)
    | Solved ->
        let judged runs = runs |> List.choose (fun f -> Solving.hasSolved (Found.metric f.Summary) f.Summary)

        match judged row, judged other with
        | [], _ | _, [] -> None
        | ours, theirs ->
            let solved (runs: bool list) = runs |> List.filter id |> List.length
            let difference = Statistics.shareDifference (Statistics.share (solved ours) ours.Length) (Statistics.share (solved theirs) theirs.Length)
            let text = words $"{solved ours} of {ours.Length} against {solved theirs} of {theirs.Length}, points" (Statistics.scale 100.0 difference)
            Some(difference, text, $"{ours.Length} and {theirs.Length} runs")

/// What an interval says to a claim.
let verdict (claim: Claim) (difference: Interval) =
    let held, opposite = match claim.Source with Paper -> "**held**", "**did not hold**: the opposite" | Ours -> "**yes**", "**no**: the opposite"

    match claim.Says with
    | _ when not difference.ExcludesZero -> "not shown"
    | Alike -> "**did not hold**: they differ"
    | Lower -> if difference.High < 0.0 then held else opposite
    | Higher -> if difference.Low > 0.0 then held else opposite

/// A claim's line: verdict, effect and n.
let private line (found: Found list) (claim: Claim) =
    let runs (row: Row) = found |> List.filter (fun f -> f.Summary.Experiment = claim.Experiment && isOf claim.Preset row.Name row.Set f)
    let all = [ runs claim.Row; runs claim.Other ]
    let done' = all |> List.map (List.filter _.Summary.Finished)
    let isShort = done' |> List.exists (fun runs -> runs.Length < claim.Seeds)

    let verdict, effect, n =
        match compare claim done'[0] done'[1] with
        | Some(difference, effect, n) ->
            let isShort = isShort || (claim.Measure <> Solved && difference.Count < claim.Seeds)
            let verdict = verdict claim difference
            (if isShort then verdict + ", **unfinished**" else verdict), effect, (if isShort then $"{n} of {claim.Seeds}" else n)
        | None -> (if List.exists List.isEmpty all then "not measured" else "**unfinished**"), "–", $"0 of {claim.Seeds}"

    $"| {claim.Text} | {verdict} | {effect} | {n} |"

/// The tables of all claims.
let markdown (found: Found list) =
    let table head source =
        [ $"| {head} | verdict | effect [95 %% interval] | n |"
          "|---|---|---|---|"
          for claim in all do if claim.Source = source then line found claim ]

    String.Join("\n", table "claim of the paper" Paper @ [ "" ] @ table "question of ours" Ours)
