/// A sweep as an array job of Slurm's: the batch script, and what sbatch, squeue and scancel are asked.
module internal Noisy.FSharp.SlurmArray

open System
open System.Collections
open System.ComponentModel
open System.Diagnostics
open System.IO
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp.Manifest

/// Text as one word of a shell's.
let quote (text: string) = "'" + text.Replace("'", "'\\''") + "'"

/// Numbers as sbatch takes them: "0-3,7".
let ranges (numbers: int list) =
    let add found number =
        match found with
        | (first, last) :: rest when number = last + 1 -> (first, number) :: rest
        | _ -> (number, number) :: found

    [ for first, last in List.rev (List.fold add [] (List.sort numbers)) -> if first = last then $"{first}" else $"{first}-{last}" ] |> String.concat ","

/// Seconds before the time limit at which a run is told to stop: a minute, or a quarter of the limit where that is less. Slurm may tell it up to
/// a minute sooner.
let lead minutes = min 60 (15 * minutes)

/// Variables that decide what a run sees: a cluster may be set up to pass none on.
let private variables () =
    [ for pair in Seq.cast<DictionaryEntry> (Environment.GetEnvironmentVariables()) do
          match string pair.Key with
          | "NOISY_PARENT" -> ()
          | name when name.StartsWith "NOISY_" || name.StartsWith "DOTNET_" -> name, string pair.Value
          | _ -> () ]
    |> List.sort

/// The batch script of some runs of a sweep.
///
/// folder: the sweep's, whole; threads: a task's, where Slurm names none.
let script (folder: string) (manifest: Manifest) threads (entries: Entry list) =
    let names = String.Join(" ", [ for entry in entries -> $"[{entry.Index}]={quote entry.Name}" ])
    let exports = String.Join("\n", [ for name, value in variables () -> $"export {name}={quote value}" ])
    let program = String.Join(" ", manifest.Program |> List.map quote)

    $$"""#!/bin/bash
# One run of the sweep {{manifest.Id}} a task; written anew by each command that gives runs to Slurm.
folder={{quote folder}}
names=({{names}})
name=${names[$SLURM_ARRAY_TASK_ID]}
task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
restart=${SLURM_RESTART_COUNT:-0}
session=$task.$restart
exec </dev/null >>"$folder/logs/$name.log" 2>&1

# Slurm tells this shell alone to stop, and a shell hears it only while it waits for a child behind it.
stopped=0 child=
trap 'stopped=1; [[ -z $child ]] || kill -TERM $child' TERM

echo "-- $(date -u +%FT%TZ) task $task on $SLURMD_NODENAME, restart $restart"
{{exports}}
export NOISY_PARENT=$$ # a run whose shell is gone stops
{{program}} sweep task "$name" --session "$session" --out "$folder" --threads "${SLURM_CPUS_PER_TASK:-{{threads}}}" &
child=$!
if ((stopped)); then kill -TERM $child; fi
while wait $child; code=$?; kill -0 $child 2>/dev/null; do :; done # a signal ends the wait, not the child

printf '\n{"event":"exited","at":"%s","session":"%s","code":%d}\n' "$(date -u +%FT%TZ)" "$session" $code >>"$folder/states/$name.jsonl"
echo "-- $(date -u +%FT%TZ) exit code $code"

# Stopped before it was done: queued again, unless somebody has cancelled the task, which then is no longer running. By the name of the task:
# the number of a job may stand for the whole array. 143 is a run that was stopped before it could listen; that does not go on for ever.
if ((code == 130 || code == 143 && restart < 3)) && [[ $(squeue --noheader --jobs="$task" --format=%T) =~ ^(RUNNING|SIGNALING)$ ]]; then
    trap - TERM # what ends this shell now is Slurm, to queue it again
    scontrol requeue "$task" && exec sleep 600
    echo "-- the task could not be queued again: the sweep's command resumes the run"
fi

exit $code
"""

