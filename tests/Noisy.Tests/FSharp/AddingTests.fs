/// examples/adding.fsx, the tutorial's script, as its readers run it.
module Noisy.Tests.AddingTests

open System
open System.Diagnostics
open System.IO
open Expecto
open Noisy.Tests.TorchHelpers

let private script = Repository.file [ "examples"; "adding.fsx" ]

/// The script in F# Interactive, without the stage that builds the library.
let private start (folder: string) (more: string list) =
    let words = [ "fsi"; "--quiet"; "--nologo"; "--define:NOISY_BUILT"; script; "--"; "--threads"; "1"; "--out"; folder ] @ more
    Process.Start(ProcessStartInfo("dotnet", words, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetTempPath()))

let private finish (child: Process) =
    let errors = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    child.ExitCode, output, errors.Result

let tests =
    testSequenced <| testList "adding.fsx" [
        test "has at most 60 lines, and the tutorial shows it whole" {
            let lines = File.ReadAllLines script
            Tol.atMost lines.Length 60 "lines"
            let tutorial = File.ReadAllText(Repository.file [ "docs"; "own-experiment.md" ]).ReplaceLineEndings "\n"
            let body = lines |> Array.skipWhile (fun line -> line <> "open System") |> Array.takeWhile (fun line -> line <> "#endif")
            for block in String.Join("\n", body).Split("\n\n") do Expect.stringContains tutorial (block.Trim()) "a part that the tutorial does not show"
        }
        test "loads into a session, which trains nothing" {
            let words = [ "fsi"; "--quiet"; "--nologo"; "--define:EDITING"; $"--load:{script}" ]
            let start = ProcessStartInfo("dotnet", words, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetTempPath())
            let session = Process.Start start
            session.StandardInput.Write "open Noisy.FSharp\nopen Adding\nprintfn \"%O at %g\" mine (cosine.At 0L);;\n#quit;;\n"
            session.StandardInput.Close()
            let code, output, errors = finish session
            Expect.equal code 0 errors
            Expect.stringContains output "mine (tanh: " "what the script defines"
        }
        test "a second script that loads it trains nothing, and gets a trained run back" {
            use folder = new TempFolder()
            let code, output, errors = finish (start folder.Path [ "--activation"; "mine"; "--set"; "hidden=4"; "--max-updates"; "20" ])
            Expect.equal (code, errors) (0, "") output
            let runs = Directory.GetDirectories folder.Path |> Array.exactlyOne

            let second (loaded: string) =
                let own = folder.In "predict.fsx"
                File.WriteAllLines(own, [
                    $"#load @\"{loaded}\""
                    "open Noisy.FSharp"
                    "open Adding"
                    $"let found = Run.load adding @\"{runs}\""
                    "let x, _ = sequences found.Settings Split.Test 0L"
                    "printfn \"%d units, output %A\" found.Settings.Hidden (found.Model.call x).shape"
                ])

                let words = [ "fsi"; "--quiet"; "--nologo"; "--define:NOISY_BUILT"; own ]
                finish (Process.Start(ProcessStartInfo("dotnet", words, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder.Path)))

            let code, output, errors = second script
            Expect.equal (code, errors) (0, "") output
            Expect.stringContains output "4 units, output [|32L; 1L|]" "predicted"

            // As scripts ended before.
            let older = folder.In "adding.fsx"
            File.WriteAllText(older, File.ReadAllText(script).Replace("../scripts/", Repository.file [ "scripts" ] + "/").Replace("Run.script adding", "exit (Run.main adding)"))
            let code, output, errors = second older
            Expect.equal code 2 (output + errors)
            Expect.stringContains errors "adding.fsx trains nothing, since predict.fsx loads it" "what to do"
            Expect.isFalse (Directory.Exists(folder.In "runs")) "nothing was trained"
        }
        test "without the first stage, too, a run ends when the dotnet fsi that waits for it is killed" {
            if not (OperatingSystem.IsLinux()) then skiptest "known on Linux alone"
            use folder = new TempFolder()
            let child = start folder.Path [ "--activation"; "mine"; "--set"; "epochs=100000" ]
            let place = folder.In "tiny-mine-epochs=100000-s1"
            let log = Path.Combine(place, "log.jsonl")
            while not child.HasExited && not (File.Exists log && FileInfo(log).Length > 1000L) do Threading.Thread.Sleep 50
            Expect.isFalse child.HasExited "it trains"
            child.Kill false
            child.WaitForExit()
            use held = Noisy.Experiments.FileLock.Take(Path.Combine(place, ".lock"), TimeSpan.FromSeconds 15.0, ignore)
            Expect.isNotNull held "nobody holds the run's folder any more"
        }
        test "a script that always loads the first stage is told how to begin, and has no children without end" {
            use folder = new TempFolder()
            let own = folder.In "own.fsx"
            let stage = Repository.file [ "scripts"; "bootstrap.fsx" ]
            File.WriteAllText(own, $"#load @\"{stage}\"\n")
            let words = [ "fsi"; "--quiet"; "--nologo"; "--define:NOISY_BUILT"; own ]
            let code, _, errors = finish (Process.Start(ProcessStartInfo("dotnet", words, RedirectStandardOutput = true, RedirectStandardError = true)))
            Expect.equal code 1 errors
            Expect.stringContains errors "/refs.fsx\"" "the lines that it begins with"
        }
        test "trains, is killed, and resumes in every bit" {
            use whole = new TempFolder()
            use killed = new TempFolder()
            let row = [ "--activation"; "mine"; "--set"; "hidden=4"; "--max-updates"; "150" ]
            let code, output, errors = finish (start whole.Path row)
            Expect.equal (code, errors) (0, "") output
            let folder = "tiny-mine-hidden=4-s1"
            let mutable kills = 0

            for attempt in 1..3 do
                let child = start killed.Path row
                let log = killed.In(folder, "log.jsonl")
                let isTraining () = File.Exists log && File.ReadAllLines(log).Length >= 10 * attempt
                while not child.HasExited && not (isTraining ()) do Threading.Thread.Sleep 20

                if not child.HasExited then
                    child.Kill true
                    kills <- kills + 1
                child.WaitForExit()

            let code, _, errors = finish (start killed.Path row)
            Expect.equal (code, errors) (0, "") "at last"
            Tol.above kills 0 "it was killed"
            for file in [ "log.jsonl"; "weights.safetensors" ] do
                Expect.equal (File.ReadAllBytes(killed.In(folder, file))) (File.ReadAllBytes(whole.In(folder, file))) file
        }
    ]
