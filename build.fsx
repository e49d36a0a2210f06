// Everything that is done to this repository:  dotnet fsi build.fsx [-t TARGET] [ARGUMENTS OF THE SCRIPT]
// No target means Test; --list names the targets. Plain fsi runs this file; nothing but the .NET SDK is needed.
#r "nuget: System.Reactive, 5.0.0"
#r "nuget: FSharp.Control.Reactive, 4.4.2" // both before FAKE, which would ask for one that not every feed has
#r "nuget: Fake.Core.Target, 6.2.0"
#r "nuget: Fake.Core.Process, 6.2.0"
#r "nuget: Fake.IO.FileSystem, 6.2.0"

open System
open System.IO
open System.Text.RegularExpressions
open Fake.Core
open Fake.Core.TargetOperators
open Fake.IO
open Fake.IO.Globbing.Operators

Environment.CurrentDirectory <- __SOURCE_DIRECTORY__

// ---- The command line -----------------------------------------------------------------------------------------------

/// What was typed after build.fsx: the target, if one was named, and the rest, which belongs to a script.
let target, scriptArguments =
    // fsi would take some of these words for its own, so they are read from the process's command line.
    let typed = Environment.GetCommandLineArgs() |> List.ofArray |> List.skipWhile (fun word -> not (word.EndsWith "build.fsx"))

    let rec split target rest words =
        match words with
        | ("-t" | "--target") :: name :: more when target = None -> split (Some name) rest more
        | ("--list" | "-l") :: more when target = None && rest = [] -> split (Some "--list") rest more
        | "--" :: more -> target, List.rev rest @ more
        | word :: more -> split target (word :: rest) more
        | [] -> target, List.rev rest

    split None [] (List.skip 1 typed)

// ---- Helpers --------------------------------------------------------------------------------------------------------

let dotnetWith configure (arguments: string list) =
    let result = CreateProcess.fromRawCommand "dotnet" arguments |> configure |> Proc.run
    if result.ExitCode <> 0 then failwithf "dotnet %s failed" (List.head arguments)

let dotnet arguments = dotnetWith id arguments

/// The first source that this machine's NuGet configuration enables: the repository names none.
let feed () =
    match Environment.environVarOrNone "NOISY_FEED" with
    | Some address -> address
    | None ->
        let listed =
            CreateProcess.fromRawCommand "dotnet" [ "nuget"; "list"; "source"; "--format"; "short" ]
            |> CreateProcess.redirectOutput
            |> Proc.run

        match listed.Result.Output.Split '\n' |> Array.tryFind (fun line -> line.StartsWith "E ") with
        | Some line -> line.Substring(2).Trim()
        | None -> failwith "no NuGet source is enabled on this machine: add one, or set NOISY_FEED to its address"

/// Scripts start in the same way, and their first comment says what they are.
let scripts =
    [ for path in !! "scripts/*.fsx" do
          let lines = File.ReadAllLines path

          if lines |> Array.exists (fun line -> line.StartsWith "#if !NOISY_BUILT") then
              let name = Path.GetFileNameWithoutExtension path
              let comment = lines |> Array.tryFind (fun line -> line.StartsWith "//")
              let about = comment |> Option.map (fun line -> line.TrimStart('/', ' ')) |> Option.defaultValue $"scripts/{name}.fsx"
              string (Char.ToUpperInvariant name[0]) + name[1..], path, about ]

/// The tests' own last line, for this program's last line.
let mutable summary = ""

/// What a script ended with, for this program to end with.
let mutable scriptCode = 0

// ---- Targets --------------------------------------------------------------------------------------------------------

Context.FakeExecutionContext.Create false "build.fsx" []
|> Context.RuntimeContext.Fake
|> Context.setExecutionContext

Target.initEnvironment ()

let create name about work =
    Target.description about
    Target.create name (fun _ -> work ())

create "Clean" "delete everything that a build writes" (fun () ->
    !! "src/**/bin" ++ "src/**/obj" ++ "scripts/**/bin" ++ "scripts/**/obj" ++ "tests/**/bin" ++ "tests/**/obj"
    ++ "examples/**/bin" ++ "examples/**/obj" ++ "artifacts"
    |> Shell.deleteDirs

    !! "scripts/*.g.*" ++ "scripts/.build.*" |> File.deleteAll)

create "Restore" "fetch the tools and all packages" (fun () ->
    dotnet [ "tool"; "restore"; "--verbosity"; "quiet" ]
    dotnet [ "restore"; "Noisy.sln"; "--verbosity"; "quiet" ])

create "Build" "compile everything; warnings are errors" (fun () ->
    dotnet [ "build"; "Noisy.sln"; "--configuration"; "Release"; "--no-restore"; "--verbosity"; "quiet"; "--nologo" ])

create "Test" "run all tests (the default); arguments go to Expecto, e.g. --filter-test-list Philox" (fun () ->
    let remember (line: string) =
        Console.Out.WriteLine line
        if Regex.IsMatch(line, @"^\d+ passed, \d+ failed, \d+ skipped$") then summary <- line

    dotnetWith
        (CreateProcess.redirectOutput >> CreateProcess.withOutputEventsNotNull remember Console.Error.WriteLine)
        ([ "run"; "--configuration"; "Release"; "--no-build"; "--project"; "tests/Noisy.Tests"; "--" ] @ scriptArguments))

