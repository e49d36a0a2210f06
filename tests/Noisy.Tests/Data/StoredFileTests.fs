/// Files that claim more than they hold, or unpack to more than is accepted.
module Noisy.Tests.StoredFileTests

open System
open System.Buffers.Binary
open System.IO
open System.Text
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

let private remedy = "Take another."

/// A file that gzip made whose last word, the length of its content, is another.
let private announcing (length: uint32) content =
    let zipped = gzip content
    BinaryPrimitives.WriteUInt32LittleEndian(zipped.AsSpan(zipped.Length - 4), length)
    zipped

let private npy (shape: string) (data: int) =
    let header = $"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    Array.concat [ [| 0x93uy |]; utf8 "NUMPY"; [| 1uy; 0uy |]; BitConverter.GetBytes(uint16 header.Length); utf8 header; Array.zeroCreate data ]

/// What an action allocates; it must be refused as bad data with these parts in the message.
let private cost parts (action: unit -> unit) =
    let before = GC.GetAllocatedBytesForCurrentThread()
    refused<DataException> parts action
    GC.GetAllocatedBytesForCurrentThread() - before

let tests =
    testSequenced
    <| testList "stored files" [
        test "a file that unpacks to more than is accepted is refused before it is unpacked" {
            use folder = new TempFolder()
            folder.Write("bomb.gz", gzip (Array.zeroCreate 200_000_000))
            folder.Write("bomb.npy.gz", gzip (npy "(200000000,)" 200_000_000))
            let path, array = folder.At "bomb.gz", folder.At "bomb.npy.gz"
            for parts, read in
                [ [ path; "more than 1,000,000 bytes (200,000,000, by its end"; remedy ], (fun () -> DataFile.Read(path, remedy, 1_000_000L) |> ignore)
                  [ path; "unpacks to 200,000,000 bytes, more than 200 times what is stored"; remedy ], (fun () -> DataFile.Read(path, remedy) |> ignore)
                  [ array; "more than 1,000,000 bytes"; remedy ], (fun () -> NpyFile.Read(array, remedy, 1_000_000L) |> ignore)
                  [ array; "more than 200 times what is stored"; remedy ], (fun () -> NpyFile.Read(array, remedy) |> ignore)
                  [ path; "more than 200 times what is stored" ], (fun () -> Picture.FromArchive(path, Collections.Generic.HashSet()) |> ignore) ] do
                Tol.below (cost parts read) 2_000_000L $"{parts}"
        }

        test "a false announcement costs no more than it says, and is no whole file" {
            use folder = new TempFolder()
            folder.Write("less.gz", announcing 5u (Array.zeroCreate 50_000_000))
            folder.Write("more.gz", announcing 60_000_000u (utf8 "little"))
            for name, most in [ "less.gz", 2_000_000L; "more.gz", 65_000_000L ] do
                let spent = cost [ folder.At name; "not a whole gzip file"; remedy ] (fun () -> DataFile.Read(folder.At name, remedy) |> ignore)
                Tol.below spent most name
        }

        test "a plain file that is longer than is accepted is refused before it is read" {
            use folder = new TempFolder()
            do
                use stream = File.Create(folder.At "long.txt")
                stream.SetLength 3_000_000_000L // a hole, which takes no room
            let spent = cost [ "more than 536,870,912 bytes (3,000,000,000)" ] (fun () -> DataFile.Read(folder.At "long.txt", remedy) |> ignore)
            Tol.below spent 2_000_000L "allocated"
        }

        test "a file that does not tell its length is read up to the limit" {
            if not (OperatingSystem.IsLinux()) then skiptest "needs /dev/zero"
            refused<DataException> [ "more than 1,000,000 bytes" ] (fun () -> DataFile.Read("/dev/zero", remedy, 1_000_000L) |> ignore)
            Expect.isNonEmpty (DataFile.Read("/proc/self/status", remedy)) "a file of length 0 that has something to say"
        }

        test "the sizes of an array never wrap" {
            let read shape = NpyFile.Read(new MemoryStream(npy shape 0), "a.npy", remedy) |> ignore
            refused<DataException> [ "'a.npy'"; "more than an array can hold" ] (fun () -> read "(65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536)")
            refused<DataException> [ "'a.npy'"; "more than an array can hold" ] (fun () -> read (String.Join(", ", Seq.replicate 7 "2147483647") |> sprintf "(%s, 2)"))
            refused<DataException> [ "65 sizes; 64 are the most" ] (fun () -> read (String.Join(", ", Seq.replicate 65 "1") |> sprintf "(%s)"))
            refused<DataException> [ "numbers of 1 bytes, and more than 1,073,741,824 bytes are not accepted" ] (fun () -> read "(2000000000,)")
            let idx = Array.concat [ [| 0uy; 0uy; 8uy; 8uy |]; Array.concat (Seq.replicate 8 [| 0uy; 1uy; 0uy; 0uy |]) ]
            refused<DataException> [ "'a'"; "cut short" ] (fun () -> IdxFile.Parse(idx, "a", 8, remedy) |> ignore)
        }

        test "a mark of byte order is not text, in captions, lists and vocabularies" {
            use folder = new TempFolder()
            let marked (text: string) = Array.append [| 0xEFuy; 0xBBuy; 0xBFuy |] (utf8 text)
            folder.Write("captions.txt", marked "a.jpg#0\tcat\n")
            Expect.sequenceEqual (CaptionFile.Read(folder.At "captions.txt", true, remedy)).Images.Keys [ "a.jpg" ] "captions"
            for name in [ "train"; "valid"; "test" ] do folder.Write(name + ".txt", marked $"{name}.jpg\n")
            folder.Write("all.txt", utf8 "train.jpg#0\ta\nvalid.jpg#0\tb\ntest.jpg#0\tc\n")
            folder.Write("f.npy", npy "(1, 1, 1, 1)" 1)
            let splits = [| for name in [ "train"; "valid"; "test" ] -> CaptionSplitFiles(folder.At(name + ".txt"), folder.At "f.npy") |]
            let data = CaptionData.Read("mine", folder.At "all.txt", splits)
            Expect.equal data.Test.Images[0].Name "test.jpg" "lists"
            folder.Write("v", marked ((Vocabulary.ByFirstAppearance [ "a" ]).ToText()))
            Expect.sequenceEqual (Vocabulary.Load(folder.At "v")).Tokens [ "a" ] "vocabulary"
            Expect.equal (DataFile.DecodeText(ReadOnlySpan(marked "a\uFEFFb"), "a", remedy)) "a\uFEFFb" "only at the start"
        }
    ]
