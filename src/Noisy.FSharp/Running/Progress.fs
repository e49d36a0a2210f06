/// Tells how training goes: a line that renews itself in a terminal, a line now and then where output is piped.
module internal Noisy.FSharp.Progress

open System
open System.Diagnostics
open Noisy.Models
open Noisy.Experiments

/// Whether standard output is a terminal that understands cursor control.
let isTerminal () =
    not Console.IsOutputRedirected && Environment.GetEnvironmentVariable "TERM" <> "dumb"

/// A time span as people say it: "42 s", "3 min 05 s", "2 h 07 min".
let duration (time: TimeSpan) =
    if time.TotalSeconds < 60 then $"%.0f{max 0.0 time.TotalSeconds} s"
    elif time.TotalMinutes < 60 then $"%d{int time.TotalMinutes} min %02d{time.Seconds} s"
    else $"%d{int time.TotalHours} h %02d{time.Minutes} min"

/// A bar of 20 cells for a fraction in [0, 1].
let bar fraction =
    let filled = int (Math.Round(20.0 * Math.Clamp(fraction, 0.0, 1.0)))
    String('━', filled) + String('─', 20 - filled)

/// The value of a metric, NaN if it is not there.
let private valueOf (metric: string) (metrics: Collections.Generic.IReadOnlyDictionary<string, float>) =
    if isNull metrics then nan else match metrics.TryGetValue metric with | true, v -> v | _ -> nan

/// What training tells of itself: the metric, or the loss where only evaluations measure the metric.
let private inTraining (task: ITrainingTask) metrics =
    match valueOf task.Metric metrics with
    | value when Double.IsNaN value -> "loss", valueOf "loss" metrics
    | value -> task.Metric, value

/// One line on how far a run is.
let describe (task: ITrainingTask) (p: TrainProgress) =
    let metric, value = inTraining task (task.Metrics p.Sums)
    let loss = Metrics.withUnit metric value
    $"%d{p.Update}/%d{p.StopAt} updates, epoch %d{p.Epoch}/%d{p.Epochs}, {metric} {loss}, %.0f{p.ItemsPerSecond} {Metrics.plural task.ItemName}/s, {duration p.TimeLeft} left"

/// "epoch 3: perplexity train 95.10, valid 121.30, learning rate 0.5" for an evaluation.
let describeEvaluation (task: ITrainingTask) (evaluation: LogEvent) =
    let metric, value = inTraining task evaluation.Train
    let train = Metrics.withUnit metric value
    let valid = Metrics.withUnit task.Metric (valueOf task.Metric evaluation.Valid)
    let between = if metric = task.Metric then "" else task.Metric + " "
    let place = if evaluation.Event = "epoch" then $"epoch %d{evaluation.Epoch}" else $"update %d{evaluation.Update}"
    let stage = if evaluation.Stage.HasValue then $", stage %d{evaluation.Stage.Value}/%d{task.Stages}" else ""
    $"{place}: {metric} train {train}, {between}valid {valid}{stage}, learning rate %g{evaluation.LearningRate}"

/// Prints the progress of a run. It never throws, and it looks at the clock only, four times a second at most, so that
/// training does not wait for it.
///
/// terminal: renew one line instead of writing lines; where: "cpu, 2 threads"; name: the run's row; task: for its words.
type Reporter(terminal: bool, where: string, name: string, task: ITrainingTask) =
    let period = if terminal then TimeSpan.FromSeconds 0.25 else TimeSpan.FromSeconds 10.0
    let mutable last = Stopwatch.GetTimestamp()
    let mutable live = false

    let safely (write: unit -> unit) =
        try
            write ()
        with _ ->
            ()

    /// Removes the live line, so that another line can take its place.
    let clear () =
        if live then
            Console.Write "\r\u001b[K"
            live <- false

    let line (text: string) =
        safely (fun () ->
            clear ()
            Console.WriteLine text)

    let showLive (p: TrainProgress) =
        let text = $"{bar (float p.Update / float p.StopAt)} {describe task p}"
        let width = try Console.WindowWidth with _ -> 0
        let text = if width > 1 && text.Length >= width then text.Substring(0, width - 1) else text
        Console.Write("\r\u001b[K" + text)
        live <- true

    /// Takes the live line away: to be called when the run is over, however it ended.
    member _.Close() = safely clear

    interface ITrainingObserver with
        member _.Started(folder, config, data, update, stopAt) =
            last <- Stopwatch.GetTimestamp()
            let from = if update = 0L then "starts" else $"resumes from update {update}"
            line $"{folder}: {name}, seed {config.Seed}, on {data.Name}, {where}; {from}, to update {stopAt}"

        member _.Updated p =
            if Stopwatch.GetElapsedTime last >= period then
                last <- Stopwatch.GetTimestamp()
                if terminal then safely (fun () -> showLive p) else line $"  {describe task p}"

        member _.Evaluated evaluation = line $"  {describeEvaluation task evaluation}"

        member _.Note message = line $"  {message}"
