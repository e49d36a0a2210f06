/// Experiments of one's own: everything that the library's have comes by itself, and nothing is silently wrong.
module Noisy.Tests.OwnExperimentTests

open System
open System.IO
open System.Text.Json.Nodes
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Tests.TorchHelpers
open TorchSharp

type private Net = torch.nn.Module<torch.Tensor, torch.Tensor>
type Settings = { Units: int; Rate: float option; Note: string }

let private mine = Noisy.FSharp.Variants.nah |> Variant.named "mine" |> Variant.map (Spec.alpha 1.05 >> Spec.c 0.3)
let private start = { Units = 5; Rate = None; Note = "a" }
let private training = { Training.defaults with Epochs = 4; EpochUpdates = 5; LearningRate = 0.01; KeepBest = true }

/// Points and the signs of their sums, from torch's own generator; the model has torch's dropout.
let private signs slope : Experiment<Settings, Net, torch.Tensor * torch.Tensor> =
    Experiment.define "signs" "signs of sums"
    |> Experiment.preset "tiny" start { training with Noise = Some(Noisy.FSharp.Schedule.ofFunction "ramp" (fun update -> slope * float update)) }
    |> Experiment.activations [ Noisy.FSharp.Variants.soft; mine ]
    |> Experiment.model (fun s activation clock -> linear 3 s.Units --> noisy activation.Tanh --> dropout 0.3 --> linear s.Units 1 |> Layer.build clock)
    |> Experiment.data (fun _ _ _ -> let x = torch.randn [| 8L; 3L |] * (4.0f).ToScalar() in x, x.sum(1L, true).sign ())
    |> Experiment.loss (fun _ model (x, y) -> torch.nn.functional.mse_loss (model.call x, y))
    |> Experiment.score "accuracy" (fun _ model (x, y) -> (model.call x).sign().eq(y).to_type(torch.ScalarType.Float64).mean().item<float> ())
    |> Experiment.batches 2 3

/// A command: exit code, output, errors.
let run experiment (folder: string) more =
    TorchNative.EnsureLoaded()
    use output = new StringWriter()
    use errors = new StringWriter()
    let words = [ "--threads"; "1"; "--device"; "cpu"; "--out"; folder ] @ more
    let code = withStreams output errors (fun () -> Run.mainWith words experiment)
    code, output.ToString(), errors.ToString()

let private bytes (folder: TempFolder) run file = File.ReadAllBytes(folder.In(run, file))

let private metadata (folder: TempFolder) run =
    let struct (_, metadata) = Safetensors.Read(folder.In(run, "weights.safetensors"))
    metadata

let private entry folder (name: string) = (metadata folder "tiny-mine-s1").[name]

let private modules folder = (entry folder "modules" |> JsonNode.Parse).AsArray()

/// A number of a module's activation.
let private ofActivation (name: string) (m: JsonNode) = m.["activation"].[name].GetValue<float>()

