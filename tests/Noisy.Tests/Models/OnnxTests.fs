/// Models exported to ONNX against the modules that they were exported from.
module Noisy.Tests.OnnxTests

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.OwnCell
open Noisy.Tests.OnnxHelpers
open Noisy.Tests.TorchHelpers
open TorchSharp

/// What docs/onnx.md promises.
let private promised = 1e-5

let private halfNormal (pair: ActivationPair) = pair.Map(fun s -> s.WithNoise NoiseKind.HalfNormal)

/// Every variant, and what has a form of its own besides.
let private variants =
    [ for pair in Variants.All do pair.Name, pair
      yield!
          [ "leak alone", Variants.Nah.Map(fun s -> s.WithNoise(NoiseKind.None))
            "nah, α = 1", Variants.Nah.Map(fun s -> s.WithAlpha 1.0)
            "nah, α < 1, clipped", Variants.Nah.Map(fun s -> s.WithAlpha(0.9).WithClipOutput true)
            "nah, excess", Variants.Nah.Map(fun s -> s.WithScaling NoiseScaling.Excess)
            "nah, frozen p", Variants.Nah.Map(fun s -> s.WithP(Nullable 0.7).WithLearnP false)
            "half-normal nani", halfNormal Variants.Nani
            "half-normal nanil", halfNormal Variants.Nanil
            "half-normal nanil-released", halfNormal Variants.NanilReleased
            "half-normal nanis", halfNormal Variants.Nanis ] ]

let private clock () =
    let clock = NoiseClock 7L
    clock.Advance(3L, Nullable 0.6) // the scale that training came to
    clock

let private states names (shape': int64 list) = names |> List.mapi (fun i name -> name, filled (20L + int64 i) shape')

