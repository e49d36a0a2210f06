/// Layers that compose, specs and schedules by pipelines, and charts.
module Noisy.Tests.LayerTests

open System
open System.IO
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.FSharp
open Noisy.Tests.TorchHelpers
open TorchSharp

/// Two layers, read out at every step: from [T, B, inputs] to [T, B, outputs].
type Tagger(inputs: int, units: int, outputs: int, activation, clock) as this =
    inherit torch.nn.Module<torch.Tensor, torch.Tensor>("Tagger")
    let lstm = new NoisyLstm(int64 inputs, int64 units, activation, clock, numLayers = 2L)
    let readout = torch.nn.Linear(int64 units, int64 outputs)
    do this.RegisterComponents()

    override _.forward x =
        let struct (output, _, _) = lstm.call x
        readout.call output

let private mlp () = linear 3 4 --> noisy Noisy.FSharp.Variants.nah.Tanh --> linear 4 2

let private layers =
    testList "layers" [
        torchTest "compose to a module whose parts are torch's, in any grouping" (fun () ->
            use _ = torch.NewDisposeScope()
            let names (layer: Layer) =
                let model = Layer.build (NoiseClock 1L) layer
                [ for struct (name, p) in model.named_parameters () -> name, List.ofArray p.shape ]
            let expected = [ "0.weight", [ 4L; 3L ]; "0.bias", [ 4L ]; "1.p", [ 4L ]; "2.weight", [ 2L; 4L ]; "2.bias", [ 2L ] ]
            Expect.equal (List.sort (names (mlp ()))) (List.sort expected) "names and shapes"
            let a, b, c = linear 3 4, noisy Noisy.FSharp.Variants.nah.Tanh, linear 4 2
            Expect.equal (names (a --> (b --> c))) (names (a --> b --> c)) "grouping")

        torchTest "the tutorial's module of one's own is this one, and runs" (fun () ->
            let read (parts: string list) = File.ReadAllText(Repository.file parts).ReplaceLineEndings "\n"
            let own = read [ "tests"; "Noisy.Tests"; "FSharp"; "LayerTests.fs" ]
            let from = own.IndexOf "/// Two layers"
            Expect.stringContains (read [ "docs"; "own-experiment.md" ]) (own.Substring(from, own.IndexOf("\n\nlet private mlp", from) - from)) "tutorial"
            let model = new Tagger(3, 4, 2, Noisy.FSharp.Variants.nah, NoiseClock 1L)
            Expect.equal ((model.call (filled 1L [ 5L; 2L; 3L ])).shape, Seq.length (model.parameters ())) ([| 5L; 2L; 2L |], 12) "output, parameters")

        torchTest "draw the clock's noise: in train() by the update, in eval() its expectation" (fun () ->
            use _ = torch.NewDisposeScope()
            let clock = NoiseClock 3L
            torch.random.manual_seed 1L |> ignore
            let model = Layer.build clock (mlp ())
            let x = (filled 5L [ 20L; 3L ]).mul((6.0f).ToScalar())
            let at update =
                clock.Advance update
                values (model.call x)
            Expect.equal (at 4L) (at 4L) "the same update"
            Expect.notEqual (at 4L) (at 5L) "another"
            model.eval ()
            Expect.equal (at 4L) (at 5L) "evaluation")

        torchTest "sequences go through recurrent layers to their last step or mean" (fun () ->
            use _ = torch.NewDisposeScope()
            let x = filled 7L [ 5L; 2L; 3L ]
            for recurrent in [ lstm 3 4; gru 3 4 ] do
                let whole = Layer.build (NoiseClock 1L) (recurrent Noisy.FSharp.Variants.soft)
                let output = whole.call x
                Expect.equal (List.ofArray output.shape) [ 5L; 2L; 4L ] "states of all steps"
                let last = Layer.build (NoiseClock 1L) (recurrent Noisy.FSharp.Variants.soft --> lastStep --> linear 4 1)
                Expect.equal (List.ofArray (last.call x).shape) [ 2L; 1L ] "last"
                let mean = Layer.build (NoiseClock 1L) (recurrent Noisy.FSharp.Variants.soft --> meanStep)
                Expect.equal (List.ofArray (mean.call x).shape) [ 2L; 4L ] "mean")

        torchTest "networks of layers are exported to ONNX; a function of one's own is named" (fun () ->
            use _ = torch.NewDisposeScope()
            let nah = Noisy.FSharp.Variants.nah
            for layers in [ lstm 3 4 nah --> lastStep --> linear 4 2; gru 3 4 nah --> noisy nah.Sigmoid --> meanStep --> dropout 0.5 --> linear 4 2; gru 3 4 nah ] do
                torch.random.manual_seed 1L |> ignore
                let model = Layer.build (NoiseClock 1L) layers
                model.eval ()
                let bytes = OnnxHelpers.exported model None None
                for batch in [ 1L; 3L ] do
                    let x: Tensor = (filled 7L [ 5L; batch; 3L ]).mul ((3.0).ToScalar())
                    let found = OnnxHelpers.run bytes [ "input", x ]
                    Tol.atMost (OnnxHelpers.difference [ "output", model.forward x ] found) 1e-5 "difference"
            Tol.throws<UsageException>
                "the function 'double' cannot be exported to ONNX: write it as a module with the interface IOnnxModule, and put that in with modul"
                (fun () -> OnnxHelpers.exported (Layer.build (NoiseClock 1L) (linear 2 2 --> func "double" (fun x -> x + x))) None None |> ignore))

        torchTest "functions, dropout and modules of any kind take part; noise needs a layer before it" (fun () ->
            use _ = torch.NewDisposeScope()
            let own = modul "own" 4 (fun _ -> torch.nn.Linear(3L, 4L))
            let model = Layer.build (NoiseClock 1L) (func "double" (fun x -> x + x) --> own --> dropout 0.5 --> noisy Noisy.FSharp.Variants.nan.Tanh)
            Expect.equal (List.ofArray (model.call (filled 1L [ 2L; 3L ])).shape) [ 2L; 4L ] "shape"
            Tol.throws<UsageException> "noisy does not know how many units there are: put a layer such as linear before it" (fun () ->
                Layer.build (NoiseClock 1L) (noisy Noisy.FSharp.Variants.nan.Tanh) |> ignore))
    ]

