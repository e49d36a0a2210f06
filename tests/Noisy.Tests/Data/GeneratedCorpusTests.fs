module Noisy.Tests.GeneratedCorpusTests

open System
open System.Collections.Generic
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

let private config = GeneratedCorpusSettings.Default
let private corpus = lazy (GeneratedCorpus.Create config)
let private source = lazy (GeneratedCorpus.Source config)

/// Small sources of any seed, for checks that walk through all their states.
let private sources =
    gen {
        let! topics = Gen.choose (2, 6)
        let! speakers = Gen.choose (2, 6)
        let! seed = Gen.choose (-1000, 1000)
        return topics, speakers, seed
    }
    |> Arb.fromGen

let private make (topics, speakers, seed: int) = SentenceSource(topics, speakers, NoiseKey.FromSeed(int64 seed))
let private few = { FsCheckConfig.defaultConfig with maxTest = 15 }

/// Sums over the tokens of a sentence, each a rounded product of all before it.
let private summed = { Tol.scalar with Absolute = 1e-12; Relative = 1e-11; Reason = "hundreds of rounded steps, one after the other" }

let private entropy (steps: SourceStep seq) = -Seq.sumBy (fun (step: SourceStep) -> step.Probability * log step.Probability) steps

/// Nats and length of a sentence by following the probability of every state, token by token, until none is left.
let private expectedSentence (source: SentenceSource) =
    let rec follow nats length (mass: Map<int, float>) =
        if Map.isEmpty mass then
            nats, length
        else
            let next = Dictionary<int, float>()
            let mutable nats, length = nats, length

            for KeyValue(state, p) in mass do
                nats <- nats + p * entropy (source.Next state)
                length <- length + p

                for step in source.Next state do
                    if step.State <> source.Start then
                        next[step.State] <- (match next.TryGetValue step.State with | true, q -> q | _ -> 0.0) + p * step.Probability

            follow nats length (Map.ofSeq (seq { for KeyValue(state, p) in next do if p > 1e-20 then state, p }))

    follow 0.0 0.0 (Map.ofList [ source.Start, 1.0 ])

/// Mean nats of the test text under an n-gram model of the training text, each order smoothed by the one below.
let private ngram order (data: LanguageModelData) =
    let counts = Dictionary<struct (int * int * int), Dictionary<int, int>>()
    let context (text: int[]) i n = struct (n, (if n > 0 && i > 0 then text[i - 1] else -1), (if n > 1 && i > 1 then text[i - 2] else -1))

    for i in 0 .. data.Train.Length - 1 do
        for n in 0 .. order - 1 do
            let key = context data.Train i n
            if not (counts.ContainsKey key) then counts[key] <- Dictionary()
            counts[key][data.Train[i]] <- 1 + (match counts[key].TryGetValue data.Train[i] with | true, c -> c | _ -> 0)

    let totals = Dictionary(counts |> Seq.map (fun pair -> KeyValuePair(pair.Key, float (Seq.sum pair.Value.Values))))

    let probability i =
        (1.0 / float data.Vocabulary.Count, seq { 0 .. order - 1 })
        ||> Seq.fold (fun lower n ->
            match counts.TryGetValue(context data.Test i n) with
            | true, seen ->
                let count = match seen.TryGetValue data.Test[i] with | true, c -> float c | _ -> 0.0
                (count + 3.0 * lower) / (totals[context data.Test i n] + 3.0)
            | _ -> lower)

    seq { 1 .. data.Test.Length - 1 } |> Seq.averageBy (fun i -> -log (probability i))

