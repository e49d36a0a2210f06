module Noisy.Tests.BpttBatchesTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

/// A text length, a number of streams and of steps for which there is at least one window.
let private layouts =
    gen {
        let! batch = Gen.choose (1, 12)
        let! steps = Gen.choose (1, 15)
        let! extra = Gen.choose (0, 400)
        return batch * (steps + 1) + extra, batch, steps
    }
    |> Arb.fromGen

let private lay (length, batch, steps) = BpttBatches(Array.init length id, batch, steps)

let tests =
    testList "BpttBatches" [
        test "a small text is laid out as by hand" {
            // 23 tokens in 3 streams: starts at round(0), round(7.67) and round(15.33), 7 tokens each; two windows of 3.
            let batches = BpttBatches(Array.init 23 id, 3, 3)
            Expect.equal (batches.StreamLength, batches.Count, batches.TokensPerPass) (7, 2, 18L) "sizes"
            let struct (inputs, targets) = batches.At 0
            Expect.equal inputs [| 0; 8; 15; 1; 9; 16; 2; 10; 17 |] "inputs, time-major"
            Expect.equal targets [| 1; 9; 16; 2; 10; 17; 3; 11; 18 |] "targets, one later"
            let struct (inputs, _) = batches.At 1
            Expect.equal inputs [| 3; 11; 18; 4; 12; 19; 5; 13; 20 |] "the next window goes on"
        }

        test "the treebank's training text in Zaremba's small setting has 2,323 windows" {
            Expect.equal (BpttBatches(Array.zeroCreate 929_589, 20, 20).Count) 2_323 "⌊(⌊929589/20⌋ − 1)/20⌋"
        }

        testProperty "there are ⌊(⌊N/B⌋ − 1)/T⌋ windows, at least one"
        <| Prop.forAll layouts (fun (length, batch, steps) ->
            let batches = lay (length, batch, steps)
            batches.Count = (length / batch - 1) / steps && batches.Count >= 1)

        testProperty "every target follows its input, and streams go on from window to window"
        <| Prop.forAll layouts (fun (length, batch, steps) ->
            let batches = lay (length, batch, steps)
            let windows = [| for w in 0 .. batches.Count - 1 -> batches.At w |]

            for struct (inputs, targets) in windows do
                Expect.equal targets (inputs |> Array.map ((+) 1)) "the text counts up"

            for b in 0 .. batch - 1 do
                let stream = [| for struct (inputs, _) in windows do for t in 0 .. steps - 1 -> inputs[t * batch + b] |]
                let start = int (floor (float b * float length / float batch + 0.5))
                Expect.equal stream (Array.init stream.Length (fun i -> start + i)) $"stream {b}")

        testProperty "a window is a function of its index, in whatever order"
        <| Prop.forAll layouts (fun layout ->
            let batches = lay layout
            let forwards = [ for w in 0 .. batches.Count - 1 -> batches.At w ]
            let backwards = [ for w in batches.Count - 1 .. -1 .. 0 -> batches.At w ]
            forwards = List.rev backwards)

        test "one stream of one step reads the whole text" {
            let batches = BpttBatches(Array.init 100 id, 1, 1)
            Expect.equal batches.Count 99 "all but the first token are predicted"
            Expect.equal (batches.At 98) (struct ([| 98 |], [| 99 |])) "the last"
        }

        test "a text too short is wrong usage, with the numbers" {
            refused<UsageException> [ "419 tokens"; "20 streams of 20 steps"; "420"; "smaller batch or bptt" ] (fun () ->
                BpttBatches(Array.zeroCreate 419, 20, 20) |> ignore)
            Expect.equal (BpttBatches(Array.zeroCreate 420, 20, 20).Count) 1 "one more token is enough"
            refused<UsageException> [ "0 tokens" ] (fun () -> BpttBatches([||], 1, 1) |> ignore)
        }

        test "no stream and no step is wrong usage" {
            refused<UsageException> [ "batch is 0"; "20 steps" ] (fun () -> BpttBatches(Array.zeroCreate 999, 0, 20) |> ignore)
            refused<UsageException> [ "batch is 20"; "-1 steps" ] (fun () -> BpttBatches(Array.zeroCreate 999, 20, -1) |> ignore)
        }

        test "a window that is not there, and a span of another size, are refused" {
            let batches = BpttBatches(Array.init 23 id, 3, 3)

            for window in [ -1; 2 ] do
                refused<ArgumentOutOfRangeException> [] (fun () -> batches.At window |> ignore)

            refused<ArgumentException> [ "3·3"; "8 and 9" ] (fun () -> batches.Fill(0, Span(Array.zeroCreate<int> 8), Span(Array.zeroCreate<int> 9)))
        }
    ]
