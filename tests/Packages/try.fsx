// Uses the packages as strangers do: in an empty folder outside the repository, with the code and the commands of the packages' READMEs.
// Run by  dotnet fsi build.fsx -t Packages , which packs them first. Everything is fetched anew (about 400 MB), and deleted at the end.
open System
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices
open System.Text.RegularExpressions

let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "..", ".."))
let feed = Path.Combine(root, "artifacts")
let outside = Directory.CreateTempSubdirectory("noisy-packages-").FullName
let cache = Path.Combine(outside, "cache")
let rid = (if OperatingSystem.IsWindows() then "win-" elif OperatingSystem.IsMacOS() then "osx-" else "linux-") + RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()

// ---- Commands -------------------------------------------------------------------------------------------------------

/// Runs a program in a folder: its exit code and all that it said. It sees none of this machine's packages.
let runIn (folder: string) (packages: string) (program: string) (arguments: string seq) =
    let start = ProcessStartInfo(program, arguments, WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true)
    start.Environment["NUGET_PACKAGES"] <- packages
    start.Environment["DOTNET_NOLOGO"] <- "1"
    start.Environment["DOTNET_CLI_UI_LANGUAGE"] <- "en"
    start.Environment["MSBUILDDISABLENODEREUSE"] <- "1"
    start.Environment.Remove "NOISY_LIBTORCH" |> ignore
    use child = Process.Start start
    let errors = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    child.ExitCode, output + errors.Result

/// A warning that is no package's of ours: fsi brings the FSharp.Core of its SDK, and Plotly.NET requests that of a newer patch.
let isOfFsi (line: string) = line.Contains "NU1605" && line.Contains "FSharp.Core"

/// Runs a command that must succeed, without a warning.
let must folder (line: string) =
    match runIn folder cache "dotnet" (line.Split(' ', StringSplitOptions.RemoveEmptyEntries) |> Seq.skip 1) with
    | 0, output when output.Split '\n' |> Array.exists (fun line -> line.Contains "warning" && not (isOfFsi line)) -> failwithf "%s warns:\n%s" line output
    | 0, output -> output
    | code, output -> failwithf "%s ended with %d:\n%s" line code output

/// Runs what a publication has made, where no cache could help it out.
let published folder (out: string) name =
    let program = Path.Combine(folder, out, (if OperatingSystem.IsWindows() then name + ".exe" else name))
    match runIn (Path.Combine(folder, out)) (Path.Combine(outside, "no packages")) program [] with
    | 0, output -> output
    | code, output -> failwithf "%s ended with %d:\n%s" program code output

let megabytes folder =
    let bytes = DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories) |> Seq.sumBy _.Length
    float bytes / 1e6

// ---- What the READMEs say -------------------------------------------------------------------------------------------

/// The first block of a README in a language.
let block package language : string =
    let readme = File.ReadAllText(Path.Combine(root, "src", package, "README.md"))
    Regex.Match(readme, $"```{language}\n(.*?)```", RegexOptions.Singleline).Groups[1].Value

/// A block's commands, for this machine and without comments.
let commands package =
    [ for line in (block package "sh").Split('\n', StringSplitOptions.RemoveEmptyEntries) -> (line.Split('#')[0]).Trim().Replace("linux-x64", rid) ]

let expect what condition (output: string) = if not condition then failwithf "%s:\n%s" what output

/// A console program in a folder of its own, with the README's code and a last line.
let console name (code: string) =
    let folder = Directory.CreateDirectory(Path.Combine(outside, name)).FullName
    must folder "dotnet new console" |> ignore
    File.WriteAllText(Path.Combine(folder, "Program.cs"), code)
    folder

// ---- The trials -----------------------------------------------------------------------------------------------------

let mutable passed, failed = 0, 0

let trial name (work: unit -> string) =
    let watch = Stopwatch.StartNew()

    try
        let result = work ()
        passed <- passed + 1
        printfn "ok      %-34s %4.0f s  %s" name watch.Elapsed.TotalSeconds result
    with error ->
        failed <- failed + 1
        printfn "FAILED  %s: %s" name error.Message

let core = lazy console "core" (block "Noisy.Core" "csharp")
let mutable said = ""

let models =
    lazy
        console "models" (block "Noisy.Models" "csharp" + "\nSystem.Console.WriteLine($\"{output.shape[2]} outputs, {TorchNative.Report}\");\n")

