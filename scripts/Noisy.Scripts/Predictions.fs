/// What a network of Learning to Execute answers: a page of programs from the test.
module Noisy.Scripts.Predictions

open System.IO
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp

let private shown = 40
let private style = "td { font-family: monospace; white-space: pre } .wrong { background: #D55E00; color: white }"

let private row (p: ProgramPrediction) =
    let code = p.Program.Question.TrimEnd('@').Replace('#', '\n')
    let letter (found: char) target = (let shown = Html.text (string found) in if found = target then shown else Html.markup $"<span class=\"wrong\">{shown}</span>")
    [ Html.text code; Html.text p.Program.Target; Seq.map2 letter p.Answer p.Program.Target |> Html.concat "" ]

/// Writes predictions.html into a run's folder.
let draw folder (task: ITrainingTask) (config: RunConfig) =
    match task, Pages.summary folder with
    | :? LearningToExecuteTask as programs, Some summary ->
        let accuracy = Metrics.withUnit "accuracy" summary.Metrics.Test["accuracy"]

        let introduction =
            $"The first programs of the test. Of all characters of the test's answers {accuracy} are right. Each character was predicted "
            + "from the program and the true characters before it; wrong ones are marked."

        let rows = programs.Predict(shown, Pages.tested config summary) |> Seq.map row
        let page = Html.page (Pages.title config summary) style introduction (Html.table [ "program"; "prints"; "answer" ] rows)
        Html.save (Path.Combine(folder, "predictions.html")) page
    | _ -> ()
