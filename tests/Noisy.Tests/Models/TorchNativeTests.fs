module Noisy.Tests.TorchNativeTests

open System
open System.IO
open System.Text
open Expecto
open Noisy.Models
open Noisy.Experiments
open TorchSharp

/// The smallest ELF file that requests versions: one segment over all of it, and in it a dynamic section, a string table
/// and the needs of one library.
let private elf (versions: string list) =
    let strings = versions |> List.scan (fun text version -> text + version + "\000") "libstdc++.so.6\000"
    let names = Encoding.ASCII.GetBytes(List.last strings)
    let dynamic, needs = 64 + 2 * 56, 64 + 2 * 56 + 4 * 16
    let stringTable = needs + 16 + 16 * versions.Length
    let file = Array.zeroCreate<byte> (stringTable + names.Length)
    let put (at: int) (bytes: byte[]) = bytes.CopyTo(file, at)
    let u16 at (value: int) = put at (BitConverter.GetBytes(uint16 value))
    let u32 at (value: int) = put at (BitConverter.GetBytes value)
    let i64 at (value: int64) = put at (BitConverter.GetBytes value)

    put 0 [| 0x7fuy; byte 'E'; byte 'L'; byte 'F'; 2uy; 1uy |]
    i64 0x20 64L // program headers
    u16 0x36 56
    u16 0x38 2
    u32 64 1 // a loaded segment: offset 0, address 0x1000, the whole file
    i64 (64 + 16) 0x1000L
    i64 (64 + 32) (int64 file.Length)
    u32 120 2 // the dynamic section
    i64 (120 + 8) (int64 dynamic)
    i64 (120 + 32) 64L

    [ 5L, 0x1000L + int64 stringTable; 0x6ffffffeL, 0x1000L + int64 needs; 0x6fffffffL, 1L ]
    |> List.iteri (fun i (tag, value) ->
        i64 (dynamic + 16 * i) tag
        i64 (dynamic + 16 * i + 8) value)

    u16 (needs + 2) versions.Length
    u32 (needs + 8) 16

    versions
    |> List.iteri (fun i _ ->
        let at = needs + 16 + 16 * i
        u32 (at + 8) strings[i].Length
        u32 (at + 12) (if i + 1 < versions.Length then 16 else 0))

    put stringTable names
    file, (fun i -> BitConverter.ToUInt16(file, needs + 16 + 16 * i + 4))

let tests =
    testSequenced
    <| testList "TorchNative" [
        test "libtorch loads and adds" {
            TorchNative.EnsureLoaded()
            use sum = torch.ones(3L).sum ()
            Expect.equal (sum.item<float32> ()) 3.0f "1 + 1 + 1"
        }
        test "the report names what was loaded" {
            TorchNative.EnsureLoaded()
            Expect.notEqual TorchNative.Report "not loaded" "a tensor could be made"
        }
        test "a folder that the user names must have a libtorch of TorchSharp's version, wherever it comes from" {
            use folder = new TorchHelpers.TempFolder()
            let lib = folder.In "lib"
            let throws text = Tol.throws<TorchNotLoadableException> text (fun () -> TorchNative.Chosen lib |> ignore)
            let library = TorchFiles.Torch
            throws $"NOISY_LIBTORCH names '{lib}', where there is no {library}: point it to the lib folder of a libtorch 2.10, or unset it."
            Directory.CreateDirectory lib |> ignore
            File.WriteAllText(Path.Combine(lib, library), "")
            Expect.equal (TorchNative.Chosen lib) lib "nothing is said"
            for file, text, version in [ "version.py", "__version__ = '2.9.1+cu128'\ndebug = False", "2.9.1"; "build-version", "2.11.0+cpu\n", "2.11.0" ] do
                File.WriteAllText(folder.In file, text)
                throws $"NOISY_LIBTORCH names '{lib}', a libtorch {version}: TorchSharp's library is made for 2.10; point it to one of that version, or unset it."
                File.WriteAllText(folder.In file, text.Replace(version, "2.10.1"))
                Expect.equal (TorchNative.Chosen(lib + "/")) (lib + "/") "the right one"
                File.Delete(folder.In file)
        }
        test "only the version requested becomes optional" {
            let file, flags = elf [ "GLIBCXX_3.4.3"; "GLIBCXX_3.4.32"; "GLIBCXX_3.4.321" ]
            Expect.equal (ElfVersions.Weaken(file.AsSpan(), "GLIBCXX_3.4.32")) 1 "one reference"
            Expect.equal [ flags 0; flags 1; flags 2 ] [ 0us; 2us; 0us ] "its weak flag, and no other"
        }
        test "a file that does not ask for the version stays as it is" {
            let file, _ = elf [ "GLIBCXX_3.4.3" ]
            let before = Array.copy file
            Expect.equal (ElfVersions.Weaken(file.AsSpan(), "GLIBCXX_3.4.32")) 0 "no reference"
            Expect.equal file before "unchanged"
        }
        test "a copy is loaded from the first place that exists and takes it, and is gone afterwards" {
            use folder = new TorchHelpers.TempFolder()
            let missing, good = folder.In "missing", folder.In "good"
            Directory.CreateDirectory good |> ignore
            let mutable loaded = []
            TorchNative.LoadCopy(ReadOnlySpan [| 1uy; 2uy |], [ missing; good ], (fun copy -> loaded <- (Path.GetDirectoryName copy, File.ReadAllBytes copy) :: loaded))
            Expect.equal loaded [ good, [| 1uy; 2uy |] ] "loaded once, from the second place"
            Expect.isEmpty (Directory.GetFileSystemEntries good) "no copy is left"
        }
        test "if no place takes a copy, each is named with its reason, and TMPDIR with the remedy" {
            use folder = new TorchHelpers.TempFolder()
            let missing = folder.In "missing"
            let refuse (_: string) = raise (DllNotFoundException "advice\nfailed to map segment")
            let load () = TorchNative.LoadCopy(ReadOnlySpan [| 1uy |], [ missing; folder.Path ], refuse)
            let message = try load (); "" with :? TorchNotLoadableException as e -> e.Message
            Expect.stringContains message $"{missing} (Could not find a part of the path" "the first"
            Expect.stringContains message $"{folder.Path} (failed to map segment). Set TMPDIR" "the second, and the remedy"
        }
        test "what is no ELF file, or only part of one, is refused" {
            let whole, _ = elf [ "GLIBCXX_3.4.32" ]

            for damaged in [ [||]; Encoding.ASCII.GetBytes "not an ELF file"; whole[..200]; whole[..whole.Length - 2] ] do
                Expect.throwsT<InvalidDataException>
                    (fun () -> ElfVersions.Weaken(Span damaged, "GLIBCXX_3.4.32") |> ignore)
                    $"{damaged.Length} bytes"
        }
    ]
