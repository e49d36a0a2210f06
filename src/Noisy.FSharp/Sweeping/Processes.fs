/// Processes that others may have to find again.
module internal Noisy.FSharp.Processes

open System
open System.Globalization
open System.IO
open Noisy.Models
open Noisy.Experiments

/// A process. The number alone would not do, since the system gives it to others later.
type Identity =
    { Host: string
      Pid: int
      /// When it began, in the system's words.
      Since: string }

let current =
    { Host = Environment.MachineName; Pid = Environment.ProcessId; Since = OtherProcess.Since Environment.ProcessId }

/// Whether a process is at work; None if it is another machine's.
let isAlive (id: Identity) =
    if id.Host <> Environment.MachineName then None
    else Some(OtherProcess.IsAlive id.Pid && OtherProcess.Since id.Pid = id.Since)

// ---- Files of a folder, one a process -------------------------------------------------------------------------------

let private fileOf folder (id: Identity) = Path.Combine(folder, $"{id.Host}-{id.Pid}")

/// Keeps a file that names this process until it is disposed.
let enter (folder: string) =
    let file = fileOf folder current
    AtomicFile.Write(file, $"{current.Host}\n{current.Pid}\n{current.Since}\n")
    { new IDisposable with member _.Dispose() = AtomicFile.TryDelete file }

let private read (file: string) =
    match (try File.ReadAllLines file with :? IOException -> [||]) with // it may have gone
    | [| host; pid; since |] -> (match Int32.TryParse pid with | true, pid -> Some { Host = host; Pid = pid; Since = since } | _ -> None)
    | _ -> None

/// The processes that a folder names, but for those of this machine that have ended, whose files go.
let present (folder: string) =
    [ if Directory.Exists folder then
          for file in Directory.GetFiles folder do
              match read file with
              | Some id when isAlive id = Some false -> AtomicFile.TryDelete file
              | Some id -> id
              | None -> () ]
