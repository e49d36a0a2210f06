namespace Noisy.FSharp

open System
open System.Collections.Generic
open System.IO
open System.Threading
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open TorchSharp

/// The parts of the data: Split.Train, Split.Valid, Split.Test.
type Split = Noisy.Experiments.Split

/// An experiment of your own, as a value: made by Experiment.define, given its parts by the functions of the module Experiment, and run by
/// Run.main. 'Settings is a record of numbers, text, truth values and enumerations, whose fields --set takes; 'Model a torch module;
/// 'Batch what a batch is: a tensor, or a tuple, record, list or array of tensors.
type Experiment<'Settings, 'Model, 'Batch when 'Model :> torch.nn.Module> =
    internal
        { Name: string
          Title: string
          Presets: (string * string * 'Settings * Training) list
          Activations: Variant list
          Rows: (string * Variant * string * (Training -> Training)) list
          Model: ('Settings -> Variant -> NoiseClock -> 'Model) option
          Data: ('Settings -> Split -> int64 -> 'Batch) option
          /// The files that the data are read from.
          Files: 'Settings -> string list
          Loss: ('Settings -> 'Model -> 'Batch -> torch.Tensor) option
          Metrics: (string * bool * ('Settings -> 'Model -> 'Batch -> float)) list
          Batches: int * int
          /// How many stages of difficulty there are, and the settings of one before the last.
          Stages: ('Settings -> int) * ('Settings -> int -> 'Settings)
          Rules: 'Settings -> string list
          StopWhen: 'Settings -> Validation list -> bool
          Floor: ('Settings -> float) option
          Baseline: (string * ('Settings -> float)) option }

/// The model of a run, with its initial weights.
module internal Model =
    /// Torch's generator as a function of an address, so that dropout, initial weights and torch.rand repeat.
    let seeded (key: NoiseKey) (index: int64) = torch.random.manual_seed (int64 (key.At(index, 0).Below(Int32.MaxValue, 0L))) |> ignore

    /// seed: of its initial weights; activation: what it is made of; clock: what its noisy modules take their draws from.
    let build (experiment: Experiment<'Settings, 'Model, 'Batch>) settings (seed: int64) activation (clock: NoiseClock) (device: torch.Device) =
        seeded ((NoiseKey.FromSeed seed).Child "weights") 0L
        let make () = experiment.Model.Value settings activation clock
        let model = Host.within (fun () -> $"the model of '{experiment.Name}'") make
        model.``to`` device |> ignore

        if Seq.isEmpty (model.parameters ()) then
            raise (UsageException $"the model of '{experiment.Name}' has no parameters: a module of your own calls this.RegisterComponents() at the end of its constructor")

        for parameter in model.parameters () do parameter.DetachFromDisposeScope() |> ignore
        for buffer in model.buffers () do buffer.DetachFromDisposeScope() |> ignore
        model

/// Model, data and metrics of one run of an experiment that is made of functions.
type private FunctionTask<'Settings, 'Model, 'Batch when 'Model :> torch.nn.Module>
    (experiment: Experiment<'Settings, 'Model, 'Batch>, config: RunConfig, device: torch.Device) =

    let settings = unbox<'Settings> config.Settings
    let root = NoiseKey.FromSeed config.Seed
    let clock = NoiseClock config.Seed
    let shared = NoiseKey.FromSeed 0L

    let plan = config.Training.Curriculum
    let stages = fst experiment.Stages settings

    let phase split = match split with Split.Train -> "training" | Split.Valid -> "validation" | _ -> "test"

    /// The settings of a stage; those of the last are the experiment's own.
    let at stage = if stage = stages then settings else snd experiment.Stages settings stage

    let batchOf (key: NoiseKey) settings split index =
        Model.seeded (key.Child("data").Child(string split)) index
        let make () = experiment.Data.Value settings split index
        Host.within (fun () -> $"the data of '{experiment.Name}', {phase split}, batch {index}") make |> Batch.toDevice device

    // Validation and test are the same for every seed.
    let batch settings split index = batchOf (if split = Split.Train then root else shared) settings split index

    let model = Model.build experiment settings config.Seed (config.Activations()) clock device

    let lossOf settings place batch =
        Host.within (fun () -> $"the loss of '{experiment.Name}', {place}") (fun () -> experiment.Loss.Value settings model batch)

    /// The settings that the batch of an update is made with.
    let settingsOf (position: BatchPosition) = at (plan.Draw(position.Stage, stages, root.Child("stages").At(0L, 0), position.Update))

    let scalar (loss: torch.Tensor) =
        if loss.numel () <> 1L then
            let shape = String.Join(", ", loss.shape)
            raise (UsageException $"the loss of '{experiment.Name}' has the shape [{shape}]: must be one number, such as a mean over the batch")

        loss.reshape [||]

    let number (loss: torch.Tensor) = loss.detach().to_type(torch.ScalarType.Float64).item<float> ()

    let identity =
        use _ = torch.NewDisposeScope()
        let files = experiment.Files settings

        match files |> List.tryFind (File.Exists >> not) with
        | Some missing -> raise (DataException($"{missing} is not there, which Experiment.files of '{experiment.Name}' names"))
        | None -> ()

        let places = [ stages, Split.Train, 0L; stages, Split.Train, 1L; stages, Split.Valid, 0L; stages, Split.Test, 0L; if stages > 1 then 1, Split.Train, 0L ]
        let sample = [ for stage, split, index in places -> batchOf shared (at stage) split index |> box ]

        if sample |> List.forall (Batch.tensors >> List.isEmpty) then
            raise (UsageException $"the data of '{experiment.Name}' have no tensors: a batch is a tensor, or a tuple, record, list or array of tensors")

        let name = if files.IsEmpty then $"{experiment.Name}'s own" else String.Join(", ", files |> List.map Path.GetFileName)
        DataIdentity(name, DataIdentity.Own, Batch.checksum files sample)

    let mainMetric, higher = match experiment.Metrics with | (name, higher, _) :: _ -> name, higher | [] -> "loss", false
    let values (pairs: (string * float) list) = Dictionary(dict pairs) :> IReadOnlyDictionary<string, float>

    member _.Settings = settings

    interface ITrainingTask with
        member _.Model = model
        member _.Backend = ModelDescription.LastBackend model
        member _.Data = identity

        member _.DataNotes =
            let easiest = if stages > 1 then ", and of the first stage's first" else ""

            if (experiment.Files settings).IsEmpty then
                ResizeArray [ $"its checksum is of the first two batches of training and the first of validation and of test{easiest}; Experiment.files names files to be checked whole" ] :> IReadOnlyList<string>
            else
                ResizeArray [ "its checksum is of all bytes of these files, and of the first batches that are cut out of them" ] :> IReadOnlyList<string>

        member _.UpdatesPerEpoch = int64 config.Training.EpochUpdates.Value
        member _.RepeatsData = false
        member _.Stages = stages
        member _.ItemName = "batch"
        member _.Metric = mainMetric
        member _.HigherIsBetter = higher

        member _.Loss(position, context) =
            if context.IsTraining then model.train () else model.eval (); clock.TestMode <- context.Mode
            clock.Advance(position.Update, context.Scale)
            let settings = settingsOf position
            let batch = batch settings Split.Train position.Update
            Model.seeded (root.Child "update") position.Update
            let loss = scalar (lossOf settings $"training, update {position.Update + 1L} (batch {position.Update})" batch)

            if context.IsTraining && torch.is_grad_enabled () && not loss.requires_grad then
                raise (UsageException $"the loss of '{experiment.Name}' does not depend on the model's parameters: it has no gradient, as after detach() or item()")

            BatchLoss(loss, loss.detach().to_type torch.ScalarType.Float32, 1L)

        member _.IsOver history = experiment.StopWhen settings (List.ofSeq history)

        member _.FaultOf position =
            use _ = torch.NewDisposeScope()

            match Batch.notFinite (batch (settingsOf position) Split.Train position.Update) with
            | Some fault -> $"the batch of update {position.Update + 1L} (batch {position.Update}) has {fault}: look at the data"
            | None -> null

        // Batches of training count nothing, but sums that did would tell these.
        member _.Metrics sums =
            values [
                "loss", sums.MeanNll
                if not (Double.IsNaN sums.Accuracy) then
                    for name, _, _ in experiment.Metrics do
                        match name with
                        | "accuracy" -> name, sums.Accuracy
                        | "error" -> name, 1.0 - sums.Accuracy
                        | _ -> ()
            ]

        member _.Evaluate(split, stage, context, stop) =
            use _ = torch.no_grad ()
            model.eval ()
            clock.TestMode <- context.Mode
            clock.Advance(context.Update, context.Scale) // that of the weights, whichever session measures them
            let valid, test = experiment.Batches
            let count = if split = Split.Valid then valid else test
            let settings = at stage

            let sums =
                [ for index in 0L .. int64 count - 1L do
                      stop.ThrowIfCancellationRequested()
                      use _ = torch.NewDisposeScope()
                      let batch = batch settings split index
                      Model.seeded (shared.Child "evaluation") index
                      let place = $"{phase split}, batch {index}"

                      number (scalar (lossOf settings place batch))
                      :: [ for name, _, metric in experiment.Metrics ->
                               Host.within (fun () -> $"the metric '{name}' of '{experiment.Name}', {place}") (fun () -> metric settings model batch) ] ]
                |> List.transpose
                |> List.map List.average

            model.train ()
            values (List.zip ("loss" :: [ for name, _, _ in experiment.Metrics -> name ]) sums)

        member _.Dispose() = model.Dispose()

/// Makes experiments, part by part.
[<RequireQualifiedAccess>]
module Experiment =
    let private plainName what name =
        if name = "" || not (Seq.forall (fun c -> Char.IsAsciiLetterLower c || Char.IsAsciiDigit c || c = '-' || c = '.') name) then
            raise (UsageException $"{what} '{name}': must be lower-case letters, digits, dots and dashes, since folders are named after it")

    /// An experiment without parts. name: lower-case letters, digits, dots and dashes, also the folder of its results; title: what it is,
    /// in one line.
    let define (name: string) (title: string) : Experiment<'Settings, 'Model, 'Batch> =
        plainName "the experiment's name" name

        { Name = name; Title = title; Presets = []; Activations = Variants.all; Rows = []; Model = None; Data = None; Files = (fun _ -> []); Loss = None; Metrics = []
          Batches = 10, 20; Stages = ((fun _ -> 1), (fun settings _ -> settings)); Rules = (fun _ -> []); StopWhen = (fun _ _ -> false); Floor = None
          Baseline = None }

    /// Adds a size to start from, --preset; the first is the default. settings: the experiment's own; training: how its runs are trained.
    let preset (name: string) (settings: 'Settings) (training: Training) (experiment: Experiment<'Settings, 'Model, 'Batch>) =
        plainName "the preset's name" name
        { experiment with Presets = experiment.Presets @ [ name, $"%d{int64 training.Epochs * int64 training.EpochUpdates} updates", settings, training ] }

    /// The activations that --activation takes, which are also trained if the command names none and there is no row; default the library's
    /// variants.
    let activations (variants: Variant list) (experiment: Experiment<'Settings, 'Model, 'Batch>) =
        for variant in variants do plainName "the variant's name" variant.Name
        { experiment with Activations = variants }

    /// Adds a row: an activation with other training, --row. summary: one line for help texts. If the command names none, all rows are trained and
    /// no other activations. A row keeps the schedule of its training even if its variant has no noise: for a model with noise of its own.
    let row (name: string) (variant: Variant) (summary: string) (change: Training -> Training) (experiment: Experiment<'Settings, 'Model, 'Batch>) =
        plainName "the row's name" name
        { experiment with Rows = experiment.Rows @ [ name, variant, summary, change ] }

    /// The model: from the settings, the row's activation and the clock whose noise its modules draw to a torch module. Torch's generator
    /// is seeded before, so that initial weights repeat.
    let model (make: 'Settings -> Variant -> NoiseClock -> 'Model) (experiment: Experiment<'Settings, 'Model, 'Batch>) = { experiment with Model = Some make }

    /// The data: from the settings, the split and the number of the batch (of training: the update) to the batch; pure. Torch's generator
    /// is seeded before each call by (split, number), of training also by the run's seed, so that torch.rand is allowed.
    let data (make: 'Settings -> Split -> int64 -> 'Batch) (experiment: Experiment<'Settings, 'Model, 'Batch>) = { experiment with Data = Some make }

    /// The files that the data are read from: all their bytes are part of the run's checksum, so that a run is not resumed once one has changed,
    /// and their names say what it was trained on. Without it the checksum is of the first batches alone.
    /// Experiment.files (fun s -> [ s.Csv ])
    let files (names: 'Settings -> string list) (experiment: Experiment<'Settings, 'Model, 'Batch>) = { experiment with Files = names }

    /// The loss of a batch: a tensor of one number, whose gradient trains the model.
    let loss (compute: 'Settings -> 'Model -> 'Batch -> torch.Tensor) (experiment: Experiment<'Settings, 'Model, 'Batch>) = { experiment with Loss = Some compute }

    let private addMetric name higher compute (experiment: Experiment<'Settings, 'Model, 'Batch>) =
        if name = "loss" then raise (UsageException "the metric 'loss' is always there: give yours another name")
        { experiment with Metrics = experiment.Metrics @ [ name, higher, compute ] }

    /// Adds a metric of which less is better, averaged over the batches of validation and test. Runs are judged by the first metric; by
    /// the loss if there is none.
    let metric (name: string) (compute: 'Settings -> 'Model -> 'Batch -> float) experiment = addMetric name false compute experiment

    /// Adds a metric of which more is better.
    let score (name: string) (compute: 'Settings -> 'Model -> 'Batch -> float) experiment = addMetric name true compute experiment

    /// How many batches validation and test have; default 10 and 20.
    let batches (valid: int) (test: int) (experiment: Experiment<'Settings, 'Model, 'Batch>) =
        if valid < 1 || test < 1 then raise (UsageException $"validation has {valid} and test {test} batches: each must have at least one")
        { experiment with Batches = valid, test }

    /// Stages of difficulty, for Training.Curriculum. count: how many there are, ≥ 1; easier: from the settings and the number of a stage before
    /// the last, from 1, to the settings that data, loss and metrics see at that stage. The model has those of the last, the experiment's own.
    /// Experiment.stages (fun s -> s.Length - 1) (fun s stage -> { s with Length = stage + 1 })
    let stages (count: 'Settings -> int) (easier: 'Settings -> int -> 'Settings) (experiment: Experiment<'Settings, 'Model, 'Batch>) =
        { experiment with Stages = count, easier }

    /// Rules of the settings: one sentence for each that is broken.
    let rules (broken: 'Settings -> string list) (experiment: Experiment<'Settings, 'Model, 'Batch>) = { experiment with Rules = broken }

    /// Your own rule for ending a run before its last epoch, besides Training.StopAt and Training.Patience: asked after each validation
    /// with all of them so far, the latest last. It must depend on its arguments alone, or a resumed run may end elsewhere.
    /// Experiment.stopWhen (fun settings history -> (List.last history).["mse"] < 0.001)
    let stopWhen (rule: 'Settings -> Validation list -> bool) (experiment: Experiment<'Settings, 'Model, 'Batch>) = { experiment with StopWhen = rule }

    /// The best attainable value of the metric, drawn as a line.
    let floor (value: 'Settings -> float) (experiment: Experiment<'Settings, 'Model, 'Batch>) = { experiment with Floor = Some value }

    /// What is reached without learning anything, drawn as a line. name: what reaches it.
    let baseline (name: string) (value: 'Settings -> float) (experiment: Experiment<'Settings, 'Model, 'Batch>) =
        { experiment with Baseline = Some(name, value) }

    let private missing (experiment: Experiment<'Settings, 'Model, 'Batch>) =
        [ if experiment.Presets.IsEmpty then "preset"
          if experiment.Activations.IsEmpty && experiment.Rows.IsEmpty then "activations"
          if experiment.Model.IsNone then "model"
          if experiment.Data.IsNone then "data"
          if experiment.Loss.IsNone then "loss" ]

    let private twice (names: string list) = names |> List.countBy id |> List.filter (fun (_, count) -> count > 1) |> List.map fst

    /// Text settings come back from the command line and from config.json: a value that does not would be lost.
    let private checkSettings name (settings: 'Settings) =
        let wrong reason = UsageException $"the settings of preset '{name}' cannot be kept as JSON ({reason}): take a record of numbers, text, truth values, enumerations and options of those"

        try
            let json = Text.Json.JsonSerializer.SerializeToNode(settings, typeof<'Settings>, ConfigJson.Indented)
            let back = Text.Json.JsonSerializer.Deserialize(json, typeof<'Settings>, ConfigJson.Indented)
            if not ((box settings).Equals back) then raise (wrong "another value comes back")
        with
        | :? Text.Json.JsonException
        | :? NotSupportedException
        | :? InvalidOperationException as error -> raise (wrong error.Message)

    /// The experiment as the library's own are: for Run, or to be combined with them.
    ///
    /// Raises UsageException if a part is missing or two have one name.
    let build (experiment: Experiment<'Settings, 'Model, 'Batch>) : Noisy.Experiments.Experiment =
        let refuse message = raise (UsageException message)
        let list (names: string list) = String.Join(", ", names)

        match missing experiment with
        | [] -> ()
        | parts -> refuse $"experiment '{experiment.Name}' has no {list parts}: add Experiment.{parts.Head}"

        let presets = [ for name, _, _, _ in experiment.Presets -> name ]
        let rows = [ for name, _, _, _ in experiment.Rows -> name ] @ [ for variant in experiment.Activations -> variant.Name ]
        let metrics = [ for name, _, _ in experiment.Metrics -> name ]
        match twice presets @ twice rows @ twice metrics with
        | [] -> ()
        | again -> refuse $"experiment '{experiment.Name}' has {list again} more than once: give each preset, row, activation and metric a name of its own"

        for name, _, settings, _ in experiment.Presets do checkSettings name settings

        // A row's training. A gap gain that its variant does not have needs no word of whether it is learned, as with an activation.
        let rowSettings (variant: Variant) (training: Training) =
            let isUsed = isNull (TrainingSettings.WhyUnused("learnP", variant))
            Training.settings { training with LearnP = training.LearnP || not isUsed }

        let settings (config: RunConfig) = unbox<'Settings> config.Settings
        let ownSettings (task: ITrainingTask) = match task with :? FunctionTask<'Settings, 'Model, 'Batch> as own -> Some own.Settings | _ -> None

        let built =
            Noisy.Experiments.Experiment(
                Name = experiment.Name,
                Title = experiment.Title,
                Presets = ResizeArray [ for name, summary, settings, training in experiment.Presets -> Preset(name, summary, Training.settings training, box settings) ],
                Activations = ResizeArray experiment.Activations,
                DefaultRows = ResizeArray(if experiment.Rows.IsEmpty then [ for variant in experiment.Activations -> variant.Name ] else [ for name, _, _, _ in experiment.Rows -> name ]),
                RowsOf = (fun preset ->
                    let _, _, _, start = experiment.Presets |> List.find (fun (name, _, _, _) -> name = preset.Name)

                    ResizeArray [
                        for name, variant, summary, change in experiment.Rows ->
                            ExperimentRow.Create(name, variant, summary, (fun _ -> rowSettings variant (change start)))
                    ]),
                BuildTask = (fun config _ device -> new FunctionTask<'Settings, 'Model, 'Batch>(experiment, config, device)),
                RulesOf = (fun config ->
                    let broken = experiment.Rules(settings config)
                    let stages = if broken.IsEmpty then fst experiment.Stages (settings config) else 1
                    if stages < 1 then [ $"the settings have %d{stages} stages: must be >= 1" ] else broken),
                FloorOf = (fun task ->
                    match experiment.Floor, ownSettings task with
                    | Some floor, Some settings -> Nullable(floor settings)
                    | _ -> Nullable()),
                BaselineOf = (fun task ->
                    match experiment.Baseline, ownSettings task with
                    | Some(name, value), Some settings -> MetricLevel(name, value settings)
                    | _ -> null)
            )

        ConfigJson.ToJson(built.Config presets.Head) |> ignore // refuses fields of one name
        built
