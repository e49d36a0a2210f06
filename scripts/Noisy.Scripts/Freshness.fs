/// Whether the compiled library still is what the sources say. Also loaded, as source, by build-library.fsx: only the
/// .NET SDK may be used here.
module Noisy.Scripts.Freshness

open System
open System.IO
open System.Security.Cryptography
open System.Text

/// Where the fingerprint of the sources lies that the last good build was made from.
let stampFile scripts = Path.Combine(scripts, ".build.stamp")

/// A hash over the names and contents of all files that the build reads, and over the place of the tree, since what
/// the build writes names it. Time stamps play no part: checking out another branch and back costs no build.
let fingerprint (scripts: string) =
    let root = Path.GetDirectoryName scripts

    let isSource (path: string) =
        Path.GetRelativePath(root, path).Split Path.DirectorySeparatorChar
        |> Array.forall (fun part -> part <> "bin" && part <> "obj" && not (part.StartsWith '.'))

    let sources =
        [ Path.Combine(root, "src"); Path.Combine(scripts, "Noisy.Scripts") ]
        |> Seq.collect (fun folder -> Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        |> Seq.filter isSource

    let settings =
        [ "paket.lock"; "Directory.Build.props"; "Directory.Build.targets"; "global.json" ]
        |> Seq.map (fun name -> Path.Combine(root, name))
        |> Seq.filter File.Exists

    use hash = IncrementalHash.CreateHash HashAlgorithmName.SHA256
    hash.AppendData(Encoding.UTF8.GetBytes root)

    for path in Seq.append sources settings |> Seq.toArray |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b)) do
        hash.AppendData(Encoding.UTF8.GetBytes path)
        hash.AppendData(SHA256.HashData(File.ReadAllBytes path))

    Convert.ToHexString(hash.GetHashAndReset())

/// All files that the build counted on are still there: bin/ was not cleaned, the package cache not emptied.
let isComplete scripts =
    let list = Path.Combine(scripts, "refs.g.txt")
    File.Exists(Path.Combine(scripts, "assemblies.g.fsx")) && File.Exists list && File.ReadAllLines list |> Array.forall File.Exists

/// The library was built from these sources, and nothing of it is missing.
let isFresh scripts =
    let stamp = stampFile scripts
    File.Exists stamp && isComplete scripts && File.ReadAllText stamp = fingerprint scripts
