module Noisy.Tests.BleuTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Models
open Noisy.Experiments

let private texts (lists: string list list) = [| for list in lists -> List.toArray list |]

// The example of sacrebleu's README and of its test suite (mjpost/sacrebleu, test/test_bleu.py, commit 2ae1366).
let private hypotheses = [| "The dog bit the man."; "It wasn't surprising."; "The man had just bitten him." |]
let private references =
    texts [ [ "The dog bit the man."; "The dog had bit the man." ]
            [ "It was not unexpected."; "No one was surprised." ]
            [ "The man bit him first."; "The man had bitten the dog." ] ]

// Issue 98 in the same suite (test/test_sentence_bleu.py, commit 27bec34).
let private romanian = "producţia de zahăr brut se exprimă în zahăr alb;"
let private spoken = "Producția de zahăr primă va fi exprimată în ceea ce privește zahărul alb;"

// The example of Papineni et al. (2002) as NLTK prints it (nltk.translate.bleu_score, docstrings of sentence_bleu and corpus_bleu).
let private guide = "It is a guide to action which ensures that the military always obeys the commands of the party"
let private troops = "It is to insure the troops forever hearing the activity guidebook that party direct"
let private guides =
    [ "It is a guide to action that ensures that the military will forever heed Party commands"
      "It is the guiding principle which guarantees the military forces always being under the command of the Party"
      "It is the practical guide for the army always to heed the directions of the party" ]
let private book = "he read the book because he was interested in world history"
let private books = [ "he was interested in world history because he read the book" ]

let private bleu = CorpusBleu.Default
let private thirteen = bleu.WithTokenizer TextTokenizer.Mteval13a
let private counts matches totals = BleuCounts(List.toArray matches, List.toArray totals, 11L, 11L)