/// Runs one of Slurm's commands: exit code, output, errors. None if there is no such command.
let private command (name: string) (arguments: string list) =
    let start = ProcessStartInfo(name, arguments, RedirectStandardOutput = true, RedirectStandardError = true)

    try
        use child = Process.Start start
        let errors = child.StandardError.ReadToEndAsync()
        let output = child.StandardOutput.ReadToEnd()
        child.WaitForExit()
        Some(child.ExitCode, output.Trim(), errors.Result.Trim())
    with :? Win32Exception ->
        None

let private ask name arguments =
    match command name arguments with
    | Some(0, output, _) -> output
    | Some(_, output, errors) -> raise (UsageException $"""{name} refused: {(if errors = "" then output else errors).ReplaceLineEndings "; "}""")
    | None -> raise (UsageException $"there is no {name} on this machine: give the command on one of the cluster's own, such as its login node, or take --on local")

/// Refuses where there is no Slurm.
let require () = ask "sbatch" [ "--version" ] |> ignore

let private jobName (manifest: Manifest) = $"noisy-{manifest.Experiment}-{manifest.Id}"

/// Options of sbatch that a sweep gives itself.
let private own = [ "--array"; "-a"; "--job-name"; "-J"; "--output"; "-o"; "--error"; "-e"; "--signal"; "--requeue"; "--no-requeue"; "--open-mode"; "--parsable"; "--wrap" ]

/// Refuses options of sbatch that would take the sweep's own away.
let check (options: string list) =
    match options |> List.tryFind (fun option -> List.contains (option.Split('=', ' ')[0]) own) with
    | Some option -> raise (UsageException $"--sbatch {option}: the sweep gives sbatch this option itself; leave it out")
    | None -> ()

/// Gives runs to Slurm; the job's number.
let submit (folder: string) (manifest: Manifest) (job: SlurmJob) threads (entries: Entry list) =
    let file = Path.Combine(folder, "slurm.sh")
    AtomicFile.Write(file, script folder manifest threads entries)
    let limit = match job.Jobs with Some count -> $"%%{count}" | None -> ""

    let options =
        [ "--parsable"; $"--job-name={jobName manifest}"; $"--array={ranges [ for entry in entries -> entry.Index ]}{limit}"
          "--ntasks=1"; $"--cpus-per-task={threads}"; $"--time={job.Minutes}"; $"--signal=B:TERM@{lead job.Minutes}"
          "--requeue"; "--open-mode=append"; "--output=/dev/null" ]
        @ [ if job.Partition <> "" then $"--partition={job.Partition}" ]
        @ job.Options

    // With a cluster's name after it, where there are several.
    (ask "sbatch" (options @ [ file ])).Split(';')[0]

/// What Slurm does with a run.
type Place =
    | Waits of job: string
    | Runs of job: string

let private waiting = [ "PENDING"; "CONFIGURING"; "REQUEUED"; "REQUEUE_HOLD"; "REQUEUE_FED"; "RESV_DEL_HOLD"; "SPECIAL_EXIT" ]

/// What squeue's lines say, by the runs' indices.
let parseQueue (lines: string) =
    [ for line in lines.Split('\n', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries) do
          match line.Split '|' with
          | [| task; state |] ->
              match (task.Split '_') with
              | [| _; index |] ->
                  match Int32.TryParse index with
                  | true, index -> index, (if List.contains state waiting then Waits task else Runs task)
                  | _ -> ()
              | _ -> ()
          | _ -> () ]
    |> Map.ofList

/// Where the sweep's runs are in the cluster's queue, by their indices: Some of none if it never had any. None if Slurm cannot be asked on
/// this machine.
let queue (manifest: Manifest) =
    if not manifest.OnSlurm then
        Some Map.empty
    else
        let arguments = [ "--noheader"; "--array"; $"--name={jobName manifest}"; "--format=%i|%T" ]

        match command "squeue" arguments with
        | None -> None
        | Some _ -> Some(parseQueue (ask "squeue" arguments))

/// Cancels all that the cluster has of the sweep. What runs is told to stop and has Slurm's grace period (KillWait) to leave a checkpoint.
let cancel (manifest: Manifest) = ask "scancel" [ $"--name={jobName manifest}"; $"--user={Environment.UserName}" ] |> ignore
