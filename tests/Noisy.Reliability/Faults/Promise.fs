/// What is promised of a command that meets a fault, and whether it was kept.
module Noisy.Reliability.Promise

open System
open Noisy.Reliability.Program
open Noisy.Reliability.SmallRuns

/// What may come of it. Each is a promise of docs/reliability.md.
type Outcome =
    /// Exit code 0, and every file is that of a run which met no fault.
    | Same
    /// Exit code 0, weights and summary are those, and the loss of a part of the log is told.
    | LogGap
    /// Exit code 2 or 3, and one message that names the folder, a file in it or what to do.
    | Refused

let private told (ended: Ended) = ended.Output + "\n" + ended.Errors

/// What came of a command; Error says what is wrong with it, whatever was promised.
let judge (whole: Whole) out (ended: Ended) : Result<Outcome, string> =
    match ended.Code with
    | 0 ->
        match differences whole.Left (left whole.Small out) with
        | [] -> Ok Same
        | [ "another log" ] when (told ended).Contains "log.jsonl" -> Ok LogGap
        | [ "another log" ] -> Error "success, but the log is not that of the run, and nothing is said about it"
        | found ->
            let what = String.Join("; ", found)
            Error $"success, but {what}"
    | 2
    | 3 when ended.Errors.Contains "unexpected error" -> Error $"exit code {ended.Code} with an error that nobody expected: {ended.Errors.Trim()}"
    | 2
    | 3 when String.IsNullOrWhiteSpace ended.Errors -> Error $"exit code {ended.Code} without a message"
    | 2
    | 3 when not (ended.Errors.Contains out || ended.Errors.Contains "--out") -> Error $"a message that names no folder: {ended.Errors.Trim()}"
    | 2
    | 3 -> Ok Refused
    | Int32.MaxValue -> Error "it does not come to an end"
    | other -> Error $"exit code {other}: {ended.Errors.Trim()}"

/// Failures of a command that may have any of some outcomes.
let keeps (allowed: Outcome list) (whole: Whole) out (ended: Ended) =
    match judge whole out ended with
    | Error what -> [ what ]
    | Ok outcome when List.contains outcome allowed -> []
    | Ok outcome ->
        let list = String.Join(" or ", allowed |> List.map string)
        [ $"{outcome}, where {list} is promised: {ended.Errors.Trim()}" ]
