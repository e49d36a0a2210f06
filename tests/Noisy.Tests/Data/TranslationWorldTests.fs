module Noisy.Tests.TranslationWorldTests

open System
open System.Collections.Generic
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments

let private key = NoiseKey.FromSeed(7L).Child "languages"
let private text (words: string seq) = String.Join(' ', words)

// The way back, which shares nothing with the translator but the word lists: target words are looked up with all of their forms,
// endings must agree, and the source sentence is put together again.

let private ending feminine plural = (if feminine then "a" else "o") + (if plural then "i" else "")
let private both = [ false; true ]

let private nouns =
    dict [ for noun in TranslationLexicon.Nouns do
               for plural in both ->
                   noun.Target + (if plural then "i" else ""), (noun.Source + (if plural then "s" else ""), noun.Feminine, plural) ]

let private determiners =
    dict [ for struct (one, several, stem) in TranslationLexicon.Determiners do
               for feminine in both do
                   for plural in both -> stem + ending feminine plural, ((if plural then several else one), feminine, plural) ]

let private adjectives =
    dict [ for pair in TranslationLexicon.Adjectives do
               for feminine in both do
                   for plural in both -> pair.Value + ending feminine plural, (pair.Key, feminine, plural) ]

let private pronouns = dict [ for feminine in both do for plural in both -> "ell" + ending feminine plural, ((if plural then "they" else "it"), feminine, plural) ]

/// Verbs with tense (the ending of the adverb, or "is") and number; whether they take an object.
let private verbs =
    dict [ for list, transitive in [ TranslationLexicon.Transitive, true; TranslationLexicon.Intransitive, false ] do
               for pair in list do
                   for tense in [ "is"; "av"; "er" ] do
                       for plural in both -> pair.Value + tense + (if plural then "en" else ""), (pair.Key, tense, plural, transitive) ]

let private reversed (words: OrderedDictionary<string, string>) = dict [ for pair in words -> pair.Value, pair.Key ]
let private postpositions, conjunctions = reversed TranslationLexicon.Prepositions, reversed TranslationLexicon.Conjunctions
let private adverbs = dict [ for pair in TranslationLexicon.Adverbs -> (let struct (word, tense) = pair.Value in word, (pair.Key, tense)) ]

/// A determiner, a noun, adjectives; gives the source phrase, gender and number, and the rest.
let private phrase (words: string list) =
    match words with
    | determiner :: noun :: rest when determiners.ContainsKey determiner ->
        let source, feminine, plural = nouns[noun]
        let the, f, p = determiners[determiner]
        Expect.equal (f, p) (feminine, plural) $"{determiner} agrees with {noun}"
        let own = rest |> List.takeWhile adjectives.ContainsKey
        for adjective in own do
            let _, f, p = adjectives[adjective]
            Expect.equal (f, p) (feminine, plural) $"{adjective} agrees with {noun}"
        let adjectives = own |> List.map (fun a -> let word, _, _ = adjectives[a] in word) |> List.rev
        [ the ] @ adjectives @ [ source ], (feminine, plural), List.skip own.Length rest
    | other -> failtestf "no phrase: %A" other

let rec private clause tense before words =
    let subject, agreement, rest =
        match words with
        | pronoun :: rest when pronouns.ContainsKey pronoun ->
            let word, feminine, plural = pronouns[pronoun]
            Expect.equal (Some(feminine, plural)) before $"{pronoun} agrees with the subject before"
            [ word ], (feminine, plural), rest
        | _ -> phrase words

    let rec phrases found words =
        match words with
        | next :: _ when determiners.ContainsKey next ->
            let source, _, rest = phrase words
            match rest with
            | post :: rest when postpositions.ContainsKey post -> phrases (Choice1Of2(postpositions[post] :: source) :: found) rest
            | _ -> phrases (Choice2Of2 source :: found) rest
        | _ -> List.rev found, words

    match phrases [] rest with
    | found, verb :: rest ->
        let word, own, plural, transitive = verbs[verb]
        Expect.equal (own, plural) (tense, snd agreement) $"{verb}: tense of the sentence, number of its subject"
        let object', prepositional =
            match found, transitive with
            | [ Choice1Of2 p; Choice2Of2 o ], true -> o, p
            | [ Choice2Of2 o ], true -> o, []
            | [ Choice1Of2 p ], false -> [], p
            | [], false -> [], []
            | other -> failtestf "%A before %s" other verb
        let source = subject @ [ word ] @ object' @ prepositional
        match rest with
        | conjunction :: rest -> source @ [ conjunctions[conjunction] ] @ clause tense (Some agreement) rest
        | [] -> source
    | other -> failtestf "no verb: %A" other

