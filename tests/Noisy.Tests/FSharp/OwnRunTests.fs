/// What a run of an experiment of one's own gives back, checks and tells.
module Noisy.Tests.OwnRunTests

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
type Settings = { Units: int; File: string }

let private nah, hard = Noisy.FSharp.Variants.nah, Noisy.FSharp.Variants.hard
let private run experiment folder words = OwnExperimentTests.run experiment folder words
let private training = { Training.defaults with Epochs = 3; EpochUpdates = 5; LearningRate = 0.01; KeepBest = true }
let private ramp = Noisy.FSharp.Schedule.ofFunction "ramp" (fun update -> 0.4 + 0.05 * float update)

/// Points that are a function of split and number alone, and the signs of their sums.
let private points split (number: int64) =
    let x = (filled (10L * number + int64 split) [ 8L; 3L ]).mul((4.0f).ToScalar())
    x, x.sum(1L, true).sign ()

let private squares (model: Net) (x, y: torch.Tensor) = torch.nn.functional.mse_loss (model.call x, y)
let private mse model batch = (squares model batch).item<float32> () |> float

/// With two metrics, of which runs are judged by mse.
let private steps: Experiment<Settings, Net, torch.Tensor * torch.Tensor> =
    Experiment.define "steps" "signs of sums"
    |> Experiment.preset "tiny" { Units = 5; File = "" } { training with Noise = Some ramp }
    |> Experiment.activations [ nah; hard ]
    |> Experiment.model (fun s activation clock -> linear 3 s.Units --> noisy activation.Tanh --> linear s.Units 1 |> Layer.build clock)
    |> Experiment.data (fun _ split number -> points split number)
    |> Experiment.loss (fun _ model batch -> squares model batch)
    |> Experiment.metric "mse" (fun _ model batch -> mse model batch)
    |> Experiment.metric "double" (fun _ model batch -> 2.0 * mse model batch)
    |> Experiment.batches 2 3

let private trained experiment folder words = Expect.equal (let code, _, errors = run experiment folder words in code, errors) (0, "") "trained"

let private failing experiment code (parts: string list) words =
    use folder = new TempFolder()
    let found, output, errors = run experiment folder.Path ([ "--activation"; "nah"; "--max-updates"; "7" ] @ words)
    Expect.equal found code (output + errors)
    for part in parts do Expect.stringContains errors part "message"
    Expect.isFalse (errors.Contains "frame #" || errors.Contains "Exception raised from") errors

let private loading =
    testList "loaded" [
        testCase "has the test's figures again: weights, settings, noise scale, eval" (fun () ->
            use folder = new TempFolder()
            trained steps folder.Path [ "--activation"; "nah"; "--set"; "units=4" ]
            let place = folder.In "tiny-nah-units=4-s1"
            let found = Run.load steps place
            use _ = found.Model
            use _ = torch.no_grad ()
            let test () = List.average [ for number in 0L .. 2L -> mse found.Model (points Split.Test number) ]
            Expect.equal (test ()) found.Summary.Metrics.Test["mse"] "the summary's"
            Expect.equal (found.Settings.Units, found.Variant.Name, found.Model.training) (4, "nah", false) "settings, activation, eval"
            let best = RunSummary.Read(Path.Combine(place, "summary.json")).BestUpdate.Value
            Expect.equal found.Scale (Some(ramp.At best)) "the schedule's scale"
            Expect.equal found.Clock.Update best "the update that was tested"
            found.Clock.Advance 0L
            Expect.notEqual (test ()) found.Summary.Metrics.Test["mse"] "the scale decides")

        testCase "is refused with another experiment, activation or model, or where there is none" (fun () ->
            use folder = new TempFolder()
            trained steps folder.Path [ "--activation"; "nah"; "--max-updates"; "2" ]
            let place = folder.In "tiny-nah-s1"
            let refused experiment folder (part: string) =
                Expect.throwsC (fun () -> Run.load experiment folder |> ignore) (fun error ->
                    Expect.isTrue (error :? UsageException) (string error)
                    Expect.stringContains error.Message part "message")
            refused steps (folder.In "tiny-nah-s2") "there is no summary.json"
            refused { steps with Name = "stairs" } place "this is a run of 'steps', not of 'stairs'"
            refused (steps |> Experiment.activations [ nah |> Variant.map (Spec.alpha 1.05) ]) place "its activation 'nah' was another one"
            refused (steps |> Experiment.activations [ hard ]) place "its activation 'nah' is none of 'steps' now"
            refused (steps |> Experiment.model (fun _ activation clock -> linear 3 6 --> noisy activation.Tanh --> linear 6 1 |> Layer.build clock)) place "0.weight is [5, 3] there, [6, 3] in the model"
            refused (steps |> Experiment.model (fun _ _ clock -> linear 3 1 |> Layer.build clock)) place "belongs to a different model"
            File.Delete(Path.Combine(place, "weights.safetensors"))
            refused steps place "cannot be read")
    ]

