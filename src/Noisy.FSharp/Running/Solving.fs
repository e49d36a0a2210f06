/// Which runs have solved their task, where that is a question.
module internal Noisy.FSharp.Solving

open System.Text.Json.Nodes
open Noisy.Experiments

/// The library's own experiment that a run is of; None for one of the user's own, whatever its name.
let experiment (summary: RunSummary) =
    if summary.Data.Source = DataIdentity.Own then None
    else PaperExperiments.All |> Seq.tryFind (fun experiment -> experiment.Name = summary.Experiment)

/// The config's stopAt; None where it has none.
let private stopAt (summary: RunSummary) =
    match summary.Config["stopAt"] with
    | :? JsonValue as value -> (match value.TryGetValue<float>() with | true, level -> Some level | _ -> None)
    | _ -> None

/// Whether a run that is done has solved its task, by its config's stopAt, else by the level of validation that its experiment declares; None where
/// runs do not so much solve their task as get better at it, or where it is not decided yet.
///
/// metric: what it is judged by.
let hasSolved metric (summary: RunSummary) =
    if not summary.Finished then None
    elif (stopAt summary).IsSome then Some summary.SolvedAtUpdate.HasValue // training knows whether more is better; a metric's name need not tell
    else
        experiment summary
        |> Option.bind (fun experiment -> Option.ofNullable experiment.SolvedLevel)
        |> Option.map (fun level ->
            let reaches best = if Metrics.isHigherBetter metric then best >= level else best <= level
            summary.BestValid.HasValue && reaches summary.BestValid.Value)

/// The update at which a run reached its stopAt; its last where it has not, which is too early for it. None where that is no question.
let update (summary: RunSummary) =
    if (stopAt summary).IsNone || not summary.Finished then None
    else Some(float (if summary.SolvedAtUpdate.HasValue then summary.SolvedAtUpdate.Value else summary.Updates))
