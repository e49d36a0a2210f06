/// The options that all experiment scripts share.
module internal Noisy.FSharp.Options

open System
open System.Globalization
open System.IO
open System.Text.Json
open Argu
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open TorchSharp

/// The options as Argu reads them; values are checked afterwards, so that every message can say what is expected.
[<RequireQualifiedAccess>]
type Argument =
    | [<Unique>] Preset of name: string
    | Activation of list: string list
    | Row of list: string list
    | Seed of list: string list
    | [<Unique>] Device of name: string
    | [<Unique>] Threads of number: string
    | [<Unique>] Backend of name: string
    | [<Unique; Hidden>] Engine of name: string
    | [<Unique>] Data of folder: string
    | [<Unique>] Out of folder: string
    | [<Unique>] Max_Updates of number: string
    | Set of assignment: string list
    | [<Unique>] Monitor of updates: string option
    | [<Unique>] Tensorboard
    | [<Unique>] Onnx

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Preset _ -> "size of the experiment; see below"
            | Activation _ -> "one or more activations, separated by commas, trained one after another and compared; see below"
            | Row _ -> "one or more of the experiment's rows, separated by commas, instead of activations; an activation's name is a row too"
            | Seed _ -> "one or more integers, separated by commas; the table gives means with 95 % intervals (default: 1)"
            | Device _ -> "cpu or cuda (default: cuda if there is one)"
            | Threads _ -> $"CPU threads (default: all, here {Environment.ProcessorCount})"
            | Backend _ | Engine _ -> "auto (the fused engine where it can) or composed (torch's operations, slow)"
            | Data _ -> "folder or files of data, where the experiment takes any; see below"
            | Out _ -> "folder of the results, with one folder a run beneath it"
            | Max_Updates _ -> "stop each run there; a later command with a larger number, or without it, resumes from that point"
            | Set _ -> "name=value, or name=value,value,...: override a field of the preset, as often as needed; every combination is a run of its own; see below"
            | Monitor _ ->
                "measure in every so many updates what saturation and noise do at each nonlinearity, for log, summary and sites.html; without a number as many as cost under 3 % of the time; 'off' measures none (default: on in the preset paper)"
            | Tensorboard -> "write each run's log and curves also as event files, into its folder tensorboard"
            | Onnx -> "leave the model of each run that is done as model.onnx in its folder: its test-time form, for ONNX Runtime"

/// What the user requested.
type Options =
    { Preset: string
      /// Rows of the experiment, or names of activations.
      Rows: string list
      Seeds: int64 list
      Device: torch.Device
      Threads: int
      Backend: Backend
      Data: string option
      Out: string
      MaxUpdates: int64 option
      /// Fields of the config, with the values to try.
      Set: (string * string list) list
      /// Updates from one that is monitored to the next; None monitors none.
      Monitor: int64 option
      /// Whether runs leave event files for TensorBoard.
      TensorBoard: bool
      /// Whether runs that are done leave their model as an ONNX file.
      Onnx: bool }

/// Fails with exit code 2.
let refuse message : 'T = raise (UsageException message)

/// The elements of a list option, given with commas, with spaces or with both.
let elements (words: string list) =
    words
    |> List.collect (fun word -> List.ofArray (word.Split(',', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)))

/// The elements of a list option, of which there must be one.
let someElements option words =
    match elements words with
    | [] -> refuse $"{option} needs at least one value"
    | list -> List.distinct list

/// An integer at or above a limit.
let integer option (least: int64) (text: string) =
    match Int64.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture) with
    | true, value when value >= least -> value
    | true, value when least > Int64.MinValue -> refuse $"{option} is {value}: must be at least {least}"
    | _ -> refuse $"{option} is '{text}': must be an integer"

/// Edits that turn one word into the other.
let private distance (a: string) (b: string) =
    let step (previous: int[]) (i: int) =
        let row = Array.create (b.Length + 1) (i + 1)

        for j in 1 .. b.Length do
            let replaced = previous[j - 1] + (if a[i] = b[j - 1] then 0 else 1)
            row[j] <- min replaced (1 + min (previous[j]) (row[j - 1]))

        row

    (Array.init (b.Length + 1) id, [ 0 .. a.Length - 1 ]) ||> List.fold step |> Array.last