let private telling =
    testList "tells" [
        testCase "of a metric that is no number at once, and tables say of how many runs a mean is" (fun () ->
            use folder = new TempFolder()
            let odd = steps |> Experiment.data (fun _ _ _ -> points Split.Train 0L)
            let odd = { odd with Metrics = [ "odd", true, (fun _ _ _ -> nan) ] }
            let _, output, _ = run odd folder.Path [ "--activation"; "nah" ]
            Expect.stringContains output "validation gives no number for odd (NaN) at update 5" "first"
            Expect.equal (output.Split("gives no number").Length - 1) 1 "once"
            Expect.stringContains output "– (0 of 1)" "table"
            let row seed test = Results.row "perplexity" "soft" $"{seed}" (ReportTests.summary id "soft" seed true test)
            let head, body = Results.cells [ row 1L 115.0; { row 2L 0.0 with Test = nan }; row 3L 117.0 ]
            Expect.stringEnds (List.item (List.findIndex ((=) "test") head) body.Head) " (2 of 3)" "of three"
            Expect.isFalse ((List.item (List.findIndex ((=) "valid") head) body.Head).Contains "of 3") "all")

        testCase "its further metrics in table and results.csv, without columns of other experiments" (fun () ->
            use folder = new TempFolder()
            let _, output, _ = run steps folder.Path [ "--activation"; "nah"; "--seed"; "1,2"; "--max-updates"; "5" ]
            Expect.stringContains output " double " "table"
            let lines = File.ReadAllLines(folder.In "results.csv") |> Array.map (fun line -> line.Split ',' |> Array.map _.Trim('"'))
            let at name = Array.IndexOf(lines[0], name)
            for name in [ "Bleu"; "Meteor"; "Paper"; "Besides" ] do Expect.equal (at name) -1 name
            for line in lines[1..] do Expect.floatClose Accuracy.high (float line[at "Test double"]) (2.0 * float line[at "Test"]) "twice the other")

        testCase "that a row without noise has no schedule, unless the experiment makes it a row" (fun () ->
            use folder = new TempFolder()
            let _, output, _ = run steps folder.Path [ "--activation"; "hard,nah"; "--seed"; "1,2"; "--max-updates"; "1" ]
            Expect.equal (output.Split("'hard' has no noise: trained without the schedule ramp").Length - 1) 1 "once"
            Expect.isFalse (output.Contains "'nah' has no noise") "nah"
            let quiet = steps |> Experiment.row "quiet" hard "noise of the model's own" id
            let code, output, errors = run quiet folder.Path [ "--row"; "quiet"; "--max-updates"; "2" ]
            Expect.equal (code, errors) (0, "") "row"
            Expect.isFalse (output.Contains "has no noise") "nothing to be told"
            let scales = [ for line in File.ReadAllLines(folder.In("tiny-quiet-s1", "log.jsonl")) -> (JsonNode.Parse line).["scale"].GetValue<float>() ]
            Expect.equal scales [ ramp.At 0L; ramp.At 1L ] "the schedule's")

        testCase "which part of the user's code failed, where, and nothing of libtorch's stack" (fun () ->
            let narrow = func "narrow" (fun x -> x.slice (1L, 0L, 2L, 1L))
            failing (steps |> Experiment.model (fun s _ clock -> narrow --> linear 3 s.Units --> linear s.Units 1 |> Layer.build clock)) 1
                [ "in the loss of 'steps', training, update 1 (batch 0): "; "shapes cannot be multiplied" ] []
            failing (steps |> Experiment.data (fun _ split number -> if split = Split.Train && number = 6L then failwith "row 9" else points split number)) 1
                [ "in the data of 'steps', training, batch 6: Exception: row 9" ] []
            failing (steps |> Experiment.data (fun _ _ _ -> File.ReadAllText "/nowhere.csv" |> ignore; points Split.Train 0L)) 2
                [ "in the data of 'steps', training, batch 0: cannot read or write a file: "; "/nowhere.csv" ] []
            failing (steps |> Experiment.metric "own" (fun _ _ _ -> failwith "mine")) 1 [ "in the metric 'own' of 'steps', validation, batch 0: Exception: mine" ] []
            failing (steps |> Experiment.model (fun _ _ _ -> failwith "no net")) 1 [ "in the model of 'steps': Exception: no net" ] []
            failing (steps |> Experiment.loss (fun _ model (x, y) -> torch.nn.functional.mse_loss ((model.call x).detach (), y))) 2
                [ "the loss of 'steps' does not depend on the model's parameters" ] [])

        testCase "that a batch has NaN, where training diverges by that" (fun () ->
            let holed (value: float32) =
                steps |> Experiment.data (fun _ split number ->
                    let x, y = points split number
                    if split = Split.Train && number = 3L then x[0L, 1L] <- torch.tensor value
                    x, y)
            failing (holed Single.NaN) 4 [ "training diverged at update 4"; "The cause: the batch of update 4 (batch 3) has NaN in item 1 [8, 3]: look at the data" ] []
            failing (holed Single.PositiveInfinity) 4 [ "has an infinite number in item 1 [8, 3]" ] []
            let wild = steps |> Experiment.loss (fun _ model batch -> (squares model batch).mul((1e30f).ToScalar()).square ())
            failing wild 4 [ "Try a smaller learningRate or clip" ] [])

        testCase "why each row diverges, the last one too, and a model in double precision" (fun () ->
            use folder = new TempFolder()
            let wild = steps |> Experiment.loss (fun _ model batch -> (squares model batch).mul((1e30f).ToScalar()).square ())
            let code, output, errors = run wild folder.Path [ "--activation"; "nah,hard" ]
            Expect.equal code 4 errors
            Expect.stringContains output "noise scale 0.4" "the first"
            Expect.stringContains errors "each site's own noise scale" "the last"
            let exact (tensor: torch.Tensor) = tensor.to_type torch.ScalarType.Float64

            let double =
                steps
                |> Experiment.model (fun _ _ _ -> torch.nn.Linear(3L, 1L, dtype = Nullable torch.ScalarType.Float64) :> Net)
                |> Experiment.data (fun _ split number -> let x, y = points split number in exact x, exact y)
                |> Experiment.loss (fun _ model batch -> (squares model batch).mul((1e200).ToScalar()).square ())

            failing double 4 [ "training diverged at update 1"; "largest weight norms: " ] [])

        testCase "of a copy of a run that it counts once" (fun () ->
            use folder = new TempFolder()
            let words = [ "--activation"; "nah,hard" ]
            trained steps folder.Path words
            TrainingHelpers.copyFolder (folder.In "tiny-hard-s1") (folder.In "tiny-hard-s1.bak")
            trained steps folder.Path words
            let page = File.ReadAllText(folder.In "index.html")
            Expect.stringContains page "tiny-hard-s1.bak" "it is listed"
            Expect.equal (page.Split("not in the tables").Length - 1) 1 "it alone"
            Expect.stringContains page "What the rows differ by from the first" "pairs")

        testCase "its own metrics, and no level of another experiment that has its name" (fun () ->
            use folder = new TempFolder()
            let _, output, _ = run { steps with Name = "unique" } folder.Path [ "--activation"; "nah" ]
            Expect.stringContains output " double " "a further metric"
            Expect.isFalse (output.Contains "solved") "a level")

        testCase "that a number of updates, threads or updates between monitors is too small" (fun () ->
            use folder = new TempFolder()

            for options, part in
                [ { Run.defaults with Updates = Some 0L }, "Updates is 0"; { Run.defaults with Threads = 0 }, "Threads is 0"; { Run.defaults with Monitor = Some(-1L) }, "Monitor is -1" ] do
                Tol.throws<UsageException> $"{part}: must be at least 1" (fun () -> { options with Out = folder.Path } |> Run.train steps |> ignore))

        testCase "what was meant, and that a file is no folder" (fun () ->
            use folder = new TempFolder()
            failing steps 2 [ "unknown activation 'hart': did you mean 'hard'? Known are nah, hard" ] [ "--activation"; "hart" ]
            File.WriteAllText(folder.In "file", "")
            let code, _, errors = run steps (folder.In "file") [ "--activation"; "nah"; "--max-updates"; "1" ]
            Expect.equal code 2 errors
            Expect.stringContains errors $"""{folder.In "file"} is a file; name a folder with --out""" "message"
            Expect.isFalse (errors.Contains "checkpoint") "there is none")

        test "each run's updates where they differ, and the gap gain of a chart where there is one" {
            let row seed (updates: int64) = { Results.row "perplexity" "soft" $"{seed}" (ReportTests.summary id "soft" seed true 115.0) with Updates = updates }
            let cell rows = let head, body = Results.cells rows in List.item (List.findIndex ((=) "updates") head) body.Head
            Expect.equal (cell [ row 1L 240L; row 2L 240L; row 3L 480L ]) "240, 240, 480" "several"
            Expect.equal (cell [ row 1L 240L; row 2L 240L ]) "240" "the same"
            let titles spec = [ for panel in (Chart.spec spec).Figure.Panels -> panel.Vertical ] |> String.concat "; "
            let excess =
                Spec.ofUnit (SaturatingUnit(1.5, 0.0, -1.0, 1.5))
                |> Spec.noise NoiseKind.HalfNormal |> Spec.placement NoisePlacement.Output |> Spec.scaling NoiseScaling.Excess |> Spec.alpha 1.1 |> Spec.c 0.4

            Expect.isFalse (excess.UsesP) "without a gain"
            Expect.isFalse ((titles excess).Contains "p =") "none"
            Expect.stringContains (titles nah.Tanh) "p = 1" "one"
        }
    ]

