namespace Noisy.FSharp

open System
open System.IO
open System.Text.Json
open System.Threading
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open TorchSharp

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

/// A run that Run.load has read: its model with the weights that were tested, in eval mode, and what it was trained with.
type TrainedRun<'Settings, 'Model when 'Model :> torch.nn.Module> =
    { /// In eval mode, with the noise scale of the test; disposed by the caller.
      Model: 'Model
      Settings: 'Settings
      /// The activations that the model is made of.
      Variant: Variant
      /// The model's clock.
      Clock: NoiseClock
      /// The noise scale c of the test, by the schedule; None is each spec's own.
      Scale: float option
      /// What is in the run's summary.json.
      Summary: RunSummary }

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
    /// Returns the exit code: exit (Run.main mine). In a script that another one loads it trains nothing and returns 2; Run.script takes that as
    /// it is.
    let main (experiment: Experiment<'Settings, 'Model, 'Batch>) : int =
        match Caller.find () with
        | Caller.Loaded(file, entry) ->
            eprintfn "%s trains nothing, since %s loads it. 'exit (Run.main ...)' at its end would end this process:" file entry
            eprintfn "let it end in 'Run.script ...', or give dotnet fsi the option --define:EDITING"
            2
        | _ -> Host.run (fun stop -> Sweeps.orRuns (Experiment.build experiment) (words ()) stop)

    /// Run.main as the last line of a script, which ends the process with its exit code. Where another script or a session loads the script it
    /// does nothing, so that both have what the script defines.
    let script (experiment: Experiment<'Settings, 'Model, 'Batch>) : unit =
        match Caller.find () with
        | Caller.Entry -> exit (main experiment)
        | _ -> ()

    /// Run.main with a command line of your own, wherever it is called.
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

        for name, value in [ "Updates", options.Updates; "Threads", Some(int64 options.Threads); "Monitor", options.Monitor ] do
            match value with
            | Some number when number < 1L -> raise (UsageException $"{name} is {number}: must be at least 1")
            | _ -> ()

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

    /// Gives a model the tested weights of a run's folder; the noise scale of their test.
    let private takeWeights (folder: string) summary (model: torch.nn.Module) =
        let file = Path.Combine(folder, "weights.safetensors")
        let refuse message : 'T = raise (UsageException $"{file} {message}")
        use _ = torch.NewDisposeScope()

        let struct (tensors, metadata) =
            try
                Safetensors.Read file
            with :? IOException | :? UnauthorizedAccessException | :? InvalidDataException as error ->
                refuse $"cannot be read ({error.Message})"

        match ModelDifference.Find(tensors, model.state_dict ()) with
        | null -> ()
        | difference -> refuse $"belongs to a different model: {difference}"

        match ExportedWeights.Load(file, summary, model) with
        | null -> Option.ofNullable (ModelMetadata.ReadTest metadata).Scale
        | fault -> raise (UsageException fault)

    /// A run that is done, to be used by other code: (Run.load experiment "runs/mine/tiny-nah-s1").Model.call x. The folder's settings, those of
    /// --set among them, decide what the model is; weights, noise scale and the rest are those that were tested.
    ///
    /// Raises UsageException if the folder holds no run that is done, if it is another experiment's, if the experiment has another activation
    /// of that name now, or if the weights are not those of the summary or do not fit the model.
    let load (experiment: Experiment<'Settings, 'Model, 'Batch>) (folder: string) : TrainedRun<'Settings, 'Model> =
        TorchNative.EnsureLoaded()
        let refuse message : 'T = raise (UsageException $"{folder}: {message}")
        let built = Experiment.build experiment

        let summary =
            match RunSummary.Read(Path.Combine(folder, "summary.json")) with
            | null -> refuse "there is no summary.json, so no run that is done"
            | summary when summary.Experiment <> built.Name -> refuse $"this is a run of '{summary.Experiment}', not of '{built.Name}'"
            | summary -> summary

        let gone reason = refuse $"its settings are not those that '{built.Name}' has now ({reason})"

        let config =
            let json = summary.Config.DeepClone().AsObject()
            json["schedule"] <- null // a function cannot be had from its name; the scale that it gave lies beside the weights
            let config = try ConfigJson.Read(json, typeof<'Settings>) with :? JsonException as error -> gone error.Message

            match ConfigJson.OtherFields(json, ConfigJson.ToJson config, typeof<'Settings>) with
            | lost when lost.Count > 0 -> gone (String.Join("; ", lost))
            | _ -> config

        let variant =
            let there = config.Activation
            let rows = [ for row in built.Rows(built.Presets[0].Name) -> row.Activation ]

            match rows @ List.ofSeq built.Activations |> List.filter (fun variant -> variant.Name = there.Name) with
            | [] -> refuse $"its activation '{there.Name}' is none of '{built.Name}' now"
            | same ->
                match same |> List.tryFind (fun variant -> variant.Tanh = there.Tanh && variant.Sigmoid = there.Sigmoid) with
                | Some variant -> variant.Map(fun spec -> config.Training.Override spec)
                | None -> refuse $"its activation '{there.Name}' was another one than '{built.Name}' has now"

        let settings, clock = unbox<'Settings> config.Settings, NoiseClock config.Seed
        let model = Model.build experiment settings config.Seed variant clock torch.CPU
        let scale = takeWeights folder summary model
        clock.TestMode <- config.Training.TestNoise
        clock.Advance(summary.TestedUpdate config.Training.KeepBest, Option.toNullable scale)
        model.eval ()
        { Model = model; Settings = settings; Variant = variant; Clock = clock; Scale = scale; Summary = summary }
