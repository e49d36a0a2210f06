module Noisy.Tests.VocabularyTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

let private words = "the cat saw the dog".Split ' '

/// Tokens of any characters, the awkward ones often.
let private tokens =
    let character = Gen.frequency [ 3, Gen.choose (32, 0x24F) |> Gen.map char; 2, Gen.elements [ '\\'; '\n'; '\r'; ' '; 'n'; 's'; 'λ' ] ]
    Gen.nonEmptyListOf character |> Gen.map (List.toArray >> String) |> Gen.nonEmptyListOf |> Arb.fromGen

let tests =
    testList "Vocabulary" [
        test "ids follow first appearance" {
            let vocabulary = Vocabulary.ByFirstAppearance words
            Expect.sequenceEqual vocabulary.Tokens [ "the"; "cat"; "saw"; "dog" ] "order"
            Expect.sequenceEqual (vocabulary.Encode words) [ 0; 1; 2; 0; 3 ] "ids"
        }

        test "ids follow falling counts, equal ones in ordinal order" {
            let counts = [ "b", 2; "Z", 2; "a", 5; "é", 2 ] |> List.map KeyValuePair
            Expect.sequenceEqual (Vocabulary.ByCount counts).Tokens [ "a"; "Z"; "b"; "é" ] "order"
        }

        test "a limit keeps the most frequent and the unknown token" {
            let counts = [ "b", 2; "c", 3; "a", 5; "<unk>", 1 ] |> List.map KeyValuePair
            Expect.sequenceEqual (Vocabulary.ByCount(counts, "<unk>", 3)).Tokens [ "a"; "c"; "<unk>" ] "listed but rare"
            Expect.sequenceEqual (Vocabulary.ByCount(List.take 3 counts, "<unk>", 3)).Tokens [ "a"; "c"; "<unk>" ] "not listed"
        }

        test "an unlisted token gets the unknown token's id" {
            let vocabulary = Vocabulary.ByFirstAppearance(words, "<unk>")
            Expect.equal (vocabulary.Id "mouse") (vocabulary.Id "<unk>") "id"
            Expect.isFalse (vocabulary.Contains "mouse") "not listed"
        }

        test "an unlisted token is refused where there is no unknown token" {
            refused<DataException> [ "'mouse'"; "4"; "no unknown token" ] (fun () ->
                (Vocabulary.ByFirstAppearance words).Id "mouse" |> ignore)
        }

        test "an id out of range is refused" {
            let vocabulary = Vocabulary.ByFirstAppearance words
            for id in [ -1; 4 ] do
                refused<ArgumentOutOfRangeException> [ "0 to 3" ] (fun () -> vocabulary.Token id |> ignore)
        }

        test "an empty or doubled token is refused" {
            refused<ArgumentException> [ "token 1 is empty" ] (fun () -> Vocabulary.ByFirstAppearance [ "a"; "" ] |> ignore)
            refused<ArgumentException> [ "'a'"; "twice" ] (fun () ->
                Vocabulary.ByCount([ KeyValuePair("a", 1); KeyValuePair("a", 2) ]) |> ignore)
        }

        testProperty "encoding and decoding are inverse"
        <| Prop.forAll tokens (fun text ->
            let vocabulary = Vocabulary.ByFirstAppearance text
            vocabulary.Decode(vocabulary.Encode text) |> Array.toList = text)

        testProperty "the text form gives the same vocabulary back"
        <| Prop.forAll tokens (fun text ->
            let vocabulary = Vocabulary.ByFirstAppearance(text, List.last text)
            let again = Vocabulary.Parse(vocabulary.ToText(), "here")
            List.ofSeq again.Tokens = List.ofSeq vocabulary.Tokens && again.Unknown = vocabulary.Unknown)

        test "the text form survives Windows line ends" {
            let vocabulary = Vocabulary.ByFirstAppearance words
            let again = Vocabulary.Parse(vocabulary.ToText().Replace("\n", "\r\n"), "here")
            Expect.sequenceEqual again.Tokens vocabulary.Tokens "tokens"
            Expect.isNull again.Unknown "no unknown token"
        }

        test "a damaged text form is refused with its line" {
            let good = (Vocabulary.ByFirstAppearance(words, "cat")).ToText()

            for damaged, parts in
                [ "", [ "line 1"; "not a vocabulary" ]
                  good.Replace("tokens 4", "tokens four"), [ "line 2" ]
                  good.Replace("unknown cat", "cat"), [ "line 3" ]
                  good.Replace("unknown cat", "unknown mouse"), [ "line 3"; "'mouse'" ]
                  good[.. good.Length - 5], [ "3 tokens found, 4 announced" ]
                  good + "more\n", [ "5 tokens found, 4 announced" ]
                  good.Replace("dog", "the"), [ "line 7"; "'the'"; "second time" ]
                  good.Replace("dog", ""), [ "line 7"; "empty" ]
                  good.Replace("saw", "s\\aw"), [ "line 6"; "backslash" ] ] do
                refused<DataException> ("'here'" :: parts) (fun () -> Vocabulary.Parse(damaged, "here") |> ignore)
        }

        test "saving and loading a file gives it back, and a missing file is refused" {
            use folder = new TempFolder()
            let vocabulary = Vocabulary.ByFirstAppearance(words, "<unk>")
            vocabulary.Save(folder.At "words.txt")
            Expect.sequenceEqual (Vocabulary.Load(folder.At "words.txt")).Tokens vocabulary.Tokens "tokens"
            Expect.hasLength (Directory.GetFiles folder.Path) 1 "nothing else is left"
            refused<DataException> [ "other.txt"; "cannot be read" ] (fun () -> Vocabulary.Load(folder.At "other.txt") |> ignore)
        }
    ]
