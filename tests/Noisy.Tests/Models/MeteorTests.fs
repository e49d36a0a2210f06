module Noisy.Tests.MeteorTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Models
open Noisy.Experiments

// Full results for the examples of Porter's paper (1980), one or two a rule.
let private paper =
    "caresses caress|ponies poni|ties ti|caress caress|cats cat|feed feed|agreed agre|plastered plaster|bled bled|motoring motor|"
    + "sing sing|conflated conflat|troubled troubl|sized size|hopping hop|tanned tan|falling fall|hissing hiss|fizzed fizz|"
    + "failing fail|filing file|happy happi|sky sky|relational relat|conditional condit|rational ration|valenci valenc|"
    + "hesitanci hesit|digitizer digit|radicalli radic|differentli differ|vileli vile|analogousli analog|vietnamization vietnam|"
    + "predication predic|operator oper|feudalism feudal|decisiveness decis|hopefulness hope|callousness callous|"
    + "formaliti formal|sensitiviti sensit|sensibiliti sensibl|triplicate triplic|formative form|formalize formal|"
    + "electriciti electr|electrical electr|hopeful hope|goodness good|revival reviv|allowance allow|inference infer|"
    + "airliner airlin|gyroscopic gyroscop|adjustable adjust|defensible defens|irritant irrit|replacement replac|"
    + "adjustment adjust|dependent depend|adoption adopt|communism commun|activate activ|angulariti angular|"
    + "homologous homolog|effective effect|bowdlerize bowdler|probate probat|rate rate|cease ceas|controll control|roll roll"

// The sample vocabulary of Porter's pages (snowballstem.org, porter/stemmer), as other implementations test it
// (smile, PorterStemmerTest.java).
let private sample =
    "consign consign|consigned consign|consigning consign|consignment consign|consist consist|consisted consist|"
    + "consistency consist|consistent consist|consistently consist|consolation consol|consolations consol|"
    + "consolatory consolatori|console consol|consoled consol|consolidate consolid|consolidating consolid|"
    + "consolingly consolingli|consols consol|consonant conson|consorting consort|conspicuous conspicu|"
    + "conspicuously conspicu|conspiracy conspiraci|conspirator conspir|conspirators conspir|conspired conspir|"
    + "constable constabl|constance constanc|constancy constanc|constant constant|knack knack|knackeries knackeri|"
    + "knavish knavish|kneaded knead|kneading knead|knee knee|kneel kneel|kneeling kneel|knees knee|knell knell|knelt knelt|"
    + "knick knick|knif knif|knife knife|knightly knightli|knights knight|knits knit|knitted knit|knitting knit|knives knive|"
    + "knobs knob|knocker knocker|knockers knocker|knocking knock|knopp knopp|knots knot"

let private stems =
    testList "Porter's stemmer" [
        for name, list in [ "the paper's examples", paper; "the sample vocabulary", sample ] do
            test name {
                for pair in list.Split '|' do
                    match pair.Split ' ' with
                    | [| word; stem |] -> Expect.equal (PorterStemmer.Stem word) stem word
                    | other -> failtestf "%A" other
            }

        test "short words stay, and its author's changes to the paper are made" {
            for word, stem in [ "is", "is"; "as", "as"; "", ""; "possibly", "possibl"; "archaeology", "archaeolog" ] do
                Expect.equal (PorterStemmer.Stem word) stem word
        }
    ]

let private words (text: string) : string[] = text.Split(' ', StringSplitOptions.RemoveEmptyEntries)
let private original hypothesis reference = Meteor.Original.Score(words hypothesis, [| words reference |])