let private values =
    testList "values" [
        test "specs and variants change by pipelines, and print in one line" {
            let mine = Noisy.FSharp.Variants.nah |> Variant.named "mine" |> Variant.map (Spec.alpha 1.05 >> Spec.c 0.3)
            Expect.equal (mine.Name, mine.Tanh.Alpha, mine.Sigmoid.C) ("mine", 1.05, 0.3) "changed"
            Expect.equal (string mine.Tanh) "hard-tanh, half-normal noise at the output, alpha 1.05, c 0.3, p drawn, learned" "nah"
            Expect.equal (string Noisy.FSharp.Variants.soft.Tanh) "tanh" "soft"
            Expect.equal (string Noisy.FSharp.Variants.hard.Sigmoid) "hard-sigmoid" "hard"
            Expect.equal (string (Noisy.FSharp.Variants.nanis.Tanh |> Spec.clipped)) "hard-tanh, normal noise at the input when saturated, c 0.25, clipped" "nanis"
            Expect.equal (string (Spec.ofUnit (SaturatingUnit(2.0, 0.0, -0.5, 1.0)))) "clip(2 x + 0, -0.5, 1)" "unit"
            Tol.close Tol.scalar (NoisyMoments.Mean(mine.Tanh, 2.0, 0.7, 0.3)) (Spec.mean mine.Tanh 2.0 0.7) "mean"
            Tol.throws<InvalidSpecException> "the variant's name is 'My One': must be lower-case letters, digits, dots and dashes, since folders are named after it" (fun () ->
                Noisy.FSharp.Variants.nah |> Variant.named "My One" |> ignore)
        }
        test "a schedule may be a fold over updates" {
            let halved = Noisy.FSharp.Schedule.fold "halved each third" 8.0 (fun c update -> if update % 3L = 2L then c / 2.0 else c)
            Expect.equal [ for t in 0L .. 7L -> halved.At t ] [ 8.0; 8.0; 8.0; 4.0; 4.0; 4.0; 2.0; 2.0 ] "values"
            Expect.equal ((halved |> Noisy.FSharp.Schedule.clampMin 3.0).At 7L) 3.0 "changes apply"
        }
        test "charts of specs, variants and schedules are drawn without a network" {
            use folder = new TempFolder()
            let charts =
                [ yield! [ for variant in Noisy.FSharp.Variants.all -> variant.Name, Chart.variant variant ]
                  "relu", Chart.spec (Noisy.FSharp.Variants.nah.Tanh |> Spec.unit SaturatingUnit.Relu)
                  "schedule", Chart.schedules 3000L [ Noisy.FSharp.Schedule.paper; Noisy.FSharp.Schedule.cosine 1.0 0.1 1000L ] ]
            for name, chart in charts do
                let png, html = chart |> Chart.save (folder.In $"{name}.png"), chart |> Chart.save (folder.In $"{name}.html")
                Tol.above (FileInfo(png).Length) 8_000L $"{name}: picture"
                Expect.isFalse (File.ReadAllText(html).Contains "http") $"{name}: no address of a network"
            Tol.throws<UsageException> "a chart cannot be saved as '.gif': take .png or .html" (fun () -> snd charts.Head |> Chart.save (folder.In "a.gif") |> ignore)
        }
    ]

let tests = testSequenced <| testList "functional surface" [ layers; values ]