let private golden =
    testList "published scores" [
        test "sacrebleu's README example" {
            let score = thirteen.Score(hypotheses, references)
            Tol.close Tol.decimals6 48.530827 (100.0 * score.Bleu) "13a"
            Expect.equal (string score)
                $"BLEU = 48.53 82.4/50.0/45.5/37.5 (BP = 0.943 ratio = 0.944 hyp_len = 17 ref_len = 18) nrefs:2|case:mixed|eff:no|tok:13a|smooth:none|version:noisy-{Noisy.Core.NoisyVersion.Current}"
                "the line that is printed"
            Tol.close Tol.decimals6 49.1919566 (100.0 * bleu.Score(hypotheses, references).Bleu) "no tokenisation"
            Expect.equal (thirteen.Score([| ""; ""; "" |], references).Bleu) 0.0 "empty hypotheses stay"
        }

        test "sacrebleu's scores of one sentence with every smoothing" {
            let score smoothing (value: float option) (scorer: CorpusBleu) =
                100.0 * scorer.WithSmoothing(smoothing, Option.toNullable value).Score([| spoken |], texts [ [ romanian ] ]).Bleu
            for smoothing, value, expected in
                [ BleuSmoothing.Exponential, None, 8.493
                  BleuSmoothing.None, None, 0.0
                  BleuSmoothing.Floor, None, 4.51688
                  BleuSmoothing.Floor, Some 0.5, 10.10
                  BleuSmoothing.AddK, None, 14.882
                  BleuSmoothing.AddK, Some 2.0, 21.389 ] do
                let found = score smoothing value thirteen
                Tol.below (abs (found - expected)) 1e-3 $"{smoothing} {value}: {found}, sacrebleu's own tolerance"
            Tol.below (abs (score BleuSmoothing.Exponential None bleu - 7.347)) 1e-3 "no tokenisation"
            for smoothing in Enum.GetValues<BleuSmoothing>() do
                Expect.equal (bleu.WithSmoothing(smoothing).Score([| "this is a cat" |], texts [ [ "okay thanks" ] ]).Bleu) 0.0 "issue 141: no match at all"
        }

        test "NLTK's scores of Papineni's example, BLEU-1 to BLEU-4" {
            let one = bleu.Score([| guide |], texts [ guides ])
            Tol.printed "0.5045666840058485" one.Bleu "a sentence"
            Expect.equal (bleu.Score([| troops |], texts [ guides ]).Bleu) 0.0 "no 4-gram of it is right"
            let two = bleu.Score([| guide; book |], texts [ guides; books ])
            for n, expected in [ 1, "0.9655172413793104"; 2, "0.8242803277698696"; 4, "0.5920778868801042" ] do
                Tol.printed expected two.Values[n - 1] $"BLEU-{n}"
            Expect.stringContains two.Signature "nrefs:var" "their numbers of references differ"
        }

        test "multi-bleu's form of a perfect score" {
            // The output that wrappers of multi-bleu.perl document: BLEU = 100.00, 100.0/100.0/100.0/100.0 (… hyp_len=11, ref_len=11).
            let score = bleu.Score([| book |], texts [ [ book ] ])
            Expect.equal (List.ofSeq score.Values) [ 1.0; 1.0; 1.0; 1.0 ] "all orders"
            Expect.stringContains (string score) "BLEU = 100.00 100.0/100.0/100.0/100.0 (BP = 1.000 ratio = 1.000 hyp_len = 11 ref_len = 11)" "line"
        }

        test "scores of given counts" {
            // sacrebleu, test/test_bleu.py: test_case_scoring, test_case_statistics and test_case_offset.
            Tol.printed "0.8375922397" (bleu.FromCounts(counts [ 9L; 7L; 5L; 3L ] [ 10L; 8L; 6L; 4L ], "1").Bleu) "score"
            let found = BleuCounts.FromSentence("am I am a character sequence".Split ' ', [| "I am a symbol string sequence a a".Split ' ' |])
            Expect.equal (Seq.toList found.Matches, Seq.toList found.Totals) ([ 4L; 2L; 1L; 0L ], [ 6L; 5L; 4L; 3L ]) "counts"
            Tol.close Tol.decimals8 0.1555722182 (bleu.WithSmoothing(BleuSmoothing.Floor).FromCounts(found, "1").Bleu) "floor"
            Expect.equal (bleu.FromCounts(found, "1").Bleu) 0.0 "no smoothing"
        }

        test "clipping: seven times 'the' is two matches of seven" {
            // Papineni et al. (2002), example 2.
            let found =
                BleuCounts.FromSentence("the the the the the the the".Split ' ', [| "the cat is on the mat".Split ' '; "there is a cat on the mat".Split ' ' |])
            Expect.equal (found.Matches[0], found.Totals[0]) (2L, 7L) "modified precision 2/7"
            Expect.equal found.ReferenceLength 7L "the closest reference"
        }

        test "of two references equally near in length the shorter one counts" {
            Expect.equal (BleuCounts.FromSentence([| "a"; "b"; "c" |], [| [| "x"; "y"; "z"; "w" |]; [| "x"; "y" |] |]).ReferenceLength) 2L "length"
        }

        test "13a cuts as mteval-v13a does" {
            for text, expected in
                [ "Hello, World!", "Hello , World !"
                  "It costs 3.14, ok.", "It costs 3.14 , ok ."
                  "1,000 items in 1990-2000", "1,000 items in 1990 - 2000"
                  "It wasn't a well-known test.", "It wasn't a well-known test ."
                  "a &amp; b &quot;c&quot; &lt;d&gt; <skipped>x-\ny", "a & b \" c \" < d > xy"
                  "on July 1, 2020\".", "on July 1 , 2020 \" ."
                  " [x]{y}|z~`/:;=@ ", "[ x ] { y } | z ~ ` / : ; = @" ] do
                Expect.equal (TextTokenizer.Mteval13a.Cut text) (expected.Split ' ') text
        }
    ]

