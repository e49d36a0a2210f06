/// Activations that give a model's output, and how much of a model saturates.
module Noisy.Tests.DropInOutputTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.PublicModels
open Noisy.Tests.DropInModels
open Noisy.Tests.TorchHelpers
open TorchSharp

let private pictures = lazy (filled 2L [ 6L; 1L; 3L; 3L ])

let private outputs =
    [ torchTest "the sigmoid at the end of a discriminator stays, and its output a probability" (fun () ->
          let model = new Discriminator()
          let report = Noisify.Replace(model, Variants.Nah, clock ())
          Expect.equal (paths report.Replaced, paths report.LeftOut) ([ "act" ], [ "prob" ]) "outcome"
          Expect.equal (string (entry report "prob")) "prob: Sigmoid left as it is: its output is the model's (the argument outputs takes it too)" "line"
          (use _ = torch.no_grad () in model.get_parameter("out.weight").mul_ (torch.tensor 1000.0f) |> ignore)
          let output = values (model.call pictures.Value)
          Expect.all output (fun y -> y >= 0.0 && y <= 1.0) "probabilities"
          torch.nn.functional.binary_cross_entropy(model.call pictures.Value, torch.ones (6L, 1L)).backward ())

      torchTest "an option takes the output too, and the report says how far it goes" (fun () ->
          let model = new Discriminator()
          let report = Noisify.Replace(model, Variants.Nah, clock (), outputs = true)
          let prob = entry report "prob"
          Expect.equal prob.Note "one gap gain for all units; as the model's output it leaves [0, 1] without bound: its slope where it saturates is -0.025" "note"
          Expect.isTrue prob.MayBeOutput "it is"
          Expect.isFalse (entry report "act").MayBeOutput "the inner one is not"
          model.eval ()
          let far = (prob.Now :?> NoisyActivation).call (vector [ -60.0; 60.0 ])
          Expect.isTrue (values far |> Array.exists (fun y -> y < 0.0 || y > 1.0)) "it does")

      torchTest "where it cannot be known the last activation is a candidate, inner ones are none" (fun () ->
          let report = Noisify.Replace(new Generator(), Variants.Nah, clock ())
          Expect.equal (paths report.Replaced) [ "model.1"; "model.3" ] "replaced"
          Expect.equal (entry report "model.1").Note "one gap gain for all units" "inner"
          Expect.equal (entry report "model.3").Note
              "one gap gain for all units; if its output is the model's, that leaves [-1, 1] without bound: its slope where it saturates is -0.15" "candidate"
          Expect.equal [ for e in report.Replaced do if e.MayBeOutput then e.Path ] [ "model.3" ] "candidates")

      for name, make, (input: Tensor Lazy), inner, output in
          [ "a Sequential in a field, reshaped", (fun () -> new Generator() :> Map), lazy (filled 3L [ 5L; 4L ]), [ "model.1" ], "model.3"
            "fields of their own types", (fun () -> new Perceptron() :> Map), lazy (filled 3L [ 5L; 4L ]), [ "tanh" ], "sigmoid"
            "an LSTM's last output", (fun () -> new SentimentNet() :> Map), lazy (torch.tensor([| 1L; 2L; 3L; 4L |]).reshape (2L, 2L)), [ "lstm" ], "sigmoid" ] do
          torchTest $"an example shows which activation gives the output: {name}" (fun () ->
              let model = make ()
              let modes = [ for m in model.modules () -> m.training ]
              let report = Noisify.Replace(model, Variants.Nah, clock (), example = fun () -> box (model.call input.Value))
              Expect.equal (paths report.Replaced, paths report.LeftOut) (inner, [ output ]) "outcome"
              Expect.isFalse (report.Replaced |> Seq.exists (fun e -> e.MayBeOutput)) "nothing is unclear"
              Expect.equal [ for m in model.modules () -> m.training ] modes "modes")

      torchTest "a tuple's tensors are outputs each" (fun () ->
          let model = new Generator()
          let report =
              Noisify.Replace(model, Variants.Nah, clock (), example = fun () ->
                  let y = model.call (filled 3L [ 5L; 4L ])
                  box struct (y.narrow (0L, 0L, 2L), [ y.narrow (0L, 2L, 3L) ]))
          Expect.equal (paths report.LeftOut) [ "model.3" ] "left out")

      torchTest "an activation that gives one output of several stays" (fun () ->
          let model = new Generator()
          let report =
              Noisify.Replace(model, Variants.Nah, clock (), example = fun () ->
                  let y = model.call (filled 3L [ 5L; 4L ])
                  box struct (y, y * 3, filled 4L [ 5L ]))
          Expect.equal (paths report.Replaced, paths report.LeftOut) ([ "model.1" ], [ "model.3" ]) "outcome")

      torchTest "what follows an activation without weights leaves it a candidate, which an example settles" (fun () ->
          let make () = torch.nn.Sequential(torch.nn.Linear(9L, 4L), torch.nn.Tanh(), torch.nn.Linear(4L, 1L), torch.nn.Sigmoid(), torch.nn.Flatten 0L)
          let report = Noisify.Replace(make (), Variants.Nah, clock ())
          Expect.equal [ for e in report.Replaced do if e.MayBeOutput then e.Path ] [ "3" ] "candidates"
          let model = make ()
          let report = Noisify.Replace(model, Variants.Nah, clock (), example = fun () -> box (model.call (filled 3L [ 5L; 9L ])))
          Expect.equal (paths report.Replaced, paths report.LeftOut) ([ "1" ], [ "3" ]) "with an example")

      torchTest "a block that a Sequential has twice gives the output if it does at its second place" (fun () ->
          let block = torch.nn.Sequential(torch.nn.Linear(2L, 2L), torch.nn.Sigmoid())
          let report = Noisify.Replace(torch.nn.Sequential(block, block), Variants.Nah, clock ())
          Expect.equal (paths report.LeftOut) [ "0.1" ] "left out")

      torchTest "an example without numbers is refused, and nothing is changed" (fun () ->
          for nothing in [ box "output"; box (dict [ "y", torch.ones 2L ]); box (torch.zeros [| 0L |]) ] do
              let model = new Generator()
              Tol.throws<ArgumentException>
                  "the example gives no number: it must give the model's output, a tensor or a tuple or sequence of them (Parameter 'example')"
                  (fun () -> Noisify.Replace(model, Variants.Nah, clock (), example = fun () -> nothing) |> ignore)
              Expect.isFalse (model.modules () |> Seq.exists (fun m -> m :? NoisyActivation)) "nothing")

      test "the range of an activation is known from its spec" {
          let left (s: NoisyActivationSpec) = OutputRange.Left s |> Option.ofObj
          let sigmoid = Variants.Nan.Sigmoid
          for s in [ Variants.Soft.Sigmoid; Variants.Hard.Tanh; Variants.Nani.Tanh; Variants.Nanil.Sigmoid; Variants.Nanis.Tanh
                     sigmoid.WithClipOutput true; sigmoid.WithAlpha(1).WithAlphaOne AlphaOneRule.Silent
                     Variants.Nah.Sigmoid.WithAlpha 1 ] do
              Expect.equal (left s) None (string s)
          Expect.equal (left (sigmoid.WithAlpha 0.9)) (Some "leaves [0, 1] without bound: its slope where it saturates is 0.025") "leak outwards"
          Expect.equal (left (sigmoid.WithAlpha 1)) (Some "leaves [0, 1] by up to 0.2, the noise at its farthest") "normal noise"
          Expect.equal (left (Variants.Nah.Sigmoid.WithAlpha(1).WithC 2)) (Some "leaves [0, 1] by up to 1.7, the noise at its farthest") "half-normal noise across"
      }

      torchProperty "no value goes farther than the report says" 20 (fun (seed: int) ->
          for spec in [ Variants.Nan.Sigmoid.WithAlpha 1; Variants.Nah.Tanh.WithAlpha(1).WithC 3 ] do
              let far = 5.42 * spec.C / 4.0
              let far = if spec.Noise = NoiseKind.Normal then far else max 0.0 (far - (spec.Unit.Upper - spec.Unit.Lower))
              let module' = new NoisyActivation(spec.WithP(Nullable 50.0), 1L, NoiseClock(int64 seed))
              for y in values (module'.call (filled (int64 seed) [ 500L ] * 50)) do
                  Expect.isTrue (y >= spec.Unit.Lower - far && y <= spec.Unit.Upper + far) $"{y}") ]

let private saturation =
    [ torchTest "the share of saturated units is told by module, and changes nothing" (fun () ->
          let model = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Sigmoid(), torch.nn.Tanh())
          let report = Noisify.Replace(model, Variants.Nah, clock (), outputs = true)
          model.eval ()
          let found = report.Saturation(fun () -> model.call (vector [ -3.0; -1.0; -0.5; 0.0; 0.9; 5.0; 6.0; 7.0 ]) |> ignore) |> List.ofSeq
          Expect.equal (string found[0]) "0: 62.50 % of 8 activations saturated" "thresholds are saturated"
          Expect.equal (found[1].Share, found[2].Share) (0.0, 0.0) "the others not"
          Expect.all report.Replaced (fun e -> (e.Now :?> NoisyActivation).Backend = FusedEngine.Default) "engines")

      torchTest "gates of layers and cells are counted, through hooks or forward" (fun () ->
          let model = new Seq2Seq()
          let report = Noisify.Replace(model, Variants.Nah, clock ())
          let pass () = model.call (filled 3L [ 5L; 2L; 6L ]) |> ignore
          let found = report.Saturation pass |> List.ofSeq
          // Five sites of 8 units for 2 examples: 5 time steps of the encoder, 3 of the decoder.
          Expect.equal [ for f in found -> f.Path, f.Activations ] [ "encoder.lstm", 400L; "decoder.cell", 240L ] "counts"
          (use _ = torch.no_grad () in for p in model.parameters () do p.mul_ (torch.tensor 100.0f) |> ignore)
          Expect.all (report.Saturation pass) (fun f -> f.Share > 0.2) "wide weights saturate")

      torchTest "NAH is the hard function to the last bit where nothing saturates" (fun () ->
          let make pair =
              torch.manual_seed 3L |> ignore
              let model = new GruClassifier()
              let report = Noisify.Replace(model, pair, clock (), where = fun path _ -> path = "gru")
              let x = filled 3L [ 2L; 5L; 6L ] * 0.1
              Expect.all (report.Saturation(fun () -> model.call x |> ignore)) (fun f -> f.Share = 0.0) "nothing saturates"
              model.call x
          sameTensor (make Variants.Hard) (make Variants.Nah) "output")

      torchTest "a module that a pass does not reach has no share" (fun () ->
          let model = new SentimentNet()
          let report = Noisify.Replace(model, Variants.Nah, clock ())
          let found = report.Saturation ignore |> List.ofSeq
          Expect.equal (string found[0]) "lstm: not reached" "line"
          Expect.isTrue (Double.IsNaN found[0].Share) "share") ]

let tests =
    testSequenced // one seeds torch's generator
    <| testList "drop-in outputs" [
        testList "outputs" outputs
        testList "saturation" saturation
    ]
