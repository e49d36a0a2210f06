module Noisy.Tests.ParallelTextTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

let private parse (rules: ParallelTextRules) (source: string) (target: string) =
    ParallelText.Parse(utf8 source, "a.en", utf8 target, "a.fr", rules, "Mend it.")

let private pairs (text: ParallelText) = [ for pair in text.Pairs -> String.Join(' ', pair.Source), String.Join(' ', pair.Target) ]

let private bad name parts (action: unit -> ParallelText) =
    test name {
        let message = messageOf<DataException> (action >> ignore)
        for part in parts @ [ "Mend it." ] do Expect.stringContains message part "the message"
        Expect.isFalse (message.Contains '\n') "one line"
    }

let private reader =
    testList "reader" [
        test "lines are paired, words cut at white space, ends of lines and a mark of byte order are no words" {
            let text = parse ParallelTextRules.Default "\uFEFFa  cat .\r\n the\tdog\nend" "un chat .\nle chien\u00A0!\r\nfin\n"
            Expect.equal (pairs text) [ "a cat .", "un chat ."; "the dog", "le chien !"; "end", "fin" ] "pairs"
            Expect.equal (text.Lines, text.SourceWords, text.TargetWords) (3, 6, 7) "counts"
        }

        test "pairs with an empty side and long pairs are left out and counted" {
            let text = parse (ParallelTextRules(MaxLength = 3)) "a b\n\na b c\na\na b\n" "x\ny\nz\n \nx y z\n"
            Expect.equal (pairs text) [ "a b", "x" ] "kept: below 3 words on both sides"
            Expect.equal (text.Lines, text.Empty, text.TooLong) (5, 2, 2) "counts"
        }

        test "files are read plain or compressed, in two files or in one with tabs" {
            use folder = new TempFolder()
            folder.Write("a.en", utf8 "one\ntwo words\n")
            folder.Write("a.fr.gz", gzip (utf8 "un\ndeux mots\n"))
            folder.Write("a.tsv.gz", gzip (utf8 "one\tun\ntwo words\tdeux mots\n"))
            let two, one = ParallelText.Read(folder.At "a.en", folder.At "a.fr.gz"), ParallelText.ReadTabs(folder.At "a.tsv.gz")
            Expect.equal (pairs two) [ "one", "un"; "two words", "deux mots" ] "two files"
            Expect.equal (pairs one) (pairs two) "one file"
            Expect.equal two.Sha256 (DataFile.Sha256(utf8 "one\ntwo words\n", utf8 "un\ndeux mots\n")) "checksum of the contents"
            refused<DataException> [ folder.At "b.en"; "cannot be read" ] (fun () -> ParallelText.Read(folder.At "b.en", folder.At "a.en") |> ignore)
        }

        bad "unequal numbers of lines" [ "'a.fr' ends after line 2, but 'a.en' has 3" ] (fun () -> parse ParallelTextRules.Default "a\nb\nc\n" "x\ny\n")
        bad "an empty side as an error" [ "'a.fr', line 2: the translation is empty" ] (fun () ->
            parse (ParallelTextRules(EmptyIsError = true)) "a\nb\n" "x\n  \n")
        bad "an empty sentence as an error" [ "'a.en', line 1: the sentence is empty" ] (fun () ->
            parse (ParallelTextRules(EmptyIsError = true)) "\nb\n" "x\ny\n")
        bad "nothing left" [ "'a.en' has 2 lines, but no pair"; "1 have an empty side, 1 have 2 words or more" ] (fun () ->
            parse (ParallelTextRules(MaxLength = 2)) "a b\n\n" "x\ny\n")
        bad "empty files" [ "'a.en' has 0 lines" ] (fun () -> parse ParallelTextRules.Default "" "")
        bad "bytes that are not UTF-8" [ "'a.fr', line 2"; "not UTF-8" ] (fun () ->
            ParallelText.Parse(utf8 "a\nb\n", "a.en", Array.append (utf8 "x\n") [| 0xE9uy; 10uy |], "a.fr", remedy = "Mend it."))

        test "further columns are not read, and that is told; a blank line is a pair left out" {
            use folder = new TempFolder()
            let read text = folder.Write("a.tsv", utf8 text); ParallelText.ReadTabs(folder.At "a.tsv")
            let notes (text: ParallelText) = List.ofSeq (text.Notes "the text")
            let tatoeba = read "Go.\tVa !\tCC-BY 2.0 (France) Attribution: tatoeba.org #1 (a)\r\nHi.\tSalut !\tCC-BY 2.0\r\n"
            Expect.equal (pairs tatoeba) [ "Go.", "Va !"; "Hi.", "Salut !" ] "with attribution"
            Expect.equal (notes tatoeba) [ "the text: column 3 is not read" ] "told"
            Expect.equal (notes (read "a\tb\tc\td\te\n\nf\tg\n")) [ "the text: columns 3 to 5 are not read"; "the text: 1 of 3 pairs are left out, of which a side is empty" ] "several"
            let numbered = read "1276\tGo.\t2481\tVa !\n77\tHi.\t12\tSalut !\n"
            Expect.equal (pairs numbered, notes numbered) ([ "Go.", "Va !"; "Hi.", "Salut !" ], [ "the text: columns 1 and 3 are numbers and not read" ]) "Tatoeba's own export"
            refused<DataException> [ "line 2: 2 columns, 4 expected" ] (fun () -> read "1\ta\t2\tb\n3\tc\n" |> ignore)
            Expect.isEmpty (notes (read "a\tb\n")) "nothing to tell"
            Expect.equal (pairs (read "a\tb\rc\td\r")) [ "a", "b"; "c", "d" ] "lines of an old Mac"
        }

        test "a line without a tab is refused, with both forms that there are" {
            use folder = new TempFolder()
            folder.Write("a.tsv", utf8 "one\tun\nno tab\n")
            refused<DataException> [ folder.At "a.tsv"; "line 2: there is no tab"; "--data SENTENCES,TRANSLATIONS" ] (fun () -> ParallelText.ReadTabs(folder.At "a.tsv") |> ignore)
        }
    ]

