module Noisy.Tests.PennTreebankTests

open System
open System.IO
open System.Text
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

/// A text of so many tokens, end tokens included, over so many types, the end token among them; lines of 22 tokens.
let private text tokens types =
    let builder = StringBuilder()

    for i in 0 .. tokens - 1 do
        if i % 22 = 21 then builder.Append '\n' |> ignore
        else builder.Append(" w").Append(i % (types - 1)) |> ignore

    utf8 (builder.ToString())

let private train = lazy (text 929_589 10_000)
let private valid = lazy (text 73_760 6_000)
let private test' = lazy (text 82_430 6_000)

/// Writes a treebank of three files, some replaced.
let private treebank (folder: TempFolder) replaced =
    for name, content in [ "ptb.train.txt", train; "ptb.valid.txt", valid; "ptb.test.txt", test' ] do
        match List.tryFind (fun (other, _) -> other = name) replaced with
        | Some(_, bytes) -> folder.Write(name, bytes)
        | None -> folder.Write(name, content.Value)

let private load (folder: TempFolder) = PennTreebank.Load folder.Path |> ignore

let tests =
    testList "PennTreebank" [
        test "words are cut at blanks and each line feed is an end token" {
            let reader = WordReader "<eos>"
            let ids = reader.Read " a b  a\t\n\nc \r\nlast"
            Expect.equal (ids |> Array.map reader.Word) [| "a"; "b"; "a"; "<eos>"; "<eos>"; "c"; "<eos>"; "last" |] "words"
            Expect.equal (reader.Read "b d") [| 1; 5 |] "numbers go on over texts"
            Expect.equal reader.Types 6 "types"
            Expect.equal [ for count in reader.Counts() -> count.Key, count.Value ]
                [ "a", 2; "b", 2; "<eos>", 3; "c", 1; "last", 1; "d", 1 ] "counts"
        }

        test "a missing file is refused" {
            use folder = new TempFolder()
            refused<DataException> [ "'ptb.train.txt'"; folder.Path; "by hand"; "--data built-in" ] (fun () -> load folder)
        }

        test "a truncated text is refused with the counts found and expected" {
            use folder = new TempFolder()

            for name, content, parts in
                [ "ptb.train.txt", train.Value[..200_000], [ "929,589 expected" ]
                  "ptb.valid.txt", utf8 " w1 w2\n", [ "3 tokens"; "73,760 expected" ]
                  "ptb.test.txt", [||], [ "0 tokens"; "82,430 expected" ] ] do
                treebank folder [ name, content ]
                refused<DataException> ([ folder.At name; "cut short"; "by hand"; "built-in" ] @ parts) (fun () -> load folder)
        }

        test "a text with another number of types is refused" {
            use folder = new TempFolder()
            treebank folder [ "ptb.train.txt", text 929_589 9_999 ]
            refused<DataException> [ "ptb.train.txt"; "9,999 different words"; "10,000 expected" ] (fun () -> load folder)
        }

        test "a word that the training text lacks is refused" {
            use folder = new TempFolder()
            treebank folder [ "ptb.test.txt", utf8 (Encoding.UTF8.GetString(test'.Value).Replace(" w77 ", " w-77 ")) ]
            refused<DataException> [ "ptb.test.txt"; "'w-77'" ] (fun () -> load folder)
        }

        test "another text with the right counts is refused by its checksum" {
            use folder = new TempFolder()
            treebank folder []
            refused<DataException> [ "ptb.train.txt"; "SHA-256"; PennTreebank.Files.Files[0].Sha256 ] (fun () -> load folder)
        }

        test "rubbish as .gz and bytes that are not UTF-8 are refused" {
            use folder = new TempFolder()
            treebank folder [ "ptb.valid.txt", Array.append (utf8 "a\nb\n") [| 0xFFuy |] ]
            refused<DataException> [ "ptb.valid.txt"; "line 3"; "UTF-8" ] (fun () -> load folder)
            File.Delete(folder.At "ptb.valid.txt")
            folder.Write("ptb.valid.txt.gz", utf8 "rubbish, not gzip")
            refused<DataException> [ "ptb.valid.txt.gz"; "gzip"; "by hand" ] (fun () -> load folder)
        }

        test "the real treebank has its published counts" {
            let place = Environment.GetEnvironmentVariable "NOISY_DATA" |> Option.ofObj |> Option.defaultValue ""
            let folder = Path.Combine(place, "ptb")

            if place = "" || isNull (DataFile.Find(folder, "ptb.train.txt")) then
                skiptest "the Penn Treebank is not here: set NOISY_DATA to the folder above ptb"

            let data = PennTreebank.Load folder
            Expect.equal (data.Train.Length, data.Valid.Length, data.Test.Length) (929_589, 73_760, 82_430) "tokens"
            Expect.equal data.Vocabulary.Count 10_000 "types"
            Expect.equal (Seq.take 4 data.Vocabulary.Tokens |> List.ofSeq) [ "the"; "<unk>"; "<eos>"; "N" ] "the most frequent"
            Expect.equal data.Vocabulary.Unknown "<unk>" "unknown word"
            Expect.equal (data.Vocabulary.Decode data.Test[..5]) [| "no"; "it"; "was"; "n't"; "black"; "monday" |] "the test text begins"
            Expect.equal data.Identity.Source "real" "source"
            Expect.isNull data.Floor "no exact entropy"
            let contents = [| for file in PennTreebank.Files.Files -> DataFile.Read(DataFile.Find(folder, file.File), "") |]
            Expect.equal data.Identity.Sha256 (DataFile.Sha256 contents) "identity"
            Expect.equal [ for content in contents -> content.LongLength ] [ for file in PennTreebank.Files.Files -> file.Bytes ] "sizes in the table of downloads"
        }
    ]