let private running =
    testList "a run" [
        testCase "--onnx leaves the model of a run that is done, also later; without a form the run is refused before it begins" (fun () ->
            use folder = new TempFolder()
            let model = folder.In("tiny-mine-s1", "model.onnx")
            let words = [ "--activation"; "mine"; "--max-updates"; "6" ]
            Expect.equal (run (signs 0.01) folder.Path (words @ [ "--onnx" ]) |> fun (code, _, errors) -> code, errors) (0, "") "trained"
            let first = File.ReadAllBytes model
            Expect.equal (OnnxHelpers.signature first) ([ "input", [ -1; 3 ] ], [ "output", [ -1; 1 ] ]) "signature"
            File.Delete model
            Expect.equal (run (signs 0.01) folder.Path words |> fun (code, _, errors) -> code, errors) (0, "") "without"
            Expect.isFalse (File.Exists model) "not asked for"
            Expect.equal (run (signs 0.01) folder.Path (words @ [ "--onnx" ]) |> fun (code, _, errors) -> code, errors) (0, "") "later"
            Expect.equal (File.ReadAllBytes model) first "the same model"
            use other = new TempFolder()
            let twice = func "twice" (fun x -> x + x)
            let opaque = signs 0.01 |> Experiment.model (fun s _ clock -> linear 3 s.Units --> twice --> linear s.Units 1 |> Layer.build clock)
            let code, _, errors = run opaque other.Path (words @ [ "--onnx" ])
            Expect.equal code 2 errors
            Expect.stringContains errors "--onnx: the function 'twice' cannot be exported to ONNX" "message"
            Expect.stringContains errors "or leave out --onnx" "remedy"
            Expect.isFalse (Directory.Exists(other.In "tiny-mine-s1")) "nothing was trained")

        testCase "every combination of rows, settings and seeds has a folder, in one table" (fun () ->
            use folder = new TempFolder()
            let code, output, errors = run (signs 0.01) folder.Path [ "--activation"; "soft,mine"; "--seed"; "1,2"; "--set"; "units=3,5"; "--max-updates"; "6" ]
            Expect.equal (code, errors) (0, "") "command"
            let runs = [ for run in Directory.GetDirectories folder.Path -> Path.GetFileName run ] |> List.sort
            Expect.equal runs (List.sort [ for row in [ "soft"; "mine" ] do for units in [ "-units=3"; "" ] do for seed in 1..2 -> $"tiny-{row}{units}-s{seed}" ]) "folders"
            for part in [ "| soft units=3 "; "| mine "; "valid"; "%" ] do Expect.stringContains output part "table"
            let cells = [ for line in File.ReadAllLines(folder.In "results.csv") -> List.ofArray (line.Split ',') ]
            let column name = let at = List.findIndex ((=) name) cells.Head in [ for line in cells.Tail -> line[at].Trim '"' ]
            let units = [ for run in column "Folder" -> if run.Contains "units=3" then "3" else "5" ]
            Expect.equal (column "units", column "note", column "rate") (units, List.replicate 8 "a", List.replicate 8 "") "columns of results.csv for the settings"
            for file in [ "comparison.png"; "comparison.html" ] do Expect.isTrue (File.Exists(folder.In file)) file
            for file in [ "curves.png"; "log.jsonl"; "summary.json"; "weights.safetensors" ] do Expect.isTrue (File.Exists(folder.In(runs.Head, file))) file)

        testCase "is resumed in every bit, though data and dropout come from torch's generator" (fun () ->
            use whole = new TempFolder()
            use pieces = new TempFolder()
            let name = "tiny-mine-s3"
            let command folder more = run (signs 0.01) folder ([ "--activation"; "mine"; "--seed"; "3" ] @ more)
            Expect.equal (let code, _, _ = command whole.Path [] in code) 0 "whole"
            for at in [ 3; 5; 12 ] do
                torch.randn 7L |> ignore // the generator's state at the start must not matter
                command pieces.Path [ "--max-updates"; string at ] |> ignore
            Expect.equal (let code, _, _ = command pieces.Path [] in code) 0 "pieces"
            for file in [ "log.jsonl"; "weights.safetensors" ] do Expect.equal (bytes pieces name file) (bytes whole name file) file)

        testCase "is not resumed with another schedule, variant, data or other settings" (fun () ->
            use folder = new TempFolder()
            let command experiment (updates: int) = run experiment folder.Path [ "--activation"; "mine"; "--max-updates"; string updates ]
            Expect.equal (let code, _, _ = command (signs 0.01) 4 in code) 0 "first"
            let refused experiment part =
                let code, _, errors = command experiment 9
                Expect.equal code 2 part
                Expect.stringContains errors part "message"
            refused (signs 0.02) "schedule: \"ramp [function "
            refused (signs 0.01 |> Experiment.activations [ mine |> Variant.map (Spec.c 0.4) ]) "activationDefinition.tanh.c: 0.3 there, 0.4 now"
            refused (signs 0.01 |> Experiment.data (fun _ _ _ -> let x = torch.rand [| 8L; 3L |] in x, x.sum(1L, true).sign ())) "data.sha256: "
            let preset settings experiment = Experiment.define "signs" "" |> Experiment.preset "tiny" settings { training with Noise = Some(Noisy.FSharp.Schedule.constant 1.0) } |> experiment
            let parts (empty: Experiment<Settings, Net, torch.Tensor * torch.Tensor>) =
                empty
                |> Experiment.activations [ mine ]
                |> Experiment.model (fun s activation clock -> linear 3 s.Units --> noisy activation.Tanh --> linear s.Units 1 |> Layer.build clock)
                |> Experiment.data (fun _ _ _ -> let x = torch.randn [| 8L; 3L |] in x, x.sum(1L, true).sign ())
                |> Experiment.loss (fun _ model (x, y) -> torch.nn.functional.mse_loss (model.call x, y))
            refused (preset { start with Note = "b" } parts) "note: \"a\" there, \"b\" now")

        testCase "exports the description of the model's own modules, whatever the row says" (fun () ->
            use folder = new TempFolder()
            Expect.equal (let code, _, _ = run (signs 0.01) folder.Path [ "--activation"; "mine"; "--max-updates"; "2" ] in code) 0 "given"
            let found = modules folder
            Expect.equal [ for m in found -> string m.["path"], ofActivation "alpha" m, ofActivation "c" m ] [ "1", 1.05, 0.3 ] "as given"
            for backend, row in [ [], "fused-cpu"; [ "--backend"; "composed" ], "composed" ] do
                use folder = new TempFolder()
                run (signs 0.01) folder.Path ([ "--activation"; "mine"; "--max-updates"; "1" ] @ backend) |> ignore
                Expect.equal (RunSummary.Read(folder.In("tiny-mine-s1", "summary.json"))).Backend row "backend"
            Expect.stringContains (entry folder "activations") "\"name\":\"mine\"" "pair"
            use other = new TempFolder()
            let stubborn =
                signs 0.01
                |> Experiment.model (fun s _ clock -> linear 3 s.Units --> noisy (Noisy.FSharp.Variants.nan.Tanh |> Spec.alpha 0.8) --> linear s.Units 1 |> Layer.build clock)
            Expect.equal (let code, _, _ = run stubborn other.Path [ "--activation"; "mine"; "--max-updates"; "2" ] in code) 0 "stubborn"
            let found = modules other
            Expect.equal [ for m in found -> string m.["path"], ofActivation "alpha" m ] [ "1", 0.8 ] "the model's own"
            Expect.isFalse ((metadata other "tiny-mine-s1").ContainsKey "activations") "no pair that is not the model's")

        testCase "settings are set by name, options among them, and rules keep them" (fun () ->
            use folder = new TempFolder()
            let code, _, _ = run (signs 0.01) folder.Path [ "--activation"; "soft"; "--set"; "rate=0.5"; "note=b"; "--max-updates"; "1" ]
            Expect.equal code 0 "set"
            let config = JsonNode.Parse(File.ReadAllText(folder.In("tiny-soft-rate=0.5-note=b-s1", "config.json")))
            Expect.equal (config["rate"].GetValue<float>(), config["note"].GetValue<string>(), config["units"].GetValue<int>()) (0.5, "b", 5) "config"
            let refused more part =
                let code, _, errors = run (signs 0.01 |> Experiment.rules (fun s -> [ if s.Units < 2 then $"units is {s.Units}: must be >= 2" ])) folder.Path more
                Expect.equal code 2 part
                Expect.stringContains errors part "message"
            refused [ "--set"; "units=1" ] "units is 1: must be >= 2"
            refused [ "--set"; "units=x" ] "--set units=x: 'x' is not an integer in range"
            refused [ "--set"; "unit=3" ] "there is no field 'unit'; known are epochs"
            refused [ "--activation"; "nah" ] "unknown activation 'nah': known are soft, mine")

        testCase "a function as schedule stays when --set changes another field, and cannot be given as text" (fun () ->
            use folder = new TempFolder()
            let code, _, errors = run (signs 0.01) folder.Path [ "--activation"; "mine"; "--set"; "learningRate=0.02"; "epochs=1"; "--max-updates"; "3" ]
            Expect.equal (code, errors) (0, "") "command"
            let place = Directory.GetDirectories folder.Path |> Array.exactlyOne
            let scales = [ for line in File.ReadAllLines(Path.Combine(place, "log.jsonl")) -> (JsonNode.Parse line).["scale"].GetValue<float>() ]
            Expect.equal scales [ 0.0; 0.01; 0.02 ] "the function's values"
            let code, _, errors = run (signs 0.01) folder.Path [ "--activation"; "mine"; "--set"; "schedule=ramp [function 00000000]" ]
            Expect.equal code 2 "text"
            Expect.stringContains errors "this schedule is a function" "message")

        testCase "ends by a stop rule of its own, at the same update after a resume" (fun () ->
            let twice = signs 0.01 |> Experiment.stopWhen (fun _ history -> history.Length = 2 && history.Head.Update < history[1].Update && history[1].["loss"] > 0.0)
            for pieces in [ []; [ "5" ] ] do
                use folder = new TempFolder()
                for limit in pieces do run twice folder.Path [ "--activation"; "mine"; "--max-updates"; limit ] |> ignore
                Expect.equal (let code, _, _ = run twice folder.Path [ "--activation"; "mine" ] in code) 0 "command"
                let summary = RunSummary.Read(folder.In("tiny-mine-s1", "summary.json"))
                Expect.equal (summary.Updates, summary.Finished, summary.EndedBy) (2L * int64 training.EpochUpdates, true, Nullable RunEnd.Rule) "end"
            use folder = new TempFolder()
            let wrong = signs 0.01 |> Experiment.stopWhen (fun _ history -> history.Head.["mse"] < 0.0)
            let code, _, errors = run wrong folder.Path [ "--activation"; "mine" ]
            Expect.equal code 2 "an unknown metric"
            Expect.stringContains errors "validation has no metric 'mse': known are" "message")

        testCase "says that a schedule replaces a variant's own noise scales" (fun () ->
            use folder = new TempFolder()
            let own = signs 0.01 |> Experiment.activations [ Noisy.FSharp.Variants.nah; mine |> Variant.map (Spec.c 0.7) ]
            let _, output, _ = run own folder.Path [ "--max-updates"; "1" ]
            Expect.stringContains output "'mine' has noise scales of its own (tanh 0.7, sigmoid 0.7), which the schedule ramp" "own"
            Expect.isFalse (output.Contains "'nah' has") "the library's"
            let _, output, _ = run own folder.Path [ "--max-updates"; "1"; "--set"; "schedule=null" ]
            Expect.isFalse (output.Contains "of its own") "without a schedule"
            use folder = new TempFolder()
            let _, output, _ = run own folder.Path [ "--activation"; "nah"; "--max-updates"; "1"; "--set"; "c=0.3,0.6" ]
            Expect.stringContains output "--set c=0.6 does not apply to 'nah', whose noise scale is that of the schedule ramp" "a setting"
            Expect.equal (Directory.GetDirectories folder.Path |> Array.map Path.GetFileName) [| "tiny-nah-s1" |] "no run with a name that says c"
            let _, output, _ = run own folder.Path [ "--activation"; "nah"; "--max-updates"; "1"; "--set"; "c=0.3"; "schedule=null" ]
            Expect.isFalse (output.Contains "does not apply") "c alone")

        testCase "says why a run ends before its last epoch" (fun () ->
            use folder = new TempFolder()
            let _, output, _ = run (signs 0.01 |> Experiment.stopWhen (fun _ history -> history.Length = 2)) folder.Path [ "--activation"; "mine" ]
            Expect.stringContains output "ends at update 10: the experiment's stop rule holds" "rule")

        testCase "names the fields that its settings have got or lost since" (fun () ->
            use folder = new TempFolder()
            let net (units: int) activation clock = linear 3 units --> noisy (activation: Variant).Tanh --> linear units 1 |> Layer.build clock
            let parts (experiment: Experiment<'s, Net, torch.Tensor * torch.Tensor>) =
                experiment
                |> Experiment.activations [ mine ]
                |> Experiment.model (fun _ activation clock -> net 4 activation clock)
                |> Experiment.data (fun _ _ _ -> let x = torch.randn [| 8L; 3L |] in x, x.sum(1L, true).sign ())
                |> Experiment.loss (fun _ model (x, y) -> torch.nn.functional.mse_loss (model.call x, y))
            let of' settings = Experiment.define "fields" "" |> Experiment.preset "tiny" settings training |> parts
            let command experiment (updates: int) = run experiment folder.Path [ "--max-updates"; string updates ]
            Expect.equal (let code, _, _ = command (of' {| A = 1 |}) 2 in code) 0 "first"
            let code, _, errors = command (of' {| A = 1; B = 2 |}) 4
            Expect.equal code 2 "added"
            Expect.stringContains errors "was made with another config (no field b there, 2 now)" "added"
            let file = folder.In("tiny-mine-s1", "config.json")
            let older = JsonNode.Parse(File.ReadAllText file).AsObject()
            older.Remove "keepBest" |> ignore
            older.Remove "clipOutput" |> ignore
            File.WriteAllText(file, older.ToJsonString())
            let _, _, errors = command (of' {| A = 1 |}) 3
            Expect.isFalse (errors.Contains "clipOutput") "a field of the training that an older version did not know has its default"
            let code, _, errors = command (of' {| B = 2 |}) 4
            Expect.equal code 2 "renamed"
            Expect.stringContains errors "no field b there, 2 now; a: 1 there, no such field now" "renamed"
            use other = new TempFolder()
            let looking (updates: int) = run (of' {| Look = "far" |}) other.Path [ "--max-updates"; string updates ] |> fun (code, _, errors) -> code, errors
            Expect.equal (looking 2, looking 4) ((0, ""), (0, "")) "a field that bears the older name of one of the library's")

        testCase "is not taken for done when it is judged by another metric now" (fun () ->
            use folder = new TempFolder()
            let command experiment = run experiment folder.Path [ "--activation"; "mine"; "--max-updates"; "2" ]
            Expect.equal (let code, _, _ = command (signs 0.01) in code) 0 "first"
            let other = { signs 0.01 with Metrics = [ "share", true, (fun _ _ _ -> 0.5) ] }
            let code, _, errors = command other
            Expect.equal code 2 "other"
            Expect.stringContains errors "was judged by 'accuracy', where this experiment is judged by 'share'" "message"
            let file = folder.In("tiny-mine-s1", "summary.json")
            let older = JsonNode.Parse(File.ReadAllText file).AsObject()
            for field in [ "metric"; "sum"; "weightsFileSha256" ] do Expect.isTrue (older.Remove field) field
            File.WriteAllText(file, older.ToJsonString())
            let code, output, _ = command (signs 0.01)
            Expect.equal code 0 "a summary of an older version"
            Expect.stringContains output "not repeated" "a summary of an older version")

        testCase "--help says nothing of data that others take" (fun () ->
            use folder = new TempFolder()
            let code, output, _ = run (signs 0.01) folder.Path [ "--help" ]
            Expect.equal code 0 "code"
            Expect.stringContains output "DATA: the experiment's own; it takes none by --data or NOISY_DATA." "its data"
            for others in [ "ptb"; "captions"; "download" ] do Expect.isFalse (output.Contains others) others)

        testCase "refuses a model without parameters" (fun () ->
            use folder = new TempFolder()
            let code, _, errors = run (signs 0.01 |> Experiment.model (fun _ _ clock -> func "same" id |> Layer.build clock)) folder.Path [ "--activation"; "mine" ]
            Expect.equal code 2 "code"
            Expect.stringContains errors "calls this.RegisterComponents() at the end of its constructor" "message")

        testCase "can be started from code, for interactive use" (fun () ->
            use folder = new TempFolder()
            use output = new StringWriter()
            let result =
                withStreams output output (fun () -> { Run.defaults with Row = "mine"; Updates = Some 3L; Out = folder.Path; Threads = 1; Set = [ "units", "4" ] } |> Run.train (signs 0.01))
            Expect.equal (Path.GetRelativePath(folder.Path, result.Folder)) "tiny-mine-units=4-s1" "folder"
            Expect.equal (result.Summary |> Option.map _.Updates) (Some 3L) "summary"
            Expect.stringContains $"%A{result}" "tiny-mine-units=4-s1: 3 updates, test: loss " "in a session")
    ]

let private definition =
    testList "a definition" [
        testCase "that lacks a part, or has two of one name, says so" (fun () ->
            let refused (experiment: Experiment<Settings, Net, torch.Tensor * torch.Tensor>) message = Tol.throws<UsageException> message (fun () -> Experiment.build experiment |> ignore)
            refused (Experiment.define "signs" "") "experiment 'signs' has no preset, model, data, loss: add Experiment.preset"
            refused (signs 0.1 |> Experiment.preset "tiny" start training) "experiment 'signs' has tiny more than once: give each preset, row, activation and metric a name of its own"
            refused (signs 0.1 |> Experiment.metric "accuracy" (fun _ _ _ -> 0.0)) "experiment 'signs' has accuracy more than once: give each preset, row, activation and metric a name of its own"
            Tol.throws<UsageException> "the experiment's name 'My Signs': must be lower-case letters, digits, dots and dashes, since folders are named after it" (fun () ->
                (Experiment.define "My Signs" "": Experiment<Settings, Net, torch.Tensor>) |> ignore))

        testCase "with settings that cannot be kept is refused, and so is a field that every run has" (fun () ->
            let parts settings : Experiment<_, Net, torch.Tensor> =
                Experiment.define "odd" ""
                |> Experiment.preset "tiny" settings training
                |> Experiment.model (fun _ _ clock -> linear 1 1 |> Layer.build clock)
                |> Experiment.data (fun _ _ _ -> torch.zeros [| 1L; 1L |])
                |> Experiment.loss (fun _ model x -> (model.call x).sum ())
            Expect.throwsC (fun () -> parts {| Make = fun x -> x + 1 |} |> Experiment.build |> ignore) (fun error ->
                Expect.stringStarts error.Message "the settings of preset 'tiny' cannot be kept as JSON" "function")
            Expect.throwsC (fun () -> parts {| Seed = 1; Clip = 2.0 |} |> Experiment.build |> ignore) (fun error ->
                Expect.stringContains error.Message "which every run has: give it another name" "collision")
            Expect.throwsC (fun () -> parts {| Data = "a.csv" |} |> Experiment.build |> ignore) (fun error ->
                Expect.stringContains error.Message "have a field 'data', which every run has" "what the folder adds"))

        testCase "with a loss of several numbers, or data without tensors, is refused before anything is trained" (fun () ->
            use folder = new TempFolder()
            let refused experiment part =
                let code, _, errors = run experiment folder.Path [ "--activation"; "soft"; "--max-updates"; "1" ]
                Expect.equal code 2 part
                Expect.stringContains errors part "message"
            refused (signs 0.1 |> Experiment.loss (fun _ model (x, _) -> model.call x)) "the loss of 'signs' has the shape [8, 1]: must be one number"
            let noTensors: Experiment<Settings, Net, int> =
                Experiment.define "none" ""
                |> Experiment.preset "tiny" start training
                |> Experiment.model (fun _ _ clock -> linear 1 1 |> Layer.build clock)
                |> Experiment.data (fun _ _ index -> int index)
                |> Experiment.loss (fun _ model _ -> (model.call (torch.zeros [| 1L; 1L |])).sum ())
            let code, _, errors = run noTensors folder.Path []
            Expect.equal code 2 "no tensors"
            Expect.stringContains errors "the data of 'none' have no tensors" "message")
    ]

let tests = testSequenced <| testList "experiments of one's own" [ running; definition ]
