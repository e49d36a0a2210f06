/// Which runs a command requests: rows × combinations of settings × seeds.
module internal Noisy.FSharp.Plan

open System
open System.IO
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open Noisy.Core
open Noisy.Experiments

/// A run that was requested.
type Run =
    { /// Its row's name, with the settings that differ from the row's: "nah", "nah c=0.25".
      Row: string
      /// The row alone, and the settings that it takes: what a command line of its own would name.
      Base: string
      Set: (string * string) list
      Config: RunConfig
      Folder: string }

/// The fields in which a config differs from another, with its values as text.
let differences (from: JsonObject) (config: JsonObject) =
    [ for field in config do
          if not (JsonNode.DeepEquals(field.Value, from[field.Key])) then
              match field.Value with
              | :? JsonObject -> () // an activation's definition, whose name is another field
              | null -> field.Key, "null"
              | value -> field.Key, value.ToJsonString(ConfigJson.Line).Trim '"' ]

// Longer names than this are replaced by a checksum.
let private longest = 60

/// Settings in the name of a folder, in signs that every file system takes; "" if there are none.
let private inName (settings: (string * string) list) =
    let text = String.Join("-", [ for field, value in settings -> $"{field}={value}" ])
    let checksum = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes text))[..7]
    let isPlain c = Char.IsAsciiLetterOrDigit c || c = '.' || c = '-' || c = '+' || c = '='

    if settings.IsEmpty then ""
    elif text.Length <= longest && String.forall isPlain text then "-" + text
    else
        let plain = String.filter isPlain text
        $"-{plain[.. min plain.Length 24 - 1]}_{checksum}"

/// Every combination of the values that the settings list, the last setting changing fastest.
let combinations (settings: (string * string list) list) =
    List.foldBack (fun (name, values) rest -> [ for value in values do for others in rest -> (name, value) :: others ]) settings [ [] ]

/// Why a setting means nothing for a row, beside the others of its combination; None if it has a meaning there.
let private unused (config: RunConfig) (combination: (string * string) list) (field: string, value: string) =
    let isSchedule (name: string, _: string) = name.Equals("schedule", StringComparison.OrdinalIgnoreCase)

    // A row without noise leaves a schedule aside unread.
    let schedules = if config.Activation.IsNoisy then List.filter isSchedule combination else []
    let schedule = (config, schedules) ||> List.fold (fun config (name, value) -> config.With(name, value)) |> _.Training.Schedule

    match TrainingSettings.WhyUnused(field, config.Activation, schedule) with
    | null -> None
    | _ when isSchedule (field, value) && not (isNull config.Training.Schedule) -> None // for noise of the model's own
    | why -> Some $"--set {field}={value} does not apply to '{config.Activation.Name}', {why}: trained without it"

/// Says that a schedule takes the place of a variant's own noise scales, if these are not those of one of the library's variants.
let private replaced (config: RunConfig) =
    let scales (variant: ActivationPair) = variant.Tanh.C, variant.Sigmoid.C

    if isNull config.Training.Schedule || not config.Activation.IsNoisy || Variants.All |> Seq.exists (fun v -> scales v = scales config.Activation) then
        None
    else
        let tanh, sigmoid = scales config.Activation
        Some $"'{config.Activation.Name}' has noise scales of its own (tanh {tanh}, sigmoid {sigmoid}), which the schedule {config.Training.Schedule} replaces: --set schedule=null trains with them"

/// Says that a row without noise leaves the preset's schedule aside, where the model may have noise of its own.
let private leftAside (experiment: Experiment) preset (row: string) (config: RunConfig) =
    let schedule = experiment.Presets |> Seq.tryFind (fun p -> p.Name = preset) |> Option.bind (fun p -> Option.ofObj p.Training.Schedule)

    match schedule with
    | Some schedule when isNull experiment.PaperSection && not config.Activation.IsNoisy && isNull config.Training.Schedule ->
        Some $"'{row}' has no noise: trained without the schedule {schedule}. Noise of the model's own gets it by a row, Experiment.row"
    | _ -> None

/// All runs of a command, checked before the first one starts, and notes about settings that some rows do not take.
///
/// settings: fields with the values to try, in order. Raises UsageException for an unknown preset or field, InvalidSpecException with
/// every broken rule of every config.
let make (experiment: Experiment) preset (rows: string list) (seeds: int64 list) (settings: (string * string list) list) (out: string) =
    let notes = ResizeArray()

    let starts =
        [ for row in rows do
              try Ok(row, experiment.RowConfig(preset, row)) with :? InvalidSpecException as e -> Error(List.ofSeq e.Broken) ]

    match starts |> List.collect (function Error broken -> broken | Ok _ -> []) with
    | [] -> ()
    | broken -> raise (InvalidSpecException(ResizeArray broken))

    let runs =
        [ for row, start in starts |> List.choose Result.toOption do
              let own = ConfigJson.ToJson start
              leftAside experiment preset row start |> Option.iter notes.Add

              for combination in combinations settings do
                  let taken, left = combination |> List.partition (fun setting -> (unused start combination setting).IsNone)
                  left |> List.choose (unused start combination) |> List.iter notes.Add
                  let config = (start, taken) ||> List.fold (fun config (name, value) -> config.With(name, value))
                  replaced config |> Option.iter notes.Add
                  let changed = differences own (ConfigJson.ToJson config)
                  let label = String.Join(" ", row :: [ for name, text in changed -> $"{name}={text}" ])
                  let name = $"{preset}-{row}{inName changed}"

                  for seed in seeds do
                      { Row = label; Base = row; Set = taken; Config = config.With("seed", string seed); Folder = Path.Combine(out, $"{name}-s{seed}") } ]
        |> List.distinctBy _.Folder

    match runs |> List.collect (fun run -> List.ofSeq (experiment.BrokenRules run.Config)) |> List.distinct with
    | [] -> runs, List.distinct (List.ofSeq notes)
    | broken -> raise (InvalidSpecException(ResizeArray broken))
