namespace Noisy.Reliability

open System.Diagnostics
open System.Threading

/// When nothing new is begun: after so many minutes, or once the user has asked to stop.
type Limit(minutes: float, stop: CancellationToken) =
    let clock = Stopwatch.StartNew()

    member _.IsOver = stop.IsCancellationRequested || clock.Elapsed.TotalMinutes >= minutes

    /// Since the start.
    member _.Seconds = clock.Elapsed.TotalSeconds