let private vocabularies =
    testList "vocabulary of sentences" [
        test "ids 0 and 1 are special, the rest follow falling counts" {
            let vocabulary = SentenceVocabulary.FromSentences [ "b a a".Split ' '; "a c b <unk>".Split ' ' ]
            Expect.sequenceEqual vocabulary.Tokens [ "<eos>"; "<unk>"; "a"; "b"; "c" ] "tokens"
            Expect.equal (SentenceVocabulary.Encode(vocabulary, "c d a <eos>".Split ' ')) [| 4; 1; 2; 1; 0 |] "a word like the end token is unknown"
            Expect.equal (SentenceVocabulary.Decode(vocabulary, [ 2; 3; 0; 4 ])) [| "a"; "b" |] "up to the end"
        }

        test "a limit counts the special tokens, and must leave room for them" {
            let sentences = [ "b a a".Split ' ' ]
            Expect.sequenceEqual (SentenceVocabulary.FromSentences(sentences, 3)).Tokens [ "<eos>"; "<unk>"; "a" ] "three"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> SentenceVocabulary.FromSentences(sentences, 1) |> ignore) "one"
            refused<ArgumentException> [ "'<unk>' is not among" ] (fun () -> Vocabulary.WithSpecials([| "x" |], [ KeyValuePair("a", 1) ], "<unk>") |> ignore)
        }
    ]

/// A part of a known set in which everything was replaced by other lines and words of the right number.
let private counterfeit (set: ParallelSet) (part: ParallelPart) (folder: TempFolder) =
    let text lines words =
        let extra = words - lines
        String.Join("\n", Seq.init lines (fun i -> if i = 0 then String.Join(' ', Seq.replicate (extra + 1) "w") else "w")) + "\n"
    folder.Write(part.Source, utf8 (text part.Lines part.SourceWords))
    folder.Write(part.Target, utf8 (text part.Lines part.TargetWords))

let private sets =
    [ "Multi30k, tokenised", Multi30k.Tokenised
      "Multi30k, raw", Multi30k.Raw
      "newstest2012", NewsTest.Of2012
      "newstest2013", NewsTest.Of2013
      "Europarl sample a", EuroparlSample.Tokenised
      "Europarl sample b", EuroparlSample.Raw ]

