// Makes the bundle for a machine with a GPU, and tries it here:  dotnet fsi build.fsx -t GpuBundle
//
// One folder, artifacts/noisy-gpu, and the same as a .tar.gz: the scripts as one program (noisy), the tests (Noisy.Tests), .NET itself, and
// TorchSharp, without libtorch, which NOISY_LIBTORCH names. Linux on x64.
#r "System.Formats.Tar"

open System
open System.Diagnostics
open System.Formats.Tar
open System.IO
open System.IO.Compression
open System.Text.RegularExpressions

let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "..", ".."))
let folder, packed = Path.Combine(root, "artifacts", "noisy-gpu"), Path.Combine(root, "artifacts", "noisy-gpu-linux-x64.tar.gz")
let mebibyte, limit = 1048576.0, 60.0

let fail (message: string) =
    eprintfn "%s" message
    exit 1

let start (file: string) (words: string list) (variables: (string * string) list) =
    let start = ProcessStartInfo(file, words, WorkingDirectory = Path.GetTempPath(), RedirectStandardOutput = true, RedirectStandardError = true)
    for name, value in variables do start.Environment[name] <- value
    use child = Process.Start start
    let errors = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    child.ExitCode, output + errors.Result

// ---- Make -----------------------------------------------------------------------------------------------------------

if Directory.Exists folder then Directory.Delete(folder, true)

// A configuration that names no folder of this machine.
let publish =
    [ "--configuration"; "Package"; "--runtime"; "linux-x64"; "--self-contained"; "--output"; folder; "--verbosity"; "quiet"; "--nologo"
      "-p:RunAnalyzers=false"; "-p:ValidateExecutableReferencesMatchSelfContained=false" ]

for project in [ "scripts/Noisy.Command"; "tests/Noisy.Tests" ] do
    match start "dotnet" ([ "publish"; Path.Combine(root, project) ] @ publish) [] with
    | 0, _ -> ()
    | _, output -> fail $"{output}\n{project} was not published"

let version = Regex.Match(File.ReadAllText(Path.Combine(root, "Directory.Build.props")), "<NoisyLibTorch>(.*)</NoisyLibTorch>").Groups[1].Value

let cache =
    match Environment.GetEnvironmentVariable "NUGET_PACKAGES" with
    | null | "" -> Path.Combine(Environment.GetFolderPath Environment.SpecialFolder.UserProfile, ".nuget", "packages")
    | chosen -> chosen

let libtorch = Path.Combine(cache, "libtorch-cpu-linux-x64", version, "runtimes", "linux-x64", "native")

// libtorch, which is the user's; what debuggers need; ONNX Runtime, which trains nothing.
let superfluous =
    [ yield! Directory.GetFiles libtorch |> Array.map Path.GetFileName
      "libmscordaccore.so"; "libmscordbi.so"; "createdump"; "libonnxruntime.so"; "libonnxruntime_providers_shared.so" ]

for name in superfluous do File.Delete(Path.Combine(folder, name))
for pattern in [ "*.xml"; "*.pdb" ] do
    for file in Directory.GetFiles(folder, pattern) do File.Delete file

File.WriteAllText(
    Path.Combine(folder, "README.txt"),
    $"""Noisy on a GPU: for Linux on x64 with NVIDIA's driver and a libtorch {version} for CUDA. Nothing else is needed, not even .NET.

    ./check.sh                                       everything below, with the torch of the Python on the path

    export NOISY_LIBTORCH=FOLDER                     with libtorch_cuda.so: the lib folder of libtorch, or of a Python's torch {version},
                                                     python3 -c "import torch; print(torch.__path__[0] + '/lib')"
    ./Noisy.Tests --filter-test-list devices         every module, task and optimiser on the GPU against the CPU
    ./noisy ptb --device cuda                        the language model; ./noisy --help lists the other experiments

libtorch must be {version[.. version.LastIndexOf '.']}x: TorchSharp's library is made for it, and a folder that says another version is refused. ONNX Runtime is not in this bundle:
'captions --describe' and 'bench' with the suites inference and all need it. 'features' and 'sweep' are not in it either.
"""
)

File.WriteAllText(
    Path.Combine(folder, "check.sh"),
    """#!/bin/sh
# Tests on the GPU, then a short training there.
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$NOISY_LIBTORCH" ]; then
    NOISY_LIBTORCH=$(python3 -c "import torch; print(torch.__path__[0] + '/lib')") || { echo "set NOISY_LIBTORCH to a folder with libtorch" >&2; exit 2; }
    export NOISY_LIBTORCH
fi
"$here/Noisy.Tests" --filter-test-list devices || exit 1
"$here/noisy" ptb --device ${1:-cuda} --row soft,nah --out "${TMPDIR:-/tmp}/noisy-gpu-runs"
"""
)

for program in [ "noisy"; "Noisy.Tests"; "check.sh" ] do
    File.SetUnixFileMode(Path.Combine(folder, program), enum<UnixFileMode> 0o755)

using (new GZipStream(File.Create packed, CompressionLevel.SmallestSize)) (fun stream -> TarFile.CreateFromDirectory(folder, stream, includeBaseDirectory = true))
let size = float (FileInfo(packed).Length) / mebibyte
printfn "%s: %.1f MiB" packed size
if size > limit then fail $"the bundle has {size:F1} MiB: must be at most {limit}"

// ---- Try ------------------------------------------------------------------------------------------------------------

// Unpacked elsewhere, by a user without .NET and without a package cache; the CPU build stands for the user's libtorch.
let elsewhere = Directory.CreateTempSubdirectory "noisy-bundle-"
using (new GZipStream(File.OpenRead packed, CompressionMode.Decompress)) (fun stream -> TarFile.ExtractToDirectory(stream, elsewhere.FullName, true))
let there name = Path.Combine(elsewhere.FullName, "noisy-gpu", name)
let user = [ "HOME", elsewhere.FullName; "DOTNET_ROOT", ""; "NUGET_PACKAGES", ""; "NOISY_LIBTORCH", libtorch; "TMPDIR", elsewhere.FullName ]

let expect (code: int) (text: string) program words variables =
    let found, output = start program words (user @ variables)
    if found <> code || not (output.Contains text) then
        fail $"{output}\n{program} {words}: exit code {found} where {code} was expected, with '{text}'"
    printfn "%s %s: as it should be" (Path.GetFileName program) (String.concat " " words)

expect 0 " 0 failed" (there "Noisy.Tests") [ "--filter-test-list"; "devices" ] []
expect 0 "index.html are in" (there "noisy") [ "ptb"; "--row"; "soft,nah"; "--device"; "cpu"; "--out"; Path.Combine(elsewhere.FullName, "runs") ] []
expect 2 "" (there "noisy") [ "ptb"; "--device"; "cuda" ] []
expect 2 "needs ONNX Runtime" (there "noisy") [ "bench"; "--quick" ] []
elsewhere.Delete true