create "Lock" "resolve paket.dependencies anew where it changed, and write paket.lock without a feed's address" (fun () ->
    let address, placeholder = feed (), "%NOISY_FEED%"
    let files = [ "paket.dependencies"; "paket.lock" ]

    // Some feeds do not list what a package depends on; Paket learns it once the package is in the cache, so it takes
    // a few rounds until nothing changes.
    let rec settle round =
        let before = File.ReadAllText "paket.lock"
        dotnetWith (CreateProcess.setEnvironmentVariable "NOISY_FEED" address) [ "paket"; "install" ]
        if File.ReadAllText "paket.lock" <> before then
            if round = 10 then failwith "paket.lock does not settle" else settle (round + 1)

    try
        settle 1
    finally
        for file in files do
            File.WriteAllText(file, (File.ReadAllText file).Replace(address, placeholder)))

create "Format" "lay out the C# sources as .editorconfig says" (fun () ->
    for project in !! "src/**/*.csproj" ++ "examples/**/*.csproj" do
        dotnet [ "format"; "whitespace"; project; "--no-restore" ])

create "Api" "write changes of the public surface into the PublicAPI files" (fun () ->
    for project in !! "src/*/*.csproj" do
        // The analyzer's warnings name each symbol in the form that its files have.
        let output = ResizeArray<string>()

        dotnetWith
            (CreateProcess.redirectOutput >> CreateProcess.withOutputEventsNotNull output.Add ignore)
            [ "build"; project; "--configuration"; "Release"; "--target:Rebuild"; "--property:TreatWarningsAsErrors=false"; "--nologo" ]

        let symbols rule = set [ for line in output do for m in Regex.Matches(line, $"{rule}: Symbol '(.*?)' is ") -> m.Groups[1].Value ]
        let file = Path.Combine(Path.GetDirectoryName project, "PublicAPI.Unshipped.txt")
        let header, listed = File.ReadAllLines file |> Array.partition (fun line -> line.StartsWith '#')
        let lines = set listed + symbols "RS0016" - symbols "RS0017" |> Set.toArray
        Array.sortInPlaceWith (fun (a: string) b -> String.CompareOrdinal(a, b)) lines
        File.WriteAllLines(file, Array.append header lines))

create "Pack" "write the libraries' NuGet packages into artifacts/" (fun () ->
    for project in [ "Noisy.Core"; "Noisy.Models"; "Noisy.Experiments"; "Noisy.FSharp" ] do
        dotnet [ "pack"; $"src/{project}"; "--configuration"; "Package"; "--output"; "artifacts"; "--verbosity"; "quiet"; "--nologo" ])

/// What a script or a trial ends with is what this program ends with.
let run name (words: string list) =
    let result = CreateProcess.fromRawCommand "dotnet" words |> Proc.run
    scriptCode <- result.ExitCode
    if result.ExitCode <> 0 then failwithf "%s ended with exit code %d" name result.ExitCode

for name, about in
    [ "Fuzz", "mutated input for every reader, e.g. -- --inputs 1000000"
      "Kill", "kill -9 at random moments over all experiments, then resume, e.g. -- --kills 100"
      "Faults", "full disks, folders that vanish, damaged files, e.g. -- --minutes 10"
      "Slurm", "a sweep on a Slurm cluster of this machine's own: time limits, kills, cancellations, e.g. -- --seeds 4"
      "Soak", "does memory grow over many updates? e.g. -- --updates 20000 --config S" ] do
    create name about (fun () -> run name ([ "tests/Noisy.Reliability/bin/Release/net10.0/Noisy.Reliability.dll"; name.ToLowerInvariant() ] @ scriptArguments))
    "Build" ==> name |> ignore

create "Packages" "use the packages as strangers do, in an empty folder: C#, F#, native; about 400 MB and ten minutes" (fun () ->
    run "tests/Packages/try.fsx" [ "fsi"; "tests/Packages/try.fsx" ])

create "GpuBundle" "one folder for a machine with a GPU and neither .NET nor this repository, tried here on the CPU" (fun () ->
    run "tests/Bundle/make.fsx" [ "fsi"; "tests/Bundle/make.fsx" ])

create "Docs" "the documentation as a site, with both references, and no broken link; -- --serve shows it" (fun () ->
    run "docs/site/make.fsx" ([ "fsi"; "docs/site/make.fsx"; "--" ] @ scriptArguments))

for name, path, about in scripts do
    // A script builds what it needs by itself.
    create name about (fun () -> run path ([ "fsi"; path; "--" ] @ scriptArguments))

"Restore" ==> "Build" ==> "Test"
"Restore" ==> "Lock"
"Restore" ==> "Format"
"Restore" ==> "Api"
"Restore" ==> "Pack" ==> "Packages"
"Restore" ==> "GpuBundle"
"Restore" ==> "Docs"

// ---- Running --------------------------------------------------------------------------------------------------------

let code =
    try
        match target with
        | Some "--list" ->
            Target.listAvailable ()
            0
        | _ ->
            Target.runOrDefault (defaultArg target "Test")
            0
    with error ->
        // FAKE has reported it; the exit code is what is left to say.
        if not (error :? BuildFailedException) then eprintfn "%s" error.Message
        if scriptCode <> 0 then scriptCode else 1

if summary <> "" then printfn "%s" summary
exit code
