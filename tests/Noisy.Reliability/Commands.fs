/// The command line: what is tried, and how much.
module Noisy.Reliability.Commands

open System
open System.Globalization
open System.IO
open System.Threading
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp.Options

let private options =
    [ "--seed", "decides everything that is drawn (default: 1)"
      "--minutes", "begin nothing new after these (default: no limit)"
      "--jobs", $"at once (default: all cores, here {Environment.ProcessorCount})"
      "--inputs", "fuzz: inputs to be read (default: 100000)"
      "--folder", "fuzz: where failing inputs are kept (default: artifacts/fuzz)"
      "--replay", "fuzz: read one kept input again, and nothing else"
      "--kills", "kill, slurm: kills to be made, of slurm with cancellations (default: 20)"
      "--points", "faults: so many of all points, drawn by a fixed key (default: all)"
      "--kinds", "faults: disk, folder, file, separated by commas (default: all)"
      "--experiments", "kill, faults: names, separated by commas (default: all; files and folders are tried on the first)"
      "--seeds", "slurm: seeds of each of two rows (default: 4)"
      "--updates", "soak: updates of each loop (default: 2000); slurm: of each run, which must take more than a minute (default: 6000)"
      "--config", "soak: S, M or both (default: S)"
      "--loops", "soak: ours, torch or both: whose optimiser (default: both)"
      "--threads", $"soak: CPU threads (default: {Environment.ProcessorCount})" ]

let private own =
    Map
        [ "fuzz", [ "--seed"; "--minutes"; "--jobs"; "--inputs"; "--folder"; "--replay" ]
          "kill", [ "--seed"; "--minutes"; "--jobs"; "--kills"; "--experiments" ]
          "faults", [ "--minutes"; "--jobs"; "--points"; "--kinds"; "--experiments" ]
          "slurm", [ "--seed"; "--minutes"; "--seeds"; "--updates"; "--kills" ]
          "soak", [ "--minutes"; "--updates"; "--config"; "--loops"; "--threads" ] ]

let usage =
    let lines = [ for name, about in options -> $"    {name.PadRight 14} {about}" ]
    "fuzz, kill, faults, slurm or soak, and options:\n" + String.Join("\n", lines) + "\ndocs/reliability.md says what each tries."

/// The options of a command by name; refuses what it does not have.
let private read command (words: string list) =
    let known = own[command]

    let rec go found words =
        match words with
        | [] -> found
        | name :: _ when not (List.contains name known) ->
            let list = String.Join(", ", known)
            refuse $"{command} has no option '{name}'; known are {list}"
        | name :: value :: _ when Map.containsKey name found -> refuse $"{name} is given twice, the second time with {value}"
        | name :: value :: rest -> go (Map.add name value found) rest
        | [ name ] -> refuse $"{name} needs a value"

    go Map.empty words

type private Given(stop: CancellationToken, found: Map<string, string>) =
    member _.Text(name, otherwise: string) = found |> Map.tryFind name |> Option.defaultValue otherwise
    member _.Optional name = Map.tryFind name found
    member this.Number(name, least: int64, otherwise: int64) = integer name least (this.Text(name, string otherwise))
    member this.Count(name, otherwise: int) = int (min 1_000_000_000L (this.Number(name, 1L, int64 otherwise)))

    member this.Limit =
        match Double.TryParse(this.Text("--minutes", "1e9"), NumberStyles.Float, CultureInfo.InvariantCulture) with
        | true, value when value > 0.0 -> Limit(value, stop)
        | _ -> refuse "--minutes must be a number above 0"

    /// Elements of a list that are all known.
    member this.Some(name, known: string list) =
        let words = this.Text(name, String.Join(',', known)) |> List.singleton |> someElements name

        match words |> List.tryFind (fun word -> not (List.contains word known)) with
        | Some odd ->
            let list = String.Join(", ", known)
            refuse $"{name} has no '{odd}'; known are {list}"
        | None -> words

let private experiments = [ for small in SmallRuns.all -> small.Experiment ]
let private cores = Environment.ProcessorCount

let private fuzz (given: Given) =
    match given.Optional "--replay" with
    | Some file when not (File.Exists file) -> refuse $"--replay: there is no file '{file}'"
    | Some file -> Fuzz.replay file
    | None ->
        let options: Fuzz.FuzzOptions =
            { Seed = given.Number("--seed", Int64.MinValue, 1L)
              Inputs = given.Number("--inputs", 1L, 100_000L)
              Limit = given.Limit
              Jobs = given.Count("--jobs", cores)
              Folder = given.Text("--folder", "artifacts/fuzz") }

        Fuzz.run (printfn "%s") options |> Fuzz.print

let private kill (given: Given) =
    let options: Kill.KillOptions =
        { Seed = given.Number("--seed", Int64.MinValue, 1L)
          Kills = given.Count("--kills", 20)
          Limit = given.Limit
          Jobs = given.Count("--jobs", cores)
          Experiments = given.Some("--experiments", experiments) }

    Kill.run (printfn "%s") options |> Kill.print

/// inside: whether this process has mounts of its own.
let private faults inside words (given: Given) =
    let options: Faults.FaultOptions =
        { Points = given.Count("--points", Int32.MaxValue)
          Limit = given.Limit
          Jobs = given.Count("--jobs", cores)
          Experiments = given.Some("--experiments", "ptb" :: List.except [ "ptb" ] experiments)
          Kinds = given.Some("--kinds", [ "disk"; "folder"; "file" ]) }

    if inside || not (List.contains "disk" options.Kinds) then
        Faults.attempt (printfn "%s") options |> Faults.print
    elif Mounts.possible () then
        Mounts.inside ("faults-inside" :: words)
    else
        refuse "faults: this machine lets no process mount a small disk (unshare -rm); leave the full disk out with --kinds folder,file"

let private slurm (given: Given) =
    match Cluster.impossible () with
    | Some reason -> refuse $"slurm: {reason}"
    | None ->
        let options: SlurmTrial.SlurmOptions =
            { Seed = given.Number("--seed", Int64.MinValue, 1L)
              Seeds = given.Count("--seeds", 4)
              Updates = given.Number("--updates", 4L, 6000L)
              Disturbances = given.Count("--kills", 20)
              Limit = given.Limit }

        SlurmTrial.run (printfn "%s") options |> SlurmTrial.print

let private soak (given: Given) =
    let options: Soak.SoakOptions =
        { Updates = given.Number("--updates", 20L, 2000L)
          Limit = given.Limit
          Sizes = (if given.Optional("--config").IsNone then [ "S" ] else given.Some("--config", [ "S"; "M" ]))
          Loops = given.Some("--loops", [ "ours"; "torch" ])
          Threads = given.Count("--threads", cores) }

    TorchNative.EnsureLoaded()
    Soak.run (printfn "%s") options |> Soak.print

/// Runs a command; the exit code: 0 without failures, 1 with, 2 for wrong usage.
let run (stop: CancellationToken) (words: string list) =
    let given command words = Given(stop, read command words)

    match words with
    | "fuzz" :: rest -> fuzz (given "fuzz" rest)
    | "kill" :: rest -> kill (given "kill" rest)
    | "faults" :: rest -> faults false rest (given "faults" rest)
    | "faults-inside" :: rest -> faults true rest (given "faults" rest)
    | "slurm" :: rest -> slurm (given "slurm" rest)
    | "soak" :: rest -> soak (given "soak" rest)
    | "fuzz-worker" :: rest -> FuzzWorker.work stop rest
    | _ ->
        printfn "%s" usage
        if words = [ "--help" ] then 0 else 2