let foreign = [ "win-x64", "torch_cpu.dll", "LibTorchSharp.dll"; "osx-arm64", "libtorch_cpu.dylib", "libLibTorchSharp.dylib"; "linux-x64", "libtorch_cpu.so", "libLibTorchSharp.so" ]

try
    File.WriteAllText(
        Path.Combine(outside, "nuget.config"),
        $"""<configuration><packageSources><add key="noisy" value="{feed}" /></packageSources></configuration>"""
    )

    trial "Core: the README's lines" (fun () ->
        for line in commands "Noisy.Core" |> List.skip 1 do
            said <- must core.Value line
        expect "no mean" (said.StartsWith "mean ") said
        said.Trim())

    trial "Core: native, by AOT" (fun () ->
        must core.Value $"dotnet publish -p:PublishAot=true -r {rid} -o aot --nologo" |> ignore
        let output = published core.Value "aot" "core"
        expect $"not the same as {said}" (output = said) output
        let program = Directory.GetFiles(Path.Combine(core.Value, "aot")) |> Seq.find (fun file -> Path.GetFileNameWithoutExtension file = "core" && not (file.EndsWith ".dbg"))
        $"the same; {float (FileInfo program).Length / 1e6:F1} MB")

    trial "Core: trimmed, on .NET 8" (fun () ->
        let project = Path.Combine(core.Value, "core.csproj")
        File.WriteAllText(project, (File.ReadAllText project).Replace("net10.0", "net8.0"))
        must core.Value $"dotnet publish -p:PublishTrimmed=true --self-contained -r {rid} -o net8 --nologo" |> ignore
        let output = published core.Value "net8" "core"
        expect $"not the same as {said}" (output = said) output
        $"""the same; {megabytes (Path.Combine(core.Value, "net8")):F0} MB""")

    trial "Models: without libtorch" (fun () ->
        must models.Value "dotnet add package Noisy.Models" |> ignore
        let remedy = $"dotnet add package libtorch-cpu-{rid} --version 2.10.0"
        let code, built = runIn models.Value cache "dotnet" [ "build"; "--nologo" ]
        expect "the build must warn and succeed" (code = 0 && built.Contains "NOISY001" && built.Contains remedy) built
        let code, output = runIn models.Value cache "dotnet" [ "run"; "--no-build" ]
        expect "the program must name the package" (code <> 0 && output.Contains remedy) output
        "build and program name the package")

    trial "Models: the README's lines" (fun () ->
        let output = commands "Noisy.Models" |> List.map (must models.Value) |> List.last
        expect "no outputs" (output.StartsWith "64 outputs") output
        output.Trim())

    for other, torch, bridge in foreign do
        trial $"Models: published for {other}" (fun () ->
            must models.Value $"dotnet publish -r {other} --self-contained -o {other} --nologo" |> ignore
            let files = Directory.GetFiles(Path.Combine(models.Value, other)) |> Array.map Path.GetFileName
            for own in [ torch; bridge ] do expect $"no {own}" (Array.contains own files) (String.concat " " files)
            for each, torch, _ in foreign do
                if each <> other then expect $"{torch} is another system's" (not (Array.contains torch files)) ""
            let output = if other = rid then published models.Value other "models" else "of another system, so not run"
            if other = rid then expect "no outputs" (output.StartsWith "64 outputs") output
            $"{megabytes (Path.Combine(models.Value, other)):F0} MB; {output.Trim()}")

    trial "FSharp: the README's script" (fun () ->
        let folder = Directory.CreateDirectory(Path.Combine(outside, "script")).FullName
        let check = "\nlet y = net.call (TorchSharp.torch.ones [| 3L; 2L |])\nprintfn \"%d x %d, %s\" y.shape[0] y.shape[1] Noisy.Models.TorchNative.Report\n"
        File.WriteAllText(Path.Combine(folder, "first.fsx"), $"#i \"nuget: {feed}\"\n" + block "Noisy.FSharp" "fsharp" + check)
        let output = must folder "dotnet fsi first.fsx"
        expect "no result" (output.Contains "3 x 2, ") output
        expect "no picture" (File.Exists(Path.Combine(folder, "mine.png"))) output
        output.Split '\n' |> Array.find _.StartsWith("3 x 2"))
finally
    Directory.Delete(outside, true)

printfn "%d passed, %d failed, 0 skipped" passed failed
exit (if failed = 0 then 0 else 1)
