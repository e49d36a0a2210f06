module Noisy.Tests.DataFileTests

open System
open System.IO
open System.IO.Compression
open System.Text
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

        test "wide text is decoded by its mark of byte order, and refused where it has none or is cut short" {
            let text = "naïve\nλ 𝄞"
            for encoding in [ UnicodeEncoding(false, true) :> Encoding; UnicodeEncoding(true, true); UTF32Encoding(false, true); UTF32Encoding(true, true) ] do
                let bytes = Array.append (encoding.GetPreamble()) (encoding.GetBytes text)
                Expect.equal (DataFile.DecodeText(bytes, "a.txt", "")) text encoding.WebName
                refused<DataException> [ "'a.txt' begins as "; "damaged or cut short"; "Mend it." ] (fun () ->
                    DataFile.DecodeText(bytes[.. bytes.Length - 2], "a.txt", "Mend it.") |> ignore)
            refused<DataException> [ "'a.txt', line 1: there is a byte 0"; "save it as UTF-8"; "Mend it." ] (fun () ->
                DataFile.DecodeText(Encoding.Unicode.GetBytes "ab\nc", "a.txt", "Mend it.") |> ignore)
        }

        test "text of an older encoding is refused with how to convert it" {
            let latin = Encoding.Latin1.GetBytes "one\nd\u00e9j\u00e0 vu\n"
            refused<DataException> [ "'a.txt', line 2"; "iconv -f WINDOWS-1252 -t UTF-8" ] (fun () -> DataFile.DecodeText(latin, "a.txt", "") |> ignore)
        }

        test "what is no text is named for what it is, with what to do" {
            let zip (names: string list) =
                use memory = new MemoryStream()
                do
                    use archive = new ZipArchive(memory, ZipArchiveMode.Create, true)
                    for name in names do archive.CreateEntry(name).Open().Dispose()
                memory.ToArray()
            for bytes, parts in
                [ zip [ "_about.txt"; "fra.txt" ], [ "is a zip archive, which holds '_about.txt', 'fra.txt'"; "unpack it with unzip"; "name a file that was in it" ]
                  zip [ for i in 1..9 -> $"{i}.txt" ], [ "'1.txt', '2.txt', '3.txt', '4.txt', '5.txt', …" ]
                  (zip [ "a.txt" ])[..40], [ "is a zip archive, and damaged or cut short" ]
                  zip [ "[Content_Types].xml"; "word/document.xml" ], [ "is a document of an office program"; "save it as plain text" ]
                  gzip content, [ "is packed by gzip"; "ends in .gz" ]
                  utf8 "BZh91AY", [ "bunzip2" ]
                  utf8 "%PDF-1.7\n", [ "is a PDF"; "pdftotext" ]
                  utf8 "{\\rtf1 a}", [ "rich text"; "save it as plain text" ]
                  [| 0xFFuy; 0xD8uy; 0xFFuy; 0xE0uy |], [ "is a picture" ] ] do
                let message = messageOf<DataException> (fun () -> DataFile.DecodeText(bytes, "a.txt", "") |> ignore)
                for part in "'a.txt'" :: parts do Expect.stringContains message part "the message"
                Expect.isFalse (message.Contains '\n') "one line"
        }
    ]
