/// Runs a script on the compiled library; called by name from bootstrap.fsx, which loads this assembly alone: nothing here may use another.
module Noisy.Scripts.Launcher

open System
open System.Diagnostics
open System.IO
open System.Runtime.InteropServices

module private Unix =
    [<DllImport("libc")>]
    extern int kill(int pid, int signal)

    [<DllImport("libc")>]
    extern int getppid()

module private Windows =
    [<DllImport("ntdll")>]
    extern int NtQueryInformationProcess(nativeint processHandle, int kind, nativeint[] facts, int size, int& length)

/// The words after the script's name as they were typed, without a '--' before them.
let private arguments script (commandLine: string[]) =
    match commandLine |> List.ofArray |> List.skipWhile ((<>) script) with
    | _ :: "--" :: rest
    | _ :: rest -> rest
    | [] -> []

/// `dotnet fsi` is a process that only waits for the one which does the work; whether it is gone. Never, if another program started this one.
let private watchLauncher () : unit -> bool =
    let isDotnet (id: int) =
        try
            use found = Process.GetProcessById id
            found.ProcessName = "dotnet"
        with _ ->
            false

    if OperatingSystem.IsWindows() then
        // No process is told that its parent has gone there, so the parent itself is held.
        let facts = Array.zeroCreate<nativeint> 6
        let mutable length = 0

        if Windows.NtQueryInformationProcess(-1n, 0, facts, facts.Length * IntPtr.Size, &length) <> 0 || not (isDotnet (int facts[5])) then
            fun () -> false
        else
            let parent = Process.GetProcessById(int facts[5])
            fun () -> parent.HasExited
    else
        let parent = Unix.getppid ()

        let isLauncher =
            try
                if OperatingSystem.IsLinux() then
                    match File.ReadAllText($"/proc/{parent}/cmdline").Split '\000' with
                    | words when words.Length > 1 -> Path.GetFileName words[0] = "dotnet" && words[1] = "fsi"
                    | _ -> false
                else
                    isDotnet parent
            with :? IOException -> false

        fun () -> isLauncher && Unix.getppid () <> parent

/// Starts the child and waits for it, whatever signals come; its exit code.
let wait (start: ProcessStartInfo) =
    use child = new Process(StartInfo = start)
    let gate = obj ()
    let mutable early = []
    let mutable running = false

    // The child answers signals, not this process. Ctrl+C reaches both, so the child may be told twice; what is sent to
    // this process alone reaches it so. What comes before the child is there waits for it.
    let pass number (context: PosixSignalContext) =
        context.Cancel <- true
        lock gate (fun () -> if running then Unix.kill (child.Id, number) |> ignore else early <- number :: early)

    let registrations =
        if OperatingSystem.IsWindows() then
            [ PosixSignalRegistration.Create(PosixSignal.SIGINT, fun context -> context.Cancel <- true) ]
        else
            [ for signal, number in [ PosixSignal.SIGHUP, 1; PosixSignal.SIGINT, 2; PosixSignal.SIGTERM, 15 ] ->
                  PosixSignalRegistration.Create(signal, pass number) ]

    let launcherIsGone = watchLauncher ()
    child.Start() |> ignore

    lock gate (fun () ->
        running <- true
        early |> List.rev |> List.iter (fun number -> Unix.kill (child.Id, number) |> ignore))

    // If `dotnet fsi` is killed outright, nobody waits for an answer any more, and a run that went on unseen would
    // fight with its successor over the same folder.
    while not (child.WaitForExit 250) do
        if launcherIsGone () then child.Kill()

    for registration in registrations do
        registration.Dispose()

    child.ExitCode

/// Runs a script again with NOISY_BUILT defined, on this process's terminal, streams and folder.
///
/// scripts: the folder of the scripts; script: its path as fsi has it; commandLine: this process's words, fsi's own
/// path first. Returns the child's exit code, or None when the library must be built first. The child finds this
/// process's id in NOISY_PARENT, so that it can stop when this process is gone.
let run (scripts: string) (script: string) (commandLine: string[]) =
    if not (Freshness.isFresh scripts) then
        None
    else
        let own = [ commandLine[0]; "--quiet"; "--nologo"; "--define:NOISY_BUILT"; Path.GetFullPath script; "--" ]
        let start = ProcessStartInfo(Environment.ProcessPath, own @ arguments script commandLine)

        let setDefault name value =
            if isNull (Environment.GetEnvironmentVariable name) then start.Environment[name] <- value

        start.Environment["NOISY_PARENT"] <- string Environment.ProcessId
        setDefault "DOTNET_gcServer" "0" // fsi requests a heap a core, which a training run has no use for
        setDefault "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT" "1" // numbers look the same on every machine
        Some(wait start)
