/// A disk of a few pages: a file system in memory, in this process's own view of the mounts, so that it is gone with the process.
module Noisy.Reliability.Mounts

open System
open System.Diagnostics
open System.IO
open Noisy.Reliability

let private run (file: string) (words: string list) =
    try
        let start = ProcessStartInfo(file, words, RedirectStandardOutput = true, RedirectStandardError = true)
        use child = Process.Start start
        let errors = child.StandardError.ReadToEndAsync()
        child.StandardOutput.ReadToEnd() |> ignore
        child.WaitForExit()
        if child.ExitCode = 0 then Ok() else Error(errors.Result.Trim())
    with error ->
        Error error.Message

let private orFail what result =
    match result with
    | Ok() -> ()
    | Error message -> failwith $"{what}: {message}"

/// Mounts an empty disk of so many bytes on a folder.
let mount (folder: string) (bytes: int64) =
    Directory.CreateDirectory folder |> ignore
    run "mount" [ "-t"; "tmpfs"; "-o"; $"size={bytes}"; "tmpfs"; folder ] |> orFail "mount"

/// Gives it another size.
let resize (folder: string) (bytes: int64) = run "mount" [ "-o"; $"remount,size={bytes}"; folder ] |> orFail "remount"

let unmount (folder: string) = run "umount" [ folder ] |> orFail "umount"

let private unshare = if Environment.UserName = "root" then [ "-m" ] else [ "-r"; "-m" ]

/// Whether this machine lets a process have mounts of its own.
let possible () =
    OperatingSystem.IsLinux() && (run "unshare" (unshare @ [ "sh"; "-c"; "mount -t tmpfs -o size=4096 tmpfs /mnt" ])).IsOk

/// Runs this program's command with mounts of its own, on this process's terminal; the exit code.
let inside (command: string list) =
    use child = Process.Start(ProcessStartInfo("unshare", unshare @ "dotnet" :: Program.words command))
    child.WaitForExit()
    child.ExitCode
