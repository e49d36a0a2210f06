/// The lock under which one script builds the library while others wait. Also loaded, as source, by build-library.fsx: only the .NET SDK
/// may be used here.
module Noisy.Scripts.BuildLock

open System
open System.IO

/// What came of trying to take the lock.
type Attempt =
    | Taken of FileStream
    /// Another process has it, and will let go of it.
    | Held
    /// The folder cannot be written: no waiting will help.
    | Impossible of reason: string

// What .NET says of a file that another handle has locked: EAGAIN on Linux and macOS, a sharing violation on Windows.
let private held = [ 11; 35; 0x80070020 ]

/// Tries to take the lock of a folder of scripts.
let tryTake (scripts: string) =
    try
        Taken(new FileStream(Path.Combine(scripts, ".build.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None))
    with
    | :? IOException as error when List.contains error.HResult held -> Held
    | error when (error :? IOException || error :? UnauthorizedAccessException) -> Impossible error.Message
