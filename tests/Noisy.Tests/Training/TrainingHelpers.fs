/// Runs small enough to be trained many times in tests.
module Noisy.Tests.TrainingHelpers

open System
open System.Collections.Generic
open System.IO
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A config with some fields set.
let having settings (config: RunConfig) = (config, settings) ||> List.fold (fun c (name, value) -> c.With(name, value))

let private data =
    lazy GeneratedCorpus.Create(GeneratedCorpusSettings.Default.WithSource(2, 2).WithSizes(120, 40, 30).WithSeed 3L)

/// The text of the language model's runs.
let text () = data.Value

/// A language model of 2 epochs of 5 updates.
let config =
    (PaperExperiments.ByName "ptb").Config "tiny"
    |> having [
        "hidden", "6"; "layers", "2"; "bptt", "5"; "batch", "4"; "epochs", "2"; "decayAfter", "1"; "trainTokens", "0"; "dropout", "0.2"
        "activation", "nah"; "schedule", "paper" ]

let newTask (config: RunConfig) : ITrainingTask =
    new LanguageModelTask(config, data.Value, torch.CPU)

/// A language model after so many updates.
let trained (config: RunConfig) count =
    let task = newTask config
    use optimizer = Optimizer.Create(OptimizerSpec.Sgd, task.Model)
    for update in 0L .. count - 1L do
        use _ = torch.NewDisposeScope()
        let loss = task.Loss(BatchPosition(update, 1, update, 1), NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L, update))
        loss.Objective.backward ()
        let norm = optimizer.GradientNorm()
        optimizer.Step(1.0, update + 1L, min 1.0 (5.0 / norm))
    task

/// Watches a run; each function sees what it is named after.
let observer (updated: int64 -> unit) (note: string -> unit) =
    { new ITrainingObserver with
        member _.Started(_, _, _, _, _) = ()
        member _.Updated progress = updated progress.Update
        member _.Evaluated _ = ()
        member _.Note message = note message }

let quiet = observer ignore ignore

let trainTask (task: ITrainingTask) config folder (maxUpdates: int64 Nullable) watcher stop =
    use _ = torch.NewDisposeScope()
    let summary = Trainer.Run(TrainingRun(Config = config, Task = task, Folder = folder, Threads = 1, MaxUpdates = maxUpdates, Observer = watcher), stop)
    let hash = WeightsHash.Compute task.Model
    Option.ofObj summary, hash

let private updateOf (checkpoint: string) = int ((Path.GetFileName checkpoint)[..8])

/// Checkpoints of a run's folder, the oldest first.
let checkpoints (folder: TempFolder) = Directory.GetFiles(folder.In "checkpoint", "*.safetensors") |> Array.sort

/// Updates of the checkpoints of a run's folder.
let checkpointUpdates folder = [ for c in checkpoints folder -> updateOf c ]

/// Changes a bit near a file's end.
let damage path =
    let bytes = File.ReadAllBytes path
    bytes[bytes.Length - 3] <- bytes[bytes.Length - 3] ^^^ 1uy
    File.WriteAllBytes(path, bytes)

let copyFolder (source: string) (target: string) =
    for file in Directory.GetFiles(source, "*", SearchOption.AllDirectories) do
        let destination = Path.Combine(target, Path.GetRelativePath(source, file))
        Directory.CreateDirectory(Path.GetDirectoryName destination) |> ignore
        if Path.GetFileName file <> ".lock" then
            use from = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)
            use into = File.Create destination
            from.CopyTo into

/// Learns the sign of a sum of up to eight numbers: stage s has 2 s of them. Batches of 8 new examples; two evaluations in an
/// epoch of 8 updates. Its weights are the gap gains of an activation.
///
/// easierIsSolved: whether an evaluation of an easier stage than the last finds no error.
type SignTask(config: RunConfig, ?easierIsSolved: bool) =
    let stages, units = 4, 8
    let plan = config.Training.Curriculum
    let model = new NoisyActivation(Variants.Nan.Tanh, int64 units, NoiseClock config.Seed)
    let key = NoiseKey.FromSeed(config.Seed).Child "signs"

    /// Summed likelihoods, their mean for the objective, and how many are right.
    let score (key: NoiseKey) batch count stageOf =
        let values = Array.zeroCreate<float32> (count * units)
        NoiseSampler.Uniform(key.At(batch, 0), 0L, Span values)
        for i in 0 .. values.Length - 1 do
            values[i] <- if i % units < 2 * stageOf (i / units) then 2.0f * values[i] - 1.0f else 0.0f
        let x = torch.tensor(values).reshape (int64 count, int64 units)
        let margin = x.sum(1L).sign () * (x.mv (model.get_parameter "p"))
        let nll = -torch.nn.functional.logsigmoid(margin).sum ()
        nll, margin.gt(torch.tensor 0.0f).sum ()

    let metrics (sums: LossSums) =
        Dictionary(dict [ "nll", sums.MeanNll; "error", 1.0 - sums.Accuracy ]) :> IReadOnlyDictionary<_, _>

    interface ITrainingTask with
        member _.Model = model
        member _.Backend = "composed"
        member _.Data = DataIdentity("signs", DataIdentity.BuiltIn, "00")
        member _.UpdatesPerEpoch = 8L
        member _.EvaluationsPerEpoch = 2
        member _.RepeatsData = false
        member _.Stages = stages
        member _.ItemName = "example"
        member _.Metric = "error"
        member _.Metrics sums = metrics sums
        member _.Loss(moment, _) =
            let nll, correct = score (key.Child "train") moment.Update 8 (fun i -> plan.Draw(moment.Stage, stages, key.At(moment.Update, 1), int64 i))
            BatchLoss(nll * 0.125f.ToScalar(), nll.detach (), 8L, correct)
        member _.Evaluate(split, stage, _, stop) =
            stop.ThrowIfCancellationRequested()
            use _ = torch.no_grad ()
            use _ = torch.NewDisposeScope()
            let nll, correct = score (key.Child(string split)) 0L 64 (fun _ -> stage)
            let isSolved = stage < stages && defaultArg easierIsSolved false
            metrics (LossSums(scalarOf nll, (if isSolved then 64.0 else scalarOf correct), 64L))
        member _.Dispose() = model.Dispose()

