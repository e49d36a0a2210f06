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

/// What PyTorch 1.13 wrote, and its model's outputs:
///
///     torch.manual_seed(1)
///     class Net(torch.nn.Module): lstm = torch.nn.LSTM(3, 4, num_layers=2), readout = torch.nn.Linear(4, 2); forward: readout(lstm(x)[0])
///     torch.save(net.state_dict(), "pytorch-lstm.pth")
///     net(torch.arange(30).reshape(5, 2, 3) / 10 - 1.5)
let pytorchFile = Path.Combine(__SOURCE_DIRECTORY__, "pytorch-lstm.pth")

let private pytorchOutputs =
    [ -0.50222051; -0.17075835; -0.50283355; -0.17132795; -0.52393442; -0.15866466; -0.52535588; -0.16056907; -0.53908467; -0.15371175
      -0.5384053; -0.15794696; -0.54429984; -0.15625498; -0.53921908; -0.1623752; -0.53887236; -0.16411972; -0.53141177; -0.17060402 ]

/// The model of that file.
type Net(activations: ActivationPair, ?units: int64, ?dtype: torch.ScalarType) as this =
    inherit torch.nn.Module<Tensor, Tensor>("Net")
    let units = defaultArg units 4L
    let lstm = new NoisyLstm(3L, units, activations, clock (), numLayers = 2L)
    let readout = torch.nn.Linear(units, 2L)
    do
        this.RegisterComponents()
        match dtype with Some dtype -> this.``to`` dtype |> ignore | None -> ()

    override _.forward x =
        let struct (output, _, _) = lstm.call x
        readout.call output

let private refusal (model: torch.nn.Module) path =
    try
        Noisify.Load(model, path) |> ignore
        failtest "nothing was thrown"
    with :? UsageException as e -> e.Message

let private python =
    [ torchTest "PyTorch's state dict gives PyTorch's outputs; what keeps its initial value is named" (fun () ->
          let x: Tensor = torch.arange(30.0f.ToScalar()).reshape(5L, 2L, 3L).div((10.0).ToScalar()).sub ((1.5).ToScalar())
          let soft = new Net(Variants.Soft)
          Expect.isEmpty (Noisify.Load(soft, pytorchFile)) "all is there"
          for expected, found in Seq.zip pytorchOutputs (values (soft.forward x)) do Tol.close tensor32 expected found "PyTorch's output"
          let noisy = new Net(Variants.Nah)
          Expect.equal (List.sort (List.ofSeq (Noisify.Load(noisy, pytorchFile)))) [ "lstm.p_l0"; "lstm.p_l1" ] "gains"
          for struct (name, weight) in soft.named_parameters () do sameTensor weight (noisy.get_parameter name) name)

      torchTest "safetensors load the same way" (fun () ->
          inFolder (fun path ->
              let old, model = new Net(Variants.Soft), new Net(Variants.Nah)
              use stream = File.Create path
              Safetensors.Write(stream, old.state_dict (), Dictionary())
              stream.Dispose()
              Expect.equal (List.sort (List.ofSeq (Noisify.Load(model, path)))) [ "lstm.p_l0"; "lstm.p_l1" ] "gains"
              for struct (name, weight) in old.named_parameters () do sameTensor weight (model.get_parameter name) name))

      torchTest "other shapes, and precision that would be lost, are refused; nothing is loaded" (fun () ->
          let wide = new Net(Variants.Soft, 5L)
          let before = [ for weight in wide.parameters () -> values weight ]
          Expect.stringContains (refusal wide pytorchFile) "lstm.weight_ih_l0 is [16, 3], the model's [20, 3]" "shapes"
          Expect.equal [ for weight in wide.parameters () -> values weight ] before "weights"
          inFolder (fun path ->
              use stream = File.Create path
              Safetensors.Write(stream, (new Net(Variants.Soft, dtype = torch.ScalarType.Float64)).state_dict (), Dictionary())
              stream.Dispose()
              Expect.stringContains (refusal (new Net(Variants.Soft)) path) "Float64, the model's Float32, which would round it" "type")
          let half = new Net(Variants.Soft, dtype = torch.ScalarType.Float64)
          Expect.isEmpty (Noisify.Load(half, pytorchFile)) "single into double")

      torchTest "what is no file of weights, or is damaged, is refused with what to do" (fun () ->
          inFolder (fun path ->
              File.WriteAllText(path, "print('weights')")
              Expect.stringStarts (refusal (new Net(Variants.Soft)) path) $"{path} is no file of weights that torch's save wrote, nor PyTorch's since version 1.6, nor safetensors" "text"
              let bytes = File.ReadAllBytes pytorchFile
              File.WriteAllBytes(path, bytes[.. bytes.Length / 2])
              Expect.stringContains (refusal (new Net(Variants.Soft)) path) "write them with torch.save({k: v.contiguous().clone() for k, v in model.state_dict().items()}, path), or as safetensors" "cut"
              // A checkpoint with more in it than weights.
              let checkpoint = Collections.Hashtable()
              checkpoint["epoch"] <- 3
              TorchSharp.PyBridge.PyTorchPickler.PickleStateDict(path, checkpoint)
              Expect.equal
                  (refusal (new Net(Variants.Soft)) path)
                  $"{path} holds 'epoch', which is no tensor: it is a checkpoint of more than weights; write the model's state_dict() alone with torch.save"
                  "checkpoint"
              Expect.throwsT<FileNotFoundException> (fun () -> Noisify.Load(new Net(Variants.Soft), path + ".none") |> ignore) "no file")) ]

let tests =
    testList "drop-in weights" [
        testList "python" python
        testList "optimisers" optimisers
        testList "files" files
    ]
