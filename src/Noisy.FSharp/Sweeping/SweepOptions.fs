/// The command line of a sweep.
module internal Noisy.FSharp.SweepOptions

open System
open System.IO
open System.Text.RegularExpressions
open Argu
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp.Options

/// What a sweep takes besides the options of its experiment; --out, --threads and --device mean what they mean there.
[<RequireQualifiedAccess>]
type Argument =
    | [<Unique>] On of place: string
    | [<Unique>] Jobs of number: string
    | [<Unique>] Time of minutes: string
    | [<Unique>] Partition of name: string
    | Sbatch of options: string
    | [<Unique>] Threads of number: string
    | [<Unique>] Out of folder: string
    | [<Unique; Hidden>] Device of name: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | On _ -> "local (default): processes on this machine; slurm: an array job"
            | Jobs _ -> "runs at once (default: local as many as the cores hold, one with --device cuda; slurm no limit)"
            | Time _ -> "slurm: time limit of a task in minutes, after which its run is stopped with a checkpoint and queued again (default: 60)"
            | Partition _ -> "slurm: partition (default: the cluster's)"
            | Sbatch _ -> "slurm: further options for sbatch, such as --sbatch \"--account=x --mem=4G\"; quote an option that contains blanks; as often as needed"
            | Threads _ -> "CPU threads of a run (default: local the cores shared out, slurm 1)"
            | Out _ -> "folder of the sweep, with a folder for each run beneath it (default: runs/ and the experiment's name)"
            | Device _ -> "cpu or cuda"

/// What the user requested: the runs and their places.
type Request =
    { Options: Options
      /// What goes along with each run's own words.
      Beside: string list
      /// Whether --monitor is among the words: in some presets the monitors are on without it.
      AsksForMonitors: bool
      On: Place
      Threads: int option }

/// The names of these options, for hints.
let names = [ "--on"; "--jobs"; "--time"; "--partition"; "--sbatch"; "--out"; "--threads"; "--device" ]

/// What status and its like are called by for an experiment's sweep.
let call (experiment: Experiment) =
    match Options.script experiment with
    | own when own.EndsWith ".fsx" -> $"dotnet fsi {own} -- sweep"
    | _ -> "dotnet fsi scripts/sweep.fsx --"

let private help (experiment: Experiment) =
    let script = Options.script experiment
    let call = call experiment
    let first = if script.EndsWith ".fsx" then call else $"{call} {script}"

    $"""A sweep of {experiment.Name}: rows × settings × seeds as runs of their own, side by side on this machine or on a Slurm cluster.

    {first} --row LIST --seed LIST --set name=LIST ... [--on slurm] [--out DIR]
    {call} status DIR | cancel DIR | collect DIR

The same command resumes what was stopped and tries again what failed; one with other rows or seeds adds them. status tells how each run
fares, cancel stops all of them with a checkpoint, collect prints one table and draws the comparison.

{Options.usage<Argument> ()}
What is trained is said by the experiment's own options: --preset, --row or --activation, --seed, --set, --data, --max-updates, --backend, --device.
Its --help lists them.

EXIT CODES: 0 all runs done, or given to Slurm; 4 some diverged; 1, 2, 3 as the first run that failed; 130 interrupted, checkpoints written."""

/// Data as another process finds them, whatever its folder: two files may be named with a comma.
let private absolute (data: string) =
    let whole (place: string) = if File.Exists place || Directory.Exists place then Path.GetFullPath place else place
    String.Join(",", data.Split(',') |> Array.map whole)

let private quoted = "\"([^\"]*)\"|'([^']*)'"

/// The options in a text of --sbatch, by blanks that are not within quotes.
let private sbatchOptions (text: string) =
    if Regex.Replace(text, quoted, "").IndexOfAny([| '"'; '\'' |]) >= 0 then refuse $"--sbatch {text}: a quote is not closed"
    [ for option in Regex.Matches(text, $"(?:[^\\s\"']|{quoted})+") -> Regex.Replace(option.Value, quoted, "$1$2") ]

let private minutes text = int (min 525_600L (integer "--time" 1L text))
let private count option text = int (min 10_000L (integer option 1L text))

/// The words after "sweep"; None after --help.
let read (experiment: Experiment) (words: string list) =
    match Options.take<Argument> (Options.script experiment) words with
    | None ->
        printfn "%s" (help experiment)
        None
    | Some(found, rest) ->
        let device = match found.TryGetResult Argument.Device with Some name -> [ "--device"; name ] | None -> []
        let out = found.GetResult(Argument.Out, $"runs/{experiment.Name}")
        let jobs = found.TryGetResult Argument.Jobs |> Option.map (count "--jobs")
        let time, partition = found.TryGetResult Argument.Time, found.TryGetResult Argument.Partition
        let sbatch = found.GetResults Argument.Sbatch |> List.collect sbatchOptions
        SlurmArray.check sbatch

        let place =
            match found.TryGetResult Argument.On with
            | Some "slurm" ->
                Slurm { Minutes = (match time with Some text -> minutes text | None -> 60); Jobs = jobs; Partition = defaultArg partition ""; Options = sbatch }
            | None | Some "local" ->
                for name, isGiven in [ "--time", time.IsSome; "--partition", partition.IsSome; "--sbatch", not sbatch.IsEmpty ] do
                    if isGiven then refuse $"{name} is for --on slurm: add that, or leave {name} out"

                Local jobs
            | Some other -> refuse $"--on is '{other}': must be local or slurm"

        match Options.ofExperimentBeside names experiment (Array.ofList (List.ofSeq rest @ device @ [ "--out"; Path.GetFullPath out ])) with
        | None -> None
        | Some options ->
            let beside =
                [ match options.Data with Some data -> yield! [ "--data"; absolute data ] | None -> ()
                  yield! device
                  if options.Backend = Backend.Composed then yield! [ "--backend"; "composed" ]
                  match options.MaxUpdates with Some limit -> yield! [ "--max-updates"; string limit ] | None -> ()
                  if options.TensorBoard then "--tensorboard"
                  if options.Onnx then "--onnx"
                  yield! [ "--monitor"; match options.Monitor with Some every -> string every | None -> "off" ] ]

            Some
                { Options = options
                  Beside = beside
                  AsksForMonitors = options.Monitor.IsSome && (rest |> Seq.exists (fun word -> word = "--monitor" || word.StartsWith "--monitor="))
                  On = place
                  Threads = found.TryGetResult Argument.Threads |> Option.map (count "--threads") }

/// The words of each run that is asked for, by the name of its folder, and notes about settings that some rows do not take.
let runs (experiment: Experiment) (request: Request) =
    let planned, notes = Runs.plan experiment request.Options

    let words (run: Plan.Run) =
        [ "--preset"; run.Config.Preset; "--row"; run.Base; "--seed"; string run.Config.Seed ]
        @ List.collect (fun (name, value) -> [ "--set"; $"{name}={value}" ]) run.Set
        @ request.Beside

    [ for run in planned -> Path.GetFileName run.Folder, words run ], notes
