/// Features on their way into a folder: a picture after another, so that what was made before an interruption is not made again.
module internal Noisy.Scripts.FeatureWriter

open System
open System.Globalization
open System.IO
open System.Runtime.InteropServices
open System.Security.Cryptography
open System.Text
open System.Text.Json
open Noisy.Experiments

/// A line of the journal: a picture whose features are in the array, and the length of its file.
type Entry = { Name: string; Bytes: int64 }

// NumPy aligns the numbers to 64 bytes.
let private headerBytes = 128

let private line (recipe: FeatureRecipe) = JsonSerializer.Serialize(recipe, ConfigJson.Line)

// A name may hold anything, an end of line too.
let private write entry = JsonSerializer.Serialize([| entry.Name; string entry.Bytes |], ConfigJson.Line)

let private read (text: string) =
    try
        match JsonSerializer.Deserialize<string[]>(text, ConfigJson.Line) with
        | [| name; bytes |] when not (isNull name) -> Some { Name = name; Bytes = Int64.Parse(bytes, CultureInfo.InvariantCulture) }
        | _ -> None
    with :? JsonException | :? FormatException | :? ArgumentNullException | :? OverflowException -> None

/// The header of a .npy file of half-precision numbers.
let private header (sizes: int seq) =
    let text = $"""{{'descr': '<f2', 'fortran_order': False, 'shape': ({String.Join(", ", sizes)}), }}"""
    let start = Array.concat [ [| 0x93uy |]; "NUMPY"B; [| 1uy; 0uy; byte (headerBytes - 10); 0uy |] ]
    Array.append start (Encoding.ASCII.GetBytes(text.PadRight(headerBytes - 11) + "\n"))

/// The features of a folder's pictures by one recipe, begun or resumed.
///
/// folder: where they go; recipe: how they are made; sizes: channels, rows and columns of a picture's.
type Writer(folder: string, recipe: FeatureRecipe, sizes: int[]) =
    let row = 2 * Array.reduce (*) sizes
    let arrayPath, journalPath = Path.Combine(folder, FeatureList.ArrayName + ".part"), Path.Combine(folder, FeatureList.FileName + ".part")
    let array = new FileStream(arrayPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None)

    /// Pictures whose features are whole, by the journal of an earlier session with the same recipe.
    let known =
        match (if File.Exists journalPath then List.ofArray (File.ReadAllLines journalPath) else []) with
        | first :: rest when first = line recipe ->
            let whole = int (min (int64 rest.Length) (max 0L (array.Length - int64 headerBytes) / int64 row))
            rest |> List.truncate whole |> List.map read |> List.takeWhile _.IsSome |> List.choose id
        | _ -> []

    let journal =
        array.SetLength(int64 headerBytes + int64 known.Length * int64 row)
        array.Seek(0L, SeekOrigin.End) |> ignore
        AtomicFile.Write(journalPath, String.Join("\n", line recipe :: List.map write known) + "\n")
        new StreamWriter(journalPath, append = true, AutoFlush = true)

    let entries = ResizeArray known

    /// The pictures whose features are there, in the order of the rows.
    member _.Entries = entries.AsReadOnly()

    /// Adds the features of a picture.
    member _.Add(entry: Entry, features: Half[]) =
        array.Write(MemoryMarshal.AsBytes(ReadOnlySpan features))
        array.Flush() // the row before its line
        journal.Write(write entry + "\n")
        entries.Add entry

    /// Closes the array, and writes the list that makes it whole.
    member _.Finish(pictures: string) =
        array.Seek(0L, SeekOrigin.Begin) |> ignore
        array.Write(ReadOnlySpan(header (Seq.append [ entries.Count ] sizes)))
        array.Flush true
        array.Seek(0L, SeekOrigin.Begin) |> ignore
        let checksum = Convert.ToHexStringLower(SHA256.HashData array)
        array.Dispose()
        journal.Dispose()
        File.Move(arrayPath, Path.Combine(folder, FeatureList.ArrayName), overwrite = true)
        FeatureList(recipe, pictures, ResizeArray [ for entry in entries -> entry.Name ], checksum).Write folder
        File.Delete journalPath

    interface IDisposable with
        member _.Dispose() =
            array.Dispose()
            journal.Dispose()