/// Whether the scripts run as one program, on a machine without the .NET SDK.
let private isProgram = match Reflection.Assembly.GetEntryAssembly() with null -> false | entry -> entry.GetName().Name = "noisy"

/// What a user types to run a script, given by its file or by the name of one of ours.
let private callOf (script: string) =
    if script.EndsWith ".fsx" then $"dotnet fsi {script}"
    elif isProgram then $"noisy {script}"
    else $"dotnet fsi scripts/{script}.fsx"

let private helpOf script = if isProgram then $"{callOf script} --help" else $"{callOf script} -- --help"

/// Argu's complaint as one sentence, with the option that was probably meant.
let complaint (script: string) (known: string list) (message: string) =
    let sentence = (Array.head (message.Split '\n')).Trim()
    let sentence = if sentence.StartsWith "ERROR: " then sentence.Substring 7 else sentence
    let quoted = sentence.Split '\''

    let hint =
        if sentence.StartsWith "unrecognized argument" && quoted.Length > 2 then
            let given = quoted[1].Split('=')[0]
            let nearest = known |> List.minBy (distance given)
            let list = String.Join(", ", known)
            if distance given nearest <= 3 then $" Did you mean {nearest}?" else $" Known are {list}."
        else
            ""

    $"{sentence.TrimEnd '.'}.{hint} All options: {helpOf script}"

/// Words as the options take them: --name=value is the same as --name value.
///
/// known: the options with their dashes; what else there may be is left as it is.
let private separate (known: string list) (word: string) =
    match word.Split('=', 2) with
    | [| name; value |] when List.contains name known -> [ name; value ]
    | _ -> [ word ]

/// An empty value is a variable of a shell that was not set.
let rec private refuseEmpty (words: string list) =
    match words with
    | option :: value :: _ when String.IsNullOrWhiteSpace value -> refuse $"{option} is empty: give it a value, or leave it away"
    | [ only ] when String.IsNullOrWhiteSpace only -> refuse "an option is empty"
    | _ :: rest -> refuseEmpty rest
    | [] -> ()

/// Does what writes to a place that the user named; a place that cannot be written is a mistake in the command line.
let writing (option: string) (place: string) (write: unit -> unit) =
    try
        write ()
    with error when (error :? IOException || error :? UnauthorizedAccessException) ->
        refuse $"cannot write {place}: {error.Message.TrimEnd '.'}; name another place with {option}"

