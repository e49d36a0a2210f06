/// scripts/captions.fsx: the experiment, and captions of pictures of the user's own by runs that are done.
module Noisy.Scripts.CaptionScript

open System
open System.IO
open System.Threading
open Argu
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Options

[<RequireQualifiedAccess>]
type internal Argument =
    | [<Unique>] Describe of pictures: string
    | [<Unique>] Model of file: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Describe _ ->
                "one or more pictures, separated by commas: nothing is trained; the runs that the other options name, which must be done, describe them"
            | Model _ -> "with --describe: the network that made the features, in the ONNX format"

/// Files by commas; one whose name has a comma is itself.
let private files (text: string) =
    let named = if File.Exists text then [ text ] else elements [ text ]

    for file in named do
        if Directory.Exists file then raise (DataException $"--describe {file} is a folder: name the files in it.")
        if not (File.Exists file) then raise (DataException $"--describe {file} is not there: correct the name.")

    if named.IsEmpty then refuse "--describe needs the name of a picture"
    named

/// The runs' own data, and how their features were made.
let private ownData (cache: DataCache) =
    match cache.NamedFolder with
    | Null -> refuse "--describe needs the folder that the run learned from, with captions and features of your own: name it with --data"
    | NonNull folder when not (OwnCaptions.AreIn folder) ->
        refuse (
            $"{folder} has no features.json, so nothing tells which network could see other pictures alike: describe with a run that learned "
            + "from features that scripts/features.fsx made"
        )
    | NonNull folder -> FeatureList.Read folder

/// Gives a task the weights of a run that is done, after making sure that they belong together; the run's summary.
let private load (run: Plan.Run) (task: ITrainingTask) =
    match Pages.summary run.Folder with
    | None -> refuse $"no run is done in {run.Folder}: train it first, by the same command without --describe and --model"
    | Some summary when summary.Data <> task.Data ->
        refuse (
            $"the run in {run.Folder} learned from other captions or features than those in --data now: name those that it learned from, or "
            + "train anew with another --out"
        )
    | Some summary ->
        match List.ofSeq (ConfigJson.Differences(summary.Config, ConfigJson.ToJson run.Config)) with
        | [] -> ()
        | differences ->
            let list = String.Join("; ", differences)
            refuse $"the run in {run.Folder} has another config ({list}): give the options that it was trained with"

        match ExportedWeights.Load(Path.Combine(run.Folder, "weights.safetensors"), summary, task.Model) with
        | null -> summary
        | wrong -> refuse $"{wrong}: the same command without --describe and --model writes it again"

/// A file of its own in the run's folder for each picture, whatever folders these are in.
let internal targets folder (pictures: string list) =
    let add (taken: Set<string>) (picture: string) =
        let stem = Path.GetFileNameWithoutExtension picture
        let names = stem :: [ for number in 2 .. taken.Count + 1 -> $"{stem}-{number}" ]
        let name = names |> List.find (fun name -> not (taken.Contains(name.ToLowerInvariant()))) // as file systems that ignore case see it
        Path.Combine(folder, "described", name + ".png"), taken.Add(name.ToLowerInvariant())

    pictures |> List.mapFold add Set.empty |> fst

let private describe (experiment: Experiment) (pictures: string list) model (options: Options) (stop: CancellationToken) =
    TorchNative.EnsureLoaded()
    let cache = DataCache(DataCacheSettings.FromEnvironment(Option.toObj options.Data))
    let list = ownData cache

    let model =
        match model with
        | Some file -> file
        | None -> refuse $"--describe needs the network that made the features too: --model, here with the file '{list.Recipe.Backbone}'"

    use backbone = Backbone.ofRecipe list.Recipe model options.Threads
    let runs, notes = Runs.plan experiment options
    for note in notes do printfn "%s" note

    let seen =
        [ for path in pictures do
              let sizes, numbers = backbone.Features path
              let file = NpyFile(ResizeArray(Seq.append [ 1 ] sizes), NpyKind.Half, numbers, "")
              path, ImageFeatures.FromNpy(file, path, 1f, "") ]

    FusedEngine.Default <- options.Backend

    for run in runs do
        use task = experiment.Build(run.Config, cache, options.Device) :?> CaptionTask
        let context = Pages.tested run.Config (load run task)

        for (path, features), target in List.zip seen (targets run.Folder pictures) do
            stop.ThrowIfCancellationRequested()
            let struct (words, attention) = task.Describe(features, context)
            printfn "%s, seed %d: %s: %s" run.Row run.Config.Seed path (String.Join(" ", words))
            use picture = Photo.square path list.Recipe.Size
            writing "--out" target (fun () -> AttentionPicture.save target picture (features.Height, features.Width) words attention)
            printfn "  %s" target

    0

let private work (words: string[]) (stop: CancellationToken) =
    let experiment = Drawings.experiment "captions"

    match take<Argument> "captions" (List.ofArray (if words = [| "help" |] then [| "--help" |] else words)) with
    | None ->
        Options.ofExperiment experiment [| "--help" |] |> ignore
        printfn "\nCAPTIONS OF PICTURES OF YOUR OWN, by runs on features that scripts/features.fsx made (docs/captions.md):\n"
        printfn "%s" (usage<Argument> ())
        0
    | Some(found, rest) ->
        match found.TryGetResult Argument.Describe, found.TryGetResult Argument.Model with
        | None, Some _ -> refuse "--model is the network for --describe: add --describe and a picture, or leave --model away"
        | None, None -> Sweeps.orRuns experiment words stop
        | Some pictures, model ->
            match Options.ofExperimentBeside [ "--describe"; "--model" ] experiment (Array.ofList rest) with
            | None -> 0
            | Some options -> describe experiment (files pictures) model options stop

/// The script; returns the exit code.
let main words = Host.run (work words)