let private tokens (count: int) (shape': int64 list) : Tensor =
    let unit: Tensor = (filled 9L shape').add((1.0).ToScalar()).mul ((0.5).ToScalar())
    unit.mul((float count).ToScalar()).to_type torch.ScalarType.Int64

let private sequential (parts: (string * torch.nn.Module<Tensor, Tensor>) list) =
    torch.nn.Sequential([| for name, part in parts -> struct (name, part) |])

/// A module with what it computes: the model, its inputs and its outputs by their names in the export.
type private Case = { Name: string; Make: ActivationPair -> torch.nn.Module * (string * Tensor) list * (string * Tensor) list }

let private layers name kind (shape': RecurrentShape) =
    { Name = name
      Make = fun pair ->
          let directions = int64 (shape'.NumLayers * shape'.Directions)
          let x: Tensor = filled 3L (if shape'.BatchFirst then [ 3L; 6L; shape'.InputSize ] else [ 6L; 3L; shape'.InputSize ])
          let x = x.mul ((2.0).ToScalar())

          match kind with
          | RecurrentKind.Lstm ->
              let module' = new NoisyLstm(shape', pair, clock ())
              widen module'
              let start = states [ "hidden"; "cell" ] [ directions; 3L; shape'.HiddenSize ]
              let struct (output, hidden, cell) = module'.forward (x, struct (snd start[0], snd start[1]))
              module', ("input", x) :: start, [ "output", output; "new_hidden", hidden; "new_cell", cell ]
          | _ ->
              let module' = new NoisyGru(shape', pair, clock ())
              widen module'
              let start = states [ "hidden" ] [ directions; 3L; shape'.HiddenSize ]
              let struct (output, hidden) = module'.forward (x, snd start[0])
              module', ("input", x) :: start, [ "output", output; "new_hidden", hidden ] }

let private languageModel name kind =
    { Name = name
      Make = fun pair ->
          let model = new RecurrentLanguageModel(11, RecurrentShape(5L, 6L, 2, Dropout = 0.3), pair, 0.6, clock (), kind)
          widen model
          let x = tokens 11 [ 7L; 2L ]
          let start = states (if kind = RecurrentKind.Lstm then [ "hidden"; "cell" ] else [ "hidden" ]) [ 2L; 2L; 6L ]
          let struct (logits, next) = model.forward (x, ResizeArray(List.map snd start))
          model, ("tokens", x) :: start, ("logits", logits.reshape (7L, 2L, 11L)) :: [ for (state, _), value in Seq.zip start next -> $"new_{state}", value ] }

let private cases =
    let activation name (spec: ActivationPair -> NoisyActivationSpec) =
        { Name = name
          Make = fun pair ->
              let module' = new NoisyActivation(spec pair, 16L, clock ())
              module'.eval ()
              let x: Tensor = (filled 5L [ 64L; 16L ]).mul ((6.0).ToScalar())
              module', [ "input", x ], [ "output", module'.forward x ] }

    [ activation "tanh" _.Tanh
      activation "sigmoid" _.Sigmoid
      { Name = "MLP"
        Make = fun pair ->
            let module' = new NoisyMlp([| 5L; 8L; 8L; 3L |], pair.Tanh, clock ())
            widen module'
            let x: Tensor = filled 4L [ 9L; 5L ]
            module', [ "input", x ], [ "output", module'.forward x ] }
      layers "LSTM" RecurrentKind.Lstm (RecurrentShape(5L, 6L, 2, Dropout = 0.5))
      layers "GRU" RecurrentKind.Gru (RecurrentShape(5L, 6L, 2))
      layers "LSTM, both ways" RecurrentKind.Lstm (RecurrentShape(4L, 5L, 2, BatchFirst = true, Bidirectional = true))
      layers "GRU, both ways" RecurrentKind.Gru (RecurrentShape(4L, 5L, 2, Bias = false, BatchFirst = true, Bidirectional = true))
      { Name = "LSTM cell"
        Make = fun pair ->
            let module' = new NoisyLstmCell(5L, 6L, pair, clock ())
            widen module'
            let x, start = (filled 3L [ 4L; 5L ]).mul ((2.0).ToScalar()), states [ "hidden"; "cell" ] [ 4L; 6L ]
            let struct (hidden, cell) = module'.forward (x, struct (snd start[0], snd start[1]))
            module', ("input", x) :: start, [ "new_hidden", hidden; "new_cell", cell ] }
      { Name = "GRU cell"
        Make = fun pair ->
            let module' = new NoisyGruCell(5L, 6L, pair, clock (), bias = false)
            widen module'
            let x, start = (filled 3L [ 4L; 5L ]).mul ((2.0).ToScalar()), states [ "hidden" ] [ 4L; 6L ]
            module', ("input", x) :: start, [ "new_hidden", module'.forward (x, snd start[0]) ] }
      languageModel "language model, LSTM" RecurrentKind.Lstm
      languageModel "language model, GRU" RecurrentKind.Gru
      { Name = "classifier"
        Make = fun pair ->
            let module' = new MeanPoolClassifier(9, RecurrentShape(5L, 6L), 7, 4, pair, clock ())
            widen module'
            let x = tokens 9 [ 5L; 3L ]
            module', [ "elements", x ], [ "logits", module'.forward x ] } ]

/// The largest difference of a variant in a module.
let private measured pair (case: Case) =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    let model, inputs, expected = case.Make pair
    difference expected (run (exported model None None) inputs)

let private document = Repository.file [ "docs"; "onnx.md" ]

/// The block of the document between its two marks.
let private mark, private markEnd = "<!-- differences -->", "<!-- end -->"

let private matrix =
    testList "matrix" [
        torchTest "every variant in every module to 1e-5; docs/onnx.md has all rows and columns, and no figure above that" (fun () ->
            let all = [ for name, pair in variants -> name, [ for case in cases -> measured pair case ] ]
            let text (d: float) = if d = 0.0 then "0" else d.ToString("0e0", Globalization.CultureInfo.InvariantCulture)
            let line (cells: string list) = "| " + String.Join(" | ", cells) + " |"

            let table =
                [ line ("" :: [ for case in cases -> case.Name ])
                  "|" + String.replicate (cases.Length + 1) "---|"
                  yield! [ for name, row in all -> line (name :: List.map text row) ] ]

            for name, row in all do
                for case, found in List.zip cases row do
                    Tol.atMost found promised $"{name}, {case.Name}"

            if Environment.GetEnvironmentVariable "NOISY_WRITE" = "1" then
                let before = File.ReadAllText document
                let first, last = before.IndexOf mark + mark.Length, before.IndexOf markEnd
                File.WriteAllText(document, before[.. first - 1] + "\n\n" + String.Join("\n", table) + "\n\n" + before[last..])

            // The figures depend on the processor; what stands in which row and column does not.
            let heads (lines: string list) = [ for line in lines do line.Split('|')[1] ], List.head lines
            let text = File.ReadAllText document
            let written = text.Substring(text.IndexOf mark + mark.Length, text.IndexOf markEnd - text.IndexOf mark - mark.Length).Trim()
            let written = List.ofArray (written.Split '\n')
            Expect.equal (heads written) (heads table) "rows and columns of docs/onnx.md: NOISY_WRITE=1 writes them anew"
            for line in written[2..] do
                for figure in line.Split('|')[2 .. cases.Length + 1] do Tol.atMost (float figure) promised $"docs/onnx.md: {line}")

        torchTest "a test mode and scale of one's own take the clock's place" (fun () ->
            for mode in [ NoiseMode.Mean; NoiseMode.Off; NoiseMode.ExactMean ] do
                let context = NoiseContext(mode, Scale = Nullable 1.7)
                let module' = new NoisyGru(RecurrentShape(3L, 4L), Variants.Nah, clock ())
                widen module'
                let x, h = filled 1L [ 5L; 2L; 3L ], filled 2L [ 1L; 2L; 4L ]
                let struct (output, hidden) = module'.forward (x, h, context)
                let found = run (exported module' None (Some context)) [ "input", x; "hidden", h ]
                Tol.atMost (difference [ "output", output; "new_hidden", hidden ] found) promised $"{mode}"
            let mlp = new NoisyMlp([| 2L; 2L |], Variants.Nah.Tanh, clock ())
            Expect.throwsT<ArgumentException> (fun () -> exported mlp None (Some(NoiseContext NoiseMode.Sample)) |> ignore) "sampling")
    ]

/// Pre-activations with the thresholds of every unit and their neighbours.
let private places (spec: NoisyActivationSpec) =
    let near =
        [ spec.Unit.LowerThreshold; spec.Unit.UpperThreshold ]
        |> List.filter Double.IsFinite
        |> List.collect (fun t -> let t = float32 t in [ t; MathF.BitIncrement t; MathF.BitDecrement t; t + 0.01f; t - 0.01f ])
    [ yield! near; for i in -24 .. 24 -> float32 i / 3.0f ] @ [ 0.0f; 1e-30f; 40.0f; -40.0f ]

let private activations =
    testList "activations" [
        torchTest "every valid spec in every mode is the exact function" (fun () ->
            for spec in Arbitraries.allSpecs do
                let places = places spec
                let x = torch.tensor (List.toArray places)
                for mode in [ NoiseMode.Mean; NoiseMode.Off; NoiseMode.ExactMean ] do
                    let module' = new NoisyActivation(spec, 1L, NoiseClock(1L), "activation")
                    let context = NoiseContext(mode, Scale = Nullable 0.5)
                    let ratio = mode = NoiseMode.ExactMean && spec.Noise <> NoiseKind.None && spec.Scaling = NoiseScaling.Ratio
                    if ratio then
                        Expect.throwsC (fun () -> exported module' (Some [ "units" ]) (Some context) |> ignore) (fun e ->
                            Expect.isTrue (e :? UsageException) "kind"
                            Expect.stringContains e.Message "an integral without a closed form" "message")
                    else
                        let found = run (exported module' (Some [ "units" ]) (Some context)) [ "input", x ] |> List.exactlyOne |> snd |> values
                        for i, place in List.indexed places do
                            let exact =
                                match mode with
                                | NoiseMode.Mean -> NoisyMoments.PlugIn(spec, float place, 0.8, 0.5)
                                | NoiseMode.Off -> NoisyFunction.Value(spec.WithNoise NoiseKind.None, float place, 0.0, 0.8, 0.5)
                                | _ -> NoisyMoments.Mean(spec, float place, 0.8, 0.5)
                            let scale = 1.0 + abs (float place)
                            Tol.atMost (abs (found[i] - exact)) (2e-6 * scale) $"{spec}, {mode}, x = {place}: {exact}, found {found[i]}")

        torchTest "infinities and NaN go through as the module has them" (fun () ->
            let x = torch.tensor [| Single.PositiveInfinity; Single.NegativeInfinity; Single.NaN |]
            for name, pair in variants do
                for spec in [ pair.Tanh; pair.Sigmoid ] do
                    for p in [ 0.8; 0.0 ] do
                        let module' = new NoisyActivation(spec.WithP(Nullable p).WithLearnP false, 1L, clock ())
                        module'.eval ()
                        let found = run (exported module' (Some [ "units" ]) None) [ "input", x ]
                        Expect.equal (difference [ "output", module'.forward x ] found) 0.0 $"{name}, {spec}, p = {p}: {values (snd found[0])}")
    ]

/// A module of one's own that knows its form.
type private Doubled(lstm: NoisyLstm, readout: Modules.Linear) as this =
    inherit torch.nn.Module<Tensor, Tensor>("Doubled")
    do
        this.register_module ("lstm", lstm)
        this.register_module ("readout", readout)

    override _.forward x =
        let struct (output, _, _) = lstm.call x
        readout.call(output).mul (2.0f.ToScalar())

    interface IOnnxModule with
        member _.ToOnnx(graph, input) =
            let output = graph.Apply(readout, graph.Apply(lstm, input))
            graph.Node("Mul", [| output; graph.Weight("two", torch.tensor [| 2.0f |]) |])

/// A class from torch's Sequential that does something else.
type private Turned() as this =
    inherit Modules.Sequential(struct ("tanh", torch.nn.Tanh() :> torch.nn.Module<Tensor, Tensor>))
    do ignore this
    override _.forward x = x.neg ()

/// One that does not.
type private Opaque() =
    inherit torch.nn.Module<Tensor, Tensor>("Opaque")
    override _.forward x = x.neg ()

let private messageOf (model: torch.nn.Module) =
    try
        exported model None None |> ignore
        failtest "nothing was thrown"
    with :? UsageException as e -> e.Message

let private models =
    testList "models" [
        torchTest "a Sequential of torch's modules and ours" (fun () ->
            let parts: (string * torch.nn.Module<Tensor, Tensor>) list =
                [ "linear", torch.nn.Linear(5L, 8L)
                  "norm", torch.nn.LayerNorm(8L)
                  "noisy", new NoisyActivation(Variants.Nah.Tanh, 8L, clock ())
                  "inner", sequential [ "relu", torch.nn.ReLU(); "drop", torch.nn.Dropout 0.5 ]
                  "shared", new NoisyActivation(Variants.Nah.Sigmoid, 1L, clock ())
                  "tanh", torch.nn.Tanh()
                  "mlp", new NoisyMlp([| 8L; 4L; 3L |], Variants.Nan.Sigmoid, clock ())
                  "identity", torch.nn.Identity()
                  "sigmoid", torch.nn.Sigmoid()
                  "flat", torch.nn.Flatten()
                  "softmax", torch.nn.Softmax(-1L) ]
            let model = sequential parts
            settle model
            let x: Tensor = (filled 4L [ 9L; 5L ]).mul ((3.0).ToScalar())
            let bytes = exported model None None
            Tol.atMost (difference [ "output", model.forward x ] (run bytes [ "input", x ])) promised "difference"
            Expect.equal (signature bytes) ([ "input", [ -1; 5 ] ], [ "output", [ -1; 3 ] ]) "signature")

        torchTest "an embedding takes tokens" (fun () ->
            let model = sequential [ "rows", torch.nn.Embedding(7L, 4L); "linear", torch.nn.Linear(4L, 2L) ]
            settle model
            let x = tokens 7 [ 3L; 2L ]
            Tol.atMost (difference [ "output", model.forward x ] (run (exported model None None) [ "input", x ])) promised "difference")

        torchTest "an embedding with max_norm gives the rows that torch gives, and keeps its weights" (fun () ->
            let embedding = torch.nn.Embedding(5L, 3L, max_norm = Nullable 0.1)
            let model = sequential [ "rows", embedding; "linear", torch.nn.Linear(3L, 2L) ]
            let before = values embedding.weight
            let bytes = exported model None None
            Expect.equal (values embedding.weight) before "weights"
            let x = tokens 5 [ 3L; 4L ]
            Tol.atMost (difference [ "output", model.forward x ] (run bytes [ "input", x ])) promised "difference")

        torchTest "an embedding from given weights gives the rows that torch gives" (fun () ->
            let model = sequential [ "rows", torch.nn.Embedding_from_pretrained(filled 3L [ 5L; 3L ]); "tanh", torch.nn.Tanh() ]
            let x = tokens 5 [ 3L; 4L ]
            Tol.atMost (difference [ "output", model.forward x ] (run (exported model None None) [ "input", x ])) promised "difference")

        torchTest "no model and no stream are refused by name" (fun () ->
            for name, action in
                [ "model", (fun () -> OnnxExport.Write(null, new MemoryStream()))
                  "stream", (fun () -> OnnxExport.Write(torch.nn.Tanh(), null))
                  "path", (fun () -> OnnxExport.Save(torch.nn.Tanh(), null)) ] do
                Expect.throwsC action (fun e -> Expect.equal (e :?> ArgumentNullException).ParamName name "name"))

        torchTest "a module of one's own gives its form; layers within it start from zeros" (fun () ->
            let model = new Doubled(new NoisyLstm(3L, 4L, Variants.Nah, clock (), numLayers = 2L, bidirectional = true), torch.nn.Linear(8L, 2L))
            settle model
            for batch in [ 1L; 3L ] do
                let x: Tensor = filled 4L [ 6L; batch; 3L ]
                Tol.atMost (difference [ "output", model.forward x ] (run (exported model None None) [ "input", x ])) promised $"batch {batch}")

        torchTest "names, fixed and free sizes of inputs and outputs" (fun () ->
            let _, inputs, outputs = (cases |> List.find (fun c -> c.Name = "language model, LSTM")).Make Variants.Nah
            let model, _, _ = (cases |> List.find (fun c -> c.Name = "language model, LSTM")).Make Variants.Nah
            Expect.equal
                (signature (exported model None None))
                ([ "tokens", [ -1; -1 ]; "hidden", [ 2; -1; 6 ]; "cell", [ 2; -1; 6 ] ],
                 [ "logits", [ -1; -1; 11 ]; "new_hidden", [ 2; -1; 6 ]; "new_cell", [ 2; -1; 6 ] ])
                "language model"
            Expect.equal (List.map fst inputs, List.map fst outputs) ([ "tokens"; "hidden"; "cell" ], [ "logits"; "new_hidden"; "new_cell" ]) "names")

        torchTest "a sequence in pieces, states handed on, is the sequence" (fun () ->
            let model, inputs, expected = (cases |> List.find (fun c -> c.Name = "LSTM")).Make Variants.Nah
            let bytes, x = exported model None None, snd inputs[0]
            let first = run bytes (("input", x.narrow (0L, 0L, 2L)) :: inputs.Tail)
            let second = run bytes [ "input", x.narrow (0L, 2L, 4L); "hidden", snd first[1]; "cell", snd first[2] ]
            let whole = ("output", torch.cat ([| snd first[0]; snd second[0] |], 0L)) :: second.Tail
            Tol.atMost (difference expected whole) promised "difference")

        torchTest "text goes along" (fun () ->
            use stream = new MemoryStream()
            let text = dict [ "vocabulary", """["a","b"]"""; "unit", "Zeichen: ä" ]
            OnnxExport.Write(new NoisyMlp([| 2L; 2L |], Variants.Nah.Tanh, clock ()), stream, metadata = Dictionary text)
            Expect.equal (metadata (stream.ToArray())) (Map [ for entry in text -> entry.Key, entry.Value ]) "metadata")

        torchTest "what has no form is named with its remedy, and no file is left" (fun () ->
            let within part = sequential [ "first", torch.nn.Linear(2L, 2L); "other", part ]
            Expect.equal
                (messageOf (within (new Opaque())))
                "'other' (Opaque) cannot be exported to ONNX: give its class the interface IOnnxModule, or export its parts, each by itself"
                "own"
            Expect.stringStarts (messageOf (new Opaque())) "Opaque cannot be exported to ONNX" "root"
            let ntm = new NeuralTuringMachine(NtmShape(3, 2), Variants.Nah, clock ())
            Expect.equal (messageOf ntm) "NeuralTuringMachine cannot be exported to ONNX: export the modules that it is made of, each by itself" "ours"
            Expect.stringStarts (messageOf (new MinimalGatedUnit(RecurrentShape(2L, 3L), Variants.Nah, clock ()))) "MinimalGatedUnit cannot be exported" "cell"
            Expect.stringStarts (messageOf (new Turned())) "Turned cannot be exported to ONNX: give its class" "a class from one that is known"
            Expect.equal
                (messageOf (within (torch.nn.Conv1d(1L, 1L, 1L))))
                "'other' (Conv1d) cannot be exported to ONNX: put it into a class of your own with the interface IOnnxModule"
                "torch's"
            let hooked = torch.nn.Tanh()
            hooked.register_forward_hook (fun _ _ output -> output.neg ()) |> ignore
            Expect.stringStarts (messageOf (within hooked)) "'other' (Tanh) has hooks, and ONNX would have the module without them: remove them first" "hooks"
            Expect.stringStarts (messageOf hooked) "Tanh has hooks" "a root with hooks"
            let wide = new NoisyMlp([| 2L; 3L |], Variants.Nah.Tanh, clock ())
            wide.``to`` torch.ScalarType.Float64 |> ignore
            Expect.stringContains (messageOf wide) "'weight_0' is Float64: models are exported in single precision; convert the model first" "double"
            use folder = new TempFolder()
            let path = folder.In "model.onnx"
            Expect.throws (fun () -> OnnxExport.Save(new Opaque(), path)) "refused"
            Expect.isFalse (File.Exists path) "no file"
            OnnxExport.Save(within (torch.nn.Tanh()), path)
            Expect.isTrue (File.Exists path) "a file")

        torchTest "layers behind a model of vectors are refused: axes say that they are sequences" (fun () ->
            let model = new Doubled(new NoisyLstm(3L, 4L, Variants.Nah, clock ()), torch.nn.Linear(4L, 2L))
            Expect.throwsC (fun () -> exported model (Some [ "batch"; "3" ]) None |> ignore) (fun e ->
                Expect.equal e.Message "'lstm' (NoisyLstm) takes sequences, [time, batch, features], and gets [batch, 3]: say so with axes" "message")
            let layers = new NoisyGru(RecurrentShape(3L, 4L), Variants.Nah, clock ())
            Expect.throwsC (fun () -> exported layers (Some [ "batch"; "3" ]) None |> ignore) (fun e ->
                Expect.equal e.Message "NoisyGru takes an input of the axes [time, batch, 3], and axes says [batch, 3]: name 3" "root"))
    ]

let private checker =
    torchTest "the onnx package's checker and shape inference accept every model" (fun () ->
        match python.Value with
        | None -> skiptest "no python3 with the package onnx (Debian: python3-onnx)"
        | Some name ->
            use folder = new TempFolder()
            for i, (_, pair) in List.indexed variants do
                for j, case in List.indexed cases do
                    use _ = torch.NewDisposeScope()
                    let model, _, _ = case.Make pair
                    OnnxExport.Save(model, folder.In $"{i}-{j}.onnx")
            let program =
                "import glob, onnx, sys\n"
                + "files = glob.glob(sys.argv[1] + '/*.onnx')\n"
                + "for f in files: onnx.checker.check_model(onnx.load(f), full_check=True)\n"
                + "print(len(files))"
            use check = Process.Start(ProcessStartInfo(name, [ "-c"; program; folder.Path ], RedirectStandardError = true, RedirectStandardOutput = true))
            let output, errors = check.StandardOutput.ReadToEndAsync(), check.StandardError.ReadToEndAsync()
            check.WaitForExit()
            Expect.equal (output.Result.Trim(), check.ExitCode) (string (variants.Length * cases.Length), 0) errors.Result)

let tests = testList "onnx" [ matrix; activations; models; checker ]