/// BLEU-4 in percent by another way: lists of windows, no dictionaries.
let private slow (hypotheses: string list list) (references: string list list list) =
    let grams n words = if List.length words < n then [] else List.windowed n words
    let times gram grams = grams |> List.filter ((=) gram) |> List.length
    let precision n =
        let matches =
            List.map2 (fun h refs ->
                grams n h |> List.distinct |> List.sumBy (fun g -> min (times g (grams n h)) (refs |> List.map (grams n >> times g) |> List.max)))
                hypotheses references |> List.sum
        let total = hypotheses |> List.sumBy (grams n >> List.length)
        if total = 0 then 0.0 else float matches / float total
    let lengths = List.map2 (fun h refs -> refs |> List.map List.length |> List.minBy (fun r -> abs (r - List.length h), r)) hypotheses references
    let c, r = float (List.sumBy List.length hypotheses), float (List.sum lengths)
    let precisions = [ for n in 1..4 -> precision n ]
    if List.contains 0.0 precisions then 0.0
    else (if c >= r then 1.0 else exp (1.0 - r / c)) * (precisions |> List.fold (*) 1.0) ** 0.25

let private sentence = Gen.choose (0, 9) |> Gen.bind (fun n -> Gen.listOfLength n (Gen.elements [ "a"; "b"; "c" ]))
let private corpus =
    Gen.zip sentence (Gen.choose (1, 3) |> Gen.bind (fun n -> Gen.listOfLength n sentence))
    |> Gen.nonEmptyListOf |> Gen.map List.unzip |> Arb.fromGen

let private score (hypotheses: string list list) (references: string list list list) =
    bleu.ScoreTokens([| for h in hypotheses -> List.toArray h |], [| for refs in references -> [| for r in refs -> List.toArray r |] |])

let tests =
    testList "BLEU" [
        golden

        testProperty "agrees with a slow form over lists of windows"
        <| Prop.forAll corpus (fun (hypotheses, references) ->
            Tol.close Tol.scalar (slow hypotheses references) (score hypotheses references).Bleu "BLEU-4")

        testProperty "is 1 for a reference itself, and the counts of two parts add up"
        <| Prop.forAll corpus (fun (hypotheses, references) ->
            let own = references |> List.map (fun refs -> [ "a"; "b"; "c"; "d" ] @ List.last refs)
            Expect.equal (score own (List.map2 (fun o refs -> refs @ [ o ]) own references)).Bleu 1.0 "perfect"
            let whole, first, rest = score hypotheses references, score hypotheses[..0] references[..0], score hypotheses[1..] references[1..]
            let sum = first.Counts + rest.Counts
            Expect.equal (List.ofSeq whole.Counts.Matches, whole.Counts.ReferenceLength) (List.ofSeq sum.Matches, sum.ReferenceLength) "counts")

        test "lower case, numbers of references and smoothing stand in the signature" {
            let signature (scorer: CorpusBleu) = scorer.Score([| "A b" |], texts [ [ "a b" ] ]).Signature
            Expect.stringStarts (signature (bleu.WithLowercase true)) "nrefs:1|case:lc|eff:no|tok:none|smooth:none|version:noisy-" "lower case"
            Expect.stringContains (signature (bleu.WithSmoothing(BleuSmoothing.Floor, 0.25))) "smooth:floor[0.25]" "floor"
            Expect.stringContains (signature (bleu.WithTokenizer(TextTokenizer.Tokenised "moses"))) "tok:moses" "tokenisation of others"
            Expect.equal (bleu.WithLowercase(true).Score([| "A b" |], texts [ [ "a B" ] ]).Values[1]) 1.0 "blind to case"
        }

        test "what does not fit together says so" {
            Tol.throws<ArgumentException> "2 hypotheses, but references for 1 (Parameter 'references')" (fun () ->
                bleu.Score([| "a"; "b" |], texts [ [ "a" ] ]) |> ignore)
            Tol.throws<ArgumentException> "a hypothesis has no reference (Parameter 'references')" (fun () ->
                bleu.Score([| "a" |], texts [ [] ]) |> ignore)
            Expect.throwsT<ArgumentOutOfRangeException> (fun () ->
                bleu.WithSmoothing(BleuSmoothing.AddK, -1.0).Score([| "a" |], texts [ [ "a" ] ]) |> ignore) "smoothing"
        }
    ]
