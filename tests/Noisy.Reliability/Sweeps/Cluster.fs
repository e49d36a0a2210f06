/// A Slurm cluster of this machine alone, in a folder of its own, for as long as it is needed.
module Noisy.Reliability.Cluster

open System
open System.Diagnostics
open System.IO
open System.Net
open System.Net.Sockets
open System.Threading
open Noisy.Models
open Noisy.FSharp

let private find name =
    (Environment.GetEnvironmentVariable "PATH").Split(':') |> List.ofArray
    |> List.append [ "/usr/sbin"; "/usr/local/sbin" ]
    |> List.map (fun folder -> Path.Combine(folder, name))
    |> List.tryFind File.Exists

let private daemons = [ "munged"; "slurmctld"; "slurmd" ]

/// Why there can be none here; None if there can.
let impossible () =
    if not (OperatingSystem.IsLinux()) then Some "Slurm needs Linux"
    elif Environment.UserName <> "root" then Some "the daemons of a Slurm cluster need root"
    else
        match daemons @ [ "sbatch" ] |> List.filter (find >> Option.isNone) with
        | [] -> None
        | missing -> Some $"""there is no {String.Join(", ", missing)} (Debian: slurm-wlm, munge)"""

/// Runs a command to its end; what it printed.
let ask (name: string) (arguments: string list) =
    let start = ProcessStartInfo(defaultArg (find name) name, arguments, RedirectStandardOutput = true, RedirectStandardError = true)
    use child = Process.Start start
    let errors = child.StandardError.ReadToEndAsync()
    let output = child.StandardOutput.ReadToEnd()
    child.WaitForExit()
    if child.ExitCode <> 0 then failwith $"{name} ended with exit code {child.ExitCode}: {errors.Result}"
    output.Trim()

let private freePorts count =
    let listeners = List.init count (fun _ -> new TcpListener(IPAddress.Loopback, 0))
    for listener in listeners do listener.Start()
    let ports = [ for listener in listeners -> (listener.LocalEndpoint :?> IPEndPoint).Port ]
    for listener in listeners do listener.Stop()
    ports

// A job that is queued again waits as long as a credential lives and a second more: by default two minutes, here six seconds (Slurm allows no less).
let private configuration folder host (controller: int) (node: int) =
    $"""ClusterName=noisy
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
KillWait=10
SchedulerParameters=batch_sched_delay=1,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={Environment.ProcessorCount} RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 State=UP
"""

/// Starts the daemons and points this process's Slurm commands to them; ends them when it is disposed.
type Cluster() =
    let folder = Directory.CreateTempSubdirectory("noisy-slurm-").FullName
    let before = Environment.GetEnvironmentVariable "SLURM_CONF"

    let pidOf name =
        let file = Path.Combine(folder, name + ".pid")
        if File.Exists file then (match Int32.TryParse((File.ReadAllText file).Trim()) with | true, pid -> Some pid | _ -> None) else None

    let stop name =
        match pidOf name with
        | None -> ()
        | Some pid ->
            let clock = Stopwatch.StartNew()

            // Not Process.WaitForExit, for which one that nobody has asked after is still there.
            try
                ask "kill" [ "-TERM"; string pid ] |> ignore
                while OtherProcess.IsAlive pid && clock.Elapsed.TotalSeconds < 10.0 do Thread.Sleep 20
                if OtherProcess.IsAlive pid then ask "kill" [ "-KILL"; string pid ] |> ignore
            with _ -> ()

    let close () =
        if (pidOf "slurmctld").IsSome then
            for options in [ [ "--state=PENDING" ]; [ "--signal=KILL"; "--full" ] ] do
                try ask "scancel" (options @ [ "--user=root" ]) |> ignore with _ -> ()

        for name in [ "slurmd"; "slurmctld"; "munged" ] do stop name
        Environment.SetEnvironmentVariable("SLURM_CONF", before)
        try Directory.Delete(folder, true) with :? IOException -> ()

    do
        try
            File.SetUnixFileMode(folder, UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute ||| UnixFileMode.GroupExecute ||| UnixFileMode.OtherExecute)
            for name in [ "state"; "spool" ] do Directory.CreateDirectory(Path.Combine(folder, name)) |> ignore
            let host = ask "hostname" [ "-s" ]
            let ports = freePorts 2
            File.WriteAllText(Path.Combine(folder, "slurm.conf"), configuration folder host ports[0] ports[1])
            let key = Path.Combine(folder, "munge.key")
            File.WriteAllBytes(key, Security.Cryptography.RandomNumberGenerator.GetBytes 128)
            File.SetUnixFileMode(key, UnixFileMode.UserRead)
            Environment.SetEnvironmentVariable("SLURM_CONF", Path.Combine(folder, "slurm.conf"))
            let inFolder option name = $"--{option}={folder}/{name}"

            ask "munged" [ inFolder "key-file" "munge.key"; inFolder "socket" "munge.sock"; inFolder "pid-file" "munged.pid"
                           inFolder "log-file" "munged.log"; inFolder "seed-file" "munge.seed"; "--num-threads=2" ] |> ignore
            ask "slurmctld" [ "-c" ] |> ignore
            ask "slurmd" [] |> ignore
            let clock = Stopwatch.StartNew()

            while not ((try ask "sinfo" [ "--noheader"; "--format=%T" ] with _ -> "").Contains "idle") do
                if clock.Elapsed.TotalSeconds > 60.0 then failwith $"the cluster in {folder} does not come up"
                Thread.Sleep 100
        with _ ->
            close ()
            reraise ()

    interface IDisposable with
        member _.Dispose() = close ()