let private checking =
    testCase "named files are checked whole: a run is not resumed once one byte has changed" (fun () ->
        use folder = new TempFolder()
        let file = folder.In "rows.csv"
        File.WriteAllLines(file, [ for i in 0..999 -> string i ])
        let reading = steps |> Experiment.files (fun s -> [ s.File ])
        let words = [ "--activation"; "nah"; "--set"; $"file={file}"; "--max-updates" ]
        let code, output, errors = run reading (folder.In "runs") (words @ [ "2" ])
        Expect.equal (code, errors) (0, "") "first"
        Expect.stringContains output "data: rows.csv (own), SHA-256 " "provenance"
        Expect.stringContains output "its checksum is of all bytes of these files" "what is checked"
        let summary = Directory.GetFiles(folder.In "runs", "summary.json", SearchOption.AllDirectories) |> Array.exactlyOne |> RunSummary.Read
        Expect.equal (summary.Data.Name, summary.Data.Source) ("rows.csv", "own") "summary"
        File.WriteAllText(file, File.ReadAllText(file).Replace("999", "998"))
        let code, _, errors = run reading (folder.In "runs") (words @ [ "4" ])
        Expect.equal code 2 "refused"
        Expect.stringContains errors "data.sha256: " "message"
        File.Delete file
        let code, _, errors = run reading (folder.In "runs") (words @ [ "4" ])
        Expect.equal code 3 "gone"
        Expect.stringContains errors $"{file} is not there, which Experiment.files of 'steps' names" "message"
        let _, output, _ = run steps (folder.In "other") [ "--activation"; "nah"; "--max-updates"; "1" ]
        Expect.stringContains output "data: steps's own (own), SHA-256 " "without files"
        Expect.stringContains output "its checksum is of the first two batches of training and the first of validation and of test" "without files")

