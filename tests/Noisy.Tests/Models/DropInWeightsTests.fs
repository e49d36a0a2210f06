/// Optimisers and files of weights from before a replacement.
module Noisy.Tests.DropInWeightsTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.PublicModels
open Noisy.Tests.DropInModels
open Noisy.Tests.TorchHelpers
open TorchSharp

let private frozen = Variants.Nah.Map(fun s -> s.WithLearnP false)

let private inFolder (body: string -> unit) =
    let folder = Directory.CreateTempSubdirectory "noisy"
    try body (Path.Combine(folder.FullName, "weights.dat"))
    finally folder.Delete true

let private optimisers =
    [ torchTest "an optimiser made in the model's constructor goes on with frozen gains" (fun () ->
          for bias in [ true; false ] do
              let model = new OwnOptimiser(bias)
              let report = Noisify.Replace(model, frozen, clock ())
              Expect.isEmpty report.NewParameters "new parameters"
              Expect.isFalse ((string report).Contains "optimiser") "nothing is said of it"
              let before = values (model.get_parameter "lstm.weight_hh_l0")
              model.Train(filled 1L [ 2L; 3L; 6L ])
              Expect.notEqual (values (model.get_parameter "lstm.weight_hh_l0")) before "it trains")

      torchTest "with learned gains the report says what becomes of such an optimiser" (fun () ->
          let model = new OwnOptimiser()
          let report = Noisify.Replace(model, Variants.Nah, clock ())
          Expect.stringEnds (string report) "1 new parameters: make the optimiser now; one made before needs frozen gains (LearnP false)" "report"
          Expect.throwsT<KeyNotFoundException> (fun () -> model.Train(filled 1L [ 2L; 3L; 6L ])) "what torch does") ]

let private files =
    [ torchTest "weights saved before the replacement load, and what keeps its initial value is named" (fun () ->
          inFolder (fun path ->
              let old = new SentimentNet()
              old.save path |> ignore
              let model = new SentimentNet()
              Noisify.Replace(model, Variants.Nah, clock ()) |> ignore
              let gains = values (model.get_parameter "lstm.p_l1")
              Expect.equal (List.ofSeq (Noisify.Load(model, path))) [ "lstm.p_l0"; "lstm.p_l1"; "sigmoid.p" ] "names"
              for struct (name, p) in old.named_parameters () do sameTensor p (model.get_parameter name) name
              Expect.equal (values (model.get_parameter "lstm.p_l1")) gains "gains"
              model.save path |> ignore
              let again = new SentimentNet()
              Noisify.Replace(again, Variants.Nah, NoiseClock 9L) |> ignore
              Expect.isEmpty (Noisify.Load(again, path)) "weights saved after it are complete"
              Expect.equal (values (again.get_parameter "lstm.p_l1")) gains "gains loaded"))

      torchTest "frozen gains are named too" (fun () ->
          inFolder (fun path ->
              (new OwnOptimiser false).save path |> ignore
              let model = new OwnOptimiser(false)
              Noisify.Replace(model, frozen, clock ()) |> ignore
              Expect.equal (List.sort (List.ofSeq (Noisify.Load(model, path)))) [ "lstm.p_l0" ] "names"))

      torchTest "weights of another model are refused by name, and nothing is loaded" (fun () ->
          inFolder (fun path ->
              (new GruClassifier()).save path |> ignore
              let model = new Perceptron()
              Noisify.Replace(model, Variants.Nah, clock ()) |> ignore
              let before = [ for p in model.parameters () -> values p ]
              Expect.throwsC (fun () -> Noisify.Load(model, path) |> ignore) (fun e ->
                  Expect.isTrue (e :? UsageException) "kind"
                  Expect.stringContains e.Message "it lacks fc1.weight, fc1.bias, fc2.weight, fc2.bias; the model has no gru.weight_ih_l0" "message")
              Expect.equal [ for p in model.parameters () -> values p ] before "weights"))

      torchTest "torch's own loading needs strict false" (fun () ->
          inFolder (fun path ->
              let old = new Perceptron()
              old.save path |> ignore
              let model = new Perceptron()
              Noisify.Replace(model, Variants.Nah, clock ()) |> ignore
              Expect.throws (fun () -> model.load path |> ignore) "strict"
              model.load (path, strict = false) |> ignore
              sameTensor (old.get_parameter "fc1.weight") (model.get_parameter "fc1.weight") "weights")) ]

let tests =
    testList "drop-in weights" [
        testList "optimisers" optimisers
        testList "files" files
    ]
