module Noisy.Tests.PlatformTests

open System
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions
open Expecto
open Noisy.Models

let private root = Repository.root
let private read (file: string) = File.ReadAllText(Repository.file [ file ])

let tests =
    testList "Platform" [
        test "whatever names a version of libtorch names that of the build" {
            let version = Regex.Match(read "Directory.Build.props", "<NoisyLibTorch>(.*)</NoisyLibTorch>").Groups[1].Value
            Expect.equal TorchFiles.Version version "what the library's messages say"

            for file in
                [ "src/Noisy.Models/Package/runtime.json"; "src/Noisy.Models/Package/Noisy.Models.targets"; "src/Noisy.Models/README.md"
                  "src/Noisy.Experiments/README.md"; "src/Noisy.FSharp/README.md"; "README.md"; "tests/Packages/try.fsx" ] do
                let named = Regex.Matches(read file, @"libtorch-cpu-\S+? (?:--version |"": "")?(?<v>\d+\.\d+\.\d+)|libtorch-cpu-[^""]*"": ""(?<v>[\d.]+)""")
                Expect.isNonEmpty named file
                for found in named do Expect.equal found.Groups["v"].Value version file
        }
        test "the package brings libtorch for the systems that TorchSharp serves, and no others" {
            let named = Regex.Matches(read "src/Noisy.Models/Package/runtime.json", "\"([a-z]+-[a-z0-9]+)\": {") |> Seq.map _.Groups[1].Value |> Set.ofSeq
            Expect.equal named (set TorchFiles.Served) "runtime.json"
            let served = Regex.Match(read "src/Noisy.Models/Package/Noisy.Models.targets", "_NoisyServed Include=\"(.*?)\"").Groups[1].Value
            Expect.equal (set (served.Split ';')) (set TorchFiles.Served) "Noisy.Models.targets"
            for rid in TorchFiles.Served do Expect.stringContains (read "Directory.Build.targets") rid "the repository's own builds"
        }
        test "READMEs of packages link to nothing in the repository" {
            for package in [ "Noisy.Core"; "Noisy.Models"; "Noisy.Experiments"; "Noisy.FSharp" ] do
                for link in Regex.Matches(read $"src/{package}/README.md", @"\]\((.*?)\)") do
                    Expect.stringStarts link.Groups[1].Value "https://" package
        }
        test "a file in use is tried again until it is free" {
            let mutable tries = 0
            SharedFile.Patiently((fun () -> tries <- tries + 1; if tries < 3 then raise (UnauthorizedAccessException "in use")), TimeSpan.FromSeconds 10.0)
            Expect.equal tries 3 "the third try went through"
        }
        test "patience ends, and what is not there is not waited for" {
            let mutable tries = 0
            let work error = Action(fun () -> tries <- tries + 1; raise error)
            Expect.throwsT<IOException> (fun () -> SharedFile.Patiently(work (IOException "in use"), TimeSpan.FromMilliseconds 50.0)) "its exception"
            Tol.above tries 1 "tried again"
            tries <- 0
            Expect.throwsT<FileNotFoundException> (fun () -> SharedFile.Patiently(work (FileNotFoundException "gone"), TimeSpan.FromSeconds 10.0)) "gone"
            Expect.equal tries 1 "once"
        }
        test "a process is alive until it ends, and known by when it began" {
            use child = Process.Start(ProcessStartInfo("dotnet", "--version", RedirectStandardOutput = true))
            Expect.isTrue (OtherProcess.IsAlive Environment.ProcessId) "this one"
            Expect.isNotEmpty (OtherProcess.Since Environment.ProcessId) "its begin"
            Expect.equal (OtherProcess.Since Environment.ProcessId) (OtherProcess.Since Environment.ProcessId) "always the same"
            child.WaitForExit()
            Expect.isFalse (OtherProcess.IsAlive child.Id) "the child, once it has ended"
            Expect.isEmpty (OtherProcess.Since child.Id) "no begin"
        }
    ]