let private sourceTests =
    testList "source" [
        testPropertyWithConfig few "probabilities sum to one in every state and each token leads to one state"
        <| Prop.forAll sources (fun parameters ->
            let source = make parameters

            for state in 0 .. source.States - 1 do
                let steps = source.Next state
                Tol.close Tol.scalar 1.0 (steps |> Seq.sumBy _.Probability) $"state {state}"
                Expect.isTrue (steps |> Seq.forall (fun step -> step.Probability > 0.0)) "all possible"
                Expect.equal (steps |> Seq.distinctBy _.Token |> Seq.length) steps.Count "tokens differ")

        testPropertyWithConfig few "the closed form of the entropy rate agrees with following every state"
        <| Prop.forAll sources (fun parameters ->
            let source = make parameters
            let nats, length = expectedSentence source
            Tol.close summed length source.ExpectedLength "length"
            Tol.close summed (nats / length) source.EntropyRate "rate")

        testPropertyWithConfig few "every word of the vocabulary can occur"
        <| Prop.forAll sources (fun parameters ->
            let source = make parameters
            let seen = HashSet(seq { for state in 0 .. source.States - 1 do for step in source.Next state -> step.Token })
            seen.Count = source.Vocabulary.Count)

        test "the empirical entropy of a long text is the rate, within five standard errors" {
            let source = source.Value
            let nats = source.Nats(source.Sample(NoiseKey.FromSeed 77L, 400_000))
            let text = source.Sample(NoiseKey.FromSeed 77L, 400_000)

            // Sentences are independent: the error of a ratio of means over sentences.
            let sentences = List<struct (float * float)>()
            let mutable sum, length = 0.0, 0.0

            for i in 0 .. text.Length - 1 do
                sum <- sum + nats[i]
                length <- length + 1.0

                if source.Vocabulary.Token text[i] = PennTreebank.EndOfSentence then
                    sentences.Add(struct (sum, length))
                    sum <- 0.0
                    length <- 0.0

            let n = float sentences.Count
            let meanLength = sentences |> Seq.averageBy (fun struct (_, l) -> l)
            let rate = (sentences |> Seq.averageBy (fun struct (s, _) -> s)) / meanLength
            let variance = sentences |> Seq.averageBy (fun struct (s, l) -> (s - source.EntropyRate * l) ** 2.0)
            let error = sqrt (variance / n) / meanLength
            Tol.below (abs (rate - source.EntropyRate)) (5.0 * error) $"rate {rate} against {source.EntropyRate}, error {error}"
            Tol.below error 0.005 "the test can tell"
        }

        test "tokens are drawn with the probabilities stated, within five standard errors" {
            let source = source.Value
            let text = source.Sample(NoiseKey.FromSeed 78L, 400_000)
            let visits = Array.zeroCreate<int> source.States
            let taken = Dictionary<struct (int * int), int>()
            let mutable state = source.Start

            for token in text do
                visits[state] <- visits[state] + 1
                taken[struct (state, token)] <- 1 + (match taken.TryGetValue(struct (state, token)) with | true, c -> c | _ -> 0)
                state <- (source.Next state |> Seq.find (fun step -> step.Token = token)).State

            let mutable checkedSteps = 0

            for state in 0 .. source.States - 1 do
                for step in source.Next state do
                    let expected = float visits[state] * step.Probability

                    // Where the normal law is a fair one.
                    if expected > 100.0 && step.Probability < 1.0 then
                        checkedSteps <- checkedSteps + 1
                        let found = match taken.TryGetValue(struct (state, step.Token)) with | true, c -> float c | _ -> 0.0
                        let error = sqrt (expected * (1.0 - step.Probability))
                        Tol.below (abs (found - expected)) (5.0 * error) $"state {state}, token {step.Token}"

            Tol.above checkedSteps 500 "steps that were tested"
        }

        testPropertyWithConfig few "a text that the source wrote has finite nats, and the sum of the logarithms of its steps"
        <| Prop.forAll sources (fun parameters ->
            let source = make parameters
            let text = source.Sample(NoiseKey.FromSeed 5L, 60)
            let nats = source.Nats text
            let mutable state = source.Start

            for i in 0 .. text.Length - 1 do
                let step = source.Next state |> Seq.find (fun step -> step.Token = text[i])
                Tol.close Tol.scalar (-log step.Probability) nats[i] "nats"
                state <- step.State)

        test "a text that the source cannot write has infinite nats from there on" {
            let source = source.Value
            let text = source.Sample(NoiseKey.FromSeed 5L, 10)
            text[6] <- source.Vocabulary.Id PennTreebank.EndOfSentence // only after a closing name
            let nats = source.Nats text
            Expect.isTrue (nats[..5] |> Array.forall Double.IsFinite) "before"
            Expect.isTrue (nats[6..] |> Array.forall Double.IsPositiveInfinity) "from there on"
        }

        test "the opening speaker closes each sentence" {
            let source = source.Value
            let text = GeneratedCorpus.Text(source.Vocabulary, source.Sample(NoiseKey.FromSeed 6L, 20_000)).Split '\n'

            for line in text[.. text.Length - 2] do
                let words = line.TrimEnd().Split ' '
                Expect.equal words[words.Length - 1] words[0] "speaker"
                Expect.equal (words |> Array.filter (fun word -> Char.IsUpper word[0]) |> Array.length) 2 "two names"
        }

        test "numbers out of range are refused" {
            Expect.equal (make (30, 200, 0)).Vocabulary.Count (1 + 200 + 30 + 4 + 6 + 30 * (5 + 8 + 6 + 3)) "the largest has no word twice"

            for topics, speakers in [ 1, 5; 31, 5; 5, 1; 5, 201 ] do
                refused<UsageException> [ string topics; string speakers; "2 to 30 topics"; "2 to 200 speakers" ] (fun () ->
                    make (topics, speakers, 0) |> ignore)

            refused<ArgumentOutOfRangeException> [] (fun () -> source.Value.Next -1 |> ignore)
            refused<ArgumentOutOfRangeException> [] (fun () -> source.Value.Next source.Value.States |> ignore)
            refused<ArgumentOutOfRangeException> [] (fun () -> source.Value.Sample(NoiseKey.FromSeed 1L, -1) |> ignore)
        }
    ]