/// A kind of run that can be stopped anywhere: its config, and how its task is made.
type Trial =
    { Name: string
      Config: RunConfig
      /// Updates between evaluations.
      Every: int64
      Task: RunConfig -> ITrainingTask }

    member this.Train(folder, maxUpdates, watcher, stop) =
        use task = this.Task this.Config
        trainTask task this.Config folder maxUpdates watcher stop

    member this.ToEnd folder = this.Train(folder, Nullable(), quiet, CancellationToken.None)

    /// Stops a session as soon as so many updates are done; stays silent if it never comes there.
    member this.InterruptAt(folder, at) =
        use source = new CancellationTokenSource()
        if at = 0L then source.Cancel()
        this.Train(folder, Nullable(), observer (fun update -> if update = at then source.Cancel()) ignore, source.Token) |> fst

/// What an uninterrupted run leaves.
type Whole = { Summary: RunSummary; Hash: string; Log: string; Weights: byte[] }

let whole (trial: Trial) =
    use folder = new TempFolder()
    let summary, hash = trial.ToEnd folder.Path
    { Summary = summary.Value; Hash = hash; Log = File.ReadAllText(folder.In "log.jsonl"); Weights = File.ReadAllBytes(folder.In "weights.safetensors") }

/// All of a summary but what time and the machine decide.
let private lasting (summary: RunSummary) =
    let json = Text.Json.JsonSerializer.SerializeToNode(summary, ConfigJson.Line).AsObject()
    for field in [ "seconds"; "tokens_per_second" ] do json.Remove field |> ignore
    json.ToJsonString ConfigJson.Line

/// Trains what is left of a run, and compares all of it with the uninterrupted one.
let finishAs (expected: Whole) (trial: Trial) (folder: TempFolder) =
    let summary, _ = trial.ToEnd folder.Path
    Expect.equal (File.ReadAllText(folder.In "log.jsonl")) expected.Log "log"
    Expect.equal (File.ReadAllBytes(folder.In "weights.safetensors")) expected.Weights "weights"
    Expect.equal (lasting summary.Value) (lasting expected.Summary) "summary"

let languageModel = { Name = "language model"; Config = config; Every = 5L; Task = newTask }

let signs name settings =
    { Name = name
      Config = config |> having ([ "epochs", "12"; "schedule", "null"; "learningRate", "10"; "decay", "1" ] @ settings)
      Every = 4L
      Task = fun config -> new SignTask(config) }

let private digits = lazy DigitWorld.Create(44, 20, 20)

/// A perceptron on a set that is gone through twice, in orders of its own.
let perceptron =
    { Name = "perceptron"
      Config =
        (PaperExperiments.ByName "mnist").Config "tiny"
        |> having [ "hidden", "6"; "layers", "2"; "batch", "8"; "epochs", "2"; "trainImages", "0"; "activation", "nah"; "schedule", "paper"; "momentum", "0.5" ]
      Every = 5L
      Task = fun config -> new MlpTask(config, digits.Value, torch.CPU) }

/// A perceptron on points that never repeat.
let mixture =
    { Name = "mixture"
      Config =
        (PaperExperiments.ByName "gmm").RowConfig("tiny", "noisy-tanh")
        |> having [ "hidden", "4"; "batch", "6"; "epochs", "3"; "epochUpdates", "4"; "validPoints", "30"; "testPoints", "40"; "keepBest", "true" ]
      Every = 4L
      Task = fun config -> (PaperExperiments.ByName "gmm").Build(config, null, torch.CPU) }

/// The newest sound checkpoint of a run's folder, and what was said of others.
let loadCheckpoint (folder: TempFolder) (task: ITrainingTask) =
    let warnings = ResizeArray<string>()
    use best = new BestWeights()
    let state = Checkpoint.Load(folder.In "checkpoint", task, Dictionary(), best, (fun w -> warnings.Add w))
    state, List.ofSeq warnings
