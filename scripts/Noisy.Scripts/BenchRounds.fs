/// Two pieces of work timed in turn, so that a machine whose speed changes is as fast for the one as for the other.
module Noisy.Scripts.BenchRounds

open System
open System.Diagnostics
open System.Runtime

/// How long to measure: seconds in all, of one slice, the least number of rounds, and the most before them, to warm up.
type Budget =
    { Seconds: float
      Slice: float
      LeastRounds: int
      MostBefore: int }

/// Seconds of a call, a value a round.
type Rounds = { Ours: float[]; Baseline: float[] }

/// The middle value; of an even number the mean of the two in the middle.
let median (values: float seq) =
    let sorted = Seq.sort values |> Array.ofSeq
    let middle = sorted.Length / 2
    if sorted.Length % 2 = 1 then sorted[middle] else 0.5 * (sorted[middle - 1] + sorted[middle])

/// A quantile in [0, 1], linear between the values beside it.
let quantile (share: float) (values: float seq) =
    let sorted = Seq.sort values |> Array.ofSeq
    let place = share * float (sorted.Length - 1)
    let below = int place
    let above = min (below + 1) (sorted.Length - 1)
    sorted[below] + (place - float below) * (sorted[above] - sorted[below])

/// A 95 % interval of the median by ranks, whatever the values' distribution; of fewer than six values all that there are.
let medianInterval (values: float seq) =
    let sorted = Seq.sort values |> Array.ofSeq
    let count = sorted.Length

    // atMost: the chance that at most so many of the values lie below the median they were drawn around. By logarithms, since 0.5 ** 1075 is 0.
    let rec low rank logChance atMost =
        let atMost = atMost + exp logChance
        if 2.0 * atMost > 0.05 then max 0 (rank - 1) else low (rank + 1) (logChance + log (float (count - rank) / float (rank + 1))) atMost

    let low = low 0 (float count * log 0.5) 0.0
    sorted[low], sorted[count - 1 - low]

type Rounds with
    /// The baseline's time over ours, round by round.
    member this.Ratios = Array.map2 (/) this.Baseline this.Ours

    /// How many times as fast as the baseline: median of the rounds' own ratios.
    member this.Ratio = median this.Ratios

    /// The same from the shortest times of all rounds.
    member this.BestRatio = Array.min this.Baseline / Array.min this.Ours

let private seconds (start: int64) = Stopwatch.GetElapsedTime(start).TotalSeconds

/// Seconds of a call, from as many calls as fill the slice. A short piece of work is called once before, since its caches
/// hold what the other one left.
let private slice length (last: float) (work: unit -> unit) =
    if last < length then work ()
    let start = Stopwatch.GetTimestamp()
    let mutable count = 0

    while count = 0 || seconds start < length do
        work ()
        count <- count + 1

    seconds start / float count

/// Runs both in turn until the compiler has next to nothing more to do for them. .NET compiles a method again after thirty calls, and
/// once more after as many, on a thread of its own, which takes a core from the work and pushes a team's threads onto one; where
/// much is to be compiled that goes on for ten seconds.
let private warm (stopped: unit -> bool) (budget: Budget) (works: (unit -> unit) list) =
    let enough, share = 5, 0.02 // quiet rounds in a row; of a quiet round's time, compiling

    let rec round number quiet =
        if number < budget.MostBefore && quiet < enough then
            if stopped () then raise (OperationCanceledException())
            let start, compiling = Stopwatch.GetTimestamp(), JitInfo.GetCompilationTime false
            works |> List.iter (fun work -> slice budget.Slice infinity work |> ignore)
            let compiled = (JitInfo.GetCompilationTime false - compiling).TotalSeconds
            round (number + 1) (if compiled < share * seconds start then quiet + 1 else 0)

    round 0 0

/// Times both in turn until the budget is spent; a round begins with the one that the round before ended with.
let measure (stopped: unit -> bool) (budget: Budget) (baseline: unit -> unit) (ours: unit -> unit) =
    warm stopped budget [ baseline; ours ]
    let times = [| ResizeArray<float>(); ResizeArray<float>() |]
    let works = [| ours; baseline |]
    let start = Stopwatch.GetTimestamp()

    let round () =
        let first = times[0].Count % 2

        for which in [ first; 1 - first ] do
            let before = if times[which].Count = 0 then 0.0 else times[which][times[which].Count - 1]
            times[which].Add(slice budget.Slice before works[which])

    while times[0].Count < budget.LeastRounds || seconds start < budget.Seconds do
        if stopped () then raise (OperationCanceledException())
        round ()

    { Ours = times[0].ToArray(); Baseline = times[1].ToArray() }
