/// What a network of Learning to Execute answers: a page of programs, and the curve of its accuracy on the target's programs.
module Noisy.Scripts.Predictions

open System
open System.IO
open System.Net
open System.Text
open Noisy.Core
open Noisy.Models

let private shown = 40

let private page title (predictions: ProgramPrediction seq) accuracy =
    let html = StringBuilder()
    let add (text: string) = html.AppendLine text |> ignore
    add "<!DOCTYPE html>"
    add "<html lang=\"en\"><head><meta charset=\"utf-8\">"
    add $"<title>{WebUtility.HtmlEncode(title: string)}</title>"
    add "<style>body { font: 15px sans-serif; margin: 2em } td, th { padding: .4em 1em; text-align: left; vertical-align: top; border-top: 1px solid #ccc }"
    add "td { font-family: monospace; white-space: pre } .wrong { background: #D55E00; color: white }</style></head><body>"
    add $"<h1>{WebUtility.HtmlEncode title}</h1>"
    add $"<p>The first programs of the test. {accuracy} Each character was predicted from the program and the true characters before it; wrong ones are marked.</p>"
    add "<table><tr><th>program</th><th>prints</th><th>answer</th></tr>"

    for p in predictions do
        let code = p.Program.Question.TrimEnd('@').Replace('#', '\n')

        let answer =
            Seq.map2
                (fun (found: char) target -> if found = target then string found else $"<span class=\"wrong\">{WebUtility.HtmlEncode(string found)}</span>")
                p.Answer p.Program.Target
            |> String.concat ""

        add $"<tr><td>{WebUtility.HtmlEncode code}</td><td>{p.Program.Target}</td><td>{answer}</td></tr>"

    add "</table></body></html>"
    html.ToString()

/// Writes predictions.html into a run's folder.
let draw folder (task: ITrainingTask) (config: TrainConfig) =
    match task, RunSummary.Read(Path.Combine(folder, "summary.json")) with
    | :? LearningToExecuteTask as programs, summary when not (isNull summary) ->
        // The noise scale of the weights that were tested.
        let tested = if config.KeepBest && summary.BestUpdate.HasValue then summary.BestUpdate.Value else summary.Updates
        let scale = match config.NoiseSchedule() with null -> Nullable() | schedule -> Nullable(schedule.At tested)
        let predictions = programs.Predict(shown, NoiseContext(config.TestNoise, Scale = scale))
        let accuracy = Metrics.withUnit "accuracy" summary.Metrics.Test["accuracy"]
        let title = $"lte, {config.Preset}: {config.Activation}, seed {config.Seed}, after {summary.Updates} updates"
        File.WriteAllText(Path.Combine(folder, "predictions.html"), page title predictions $"Of all characters of the test's answers {accuracy} are right.")
    | _ -> ()
