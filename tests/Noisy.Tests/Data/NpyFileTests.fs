module Noisy.Tests.NpyFileTests

open System
open System.Buffers.Binary
open System.IO
open System.Runtime.InteropServices
open System.Text
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

/// A .npy file as NumPy writes it: the header filled up with blanks to a multiple of 64 bytes.
let private npy (version: int) (header: string) (data: byte[]) =
    let prefix = if version = 1 then 10 else 12
    let header = header.PadRight((prefix + header.Length + 1 + 63) / 64 * 64 - prefix - 1) + "\n"
    let length = Array.zeroCreate<byte> (prefix - 8)
    if version = 1 then BinaryPrimitives.WriteUInt16LittleEndian(length.AsSpan(), uint16 header.Length)
    else BinaryPrimitives.WriteUInt32LittleEndian(length.AsSpan(), uint32 header.Length)
    Array.concat [ [| 0x93uy |]; utf8 "NUMPY"; [| byte version; 0uy |]; length; Encoding.Latin1.GetBytes header; data ]

let private header (descr: string) (shape: string) = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
let private read (bytes: byte[]) = NpyFile.Read(new MemoryStream(bytes), "a.npy", "Mend it.")
let private bytesOf (numbers: 'a[]) = MemoryMarshal.AsBytes(ReadOnlySpan<'a>(numbers)).ToArray()

let private floats (file: NpyFile) count =
    let target = Array.zeroCreate<float32> count
    file.CopyTo(0, target.AsSpan())
    target

let private bad name parts (bytes: byte[]) =
    test name {
        let message = messageOf<DataException> (fun () -> read bytes |> ignore)
        for part in parts @ [ "'a.npy'"; "Mend it." ] do Expect.stringContains message part "the message"
        Expect.isFalse (message.Contains '\n') "one line"
    }

