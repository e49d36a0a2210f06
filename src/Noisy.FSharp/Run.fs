namespace Noisy.FSharp

open System
open System.IO
open System.Threading
open Noisy.Models
open Noisy.Experiments

/// How Run.train runs one row of an experiment.
type RunOptions =
    { /// A preset; "" takes the first.
      Preset: string
      /// A row or an activation; "" takes the first.
      Row: string
      Seed: int64
      /// Fields of the settings or of the training, by name, with their values as text: what --set takes.
      Set: (string * string) list
      /// Stops after this many updates; None goes to the end.
      Updates: int64 option
      Threads: int
      /// Measures in every so many updates what saturation and noise do at each nonlinearity: log, summary, sites.html. None does not.
      Monitor: int64 option
      /// Event files for TensorBoard in the run's folder.
      TensorBoard: bool
      /// The model as model.onnx in the run's folder, once it is done.
      Onnx: bool
      /// cpu or cuda; "" takes cuda where there is one.
      Device: string
      /// The folder of the results, as --out takes it; the run has a folder of its own beneath it. "" takes runs/ and the
      /// experiment's name.
      Out: string }

/// What Run.train has done. In a session it prints in one line.
[<StructuredFormatDisplay("{Text}")>]
type RunResult =
    { Folder: string
      /// None if the run was interrupted.
      Summary: RunSummary option }

    member private this.Text =
        match this.Summary with
        | None -> $"{this.Folder}: interrupted"
        | Some summary ->
            let values = String.Join(", ", summary.Metrics.Test |> Seq.map (fun value -> $"{value.Key} %.4g{value.Value}"))
            $"{this.Folder}: {summary.Updates} updates, test: {values}"

/// Runs experiments.
[<RequireQualifiedAccess>]
module Run =
    /// The words after the script's name.
    let private words () =
        let all = Environment.GetCommandLineArgs() |> List.ofArray
        let isScript (word: string) = word.EndsWith(".fsx", StringComparison.OrdinalIgnoreCase)
        let rest = match List.skipWhile (isScript >> not) all with | _ :: rest -> rest | [] -> List.truncate all.Length all.Tail
        match rest with
        | "--" :: rest -> Array.ofList rest
        | rest -> Array.ofList rest

    /// A whole script: reads the command line (--preset --activation --row --seed --set --out --threads --max-updates ..., see --help),
    /// trains every row with every seed and every combination of settings, resumes what was begun, and leaves runs, curves, a comparison
    /// and results.csv. With "sweep" as its first word it trains them side by side on this machine or on a Slurm cluster instead (sweep --help).
    /// Returns the exit code: exit (Run.main mine).
    let main (experiment: Experiment<'Settings, 'Model, 'Batch>) : int =
        Host.run (fun stop -> Sweeps.orRuns (Experiment.build experiment) (words ()) stop)

    /// The same with a command line of your own.
    let mainWith (words: string list) (experiment: Experiment<'Settings, 'Model, 'Batch>) : int =
        Host.run (fun stop -> Sweeps.orRuns (Experiment.build experiment) (Array.ofList words) stop)

    /// One row of the first preset with seed 1, all threads, into runs/ and the experiment's name.
    let defaults =
        { Preset = ""; Row = ""; Seed = 1L; Set = []; Updates = None; Monitor = None; TensorBoard = false; Onnx = false; Device = ""
          Threads = Environment.ProcessorCount; Out = "" }

    /// Trains one run, for interactive use: { Run.defaults with Row = "mine"; Updates = Some 50L } |> Run.train experiment. Progress and
    /// curves are as with Run.main; a run that was begun is resumed.
    let train (experiment: Experiment<'Settings, 'Model, 'Batch>) (options: RunOptions) : RunResult =
        TorchNative.EnsureLoaded()
        let built = Experiment.build experiment
        let preset = if options.Preset = "" then built.Presets[0].Name else options.Preset
        let row = if options.Row = "" then built.DefaultRows[0] else options.Row
        let out = if options.Out = "" then Path.Combine("runs", built.Name) else options.Out
        let runs, notes = Plan.make built preset [ row ] [ options.Seed ] [ for name, value in options.Set -> name, [ value ] ] out
        for note in notes do printfn "%s" note
        let run = List.exactlyOne runs
        let folder, summary =
            Runs.one built run CancellationToken.None
                { Preset = preset; Rows = [ row ]; Seeds = [ options.Seed ]; Device = Options.device (if options.Device = "" then None else Some options.Device)
                  Threads = options.Threads; Backend = FusedEngine.Default; Data = None; Out = Path.GetDirectoryName run.Folder
                  MaxUpdates = options.Updates; Set = []; Monitor = options.Monitor; TensorBoard = options.TensorBoard; Onnx = options.Onnx }
        { Folder = folder; Summary = summary }