let private known =
    testList "known sets" [
        test "another text is refused by lines, words and checksum, and a missing file by name" {
            use folder = new TempFolder()
            let set, part = NewsTest.Of2012, NewsTest.Of2012.Parts[0]
            refused<DataException> [ $"'{part.Source}' (or"; folder.Path; "by hand"; "built-in" ] (fun () -> set.Load(folder.Path, "test") |> ignore)
            counterfeit set part folder
            refused<DataException> [ folder.At part.Source; "SHA-256"; set.Files.Files[0].Sha256 ] (fun () -> set.Load(folder.Path, "test") |> ignore)
            folder.Write(part.Target, utf8 (String.Join("\n", Seq.replicate part.Lines "w w")))
            refused<DataException> [ folder.At part.Target; "6,006 words, 81,795 expected" ] (fun () -> set.Load(folder.Path, "test") |> ignore)
            folder.Write(part.Source, utf8 "a\n")
            folder.Write(part.Target, utf8 "b\n")
            refused<DataException> [ folder.At part.Source; "1 lines, 3,003 expected" ] (fun () -> set.Load(folder.Path, "test") |> ignore)
            refused<UsageException> [ "newstest2012 has no part 'train'"; "its parts are test" ] (fun () -> set.Load(folder.Path, "train") |> ignore)
        }

        for name, set in sets do
            test $"the real {name} has its published counts" {
                let place = Environment.GetEnvironmentVariable "NOISY_DATA" |> Option.ofObj |> Option.defaultValue ""
                let folder = Path.Combine(place, set.Files.Name)
                if place = "" || isNull (DataFile.Find(folder, set.Files.Files[0].File)) then
                    skiptest $"{name} is not here: set NOISY_DATA to the folder above {set.Files.Name}"
                for part in set.Parts do
                    let text = set.Load(folder, part.Name)
                    Expect.equal (text.Pairs.Count + text.Empty) part.Lines part.Name
                    let empty = match name with "Europarl sample a" -> 35 | "Europarl sample b" -> 36 | _ -> 0
                    Expect.equal text.Empty empty "pairs with an empty side"
                    for file in [ part.Source; part.Target ] do
                        let content = DataFile.Read(DataFile.Find(folder, file), "")
                        Expect.equal content.LongLength (set.Files.Files |> Seq.find (fun f -> f.File = file)).Bytes "size in the table of files"
                Expect.equal (DataCache(settings (Some place) "").Find set.Files) folder "found from above"
            }

        test "of Multi30k the parts that are read must be there, and no others" {
            use folder = new TempFolder()
            let cache = DataCache(settings (Some folder.Path) "/nowhere")
            for part in [ "train"; "val"; "test_2016_flickr" ] do
                for side in [ "en"; "fr" ] do folder.Write($"{part}.lc.norm.tok.{side}", utf8 "a\n")
            let found testPart = [ for set in TranslationTexts.Sets(TranslationTexts.Multi30k, testPart) -> cache.Find set ]
            Expect.equal (found null) [ folder.Path ] "the files that docs/data.md names"
            refused<DataException> [ "'test_2017_mscoco.lc.norm.tok.en'" ] (fun () -> found "test_2017_mscoco" |> ignore)
            refused<UsageException> [ "has no part 'test_2018'"; "test_2016_flickr" ] (fun () -> found "test_2018" |> ignore)
            Expect.equal [ for set in TranslationTexts.Sets(TranslationTexts.Europarl, null) -> set.Files.Count ] [ 2; 2; 2 ] "europarl"
        }

        test "Multi30k has as many types as its description says" {
            let place = Environment.GetEnvironmentVariable "NOISY_DATA" |> Option.ofObj |> Option.defaultValue ""
            let folder = Path.Combine(place, "multi30k")
            if place = "" || isNull (DataFile.Find(folder, "train.lc.norm.tok.en")) then skiptest "Multi30k is not here: set NOISY_DATA"
            let train = Multi30k.Tokenised.Load(folder, "train", ParallelTextRules(MaxLength = 50))
            Expect.equal (train.Pairs.Count + train.TooLong) 29_000 "pairs"
            let all = Multi30k.Tokenised.Load(folder, "train")
            let types side = SentenceVocabulary.FromSentences(all.Pairs |> Seq.map side).Count - 2
            Expect.equal (types (fun pair -> pair.Source), types (fun pair -> pair.Target)) (10_210, 11_219) "types"
            let data = TranslationData.Create("multi30k", train, Multi30k.Tokenised.Load(folder, "val"), Multi30k.Tokenised.Load(folder, "test_2016_flickr"))
            Expect.equal (data.Identity.Source, data.Part(Split.Valid).Count, data.Part(Split.Test).Count) ("real", 1_014, 1_000) "three splits"
        }
    ]

let tests = testList "ParallelText" [ reader; vocabularies; known ]
