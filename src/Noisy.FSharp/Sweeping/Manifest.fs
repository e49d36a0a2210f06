/// sweep.json: which runs a sweep has, each with the words of its command line.
module internal Noisy.FSharp.Manifest

open System
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open Noisy.Models
open Noisy.Experiments

/// A run of a sweep. Its index is its place in an array job, and never another run's.
type Entry = { Index: int; Name: string; Words: string list }

type Manifest =
    { /// Tells this sweep's jobs from others'.
      Id: string
      Experiment: string
      Preset: string
      /// The words that start the experiment's script, up to its own.
      Program: string list
      /// Whether runs were given to Slurm.
      OnSlurm: bool
      Runs: Entry list }

let private file folder = Path.Combine(folder, "sweep.json")

let private strings (words: string list) = JsonArray [| for word in words -> JsonValue.Create word :> JsonNode |]

let private toJson (manifest: Manifest) =
    let run (entry: Entry) =
        let json = JsonObject()
        json["index"] <- JsonValue.Create entry.Index
        json["name"] <- JsonValue.Create entry.Name
        json["words"] <- strings entry.Words
        json :> JsonNode

    let json = JsonObject()
    for name, text in [ "id", manifest.Id; "experiment", manifest.Experiment; "preset", manifest.Preset ] do json[name] <- JsonValue.Create text
    json["onSlurm"] <- JsonValue.Create manifest.OnSlurm
    json["program"] <- strings manifest.Program
    json["runs"] <- JsonArray [| for entry in manifest.Runs -> run entry |]
    json

let private ofJson (json: JsonObject) =
    let text (json: JsonNode) (name: string) = json[name].GetValue<string>()
    let strings (json: JsonNode) (name: string) = [ for word in json[name].AsArray() -> word.GetValue<string>() ]

    { Id = text json "id"
      Experiment = text json "experiment"
      Preset = text json "preset"
      OnSlurm = json["onSlurm"].GetValue<bool>()
      Program = strings json "program"
      Runs = [ for run in json["runs"].AsArray() -> { Index = run["index"].GetValue<int>(); Name = text run "name"; Words = strings run "words" } ] }

/// The manifest of a folder; None before its first sweep.
let tryRead (folder: string) =
    let file = file folder

    if not (File.Exists file) then
        None
    else
        try
            Some(ofJson (ConfigJson.Parse<JsonObject>(File.ReadAllText file)))
        with error when (error :? JsonException || error :? InvalidOperationException || error :? NullReferenceException || error :? FormatException) ->
            let what = match error with :? JsonException -> error.Message | _ -> "a field is missing or of another kind"
            raise (UsageException($"{file} is damaged ({what}): delete it and give the sweep's command again. The runs beside it are not touched, and go on from where they are", error))

/// The manifest of a sweep's folder.
let read (folder: string) =
    match tryRead folder with
    | Some manifest -> manifest
    | None -> raise (UsageException $"{Path.GetFullPath folder} holds no sweep: there is no sweep.json. Name the folder that the sweep's --out named")

let write (folder: string) (manifest: Manifest) =
    Directory.CreateDirectory folder |> ignore
    AtomicFile.Write(file folder, (toJson manifest).ToJsonString ConfigJson.Indented + "\n")

/// The runs known so far and those now requested. A run that is known keeps its index, and gets the words that it has now.
let merge (known: Entry list) (requested: (string * string list) list) =
    let words = dict requested
    let kept = [ for entry in known -> match words.TryGetValue entry.Name with | true, now -> { entry with Words = now } | _ -> entry ]
    let added = requested |> List.filter (fun (name, _) -> known |> List.forall (fun entry -> entry.Name <> name))
    let next = 1 + List.fold (fun last entry -> max last entry.Index) -1 known
    kept @ List.mapi (fun i (name, words) -> { Index = next + i; Name = name; Words = words }) added

/// A run by its name.
let entry (folder: string) (manifest: Manifest) name =
    match manifest.Runs |> List.tryFind (fun entry -> entry.Name = name) with
    | Some entry -> entry
    | None -> raise (UsageException $"{file folder} has no run '{name}'")

// ---- The folder's other files ---------------------------------------------------------------------------------------

let runFolder folder (entry: Entry) : string = Path.Combine(folder, entry.Name)
let logFile folder (entry: Entry) : string = Path.Combine(folder, "logs", entry.Name + ".log")
let journalFile folder (entry: Entry) : string = Path.Combine(folder, "states", entry.Name + ".jsonl")

/// The file that the process which trains a run has locked.
let claimFile folder (entry: Entry) : string = Path.Combine(folder, "states", entry.Name + ".lock")

/// Of each process on this or another machine that is at work on the sweep, a file.
let processesFolder folder : string = Path.Combine(folder, "processes")

let createFolders (folder: string) =
    for name in [ "logs"; "states"; "processes" ] do Directory.CreateDirectory(Path.Combine(folder, name)) |> ignore

// Longer than anyone needs to read, change and write the manifest and to call sbatch.
let private patience = TimeSpan.FromMinutes 2.0

/// Does something while no other process changes the sweep.
let alone (folder: string) (work: unit -> 'T) : 'T =
    use turn = FileLock.Take(Path.Combine(folder, ".sweep.lock"), patience, (fun () -> printfn "waiting for another command that changes this sweep"))
    if isNull turn then raise (UsageException $"another process has held {folder}/.sweep.lock for more than two minutes: see what it does, or end it")
    work ()
