module Noisy.Tests.SentenceBatchesTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments

let private key = NoiseKey.FromSeed(3L).Child "batches"

/// Lengths of some sentences, batch, block, epoch.
let private cases =
    gen {
        let! lengths = Gen.choose (0, 120) |> Gen.bind (fun n -> Gen.listOfLength n (Gen.choose (1, 9)))
        let! batch = Gen.choose (1, 12)
        let! block = Gen.choose (1, 5)
        let! epoch = Gen.choose (0, 50)
        return List.toArray lengths, batch, block, epoch
    }
    |> Arb.fromGen

let tests =
    testList "SentenceBatches" [
        testProperty "each sentence is in one batch, and each block's batches cover the lengths without overlap"
        <| Prop.forAll cases (fun (lengths, batch, block, epoch) ->
            let batches = SentenceBatches.Blocks(key, epoch, lengths, batch, block)
            Expect.equal (Array.concat batches |> Array.sort) [| 0 .. lengths.Length - 1 |] "every index once"
            Expect.equal batches.Length ((lengths.Length + batch - 1) / batch) "as few batches as can be"
            for some in Array.chunkBySize block batches do
                let ranges = some |> Array.map (fun b -> (b |> Array.map (fun i -> lengths[i]) |> Array.min), (b |> Array.map (fun i -> lengths[i]) |> Array.max)) |> Array.sort
                for (_, high), (low, _) in Array.pairwise ranges do Tol.atMost high low "sorted by length inside the block")

        testProperty "batches of one length hold one length each, and as few batches as can be"
        <| Prop.forAll cases (fun (lengths, batch, _, epoch) ->
            let batches = SentenceBatches.OneLength(key, epoch, lengths, batch)
            Expect.equal (Array.concat batches |> Array.sort) [| 0 .. lengths.Length - 1 |] "every index once"
            for b in batches do Expect.equal (b |> Array.distinctBy (fun i -> lengths[i])).Length 1 "one length"
            let fewest = lengths |> Array.countBy id |> Array.sumBy (fun (_, n) -> (n + batch - 1) / batch)
            Expect.equal batches.Length fewest "number of batches")

        test "an epoch is a function of key and number, and epochs differ" {
            let lengths = Array.init 500 (fun i -> 1 + i * 7 % 11)
            for make in [ (fun (k, e) -> SentenceBatches.Blocks(k, e, lengths, 8)); (fun (k, e) -> SentenceBatches.OneLength(k, e, lengths, 8)) ] do
                Expect.equal (make (key, 4)) (make (key, 4)) "the same again"
                Expect.notEqual (make (key, 4)) (make (key, 5)) "another epoch"
                Expect.notEqual (make (key, 4)) (make (key.Child 1u, 4)) "another key"
        }

        test "the order of batches does not go by length" {
            // 20 batches in a block: were they still sorted, the first would always be of the shortest sentences.
            let lengths = Array.init 200 (fun i -> 1 + i % 20)
            let firsts = [ for epoch in 0..49 -> lengths[(SentenceBatches.Blocks(key, epoch, lengths, 10)).[0].[0]] ]
            Tol.above (List.distinct firsts).Length 10 "many lengths come first"
        }

        testProperty "sentences are laid out time-major and filled up with end tokens under a mask of 0"
        <| Prop.forAll (Gen.choose (1, 6) |> Gen.bind (fun n -> Gen.listOf (Gen.choose (2, 9)) |> Gen.listOfLength n) |> Arb.fromGen) (fun lists ->
            let sentences = [| for list in lists -> Array.append (List.toArray list) [| 0 |] |]
            let batch = SentenceBatch.Create sentences
            Expect.equal (batch.Steps, batch.Count) (sentences |> Array.map Array.length |> Array.max, sentences.Length) "sizes"
            Expect.equal batch.Lengths (sentences |> Array.map Array.length) "lengths"
            for b in 0 .. batch.Count - 1 do
                for t in 0 .. batch.Steps - 1 do
                    let token, mask = batch.Tokens[t * batch.Count + b], batch.Mask[t * batch.Count + b]
                    if t < sentences[b].Length then Expect.equal (token, mask) (sentences[b].[t], 1.0f) "a token"
                    else Expect.equal (token, mask) (0, 0.0f) "behind the end")

        test "what is impossible says so" {
            for batch, block in [ 0, 1; 1, 0; -3, 1 ] do
                Expect.throwsT<ArgumentOutOfRangeException> (fun () -> SentenceBatches.Blocks(key, 0, [| 1; 2 |], batch, block) |> ignore) $"{batch}, {block}"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> SentenceBatches.OneLength(key, 0, [| 1; 2 |], 0) |> ignore) "no sentences a batch"
            Expect.isEmpty (SentenceBatches.Blocks(key, 0, [||], 4)) "no sentences, no batches"
        }
    ]