let private back (target: string[]) =
    match List.ofArray target with
    | first :: rest when adverbs.ContainsKey first ->
        let word, tense = adverbs[first]
        clause tense None rest @ [ word ]
    | words -> clause "is" None words

/// Sentences: most clauses, split, index.
let private places =
    gen {
        let! clauses = Gen.choose (1, 3)
        let! split = Gen.elements [ Split.Train; Split.Valid; Split.Test ]
        let! index = Gen.frequency [ 5, Gen.choose (0, 1_000_000) |> Gen.map int64; 1, Gen.constant 5_000_000_000L ]
        return clauses, split, index
    }
    |> Arb.fromGen

let private refusedWith (message: string) (sentence: string) =
    Tol.throws<ArgumentException> message (fun () -> TranslationWorld.Translate(sentence.Split ' ') |> ignore)

let tests =
    testList "TranslationWorld" [
        test "the rules, one by one" {
            for source, target in
                [ "the cat sleep", "la mirel dormis"
                  "the cats sleep", "lai mireli dormisen"
                  "a dog wait", "uno kanet aspetis"
                  "some dogs wait", "unoi kaneti aspetisen"
                  "this big red house fall yesterday", "yeri kesta domel ruba granda kadav"
                  "the king see these small birds tomorrow", "matin lo regel kestoi aveli minoi vider"
                  "the king see a bird under the old tree", "lo regel la arbin senka sub uno avel vidis"
                  "the teacher sing and it vanish soon", "balde la doken kanter ed ella disparer"
                  "the doors fall but they move a stone while the cat sleep earlier",
                  "pridu loi portuni kadaven mes elloi una petrin movaven dum la mirel dormav"
                  "the small cat follow some birds near this river and it sleep yesterday",
                  "yeri la mirel mina kesto fluven apud unoi aveli sekvav ed ella dormav" ] do
                Expect.equal (text (TranslationWorld.Translate(source.Split ' '))) target source
        }

        test "no two words of the target look alike" {
            let forms = Seq.concat [ nouns.Keys; determiners.Keys; adjectives.Keys; pronouns.Keys; verbs.Keys; postpositions.Keys; conjunctions.Keys; adverbs.Keys ]
            Expect.equal (Seq.length (Seq.distinct forms)) (Seq.length forms) "forms"
            Expect.isFalse (forms |> Seq.contains PennTreebank.EndOfSentence) "the end token is none of them"
        }

        testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = 400 } "the backward pass gives the source again, and everything agrees"
        <| Prop.forAll places (fun (clauses, split, index) ->
            let pair = TranslationWorld.Pair(clauses, key, split, index)
            Expect.equal (text (back pair.Target)) (text pair.Source) "source"
            Tol.atMost (max pair.Source.Length pair.Target.Length) (15 * clauses) "length"
            Expect.equal (TranslationWorld.SplitOf pair.Source) split "split")

        test "a pair is a function of its arguments, in whatever order it is requested" {
            let pair split index = TranslationWorld.Pair(2, key, split, index)
            let first = [ for i in 0L .. 20L -> text (pair Split.Train i).Source ]
            Expect.equal [ for i in 20L .. -1L .. 0L -> text (pair Split.Train i).Source ] (List.rev first) "backwards"
            Expect.notEqual [ for i in 0L .. 20L -> text (TranslationWorld.Pair(2, key.Child 1u, Split.Train, i)).Source ] first "another key"
        }

        test "splits share no sentence, and a longer set begins with the shorter one" {
            let data, short = TranslationWorld.Create(1, 3_000, 400, 400), TranslationWorld.Create(1, 30, 4, 4)
            let sources split = set [ for pair in data.Part split -> text pair.Source ]
            let train, valid, test = sources Split.Train, sources Split.Valid, sources Split.Test
            Expect.isEmpty (Set.intersect train valid) "train and valid"
            Expect.isEmpty (Set.intersect train test) "train and test"
            Expect.isEmpty (Set.intersect valid test) "valid and test"
            Tol.above train.Count 2_900 "hardly a sentence twice"
            Expect.equal [ for pair in short.Train -> text pair.Target ] [ for pair in Seq.take 30 data.Train -> text pair.Target ] "beginning"
            Expect.equal (short.Identity.Name, short.Identity.Source) ("translation-world", "built-in") "identity"
        }

        test "a perfect translation scores 1, one without context much less" {
            let data = TranslationWorld.Create(2, 2_000, 200, 200)
            let references = [| for pair in data.Test -> [| pair.Target |] |]
            Expect.equal (CorpusBleu.Default.ScoreTokens([| for pair in data.Test -> pair.Target |], references)).Bleu 1.0 "the references"
            // Word for word in the order of the source, each word by the target word that it most often goes together with.
            let together = Dictionary<struct (string * string), float>()
            let often = data.Train |> Seq.collect (fun pair -> pair.Target) |> Seq.countBy id |> dict
            for pair in data.Train do
                for s in Seq.distinct pair.Source do
                    for t in Seq.distinct pair.Target do
                        together[struct (s, t)] <- together.GetValueOrDefault(struct (s, t)) + 1.0
            let best = Dictionary<string, string * float>()
            for entry in together do
                let struct (s, t) = entry.Key
                let value = entry.Value * entry.Value / float often[t]
                match best.TryGetValue s with
                | true, (_, known) when known >= value -> ()
                | _ -> best[s] <- (t, value)
            let glossed = [| for pair in data.Test -> pair.Source |> Array.map (fun s -> match best.TryGetValue s with | true, (t, _) -> t | _ -> s) |]
            let score = CorpusBleu.Default.ScoreTokens(glossed, references)
            Tol.above score.Precisions[0] 0.25 "many words are right"
            Tol.below score.Bleu 0.15 "but few orders and forms"
        }

        test "what is no sentence says so" {
            "the cat" |> refusedWith "word 3, 'the end': a verb is expected"
            "cat sleep" |> refusedWith "word 1, 'cat': a determiner is expected"
            "the blue cat sleep" |> refusedWith "word 2, 'blue': an adjective or a noun is expected"
            "a cats sleep" |> refusedWith "word 2, 'cats': a noun of the number of 'a' is expected"
            "these cat sleep" |> refusedWith "word 2, 'cat': a noun of the number of 'these' is expected"
            "the cat see" |> refusedWith "word 4, 'the end': a determiner is expected"
            "it sleep" |> refusedWith "word 1, 'it': a determiner is expected"
            "the cats sleep and it sing" |> refusedWith "word 5, 'it': a determiner is expected"
            "the cat sleep the dog" |> refusedWith "word 4, 'the': a conjunction, a preposition or the end is expected"
            Tol.throws<ArgumentException> "word 1, 'the end': a determiner is expected" (fun () -> TranslationWorld.Translate [||] |> ignore)
            for clauses in [ 0; 4 ] do
                Expect.throwsT<ArgumentOutOfRangeException> (fun () -> TranslationWorld.Pair(clauses, key, Split.Train, 0L) |> ignore) "clauses"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> TranslationWorld.Create(1, 1, 0, 1) |> ignore) "an empty split"
        }

        test "the sentences are the same on every machine" {
            Expect.equal (TranslationWorld.Create(3, 50, 20, 20).Identity.Sha256) "450533eeb564e5ec5c9f1027aa8a310408433e1b82487c83a36845f467fd85d9" "checksum"
        }
    ]
