/// Choices that a seed decides: the same seed and number give the same choices on every machine.
module Noisy.Reliability.Choice

open System

/// A stream of choices. It is SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
type Choices(seed: uint64) =
    let mutable state = seed

    member _.Next() =
        state <- state + 0x9E3779B97F4A7C15UL
        let z = (state ^^^ (state >>> 30)) * 0xBF58476D1CE4E5B9UL
        let z = (z ^^^ (z >>> 27)) * 0x94D049BB133111EBUL
        z ^^^ (z >>> 31)

    /// 0 ≤ result < limit; 0 if the limit is not positive.
    member this.Below(limit: int) = if limit <= 0 then 0 else int (this.Next() % uint64 limit)

    /// 0 ≤ result < limit.
    member this.Below(limit: int64) = if limit <= 0L then 0L else int64 (this.Next() % uint64 limit)

    member this.Of(list: 'T list) = list[this.Below list.Length]
    member this.Of(array: 'T[]) = array[this.Below array.Length]

    /// True once in so many times.
    member this.Once(times: int) = this.Below times = 0

    /// In [0, 1).
    member this.Share() = float (this.Next() >>> 11) / float (1UL <<< 53)

/// The choices of one trial of a seed.
let at (seed: int64) (trial: int64) =
    let mixed = Choices(uint64 seed * 0xD1342543DE82EF95UL + uint64 trial)
    Choices(mixed.Next())