let private scores =
    testList "scores" [
        test "the examples that encyclopaedias give for the first form" {
            // Wikipedia, "METEOR", as tested in zembrodt/pymeteor, tests/test_pymeteor.py.
            Tol.close Tol.decimals4 0.9977 (original "the cat sat on the mat" "the cat sat on the mat") "the same"
            Tol.close Tol.decimals4 0.9654 (original "the cat was sat on the mat" "the cat sat on the mat") "a word too many"
            Expect.equal (original "i also am one" "this is a test") 0.0 "nothing in common"
            // There, fewest crossings give 6 chunks and 0.5; fewest chunks are 3: on the mat, sat, the cat.
            Tol.close Tol.scalar 0.9375 (original "on the mat sat the cat" "the cat sat on the mat") "in another order"
        }

        test "NLTK's examples" {
            // nltk/test/unit/translate/test_meteor.py (commit 1ef5c80), in lower case; the second reference there is "this istest".
            Tol.printed "0.9921875" (Meteor.Original.Score(words "this is a test", [| words "this is a test"; words "this istest" |])) "one chunk"
            // There 0.6944, since its alignment takes the last of equal words and so has 6 chunks; 12 matches need only 4.
            let hypothesis = "it is a guide to action which ensures that the military always obeys the commands of the party"
            let reference = "it is a guide to action that ensures that the military will forever heed party commands"
            let counts = Meteor.Original.Count(words hypothesis, words reference)
            Expect.equal (counts.Matches, counts.Chunks) (12L, 4L) "matches and chunks"
            let fmean = (12.0 / 18.0) * (12.0 / 16.0) / (0.9 * 12.0 / 18.0 + 0.1 * 12.0 / 16.0)
            Tol.close Tol.decimals4 0.6944 (fmean * (1.0 - 0.5 * 0.5 ** 3.0)) "NLTK's score is of 6 chunks"
            Tol.close Tol.scalar (fmean * (1.0 - 0.5 / 27.0)) (original hypothesis reference) "ours"
        }

        test "version 1.5 by its formula, with stems and function words" {
            let english = Meteor.English
            Expect.equal (english.Score(words "a man runs", [| words "a man runs" |])) 1.0 "equality is free of penalty"
            // Matches: "the" exact, "dog" to "dogs" and "running" to "runs" by stem (0.6 each); "is" is left over; 2 chunks.
            let hypothesis, reference = words "the dog is running", words "the dogs runs"
            let p, r = 2.2 / 4.0, 2.2 / 3.0
            let expected = p * r / (0.85 * p + 0.15 * r) * (1.0 - 0.6 * (2.0 / 3.0) ** 0.2)
            Tol.close Tol.scalar expected (english.Score(hypothesis, [| reference |])) "no function words"
            let p = (0.25 + 2.0 * 0.6 * 0.75) / (2.0 * 0.25 + 2.0 * 0.75)
            let r = (0.25 + 2.0 * 0.6 * 0.75) / (0.25 + 2.0 * 0.75)
            let expected = p * r / (0.85 * p + 0.15 * r) * (1.0 - 0.6 * (2.0 / 3.0) ** 0.2)
            let listed = english.WithFunctionWords(set [ "the"; "is" ] |> System.Collections.Generic.HashSet)
            Tol.close Tol.scalar expected (listed.Score(hypothesis, [| reference |])) "with function words"
            Expect.stringStarts listed.Signature "METEOR (exact + stem)|form:1.5-en|function:2|version:noisy-" "signature"
        }

        test "the best reference counts, and a corpus is scored by its counts added up" {
            let hypotheses = [| words "the cat sat on the mat"; words "a dog" |]
            let references = [| [| words "no"; words "the cat sat on the mat" |]; [| words "a cat"; words "one two three" |] |]
            let score = Meteor.Original.Corpus(hypotheses, references)
            let p, r = 7.0 / 8.0, 7.0 / 8.0
            Tol.close Tol.scalar (p * r / (0.9 * p + 0.1 * r) * (1.0 - 0.5 * (2.0 / 7.0) ** 3.0)) score.Value "corpus"
            let single i = Meteor.Original.Score(hypotheses[i], references[i])
            Tol.close Tol.scalar ((single 0 + single 1) / 2.0) score.Mean "mean of sentences"
            Tol.close Tol.scalar (0.25 + 0.5 * 0.5) (single 1 / (1.0 - 0.5)) "one of two words: F is 1/2, one chunk of one match"
            Tol.throws<ArgumentException> "2 hypotheses, but references for 1 (Parameter 'references')" (fun () ->
                Meteor.Original.Corpus(hypotheses, references[..0]) |> ignore)
            Tol.throws<ArgumentException> "a hypothesis has no reference (Parameter 'references')" (fun () ->
                Meteor.Original.Score(hypotheses[0], [||]) |> ignore)
        }
    ]

/// The best alignment by trying them all: most pairs, fewest chunks, least distance.
let private exhaustive (hypothesis: string list) (reference: string list) =
    let rec ways at used =
        if at = hypothesis.Length then [ [] ]
        else
            [ for rest in ways (at + 1) used -> -1 :: rest
              for place in 0 .. reference.Length - 1 do
                  if reference[place] = hypothesis[at] && not (Set.contains place used) then
                      for rest in ways (at + 1) (Set.add place used) -> place :: rest ]

    let value (way: int list) =
        let pairs = way |> List.indexed |> List.filter (fun (_, place) -> place >= 0)
        let continues (i, place) = List.contains (i - 1, place - 1) pairs
        -pairs.Length, (pairs |> List.filter (continues >> not)).Length, pairs |> List.sumBy (fun (i, place) -> abs (i - place))

    ways 0 Set.empty |> List.map value |> List.min

let private short = Gen.choose (0, 6) |> Gen.bind (fun n -> Gen.listOfLength n (Gen.elements [ "a"; "a"; "b"; "c" ]))

let tests =
    testList "METEOR" [
        stems
        scores

        testProperty "the alignment is the best of all"
        <| Prop.forAll (Arb.fromGen (Gen.zip short short)) (fun (hypothesis, reference) ->
            let partners = WordAlignment.Align(List.toArray hypothesis, List.toArray reference)
            let pairs = partners |> Array.indexed |> Array.filter (fun (_, place) -> place >= 0)
            Expect.equal (pairs |> Array.distinctBy snd).Length pairs.Length "no partner twice"
            for i, place in pairs do Expect.equal reference[place] hypothesis[i] "equal words"
            let value = -pairs.Length, WordAlignment.Chunks partners, pairs |> Array.sumBy (fun (i, place) -> abs (i - place))
            Expect.equal value (exhaustive hypothesis reference) "pairs, chunks, distance")

        test "a long sentence of few words is aligned in time" {
            let long = Array.init 120 (fun i -> [| "the"; "of"; "the"; "a" |][i * 7 % 4])
            let partners = WordAlignment.Align(long, Array.rev long)
            Expect.equal (partners |> Array.filter (fun place -> place >= 0)).Length 120 "all are paired"
        }
    ]
