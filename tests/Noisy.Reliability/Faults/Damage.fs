/// Damage to the files of a run's folder, and the promise for each.
module Noisy.Reliability.Damage

open System.IO
open Noisy.Reliability.Promise

type Damage =
    | Cut
    | Emptied
    | Removed
    /// A bit of the byte at a share of the file's length.
    | Flipped of float

let all = [ Cut; Emptied; Removed; Flipped 0.03; Flipped 0.3; Flipped 0.6; Flipped 0.97 ]

let describe damage =
    match damage with
    | Cut -> "cut to half"
    | Emptied -> "emptied"
    | Removed -> "removed"
    | Flipped share -> $"a bit changed at {100.0 * share} %%"

let apply damage (path: string) =
    match damage with
    | Removed -> File.Delete path
    | Emptied -> File.WriteAllBytes(path, [||])
    | Cut -> File.WriteAllBytes(path, (let bytes = File.ReadAllBytes path in bytes[.. bytes.Length / 2 - 1]))
    | Flipped share ->
        let bytes = File.ReadAllBytes path
        let at = int (share * float bytes.Length)
        bytes[at] <- bytes[at] ^^^ 1uy
        File.WriteAllBytes(path, bytes)

/// What is damaged: files of the run's folder, by their names or the place among the checkpoints.
type Target =
    | Named of string
    | NewestCheckpoint
    | NewestChecksum
    | AllCheckpoints

let name target =
    match target with
    | Named file -> file
    | NewestCheckpoint -> "newest checkpoint"
    | NewestChecksum -> "checksum of the newest checkpoint"
    | AllCheckpoints -> "all checkpoints"

let files (folder: string) target =
    let checkpoints extension = Directory.GetFiles(Path.Combine(folder, "checkpoint"), "*.safetensors" + extension) |> Array.sort

    match target with
    | Named name -> [| Path.Combine(folder, name) |]
    | NewestCheckpoint -> [| Array.last (checkpoints "") |]
    | NewestChecksum -> [| Array.last (checkpoints ".sha256") |]
    | AllCheckpoints -> checkpoints ""

let targets finished =
    [ Named "config.json"; Named "log.jsonl"; NewestCheckpoint; NewestChecksum; AllCheckpoints ]
    @ if finished then [ Named "summary.json"; Named "weights.safetensors" ] else []

/// What is promised of the same command after the damage.
let promise finished target damage =
    match target, damage with
    | Named "config.json", Removed -> [ Same ]
    | Named "config.json", Flipped _ -> [ Same; Refused ]
    | Named "config.json", _ -> [ Refused ]
    | Named "log.jsonl", _ -> [ Same; LogGap ]
    | Named "summary.json", Removed -> [ Same ]
    | Named "summary.json", _ -> [ Same; Refused ]
    | AllCheckpoints, Removed when not finished -> [ Same; Refused ]
    | AllCheckpoints, _ when not finished -> [ Refused ]
    | _ -> [ Same ]
