module Noisy.Tests.AssociativeRecallTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.Arbitraries

/// Some episodes: items, key, first index, count.
type Episodes = Episodes of items: int * seed: int64 * first: int64 * count: int

type EpisodesArbitrary =
    static member Episodes() =
        gen {
            let! items = Gen.frequency [ 1, Gen.constant 2; 4, Gen.choose (2, 20) ]
            let! seed = Gen.choose (0, 1_000_000)
            let! first = Gen.frequency [ 3, Gen.choose (0, 1000) |> Gen.map int64; 1, Gen.constant 5_000_000_000L ]
            let! count = Gen.choose (1, 9)
            return Episodes(items, int64 seed, first, count)
        }
        |> Arb.fromGen

let private property name (body: Episodes -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with arbitrary = [ typeof<EpisodesArbitrary> ]; maxTest = 100 } name body

let private make (Episodes(items, seed, first, count)) = AssociativeRecall.Episodes(items, NoiseKey.FromSeed seed, first, count)

/// The 8 channels of an episode at a time step.
let private input (batch: RecallBatch) b t = batch.Input[(t * batch.Count + b) * 8 .. (t * batch.Count + b) * 8 + 7]

/// The three vectors of a block, 18 bits.
let private vectors (batch: RecallBatch) b block = [ for v in 1 .. 3 do yield! (input batch b (4 * block + v))[..5] ]

let private target (batch: RecallBatch) b = [ for v in 0 .. 2 do yield! batch.Target[(v * batch.Count + b) * 6 .. (v * batch.Count + b) * 6 + 5] ]

let tests =
    testList "associative recall" [
        property "an episode has a marker at the start of each block and nowhere else, bits in items and query alone" (fun case ->
            let batch = make case
            Expect.equal batch.Input.Length (4 * (batch.Items + 2) * batch.Count * 8) "4 (n + 2) time steps"
            for b in 0 .. batch.Count - 1 do
                for t in 0 .. AssociativeRecall.Steps batch.Items - 1 do
                    let x = input batch b t
                    let starts, block = t % 4 = 0, t / 4
                    Expect.equal x[6] (if starts && block < batch.Items then 1.0f else 0.0f) $"first marker at {t}"
                    Expect.equal x[7] (if starts && block >= batch.Items then 1.0f else 0.0f) $"second marker at {t}"
                    for bit in x[..5] do
                        Expect.isTrue (bit = 0.0f || (bit = 1.0f && not starts && block <= batch.Items)) $"bits at {t}")

        property "the query is an item with a successor, and the target is its successor" (fun case ->
            let batch = make case
            Expect.equal batch.Target.Length (3 * batch.Count * 6) "3 answer steps of 6 bits"
            for b in 0 .. batch.Count - 1 do
                let query = batch.Queries[b]
                Expect.isTrue (query >= 0 && query <= batch.Items - 2) "has a successor"
                Expect.equal (vectors batch b batch.Items) (vectors batch b query) "the query block shows the queried item"
                Expect.equal (target batch b) (vectors batch b (query + 1)) "the target is the item after it")

        property "an episode does not depend on the batch that it comes in" (fun (Episodes(items, seed, first, count) as case) ->
            let batch = make case
            for b in 0 .. count - 1 do
                let alone = make (Episodes(items, seed, first + int64 b, 1))
                Expect.equal alone.Queries[0] batch.Queries[b] "query"
                for t in 0 .. AssociativeRecall.Steps items - 1 do Expect.equal (input alone 0 t) (input batch b t) "input"
                Expect.equal (target alone 0) (target batch b) "target")

        test "splits, indices and numbers of items share no episode" {
            let seen = Collections.Generic.HashSet<string>()
            let mutable count = 0
            for split in [ "train"; "valid"; "test" ] do
                for items in [ 3; 4; 8 ] do
                    let batch = AssociativeRecall.Episodes(items, NoiseKey.FromSeed(1L).Child split, 0L, 500)
                    for b in 0 .. 499 do
                        count <- count + 1
                        // Three items of 18 bits: two equal starts among 4500 are a one in 10¹⁰ event.
                        let start = [ for block in 0 .. 2 do yield! vectors batch b block ] |> List.map string |> String.concat ""
                        seen.Add start |> ignore
            Expect.equal seen.Count count "all different"
        }

        test "bits and queries are uniform" {
            let items, episodes = 5, 4000
            let batch = AssociativeRecall.Episodes(items, NoiseKey.FromSeed 3L, 0L, episodes)
            // Five standard deviations each.
            for block in 0 .. items - 1 do
                for bit in 0 .. 17 do
                    let ones = Seq.init episodes (fun b -> (vectors batch b block)[bit]) |> Seq.sum |> float
                    Expect.isTrue (abs (ones - 0.5 * float episodes) < 5.0 * sqrt (0.25 * float episodes)) $"bit {bit} of item {block}: {ones}"
            for query in 0 .. items - 2 do
                let share = 1.0 / float (items - 1)
                let hits = batch.Queries |> Array.filter ((=) query) |> Array.length |> float
                Expect.isTrue (abs (hits - share * float episodes) < 5.0 * sqrt (share * (1.0 - share) * float episodes)) $"query {query}: {hits}"
        }

        test "what is impossible says so" {
            let make items first count () = AssociativeRecall.Episodes(items, NoiseKey.FromSeed 1L, first, count) |> ignore
            Tol.throws<ArgumentOutOfRangeException> "must be in [2, 1000] (Parameter 'items')\nActual value was 1." (make 1 0L 1)
            Tol.throws<ArgumentOutOfRangeException> "must be in [2, 1000] (Parameter 'items')\nActual value was 1001." (make 1001 0L 1)
            Expect.throwsT<ArgumentOutOfRangeException> (make 2 -1L 1) "index"
            Expect.throwsT<ArgumentOutOfRangeException> (make 2 0L 0) "count"
        }

        test "chance is 3 ln 2" { Tol.close Tol.scalar 2.0794415416798357 AssociativeRecall.Chance "3 ln 2" }
    ]
