/// The batch script of a sweep, run by bash with commands in the place of Slurm's and of the trainer.
module Noisy.Tests.BatchScriptTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open Expecto
open Noisy.FSharp
open Noisy.Tests.TorchHelpers

let private bash (arguments: string list) (environment: (string * string) list) =
    let start = ProcessStartInfo("bash", arguments, RedirectStandardOutput = true, RedirectStandardError = true)
    for name, value in environment do start.Environment[name] <- value
    Process.Start start

let private write (file: string) (text: string) =
    File.WriteAllText(file, "#!/bin/bash\n" + text)
    File.SetUnixFileMode(file, UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute)

type private Outcome = { Code: int; Requeued: string; Log: string; Last: Journal.Last }

/// One task: its exit code, what scontrol was asked, log and journal.
///
/// trainer: a bash script; state: what squeue says of the task; restart: how often it was queued again; term: TERM is sent once this file is there.
let private task trainer state restart (term: string option) =
    use folder = new TempFolder()
    let sweep = folder.In "a b 'c' $d %e"
    let commands = folder.In "commands"
    Directory.CreateDirectory commands |> ignore
    let entry: Manifest.Entry = { Index = 3; Name = "tiny-nah-s1"; Words = [] }
    Manifest.createFolders sweep
    write (Path.Combine(commands, "trainer it's")) trainer
    write (Path.Combine(commands, "squeue")) $"echo {state}"
    write (Path.Combine(commands, "scontrol")) $"echo \"$@\" >'{folder.Path}/requeued'; exit 0"
    write (Path.Combine(commands, "sleep")) "exit 75" // the end of a task that waits for being queued again
    let manifest: Manifest.Manifest =
        { Id = "1"; Experiment = "ptb"; Preset = "tiny"; Program = [ Path.Combine(commands, "trainer it's"); "own \"word\"" ]; OnSlurm = true; Runs = [ entry ] }
    let script = folder.In "script.sh"
    File.WriteAllText(script, SlurmArray.script sweep manifest 2 [ entry ])

    use child =
        bash [ script ]
            [ "PATH", commands + ":" + Environment.GetEnvironmentVariable "PATH"; "SLURM_ARRAY_JOB_ID", "12"; "SLURM_ARRAY_TASK_ID", "3"
              "SLURM_RESTART_COUNT", string restart; "SLURMD_NODENAME", "node"; "MARK", folder.In "mark"; "SLURM_CPUS_PER_TASK", "" ]

    if term.IsSome then
        while not (File.Exists(folder.In term.Value)) && not child.HasExited do Thread.Sleep 10
        use _ = Process.Start("kill", [ "-TERM"; string child.Id ])
        ()

    Expect.isTrue (child.WaitForExit 20_000) "it ends"
    let text file = if File.Exists file then (File.ReadAllText file).Trim() else ""

    { Code = child.ExitCode
      Requeued = text (folder.In "requeued")
      Log = text (Manifest.logFile sweep entry)
      Last = Journal.last (Journal.read (Manifest.journalFile sweep entry)) }

// Says that it is there, and ends as told once it is told to stop. Bash waits for a child in pieces, since a trap waits for its end.
let private polite code = $"trap 'exit {code}' TERM; touch \"$MARK\"; for i in {{1..400}}; do /bin/sleep 0.05; done; exit 9"

let tests =
    testList "batch script" [
        test "a word survives the shell, whatever signs it has" {
            for word in [ ""; "a"; "it's"; "$HOME `x` \"q\" \\ %d"; "two\nlines"; "ü*?[]{}~#&;|<>()!" ] do
                use child = bash [ "-c"; "printf %s " + SlurmArray.quote word ] []
                Expect.equal (child.StandardOutput.ReadToEnd()) word "quoted"
        }
        test "the trainer gets its words, and the parent to look after" {
            let words = "printf '%s|' \"$@\"; [[ $NOISY_PARENT = $PPID ]] && echo parent"
            let outcome = task words "RUNNING" 0 None
            Expect.equal (outcome.Code, outcome.Requeued) (0, "") "done"
            Expect.stringContains outcome.Log "own \"word\"|sweep|task|tiny-nah-s1|--session|12_3.0|--out|" "words"
            Expect.stringContains outcome.Log "a b 'c' $d %e|--threads|2|parent" "folder and threads"
        }
        for name, trainer, state, restart, term, code, requeued in
            [ "stopped by the clock", polite 130, "RUNNING", 7, Some "mark", 75, "requeue 12_3"
              "while the signal is still on its way", polite 130, "SIGNALING", 0, Some "mark", 75, "requeue 12_3"
              "cancelled", polite 130, "COMPLETING", 0, Some "mark", 130, ""
              "interrupted by itself", "exit 130", "RUNNING", 0, None, 75, "requeue 12_3"
              "stopped before it could listen", "touch \"$MARK\"; exec /bin/sleep 20", "RUNNING", 2, Some "mark", 75, "requeue 12_3"
              "stopped before it could listen, again and again", "touch \"$MARK\"; exec /bin/sleep 20", "RUNNING", 3, Some "mark", 143, ""
              "failed", "exit 3", "RUNNING", 0, None, 3, ""
              "diverged", "exit 4", "RUNNING", 0, None, 4, ""
              "killed", "kill -KILL $$", "RUNNING", 0, None, 137, ""
              "done in spite of the signal", polite 0, "RUNNING", 0, Some "mark", 0, "" ] do
            test $"a run that is {name}" {
                let outcome = task trainer state restart term
                Expect.equal (outcome.Code, outcome.Requeued) (code, requeued) outcome.Log
                let ended = match outcome.Last with Journal.Over(session, _, code, _) -> Some(session, code) | _ -> None
                let exit = if code = 75 then (if trainer.Contains "exec" then 143 else 130) else code
                Expect.equal ended (if exit = 0 then None else Some($"12_3.{restart}", exit)) "journal"
            }
    ]
