/// Which script calls: the one that was started, or one that another loads.
module internal Noisy.FSharp.Caller

open System
open System.Diagnostics
open System.IO

/// Where a call comes from.
type Place =
    /// The script that was started, or a compiled program.
    | Entry
    /// A script, and the one that was started and loads it.
    | Loaded of file: string * entry: string
    /// A script that a session has loaded.
    | Session

let private isScript (word: string) = word.EndsWith(".fsx", StringComparison.OrdinalIgnoreCase)

/// What the scripts on the stack, nearest first, and the process's words, fsi's own path first, say. Scripts are told apart by the names of
/// their files, since a script may have changed the folder since.
let ofStack (files: string list) (words: string list) =
    let name (file: string) = Path.GetFileName(file).ToLowerInvariant()

    match List.filter isScript files with
    | [] -> Entry
    | scripts ->
        match words |> List.tryFind (fun word -> isScript word && not (word.StartsWith '-')) with
        | None -> Session
        | Some entry when scripts |> List.exists (fun file -> name file = name entry) -> Entry
        | Some entry -> Loaded(Path.GetFileName scripts.Head, Path.GetFileName entry)

/// The place of the call that is going on.
let find () =
    let files = [ for frame in StackTrace(true).GetFrames() do match frame.GetFileName() with null -> () | file -> file ]
    ofStack files (List.ofArray (Environment.GetCommandLineArgs()))