let tests =
    testList "NpyFile" [
        test "the bytes that NumPy writes for arange(6).reshape(2, 3) in single precision are read" {
            // numpy.save of numpy.arange(6, dtype=numpy.float32).reshape(2, 3), version 1.0, by its documented format.
            let bytes = npy 1 "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }" (bytesOf [| 0.0f; 1.0f; 2.0f; 3.0f; 4.0f; 5.0f |])
            Expect.equal bytes.Length (128 + 24) "a header of 128 bytes"
            let file = read bytes
            Expect.equal (List.ofSeq file.Shape, file.Kind) ([ 2; 3 ], NpyKind.Single) "shape and kind"
            Expect.equal (floats file 6) [| 0.0f .. 5.0f |] "numbers"
            Expect.equal file.Sha256 (DataFile.Sha256 bytes) "checksum of the whole file"
        }

        for version in [ 1; 2 ] do
            test $"all kinds of numbers, version {version}" {
                let expected = [| 0.0f; 3.0f; 250.0f; 0.5f |]
                for descr, kind, data, rounded in
                    [ "|u1", NpyKind.Byte, [| 0uy; 3uy; 250uy; 1uy |], [| 0.0f; 3.0f; 250.0f; 1.0f |]
                      "<f2", NpyKind.Half, bytesOf (expected |> Array.map Half.op_Explicit: Half[]), expected
                      "<f4", NpyKind.Single, bytesOf expected, expected
                      "<f8", NpyKind.Double, bytesOf (expected |> Array.map float), expected ] do
                    let file = read (npy version (header descr "(4,)") data)
                    Expect.equal (List.ofSeq file.Shape, file.Kind, file.Values.Length) ([ 4 ], kind, 4) descr
                    Expect.equal (floats file 4) rounded descr
                    let two = Array.zeroCreate<float32> 2
                    file.CopyTo(1, two.AsSpan())
                    Expect.equal two rounded[1..2] "a part"
                    Expect.throwsT<ArgumentOutOfRangeException> (fun () -> file.CopyTo(3, Array.zeroCreate<float32>(2).AsSpan())) "beyond the end"
            }

        test "no dimension is one number, and a dimension of 0 is no number" {
            Expect.equal (read (npy 1 (header "<f8" "()") (bytesOf [| 2.5 |]))).Values.Length 1 "a scalar"
            Expect.equal (read (npy 1 (header "<f8" "(3, 0)") [||])).Values.Length 0 "none"
        }

        test "more numbers than one piece are read whole" {
            let data = Array.init 2_500_001 (fun i -> byte (i * 31 >>> 3))
            let file = read (npy 1 (header "|u1" "(2500001,)") data)
            Expect.equal (file.Values :?> byte[]) data "numbers"
        }

        bad "nothing" [ "ends within the first 8 bytes"; "cut short" ] [||]
        bad "another kind of file" [ "does not begin with the bytes 93 \"NUMPY\"" ] (utf8 "PK and something else")
        bad "a later version" [ "version 3.0"; "versions 1 and 2" ] (Array.concat [ [| 0x93uy |]; utf8 "NUMPY"; [| 3uy; 0uy; 0uy; 0uy; 0uy; 0uy |] ])
        bad "a header cut short" [ "ends within its header"; "cut short" ] (npy 1 (header "<f4" "(2,)") [||]).[..40]
        bad "a header without end" [ "announces a header of 4,294,967,295 bytes" ]
            (Array.concat [ [| 0x93uy |]; utf8 "NUMPY"; [| 2uy; 0uy; 255uy; 255uy; 255uy; 255uy |] ])
        bad "rubbish for a header" [ "the header 'rubbish' does not tell" ] (npy 1 "rubbish" [||])
        bad "records" [ "does not tell 'descr'" ] (npy 1 "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }" [||])
        bad "Fortran's order" [ "Fortran's order"; "C order" ] (npy 1 "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }" (bytesOf [| 1.0f; 2.0f |]))
        bad "integers" [ "another kind of numbers"; "<i8" ] (npy 1 (header "<i8" "(1,)") (bytesOf [| 1L |]))
        bad "numbers of other machines" [ ">f4" ] (npy 1 (header ">f4" "(1,)") (bytesOf [| 1.0f |]))
        bad "a size that is no number of 32 bits" [ "a size that is too large" ] (npy 1 (header "|u1" "(99999999999,)") [||])
        bad "more than an array holds" [ "2147483647 x 2147483647 = 4,611,686,014,132,420,609 numbers" ] (npy 1 (header "|u1" "(2147483647, 2147483647)") [||])
        bad "numbers cut short" [ "announces 2 x 3 = 6 numbers and holds 5"; "cut short" ] (npy 1 (header "<f4" "(2, 3)") (Array.zeroCreate 23))
        bad "a false announcement costs no memory" [ "announces 100000000 = 100,000,000 numbers and holds 7" ] (npy 1 (header "<f8" "(100000000,)") (Array.zeroCreate 60))
        bad "numbers too many" [ "announces 2 x 3 numbers and holds more"; "bytes too many" ] (npy 1 (header "<f4" "(2, 3)") (Array.zeroCreate 25))

        test "compressed files are read; damaged ones and missing ones are refused" {
            use folder = new TempFolder()
            let whole = npy 1 (header "|u1" "(3000,)") (Array.init 3000 (fun i -> byte (i * i)))
            let zipped = gzip whole
            folder.Write("a.npy", whole)
            folder.Write("a.npy.gz", zipped)
            for name in [ "a.npy"; "a.npy.gz" ] do
                Expect.equal (NpyFile.Read(folder.At name, "Mend it.")).Sha256 (DataFile.Sha256 whole) name
            let flipped = Array.copy zipped
            flipped[zipped.Length - 6] <- flipped[zipped.Length - 6] ^^^ 1uy
            for name, bytes, parts in
                [ "rubbish", Array.init 300 (fun i -> byte (i * 37)), [ "not a whole gzip file" ]
                  "empty", [||], [ "Mend it." ]
                  "half", zipped[.. zipped.Length / 2], [ "Mend it." ]
                  "without end", zipped[.. zipped.Length - 9], [ "not a whole gzip file" ]
                  "flipped", flipped, [ "not a whole gzip file" ] ] do
                folder.Write(name + ".npy.gz", bytes)
                refused<DataException> (folder.At(name + ".npy.gz") :: parts) (fun () -> NpyFile.Read(folder.At(name + ".npy.gz"), "Mend it.") |> ignore)
            refused<DataException> [ folder.At "b.npy"; "cannot be read" ] (fun () -> NpyFile.Read(folder.At "b.npy", "Mend it.") |> ignore)
        }

        testProperty "any shape and numbers come back"
        <| Prop.forAll (Gen.choose (0, 4) |> Gen.bind (fun n -> Gen.listOfLength n (Gen.choose (0, 5))) |> Arb.fromGen) (fun shape ->
            let count = List.fold (*) 1 shape
            let numbers = Array.init count (fun i -> float (i * i) / 7.0)
            let text = match shape with [ one ] -> $"({one},)" | _ -> "(" + String.Join(", ", shape) + ")"
            let file = read (npy 2 (header "<f8" text) (bytesOf numbers))
            List.ofSeq file.Shape = shape && (file.Values :?> float[]) = numbers)
    ]
