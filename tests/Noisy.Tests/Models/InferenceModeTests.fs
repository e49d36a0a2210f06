/// Within torch's inference mode, and with what was made there: torch throws or works, and the process lives.
module Noisy.Tests.InferenceModeTests

open System
open System.Runtime.InteropServices
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.PublicModels
open Noisy.Experiments
open Noisy.Tests.DropInModels
open Noisy.Tests.TorchHelpers
open TorchSharp

/// Makes something in inference mode.
let private inside (make: unit -> 'a) =
    use _ = torch.inference_mode true
    make ()

let private throwsTorchs (action: unit -> unit) =
    Expect.throwsC action (fun e -> Expect.isTrue (e :? ExternalException) $"torch's own exception: {e}")

let private tokens () : Tensor = torch.tensor([| 1L; 2L; 3L; 4L; 5L; 6L |]).reshape (2L, 3L)

let private replacing =
    [ torchTest "a model that is made noisy in inference mode can be trained afterwards" (fun () ->
          let model = new SentimentNet()
          let report = inside (fun () -> Noisify.Replace(model, Variants.Nah, clock (), embeddings = true, outputs = true))
          Expect.equal (paths report.Replaced) [ "embedding"; "lstm"; "sigmoid" ] "replaced"
          Expect.stringContains (entry report "lstm").Note "dropout 0.2" "measured"
          (model.call (tokens ())).sum().backward ()
          Expect.all report.NewParameters (fun p -> not (isNull p.grad)) "gains have a gradient")

      torchTest "of a model made in inference mode, what cannot be measured is refused" (fun () ->
          let model = inside (fun () -> new SentimentNet())
          let report = Noisify.Replace(model, Variants.Nah, clock (), embeddings = true, allowPartial = true)
          Expect.equal (paths report.Refused) [ "lstm" ] "refused"
          Expect.stringContains (entry report "lstm").Note "its dropout cannot be measured" "dropout"
          Expect.stringContains (entry report "embedding").Note "inference_mode" "embedding") ]

let private training =
    [ torchTest "a step on parameters made in inference mode throws as torch's does, and within the mode gives torch's numbers" (fun () ->
          let make () = inside (fun () ->
              let p = new TorchSharp.Modules.Parameter(filled 1L [ 3L; 2L ])
              p.grad <- torch.ones (3L, 2L)
              p)
          for ours in [ true; false ] do
              let p: TorchSharp.Modules.Parameter = make ()
              let o = if ours then FusedOptim.SGD([ p ], 0.5) else torch.optim.SGD([ p ], 0.5)
              throwsTorchs (fun () -> o.step () |> ignore)
              let before = values p
              inside (fun () -> o.step () |> ignore)
              Array.iter2 (fun b a -> Tol.close tensor32 (b - 0.5) a "weight") before (values p))

      torchTest "zero_grad of a gradient made in inference mode throws as torch's does" (fun () ->
          let p = new TorchSharp.Modules.Parameter(filled 1L [ 3L; 2L ])
          p.grad <- inside (fun () -> torch.ones (3L, 2L))
          throwsTorchs (fun () -> (FusedOptim.SGD([ p ], 0.5)).zero_grad ()))

      torchTest "a backward pass onto a gradient made in inference mode throws as the composed backend's does" (fun () ->
          for backend in [ Backend.Auto; Backend.Composed ] do
              let m = new NoisyLstm(RecurrentShape(3L, 4L), Variants.Hard, clock (), Backend = backend)
              let pass () = (let struct (y, _, _) = m.call (torch.ones (2L, 1L, 3L), Nullable()) in y.sum().backward ())
              pass ()
              (m.get_parameter "weight_hh_l0").grad <- inside (fun () -> torch.zeros (16L, 4L))
              throwsTorchs pass)

      torchTest "our own optimiser refuses parameters made in inference mode, with the remedy" (fun () ->
          let model = inside (fun () -> new NoisyLstm(RecurrentShape(3L, 4L), Variants.Nah, clock ()))
          use o = Optimizer.Create(OptimizerSpec.Sgd, model)
          Expect.throwsC (fun () -> o.Step(0.1, 1L)) (fun e ->
              Expect.stringContains e.Message "make the model outside inference_mode" "remedy")) ]

let private decoding =
    [ torchTest "a model made in inference mode decodes, and gives what any other gives" (fun () ->
          let best () =
              let model = new TranslationModel(TranslationShape(20, 20, 4, 4, 4), Variants.Nah, InitialScheme.ScaledOrthogonal, NoiseClock 1L)
              use start = model.Start(SentenceBatch.Create [| [| 17; 4; 0 |] |], NoiseContext.Test)
              [ for h in (BeamSearch(3, 5, 0).Search(TranslationDecoder(model, NoiseContext.Test), start, 1))[0] -> List.ofArray h.Tokens, h.LogProbability ]
          let expected = (use _ = torch.no_grad () in best ())
          Expect.equal (inside best) expected "sentence")

      torchTest "steps of a cell made in inference mode follow its weights" (fun () ->
          let steps (cell: NoisyGruCell) =
              use _ = torch.no_grad ()
              use sequence = cell.Steps()
              let h = (sequence.Step(sequence.Project(torch.ones (2L, 3L)), null, NoiseContext.Test))[0]
              let next = sequence.Step(sequence.Project(torch.ones (2L, 3L)), [| h |], NoiseContext.Test)
              values (Array.head next)
          let make () = new NoisyGruCell(3L, 4L, Variants.Nah, NoiseClock 1L)
          let cell, other = inside make, make ()
          Expect.equal (steps cell) (steps other) "as they are"
          for c, mode in [ cell, true; other, false ] do
              use _ = torch.inference_mode mode
              use _ = torch.no_grad ()
              for p in c.parameters () do p.mul_ (2.0f.ToScalar()) |> ignore
          Expect.equal (steps cell) (steps other) "changed") ]

let tests = testSequenced <| testList "inference mode" [ testList "replacing" replacing; testList "training" training; testList "decoding" decoding ]