let private models =
    testList "a model" [
        testCase "that was edited since is refused with what differs, whether its run is done or not" (fun () ->
            use folder = new TempFolder()
            let words updates = [ "--activation"; "nah"; "--max-updates"; updates ]
            trained steps folder.Path (words "2")
            let wider = steps |> Experiment.model (fun s activation clock -> linear 3 s.Units --> noisy activation.Tanh --> linear s.Units 4 |> Layer.build clock)
            let shorter = steps |> Experiment.model (fun s activation clock -> linear 3 s.Units --> noisy activation.Tanh |> Layer.build clock)

            for experiment, difference in
                [ wider, "2.weight is [1, 5] there, [4, 5] in the model"; shorter, "only the file has 2.bias, 2.weight" ] do
                for updates, file in [ "2", "weights.safetensors"; "4", ".safetensors" ] do
                    let code, _, errors = run experiment folder.Path (words updates)
                    Expect.equal code 2 errors
                    Expect.stringContains errors $"{file} belongs to a different model than the experiment builds now ({difference})" "message"

            trained steps folder.Path (words "4"))

        testCase "is measured at the update that its weights have had, whichever session measures" (fun () ->
            use folder = new TempFolder()
            let clock = ref (NoiseClock 0L)

            let telling =
                steps
                |> Experiment.model (fun s activation own ->
                    clock.Value <- own
                    linear 3 s.Units --> noisy activation.Tanh --> linear s.Units 1 |> Layer.build own)
                |> Experiment.metric "at" (fun _ _ _ -> float clock.Value.Update)

            trained telling folder.Path [ "--activation"; "nah" ]
            let validations = [ for event in RunLog.Read(folder.In("tiny-nah-s1", "log.jsonl")) do if event.IsEvaluation then event.Update, event.Valid["at"] ]
            Expect.equal validations [ 5L, 5.0; 10L, 10.0; 15L, 15.0 ] "validation"
            let summary = RunSummary.Read(folder.In("tiny-nah-s1", "summary.json"))
            Expect.equal summary.Metrics.Test["at"] (float summary.BestUpdate.Value) "test")

        torchTest "keeps the buffers that were tested when its finished run is monitored" (fun () ->
            use folder = new TempFolder()
            let norm (units: int) = modul "norm" units (fun _ -> torch.nn.BatchNorm1d(int64 units) :> Net)
            let normed = steps |> Experiment.model (fun s activation clock -> linear 3 s.Units --> noisy activation.Tanh --> norm s.Units --> linear s.Units 1 |> Layer.build clock)
            trained normed folder.Path [ "--activation"; "nah"; "--max-updates"; "3" ]
            let built = Experiment.build normed
            let config = built.RowConfig("tiny", "nah")
            use task = built.Build(config, null, torch.CPU)
            let again = TrainingRun(Config = config, Task = task, Folder = folder.In "tiny-nah-s1", Threads = 1, MaxUpdates = Nullable 3L, MonitorEvery = Nullable 1L)
            let summary = Trainer.Run(again)
            Expect.isNotNull summary.Sites "measured"
            Expect.equal (WeightsHash.Compute task.Model) summary.WeightsSha256 "weights and buffers")

        testCase "without gap gains is trained as a row, though its preset says that they are not learned" (fun () ->
            use folder = new TempFolder()
            let frozen = { steps with Presets = [ "tiny", "", { Units = 5; File = "" }, { training with Noise = Some ramp; LearnP = false } ] }
            trained (frozen |> Experiment.row "quiet" hard "noise of the model's own" id) folder.Path [ "--row"; "quiet,nah"; "--max-updates"; "2" ]
            let learnP row = (JsonNode.Parse(File.ReadAllText(folder.In($"tiny-{row}-s1", "config.json")))).["learnP"].GetValue<bool>()
            Expect.equal (learnP "quiet", learnP "nah") (true, false) "learnP")

        SecondDevice.metaTest "has all tensors of a batch on its device, within lists and arrays too; what cannot be moved is refused" (fun meta ->
            let x () = torch.zeros [| 2L |]
            let moved = Batch.toDevice meta ([ x (); x () ], [| x () |], Some 3)
            Expect.equal [ for tensor in Batch.tensors moved -> tensor.device.``type`` ] (List.replicate 3 DeviceType.META) "moved"
            Expect.throwsT<UsageException> (fun () -> Batch.toDevice meta (ResizeArray [ x () ]) |> ignore) "another collection")
    ]