let tests =
    testList "GeneratedCorpus" [
        sourceTests

        test "the default corpus is the same bytes everywhere" {
            // Pinned on the first machine; a change means that published runs saw another text.
            Expect.equal corpus.Value.Identity.Sha256 "ecf6cf684953a35eef81984b2d4381e4dc923c79d24295edfc1bb44b9cd10fe8" "checksum"
            Expect.equal (corpus.Value.Identity.Name, corpus.Value.Identity.Source) ("sentences", "built-in") "identity"
            Expect.equal corpus.Value.Vocabulary.Count 207 "words"
            Expect.equal (corpus.Value.Train.Length, corpus.Value.Valid.Length, corpus.Value.Test.Length) (60_000, 6_000, 6_000) "sizes"
        }

        test "the same config gives the same corpus, another seed or size another" {
            let sha256 (config: GeneratedCorpusSettings) = (GeneratedCorpus.Create config).Identity.Sha256
            let small = config.WithSizes(300, 200, 100)
            Expect.equal (sha256 small) (sha256 small) "same"

            for other in [ small.WithSeed 2L; small.WithSource(9, 12); small.WithSource(8, 13); small.WithSizes(300, 200, 101) ] do
                Expect.notEqual (sha256 other) (sha256 small) $"{other}"
        }

        test "the three texts are different, and a longer one begins with the shorter" {
            let data = corpus.Value
            Expect.notEqual data.Train[..5_999] data.Valid "train and valid"
            Expect.notEqual data.Valid data.Test "valid and test"
            let longer = GeneratedCorpus.Create(config.WithSizes(70_000, 6_000, 7_000))
            Expect.equal longer.Train[..59_999] data.Train "train"
            Expect.equal longer.Test[..5_999] data.Test "test"
        }

        test "no long sentence of the test text stands in the training text" {
            let data = corpus.Value
            let sentences stream = GeneratedCorpus.Text(data.Vocabulary, stream).Split '\n'
            let train = HashSet(sentences data.Train)
            let long = sentences data.Test |> Array.filter (fun sentence -> sentence.Split(' ').Length > 12)
            Tol.above long.Length 100 "sentences that were looked for"
            Expect.isEmpty (long |> Array.filter train.Contains) "copies"
        }

        test "the floor is the exact score of the test text, near the rate, and below every n-gram's" {
            let data = corpus.Value
            let floor = data.Floor
            Tol.close Tol.scalar (source.Value.Nats data.Test |> Seq.skip 1 |> Seq.average) floor.TestNats "test"
            Tol.below (abs (floor.TestNats - source.Value.EntropyRate)) 0.05 "near the rate"
            Tol.close Tol.scalar (exp floor.TestNats) floor.TestPerplexity "test perplexity"
            let scores = [ for order in 1..3 -> ngram order data ]
            // Memory pays: the trigram model, the best of the three, stays half a nat above the source.
            Tol.below floor.TestNats (List.min scores - 0.5) $"n-grams {scores}"
        }

        test "too small a text is refused" {
            refused<UsageException> [ "at least 2 tokens"; "300, 1 and 100" ] (fun () ->
                GeneratedCorpus.Create(config.WithSizes(300, 1, 100)) |> ignore)
        }
    ]
