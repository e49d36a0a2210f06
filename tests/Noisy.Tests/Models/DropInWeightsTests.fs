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
              Expect.stringContains (refusal (new Net(Variants.Soft)) path) "Float64, the model's Float32, which does not have all its numbers" "type")
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

/// Two tensors, the second of another width.
type private Pair(width: int64, ?dtype: torch.ScalarType) as this =
    inherit torch.nn.Module("pair")
    do
        for name, shape' in [ "a", [| 4L; 3L |]; "b", [| width; 4L |] ] do
            let half: Tensor = (torch.ones shape').mul (0.5f.ToScalar())
            this.register_buffer (name, half.to_type (defaultArg dtype torch.ScalarType.Float32))

/// One number.
type private One(value: Tensor) as this =
    inherit torch.nn.Module("one")
    do this.register_buffer ("v", value)

let private filledPair width dtype =
    let model = new Pair(width, dtype)
    for b in model.buffers () do b.fill_ (2.25f.ToScalar()) |> ignore
    model

let private writeTorchSharp (path: string) (model: torch.nn.Module) = model.save path |> ignore

let private writePyTorch (path: string) (model: torch.nn.Module) =
    let table = Collections.Hashtable()
    for entry in model.state_dict () do table[entry.Key] <- box entry.Value
    TorchSharp.PyBridge.PyTorchPickler.PickleStateDict(path, table)

let private writeSafetensors (path: string) (model: torch.nn.Module) =
    use stream = File.Create path
    Safetensors.Write(stream, model.state_dict (), Dictionary())

let private formats: (string * (string -> torch.nn.Module -> unit)) list =
    [ "TorchSharp", writeTorchSharp; "PyTorch", writePyTorch; "safetensors", writeSafetensors ]

let private types =
    [ torch.ScalarType.Bool; torch.ScalarType.Byte; torch.ScalarType.Int8; torch.ScalarType.Int16; torch.ScalarType.Float16; torch.ScalarType.BFloat16
      torch.ScalarType.Int32; torch.ScalarType.Int64; torch.ScalarType.Float32; torch.ScalarType.Float64 ]

let private checks =
    [ for format, write in formats do
          torchTest $"another shape is refused by name, and nothing is loaded: {format}" (fun () ->
              inFolder (fun path ->
                  write path (filledPair 5L torch.ScalarType.Float32)
                  let model = new Pair(2L)
                  let before = [ for b in model.buffers () -> values b ]
                  Expect.stringEnds (refusal model path) "has weights of another model: b is [5, 4], the model's [2, 4]. Nothing was loaded." "message"
                  Expect.equal [ for b in model.buffers () -> values b ] before "numbers"))

          torchTest $"single precision loads into a double model: {format}" (fun () ->
              inFolder (fun path ->
                  write path (filledPair 5L torch.ScalarType.Float32)
                  let model = new Pair(5L, torch.ScalarType.Float64)
                  Expect.isEmpty (Noisify.Load(model, path)) "all"
                  for b in model.buffers () do Expect.all (values b) ((=) 2.25) "numbers"))

          torchTest $"a file cut short anywhere, or with a byte too many, is refused, and nothing is loaded: {format}" (fun () ->
              inFolder (fun path ->
                  write path (filledPair 5L torch.ScalarType.Float32)
                  let bytes = File.ReadAllBytes path
                  let damaged = [ for length in 0 .. 7 .. bytes.Length - 1 -> bytes[.. length - 1] ] @ [ bytes[.. bytes.Length - 2]; Array.append bytes [| 0uy |] ]
                  for file in (if format = "PyTorch" then List.truncate (damaged.Length - 1) damaged else damaged) do
                      File.WriteAllBytes(path, file)
                      let model = new Pair(5L)
                      Expect.throwsC (fun () -> Noisify.Load(model, path) |> ignore) (fun e ->
                          Expect.isTrue (e :? UsageException || (format = "safetensors" && e :? InvalidDataException)) $"{e.GetType().Name}: {e.Message}"
                          Expect.stringContains e.Message path "file")
                      for b in model.buffers () do Expect.all (values b) ((=) 0.5) "numbers"))

          torchTest $"types whose numbers the model's does not have are refused, and others are kept exactly: {format}" (fun () ->
              inFolder (fun path ->
                  for from, into, value, kept in
                      [ torch.ScalarType.BFloat16, torch.ScalarType.Float16, 1e30, false
                        torch.ScalarType.Float16, torch.ScalarType.BFloat16, 1.0009765625, false
                        torch.ScalarType.Int32, torch.ScalarType.Float32, 123456789.0, false
                        torch.ScalarType.Float32, torch.ScalarType.Int32, 2.5, false
                        torch.ScalarType.Int64, torch.ScalarType.Float64, 9.0, false
                        torch.ScalarType.Int32, torch.ScalarType.Float64, 123456789.0, true
                        torch.ScalarType.Float16, torch.ScalarType.Float32, 1.0009765625, true
                        torch.ScalarType.BFloat16, torch.ScalarType.Float64, 0.0078125, true ] do
                      let make (dtype: torch.ScalarType) (x: float) = new One(torch.tensor([| x |]).to_type dtype)
                      write path (make from value)
                      let model = make into 1.0
                      if kept then
                          Noisify.Load(model, path) |> ignore
                          Expect.equal (values (model.get_buffer "v")) [| value |] $"{from} into {into}"
                      else
                          Expect.stringContains (refusal model path) $"v is {from}, the model's {into}, which does not have all its numbers" $"{from} into {into}"
                          Expect.equal (values (model.get_buffer "v")) [| 1.0 |] "nothing is loaded"))

      torchTest "the message on a TorchSharp file names the tensor that is damaged" (fun () ->
          inFolder (fun path ->
              (filledPair 5L torch.ScalarType.Float32).save path |> ignore
              let bytes = File.ReadAllBytes path
              File.WriteAllBytes(path, bytes[.. bytes.Length - 9])
              Expect.stringContains (refusal (new Pair(5L)) path) "or it is damaged (the tensor 'b' is cut short). Nothing was loaded." "cut short"
              File.WriteAllBytes(path, Array.append bytes [| 0uy |])
              Expect.stringContains (refusal (new Pair(5L)) path) "(1 more bytes follow the last of its 2 tensors)" "a byte too many"))

      torchTest "a type is a wider one exactly if all 2^8 or 2^16 numbers of the narrow one are numbers of it" (fun () ->
          let patterns = [| for i in -32768 .. 32767 -> int16 i |]
          for narrow in types[.. 5] do
              let all: Tensor =
                  match narrow with
                  | torch.ScalarType.Bool -> torch.tensor [| false; true |]
                  | torch.ScalarType.Byte -> torch.tensor [| for i in 0 .. 255 -> byte i |]
                  | torch.ScalarType.Int8 -> torch.tensor [| for i in -128 .. 127 -> sbyte i |]
                  | torch.ScalarType.Int16 -> torch.tensor patterns
                  | _ ->
                      let floats = torch.zeros ([| 65536L |], dtype = narrow)
                      Runtime.InteropServices.MemoryMarshal.AsBytes(Span patterns).CopyTo(floats.bytes)
                      floats
              let finite = if narrow = torch.ScalarType.Float16 || narrow = torch.ScalarType.BFloat16 then all.masked_select(all.isfinite ()) else all
              for wide in types do
                  let kept = values (finite.to_type wide) = values finite
                  Expect.equal (Array.contains wide (SavedWeights.Wider narrow)) (kept && wide <> narrow) $"{narrow} in {wide}") ]

let private noise =
    let save path (entries: (string * string) list) =
        use stream = File.Create path
        Safetensors.Write(stream, (new Net(Variants.Nah)).state_dict (), Dictionary(dict entries))

    let ofRun (test: NoiseContext) = [ for e in ModelMetadata.Write(Variants.Nah, test) -> e.Key, e.Value ]

    /// Two layers, each with a clock of its own.
    let model () =
        let clocks = [ NoiseClock 1L; NoiseClock 2L ]
        let parts = [| for c in clocks -> new NoisyActivation(Variants.Nah.Tanh, 1L, c) :> torch.nn.Module<Tensor, Tensor> |]
        clocks, torch.nn.Sequential parts

    let saveTwo path (model: torch.nn.Module) =
        use stream = File.Create path
        Safetensors.Write(stream, model.state_dict (), Dictionary(dict (ofRun (NoiseContext(NoiseMode.Mean, Scale = Nullable 0.7)))))

    [ torchTest "the noise scale of a run's file becomes that of a clock that has none, so that eval gives the run's test" (fun () ->
          inFolder (fun path ->
              let clock = NoiseClock 1L
              let unit = new NoisyActivation(Variants.Nah.Tanh, 1L, clock)
              unit.eval ()
              let x: Tensor = vector [ -6.0; -1.0; 0.3; 2.0; 9.0 ]
              use stream = File.Create path
              Safetensors.Write(stream, unit.state_dict (), Dictionary(dict (ofRun (NoiseContext(NoiseMode.Mean, Scale = Nullable 0.7)))))
              stream.Dispose()
              let before = values (unit.call x)
              clock.Advance(5L)
              Noisify.Load(unit, path) |> ignore
              Expect.equal (clock.Scale, clock.Update) (Nullable 0.7, 5L) "clock"
              let expected = values (unit.forward (x, NoiseContext(NoiseMode.Mean, Scale = Nullable 0.7)))
              Expect.equal (values (unit.call x)) expected "the test's numbers"
              Expect.notEqual before expected "which are others"))

      torchTest "the mode of a run's test is taken too; a scale and a mode that the user set stay" (fun () ->
          inFolder (fun path ->
              for (test: NoiseContext), (scale: Nullable<float>), mode, expected in
                  [ NoiseContext(NoiseMode.Off, Scale = Nullable 0.7), Nullable<float>(), NoiseMode.Mean, (Nullable 0.7, NoiseMode.Off)
                    NoiseContext(NoiseMode.Mean, Scale = Nullable 0.7), Nullable 0.2, NoiseMode.ExactMean, (Nullable 0.2, NoiseMode.ExactMean)
                    NoiseContext NoiseMode.Mean, Nullable 0.2, NoiseMode.Mean, (Nullable 0.2, NoiseMode.Mean) ] do
                  let clock = NoiseClock 1L
                  clock.Advance(0L, scale)
                  clock.TestMode <- mode
                  let unit = new NoisyActivation(Variants.Nah.Tanh, 1L, clock)
                  use stream = File.Create path
                  Safetensors.Write(stream, unit.state_dict (), Dictionary(dict (ofRun test)))
                  stream.Dispose()
                  Noisify.Load(unit, path) |> ignore
                  Expect.equal (clock.Scale, clock.TestMode) expected $"{test}"))

      torchTest "several clocks take it together, and none does where one has another scale and one has none" (fun () ->
          inFolder (fun path ->
              let clocks, parts = model ()
              saveTwo path parts
              Noisify.Load(parts, path) |> ignore
              for clock in clocks do Expect.equal clock.Scale (Nullable 0.7) "all had none"
              let clocks, parts = model ()
              clocks[0].Advance(0L, Nullable 0.3)
              let before = [ for p in parts.parameters () -> values p ]
              Expect.stringContains (refusal parts path) "was written at the noise scale 0.7; one clock of the model has the scale 0.3, another has none" "message"
              Expect.isFalse clocks[1].Scale.HasValue "nothing was changed"
              Expect.equal [ for p in parts.parameters () -> values p ] before "nor loaded"
              clocks[1].Advance(0L, Nullable 0.4)
              Noisify.Load(parts, path) |> ignore
              Expect.equal [ for clock in clocks -> clock.Scale ] [ Nullable 0.3; Nullable 0.4 ] "what the user set"))

      torchTest "an entry of the same name in another's file means nothing, a damaged one of a run is refused" (fun () ->
          inFolder (fun path ->
              save path [ "noise", "loud" ]
              Noisify.Load(new Net(Variants.Nah), path) |> ignore
              save path [ "noise", "loud"; "config", "{}" ]
              Expect.throwsC (fun () -> Noisify.Load(new Net(Variants.Nah), path) |> ignore) (fun e ->
                  Expect.isTrue (e :? InvalidDataException) "kind"
                  Expect.stringStarts e.Message $"{path}: its metadata 'noise' cannot be read" "message")))

      torchTest "no model and no path are refused by name" (fun () ->
          Expect.throwsT<ArgumentNullException> (fun () -> Noisify.Load(null, "x") |> ignore) "model"
          Expect.throwsT<ArgumentNullException> (fun () -> Noisify.Load(new Perceptron(), null) |> ignore) "path") ]

let tests =
    testList "drop-in weights" [
        testList "checks" checks
        testList "noise" noise
        testList "python" python
        testList "optimisers" optimisers
        testList "files" files
    ]