/// The options that a union of arguments stands for, with their dashes.
let private namesOf<'argument when 'argument :> IArgParserTemplate> (parser: ArgumentParser<'argument>) = parser.GetArgumentCases() |> List.collect _.CommandLineNames.Value

/// Takes from a command line the options that a union of arguments stands for; the other words in order are for another reader. None
/// where the user asks for help.
let take<'argument when 'argument :> IArgParserTemplate> (script: string) (words: string list) =
    let parser = ArgumentParser.Create<'argument>(programName = callOf script)
    let words = words |> List.collect (separate (namesOf parser))
    refuseEmpty words

    try
        let found = parser.ParseCommandLine(Array.ofList words, ignoreUnrecognized = true, raiseOnUsage = true)
        Some(found, found.UnrecognizedCliParams)
    with :? ArguParseException as error ->
        if error.ErrorCode = ErrorCode.HelpText then None else refuse (complaint script [ "--help" ] error.Message)

/// The lines of a help text about the options that a union of arguments stands for.
let usage<'argument when 'argument :> IArgParserTemplate> () =
    let parser = ArgumentParser.Create<'argument>(programName = "", usageStringCharacterWidth = 110)
    let text = parser.PrintUsage()
    text.Substring(text.IndexOf "OPTIONS:")

/// Reads a command line.
///
/// script: its name in messages; also: options that another reader takes, for hints. Returns None after --help, whose text is Argu's with `explain ()` after it; "help" alone
/// does the same, because `dotnet fsi` keeps a --help to itself unless a -- precedes it. Every mistake is a
/// UsageException of one sentence.
let parseBeside<'argument when 'argument :> IArgParserTemplate> (also: string list) (script: string) (explain: unit -> string) (words: string[]) =
    let parser = ArgumentParser.Create<'argument>(programName = callOf script, usageStringCharacterWidth = 110)
    let known = namesOf parser

    let words = if words = [| "help" |] || words = [| "-h" |] then [| "--help" |] else words |> List.ofArray |> List.collect (separate known) |> Array.ofList
    refuseEmpty (List.ofArray words)

    try
        Some(parser.ParseCommandLine(words, raiseOnUsage = true))
    with :? ArguParseException as error ->
        if error.ErrorCode = ErrorCode.HelpText then
            printfn "%s\n%s" (parser.PrintUsage()) (explain ())
            None
        else
            refuse (complaint script (known @ also @ [ "--help" ]) error.Message)

/// Reads a command line that is all of one kind; see parseBeside.
let parse<'argument when 'argument :> IArgParserTemplate> script explain words = parseBeside<'argument> [] script explain words

/// Where a run is trained, by the name that --device takes; None takes a GPU if there is one.
let device name =
    TorchNative.EnsureLoaded()

    match name with
    | None -> if torch.cuda.is_available () then torch.CUDA else torch.CPU
    | Some "cpu" -> torch.CPU
    | Some "cuda" when torch.cuda.is_available () -> torch.CUDA
    | Some "cuda" ->
        refuse "--device cuda: this machine has no CUDA device that libtorch can use; NOISY_LIBTORCH must name a CUDA build of libtorch, or take --device cpu"
    | Some other -> refuse $"--device is '{other}': must be cpu or cuda"

/// The values of a list: commas within brackets belong to a value, such as linear(1, 0.1, 100).
let values (text: string) =
    let depths = (0, text) ||> Seq.scan (fun depth c -> match c with '(' -> depth + 1 | ')' -> max 0 (depth - 1) | _ -> depth)
    let cuts = [ for i, (c, depth) in Seq.indexed (Seq.zip text depths) do if c = ',' && depth = 0 then i ]
    (-1 :: cuts, cuts @ [ text.Length ]) ||> List.map2 (fun before after -> text[before + 1 .. after - 1].Trim())

/// name=value,value,...; a value may hold further '='. What has an option of its own is left to it.
let private assignment (text: string) =
    match text.Split('=', 2) with
    | [| name; value |] when name.Trim() <> "" ->
        match name.Trim().ToLowerInvariant(), values value with
        | ("activation" | "seed" as own), _ -> refuse $"--set {text}: use --{own}, which also names the run's folder"
        | _, many when many.Length > 1 && List.contains "" many -> refuse $"--set {text}: a value of the list is empty"
        | _, many -> name.Trim(), List.distinct many
    | _ -> refuse $"--set {text}: must have the form name=value"

/// A setting under the name that its field has now.
let private underPresentName (experiment: Experiment) (name: string, values: string list) =
    let known = ConfigJson.Fields(experiment.Config experiment.Presets[0].Name)

    match ConfigJson.Renamed.TryGetValue name with
    | true, now when not (Seq.contains name known) && Seq.contains now known ->
        eprintfn "--set %s is now called %s; the next version takes the new name alone" name now
        now, values
    | _ -> name, values

/// Refuses a field that is set twice.
let private once (settings: (string * string list) list) =
    match settings |> List.countBy (fun (name, _) -> name.ToLowerInvariant()) |> List.tryFind (fun (_, count) -> count > 1) with
    | Some(name, _) -> refuse $"--set names {name} more than once: give its values as one list, {name}=VALUE,VALUE"
    | None -> settings

let private presets (experiment: Experiment) = experiment.Presets |> Seq.map (fun preset -> preset.Name, preset.Summary)
let private firstPreset experiment = presets experiment |> Seq.head |> fst

/// A variant in a line; one of the user's own with its specs, by which it differs from the variant that it was made of.
let private about (variant: ActivationPair) =
    let specs = $"tanh: {variant.Tanh}; sigmoid: {variant.Sigmoid}"
    if Seq.contains variant Variants.All || variant.Summary = specs then variant.Summary else $"{variant.Summary} ({specs})"

let private explain (experiment: Experiment) () =
    let table rows =
        let width = rows |> Seq.map (fst >> String.length) |> Seq.max
        rows |> Seq.map (fun (name: string, text) -> $"    {name.PadRight width}  {text}") |> String.concat "\n"

    let preset = firstPreset experiment
    let noPeriod = experiment.Presets[0].Training.EpochUpdates |> Option.ofNullable |> Option.isNone
    let own = experiment.Rows preset

    // A row without noise has no schedule, which would hide the preset's.
    let shown =
        experiment.Activations
        |> Seq.tryFind (fun variant -> variant.IsNoisy && own |> Seq.forall (fun row -> row.Name <> variant.Name))
        |> Option.map (fun variant -> experiment.RowConfig(preset, variant.Name))
        |> Option.defaultWith (fun () -> experiment.Config preset)

    let fields =
        ConfigJson.ToJson shown
        |> Seq.filter (fun field -> not (List.contains field.Key [ "experiment"; "preset"; "activation"; "activationDefinition"; "seed" ]))
        |> Seq.filter (fun field -> not (noPeriod && field.Key = "epochUpdates"))

    let value (node: Nodes.JsonNode) = if isNull node then "null" else node.ToJsonString ConfigJson.Line
    let defaults = String.Join(",", experiment.DefaultRows)
    let rows =
        if own.Count = 0 then
            ""
        else
            let start = ConfigJson.ToJson(experiment.Config preset)

            let line (row: ExperimentRow) =
                let changed = Plan.differences start (ConfigJson.ToJson(row.Apply(experiment.Config preset)))
                let settings = [ for name, text in changed do if name <> "activation" then $"{name}={text}" ]
                let details = if settings.IsEmpty then row.Activation.Name else row.Activation.Name + "; " + String.Join(", ", settings)
                row.Name, $"{row.Summary} ({details})"

            $"""

ROWS with settings of their own, here those of the preset {preset}; the name of an activation is a row too:

{table (own |> Seq.map line)}"""

    let data =
        if experiment.TakesRealData then
            """--data names a folder of the data sets (ptb, charlm: or a text file; nmt: or two, or one with tabs; captions: or a folder with
captions and features of your own); or 'built-in', or 'download'. Default: NOISY_DATA if that is set, else what an earlier download left in the
user's cache, else the data that the experiment generates itself."""
        else
            "the experiment's own; it takes none by --data or NOISY_DATA."

    let section = if isNull experiment.PaperSection then "" else $"; section {experiment.PaperSection} of \"Noisy Activation Functions\""

    $"""{experiment.Title}{section}.

PRESETS (default: {preset}):

{table (presets experiment)}

ACTIVATIONS:

{table (experiment.Activations |> Seq.map (fun variant -> variant.Name, about variant))}{rows}

TRAINED if neither --activation nor --row is given: {defaults}.

FIELDS for --set, with their values in the preset {preset}; null stands for "not set", and a schedule takes the place of c:

{table (fields |> Seq.map (fun field -> field.Key, value field.Value))}

DATA: {data}

RESULTS: runs/{experiment.Name}, unless --out says otherwise, with a folder <preset>-<row>-s<seed> a run; settings that --set changes
stand in its name, such as tiny-nah-clip=1-s1. The same command resumes where it was stopped, and does not repeat what is finished.

EXIT CODES: 0 done; 1 an error of the library; 2 wrong usage or output that cannot be written; 3 data missing or damaged; 4 training diverged; 130 interrupted, checkpoint written."""

let private sameName (a: string) (b: string) = a.Equals(b, StringComparison.OrdinalIgnoreCase)

/// A variant's name in its own case; one that is like none is left for the config's rules to refuse.
let private canonical (experiment: Experiment) (name: string) =
    let names = [ for variant in experiment.Activations -> variant.Name ]

    // Two letters that changed their places are two edits.
    let isNear known = distance (name.ToLowerInvariant()) known <= min 2 ((name.Length - 1) / 2)

    match names |> List.tryFind (sameName name), names |> List.tryFind isNear with
    | Some known, _ -> known
    | None, Some near -> refuse $"""unknown activation '{name}': did you mean '{near}'? Known are {String.Join(", ", names)}"""
    | None, None -> name

/// A row's name in its own case.
let private row (experiment: Experiment) name =
    let own = [ for row in experiment.Rows(firstPreset experiment) -> row.Name ]
    let variants = [ for variant in experiment.Activations -> variant.Name ]

    match own @ variants |> List.tryFind (sameName name) with
    | Some known -> known
    | None ->
        let ownNames, variantNames = String.Join(", ", own), String.Join(", ", variants)
        let known = if own.IsEmpty then "" else $" rows {ownNames};"
        refuse $"--row: {experiment.Name} has no row '{name}'; known are{known} activations {variantNames}"

/// The script that the user called: one of the library's own, or the user's.
let script (experiment: Experiment) =
    match Environment.GetCommandLineArgs() |> Array.tryFind (fun word -> word.EndsWith(".fsx", StringComparison.OrdinalIgnoreCase)) with
    | Some file when isNull experiment.PaperSection -> Path.GetRelativePath(Environment.CurrentDirectory, file)
    | _ -> experiment.Name

/// Updates from one that is monitored to the next: as given, else as the experiment has it.
let private monitor (experiment: Experiment) preset given =
    match given with
    | None -> if preset = "paper" then Some experiment.MonitorEvery else None
    | Some None -> Some experiment.MonitorEvery
    | Some(Some "off") -> None
    | Some(Some number) -> Some(integer "--monitor" 1L number)

/// The options of an experiment script, beside others that another reader has taken; None after --help.
let ofExperimentBeside (also: string list) (experiment: Experiment) (words: string[]) =
    parseBeside<Argument> also (script experiment) (explain experiment) words
    |> Option.map (fun found ->
        let list option (results: string list list) =
            if results.IsEmpty then None else Some(someElements option (List.concat results))

        let preset = found.GetResult(Argument.Preset, firstPreset experiment)

        { Preset = preset
          Monitor = monitor experiment preset (found.TryGetResult Argument.Monitor)
          Rows =
            match list "--activation" (found.GetResults Argument.Activation), list "--row" (found.GetResults Argument.Row) with
            | Some _, Some _ -> refuse "--activation and --row exclude each other: the name of an activation is a row too"
            | None, None -> List.ofSeq experiment.DefaultRows
            | Some activations, None -> activations |> List.map (canonical experiment) |> List.distinct
            | None, Some rows -> rows |> List.map (row experiment) |> List.distinct
          Seeds =
            list "--seed" (found.GetResults Argument.Seed)
            |> Option.map (List.map (integer "--seed" Int64.MinValue) >> List.distinct)
            |> Option.defaultValue [ 1L ]
          Device = device (found.TryGetResult Argument.Device)
          Threads =
            found.TryGetResult Argument.Threads
            |> Option.map (integer "--threads" 1L >> min 1024L >> int)
            |> Option.defaultValue Environment.ProcessorCount
          Backend =
            let old = found.TryGetResult Argument.Engine
            if old.IsSome then eprintfn "--engine is now called --backend; the next version takes the new name alone"

            match found.TryGetResult Argument.Backend |> Option.orElse old with
            | None | Some "auto" -> Backend.Auto
            | Some "composed" -> Backend.Composed
            | Some other -> refuse $"--backend is '{other}': must be auto or composed"
          Data =
            match found.TryGetResult Argument.Data with
            | Some place when not experiment.TakesRealData && place <> DataCacheSettings.BuiltIn ->
                refuse $"--data {place}: {experiment.Name} generates its own data and takes no others; leave out --data"
            | data -> data
          Out = found.GetResult(Argument.Out, $"runs/{experiment.Name}")
          MaxUpdates = found.TryGetResult Argument.Max_Updates |> Option.map (integer "--max-updates" 1L)
          Set =
            match found.GetResults Argument.Set with
            | results when List.exists List.isEmpty results -> refuse "--set needs name=value"
            | results -> results |> List.concat |> List.map (assignment >> underPresentName experiment) |> once
          TensorBoard = found.Contains Argument.Tensorboard
          Onnx = found.Contains Argument.Onnx })

/// The options of an experiment script; None after --help.
let ofExperiment experiment words = ofExperimentBeside [] experiment words