/// h(x) + c q sin²(π (h(x) − x) / 2) ξ with a learned q for each unit; at test time its expectation, h(x).
type Ripple(units: int, clock: NoiseClock) as this =
    inherit torch.nn.Module<torch.Tensor, torch.Tensor>("Ripple")
    let q = torch.nn.Parameter(torch.ones (int64 units))
    let id = clock.NewModuleId()
    do this.RegisterComponents()

    override this.forward x =
        let h = x.clamp ((-1.0).ToScalar(), (1.0).ToScalar())

        if not this.training then
            h
        else
            let c = if clock.Scale.HasValue then clock.Scale.Value else 0.3
            h + q * torch.sin((h - x) * (Math.PI / 2.0).ToScalar()).square() * clock.Normal(id, x) * c.ToScalar()

// End of the tutorial's.

let private formula =
    torchTest "the tutorial's formula of one's own is this one: its noise is the clock's, by update, call and seed" (fun () ->
        let read (parts: string list) = File.ReadAllText(Repository.file parts).ReplaceLineEndings "\n"
        let own = read [ "tests"; "Noisy.Tests"; "FSharp"; "OwnRunTests.fs" ]
        let from = own.IndexOf "/// h(x) + c q"
        Expect.stringContains (read [ "docs"; "own-experiment.md" ]) (own.Substring(from, own.IndexOf("\n\n// End", from) - from)) "tutorial"
        let x = (filled 5L [ 20L; 3L ]).mul((6.0f).ToScalar())
        Expect.equal (values (torch.nn.functional.hardtanh x)) (values x) "why it takes clamp, as the tutorial says"

        let made seed =
            let clock = NoiseClock(seed: int64)
            clock, new Ripple(3, clock), new Ripple(3, clock)

        let at seed update scale =
            let clock, first, second = made seed
            clock.Advance(update, Nullable scale)
            values (first.call x), values (first.call x), values (second.call x)

        let a, later, other = at 1L 4L 0.5
        Expect.equal (at 1L 4L 0.5) (a, later, other) "the same address"
        Expect.equal (Set.ofList [ a; later; other ]).Count 3 "another call and another module draw anew"
        for seed, update in [ 2L, 4L; 1L, 5L ] do Expect.notEqual (let first, _, _ = at seed update 0.5 in first) a "another seed or update"
        let hard = Array.map (fun v -> max -1.0 (min 1.0 v)) (values x)
        let noise (found: float[]) = Array.map2 (-) found hard
        let half, _, _ = at 1L 4L 0.25
        for whole, half in Array.zip (noise a) (noise half) do Tol.close tensor32 whole (2.0 * half) "the scale"
        let _, model, _ = made 1L
        model.eval ()
        Expect.equal (values (model.call x)) hard "test"
        let clock = NoiseClock 1L
        let draws = clock.Normal(clock.NewModuleId(), (torch.zeros [| 20000L |]).to_type torch.ScalarType.Float64)
        Expect.equal draws.dtype torch.ScalarType.Float64 "type"
        Tol.below (abs (draws.mean().item<float> ())) 0.036 "mean, five standard errors"
        Tol.below (abs ((draws * draws).mean().item<float> () - 1.0)) 0.05 "variance, five standard errors")

let private callers =
    test "a script that another one loads is told from the one that was started" {
        let fsi (word: string) = [ "/sdk/fsi.dll"; "--quiet"; word; "--"; "--out"; "x" ]
        let of' files words = Caller.ofStack files words
        Expect.equal (of' [ "/a/Tide.fsx" ] (fsi "tide.fsx")) Caller.Entry "started"
        Expect.equal (of' [ "/a/tide.fsx" ] (fsi "../predict.fsx")) (Caller.Loaded("tide.fsx", "predict.fsx")) "loaded"
        Expect.equal (of' [ "/a/lib.fsx"; "/a/tide.fsx" ] (fsi "tide.fsx")) Caller.Entry "the one that was started calls another's function"
        Expect.equal (of' [ "/a/tide.fsx" ] [ "/sdk/fsi.dll"; "--load:tide.fsx" ]) Caller.Session "session"
        Expect.equal (of' [ "/src/Main.fs" ] [ "/a/program" ]) Caller.Entry "program"
    }

let tests = testSequenced <| testList "runs of one's own" [ loading; telling; checking; models; formula; callers ]
