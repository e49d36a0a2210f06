namespace Noisy.FSharp

open System
open System.Runtime.InteropServices
open System.Threading
open Noisy.Models
open Noisy.Experiments

/// A sweep of an experiment, as a value: rows × settings × seeds, each a run of its own, and where they are trained.
type Sweep =
    { /// The script that ends in Run.script experiment, which other processes start to train a run each; it begins no sweep itself. ""
      /// takes this process's own script or program.
      Script: string
      /// A preset; "" takes the first.
      Preset: string
      /// Rows or activations; [] takes the experiment's own.
      Rows: string list
      Seeds: int64 list
      /// Fields of the settings or of the training, by name, with the values to try as text: what --set takes.
      Set: (string * string list) list
      /// Each run stops after so many updates; None goes to the end.
      Updates: int64 option
      /// What --data takes; "" for an experiment of your own.
      Data: string
      /// Measures in every so many updates what saturation and noise do; None takes what --monitor leaves out: in presets "paper" alone.
      Monitor: int64 option
      /// Event files for TensorBoard in each run's folder.
      TensorBoard: bool
      /// The model of each run that is done as model.onnx in its folder.
      Onnx: bool
      On: Place
      /// CPU threads of a run; None shares out the cores, and takes one on Slurm.
      Threads: int option
      /// The folder of the sweep, with a folder for each run beneath it. "" takes runs/ and the experiment's name.
      Out: string }

/// Sweeps: many runs of an experiment, side by side, each in a process of its own.
[<RequireQualifiedAccess>]
module Sweep =
    /// The first preset, the experiment's own rows, seed 1, on as many of this machine's cores as there are runs for.
    let defaults =
        { Script = ""; Preset = ""; Rows = []; Seeds = [ 1L ]; Set = []; Updates = None; Data = ""; Monitor = None; TensorBoard = false; Onnx = false; On = Local None; Threads = None; Out = "" }

    /// An array job of Slurm's with a time limit of an hour a task; longer runs are queued again.
    let slurm = { Minutes = 60; Jobs = None; Partition = ""; Options = [] }

    let private list (values: string seq) = String.Join(",", values)

    /// A value that a list of --set would cut or trim must not become another.
    let private value name (text: string) =
        if Options.values text = [ text ] then text
        else raise (UsageException $"the value '{text}' of {name} cannot be one of a list: it must have no comma outside brackets, and no space at its ends")

    /// One option of sbatch as a text of --sbatch, where blanks outside quotes would make it several.
    let private sbatch (option: string) =
        let has (sign: char) = option.Contains sign

        if not (Seq.exists Char.IsWhiteSpace option || has '"' || has '\'') then option
        elif not (has '"') then $"\"{option}\""
        elif not (has '\'') then $"'{option}'"
        else raise (UsageException $"the option {option} of sbatch has quotes of both kinds: take one kind")

    /// The words of the command line that asks for a sweep.
    let internal words (sweep: Sweep) =
        let given option value = if value = "" then [] else [ option; value ]
        let count option (value: int option) = match value with Some number -> [ option; string number ] | None -> []

        [ yield! given "--preset" sweep.Preset
          yield! given "--row" (list sweep.Rows)
          yield! given "--seed" (list [ for seed in sweep.Seeds -> string seed ])
          for name, values in sweep.Set do yield! [ "--set"; $"{name}={list (List.map (value name) values)}" ]
          match sweep.Updates with Some updates -> yield! [ "--max-updates"; string updates ] | None -> ()
          yield! given "--data" sweep.Data
          match sweep.Monitor with Some updates -> yield! [ "--monitor"; string updates ] | None -> ()
          if sweep.TensorBoard then "--tensorboard"
          if sweep.Onnx then "--onnx"
          yield! count "--threads" sweep.Threads
          yield! given "--out" sweep.Out
          match sweep.On with
          | Local jobs -> yield! count "--jobs" jobs
          | Slurm job ->
              yield! [ "--on"; "slurm"; "--time"; string job.Minutes ]
              yield! count "--jobs" job.Jobs
              yield! given "--partition" job.Partition
              for option in job.Options do yield! [ "--sbatch"; sbatch option ] ]

    /// Begins a sweep, or goes on with it: trains what is missing, tries again what failed, and leaves alone what is done or what another
    /// process has. On this machine it returns when all is trained, or after Ctrl+C; on Slurm when the job is queued.
    ///
    /// Raises UsageException if the sweep cannot be begun; a run that fails or diverges only says so in its state.
    let run (experiment: Experiment<'Settings, 'Model, 'Batch>) (sweep: Sweep) : SweepRun list =
        TorchNative.EnsureLoaded()
        use stop = new CancellationTokenSource()
        let onSignal (context: PosixSignalContext) =
            context.Cancel <- true
            stop.Cancel()

        use _ = PosixSignalRegistration.Create(PosixSignal.SIGINT, onSignal)
        use _ = PosixSignalRegistration.Create(PosixSignal.SIGTERM, onSignal)
        let script = if sweep.Script = "" then None else Some sweep.Script
        Sweeps.start (Experiment.build experiment) (Sweeps.program script) (words sweep) stop.Token |> fst

    /// How the runs of a sweep fare. folder: its Out.
    let status (folder: string) : SweepRun list = Sweeps.status folder

    /// Stops whatever trains runs of a sweep, on this machine and on Slurm, and waits for it. Every run has a checkpoint then, and
    /// Sweep.run resumes it.
    let cancel (folder: string) : SweepRun list = Sweeps.cancel folder

    /// Prints one table of the runs that are done, and draws their comparison into the folder.
    let collect (experiment: Experiment<'Settings, 'Model, 'Batch>) (folder: string) : SweepRun list =
        TorchNative.EnsureLoaded()
        Sweeps.collect (Experiment.build experiment) folder
