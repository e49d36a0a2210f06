// Builds the library for the scripts if it is stale; started by bootstrap.fsx. Of several scripts that start at once on
// a stale tree, one builds and the others wait for it.
#load "Noisy.Scripts/Freshness.fs"
#load "Noisy.Scripts/BuildLock.fs"

open System
open System.Diagnostics
open System.IO
open System.Threading
open Noisy.Scripts

let private scripts = __SOURCE_DIRECTORY__
let private root = Path.GetDirectoryName scripts

let private fail (code: int) (message: string) =
    eprintfn "%s" message
    exit code

/// Says on standard error what happens, and now and then that it still does.
let private withSignsOfLife what work =
    let watch = Stopwatch.StartNew()
    let inPlace = not Console.IsErrorRedirected
    let tell ending = eprintf "%s%s ... %.0f s%s" (if inPlace then "\r" else "") what watch.Elapsed.TotalSeconds ending
    tell (if inPlace then " " else "\n")
    let period = if inPlace then 1_000 else 30_000
    let timer = new Timer((fun _ -> tell (if inPlace then " " else "\n")), null, period, period)
    let result = work ()
    use finished = new ManualResetEvent false
    if timer.Dispose finished then finished.WaitOne() |> ignore
    tell "\n"
    result

/// Runs the SDK in the repository: its exit code and all it printed.
let private dotnet (arguments: string list) =
    let start =
        ProcessStartInfo("dotnet", arguments, WorkingDirectory = root, RedirectStandardOutput = true, RedirectStandardError = true)

    start.Environment["DOTNET_CLI_UI_LANGUAGE"] <- "en"
    start.Environment["DOTNET_NOLOGO"] <- "1"
    use child = Process.Start start
    let errors = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    child.ExitCode, (output + errors.Result).Trim()

let private build () =
    // Anyone who edits a file while the compiler runs gets another build next time.
    let before = Freshness.fingerprint scripts

    let what =
        if Freshness.isComplete scripts then "building the library"
        else "building the library (the first time this fetches about 650 MB of packages)"

    let code, output =
        withSignsOfLife what (fun () ->
            match dotnet [ "tool"; "restore"; "--verbosity"; "quiet" ] with
            | 0, _ ->
                // No analyzers: anyone who only runs a script waits half as long. No build server is left behind: it would
                // hold the pipes open that are read above.
                dotnet [
                    "build"; "scripts/Noisy.Scripts/Noisy.Scripts.fsproj"; "--configuration"; "Release"
                    "-p:RunAnalyzers=false"; "-nodeReuse:false"; "--verbosity"; "quiet"; "--nologo"; "-clp:ErrorsOnly;NoSummary"
                ]
            | failed -> failed)

    if code <> 0 then
        eprintfn "%s" output
        fail 1 "The library did not build: fix the error above (or the connection to the package feed) and run the script again."

    File.WriteAllText(Freshness.stampFile scripts, before)

/// The lock, for which it waits as long as another process has it.
let rec private take told =
    match BuildLock.tryTake scripts with
    | BuildLock.Taken stream -> stream
    | BuildLock.Held ->
        if not told then eprintfn "waiting for another script to finish building the library"
        Thread.Sleep 200
        take true
    | BuildLock.Impossible reason ->
        fail 2
            $"The library must be built in this place, but {scripts} cannot be written ({reason.TrimEnd '.'}): have its owner run a script here once, or take a copy that you can write."

let private lock = take false
if not (Freshness.isFresh scripts) then build ()
lock.Dispose()
