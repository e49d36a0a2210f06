module Noisy.Tests.DataFileTests

open System
open System.IO
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

let private content = utf8 (String.replicate 500 "some text that compresses well\n")
let private read path = DataFile.Read(path, "Mend it.") |> ignore

let tests =
    testList "DataFile" [
        test "the checksum is SHA-256 over the contents one after the other" {
            // FIPS 180-4, the one-block example "abc".
            let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            Expect.equal (DataFile.Sha256(utf8 "abc")) abc "whole"
            Expect.equal (DataFile.Sha256(utf8 "a", utf8 "", utf8 "bc")) abc "in pieces"
        }

        test "a plain file is preferred to a compressed one, and either is found" {
            use folder = new TempFolder()
            Expect.isNull (DataFile.Find(folder.Path, "a.txt")) "none"
            folder.Write("a.txt.gz", gzip content)
            Expect.equal (DataFile.Find(folder.Path, "a.txt")) (folder.At "a.txt.gz") "compressed"
            folder.Write("a.txt", content)
            Expect.equal (DataFile.Find(folder.Path, "a.txt")) (folder.At "a.txt") "plain"
        }

        test "plain and compressed files have the same content" {
            use folder = new TempFolder()
            folder.Write("a.txt", content)
            folder.Write("a.txt.gz", gzip content)
            Expect.equal (DataFile.Read(folder.At "a.txt", "")) content "plain"
            Expect.equal (DataFile.Read(folder.At "a.txt.gz", "")) content "compressed"
        }

        test "what is no whole gzip file is refused" {
            use folder = new TempFolder()
            let whole = gzip content
            let flipped = Array.copy whole
            flipped[whole.Length - 6] <- flipped[whole.Length - 6] ^^^ 1uy // in the checksum at its end

            for name, bytes in
                [ "rubbish", Array.init 300 (fun i -> byte (i * 37))
                  "text", content
                  "empty", [||]
                  "truncated", whole[.. whole.Length / 2]
                  "without end", whole[.. whole.Length - 3]
                  "flipped", flipped ] do
                let file = name + ".gz"
                folder.Write(file, bytes)
                refused<DataException> [ folder.At file; "not a whole gzip file"; "Mend it." ] (fun () -> read (folder.At file))
        }

        test "a file larger than allowed is refused" {
            use folder = new TempFolder()
            folder.Write("a.gz", gzip content)
            refused<DataException> [ "more than 100 bytes" ] (fun () -> DataFile.Read(folder.At "a.gz", "", 100L) |> ignore)
            Expect.hasLength (DataFile.Read(folder.At "a.gz", "", content.LongLength)) content.Length "just fits"
        }

        test "a missing file and a folder in its place are refused" {
            use folder = new TempFolder()
            Directory.CreateDirectory(folder.At "b.txt") |> ignore

            for name in [ "a.txt"; "b.txt" ] do
                refused<DataException> [ folder.At name; "cannot be read"; "Mend it." ] (fun () -> read (folder.At name))
        }

        test "UTF-8 is decoded, anything else is refused with its line" {
            Expect.equal (DataFile.DecodeText(utf8 "naïve\nλ", "a.txt", "")) "naïve\nλ" "text"
            let bytes = Array.concat [ utf8 "one\ntwo\nth"; [| 0xE9uy |]; utf8 "ree\nfour\n" ]
            refused<DataException> [ "'a.txt', line 3"; "not UTF-8"; "Mend it." ] (fun () ->
                DataFile.DecodeText(bytes, "a.txt", "Mend it.") |> ignore)
        }
    ]
