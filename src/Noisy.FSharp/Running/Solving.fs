/// Which runs have solved their task, where that is a question.
module internal Noisy.FSharp.Solving

open System.Text.Json.Nodes
open Noisy.Experiments

/// The config's stopAt; None where it has none.
let private stopAt (summary: RunSummary) =
    match summary.Config["stopAt"] with
    | :? JsonValue as value -> (match value.TryGetValue<float>() with | true, level -> Some level | _ -> None)
    | _ -> None

/// The level of validation at which a run has solved its task: its config's stopAt, else what its experiment declares; None where runs do not so
/// much solve their task as get better at it.
let private level (summary: RunSummary) =
    let declared () =
        PaperExperiments.All
        |> Seq.tryFind (fun experiment -> experiment.Name = summary.Experiment)
        |> Option.bind (fun experiment -> Option.ofNullable experiment.SolvedLevel)

    stopAt summary |> Option.orElseWith declared

/// Whether a run that is done has solved its task; None where that is no question, or not decided yet.
///
/// metric: what it is judged by.
let hasSolved metric (summary: RunSummary) =
    level summary
    |> Option.filter (fun _ -> summary.Finished)
    |> Option.map (fun level ->
        let reaches best = if Metrics.isHigherBetter metric then best >= level else best <= level
        summary.SolvedAtUpdate.HasValue || (summary.BestValid.HasValue && reaches summary.BestValid.Value))

/// The update at which a run reached its stopAt; its last where it has not, which is too early for it. None where that is no question.
let update (summary: RunSummary) =
    if (stopAt summary).IsNone || not summary.Finished then None
    else Some(float (if summary.SolvedAtUpdate.HasValue then summary.SolvedAtUpdate.Value else summary.Updates))
