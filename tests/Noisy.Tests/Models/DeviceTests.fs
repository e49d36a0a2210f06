/// Other devices than the CPU: everything is where its model is, and has the CPU's numbers.
module Noisy.Tests.DeviceTests

open System
open System.Collections.Generic
open System.IO
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.SecondDevice
open Noisy.Tests.TorchHelpers
open TorchSharp

let private pairs = Variants.Nan.Map(fun spec -> spec.WithLearnP false) :: List.ofSeq Variants.All

let private there (device: torch.Device) what (t: Tensor) = Expect.equal t.device_type device.``type`` $"device of {what}"

/// Gradients of all parameters by name, of the results' sum with weights that tell elements apart.
let private gradients (face: ModuleFaces.Face) (results: Tensor list) =
    let weighted =
        [ for i, r in List.indexed results do
              if r.is_floating_point () && r.requires_grad then (r * (filled (20L + int64 i) (shape r)).``to`` r.device).sum () ]
    if not weighted.IsEmpty then (List.reduce (fun a b -> a + b) weighted).backward ()
    [ for struct (name, p) in face.Model.named_parameters () do if not (isNull p.grad) then name, p.grad ]

let private named what = List.mapi (fun i (t: Tensor) -> $"{what} {i}", t)

/// Shapes; and numbers, where the device has any. Sums have another order there.
let private agree what (expected: (string * Tensor) list) (actual: (string * Tensor) list) =
    let shapes = List.map (fun (name, t) -> name, shape t)
    Expect.equal (shapes actual) (shapes expected) $"{what}: shapes"
    if actual |> List.forall (fun (_, t) -> t.device_type <> DeviceType.META) then
        let numbers = List.map (fun (name, t) -> name, values t)
        let where, difference = worst 1e-3 (numbers expected) (numbers actual)
        Tol.below difference 1e-3 $"{what}: largest relative difference, of {where}"

/// A test on the device "meta", and on a GPU.
let private both name body = [ metaTest $"{name} on meta" body; cudaTest $"{name} on CUDA" body ]

let private modules =
    [ for name, make in ModuleFaces.all do
          yield! both name (fun second ->
              for pair in pairs do
                  use _ = torch.NewDisposeScope()
                  let on (device: torch.Device) =
                      let clock = NoiseClock 6L
                      let face = make pair clock Backend.Composed device
                      clock.Advance(7L, 0.5)
                      let sampled = face.Plain()
                      let slopes = gradients face sampled
                      face.Model.eval ()
                      let results = named "sample" sampled @ slopes @ named "mean" (face.Plain())
                      for what, t in results do there device $"{pair.Name}, {what}" t
                      results

                  agree pair.Name (on torch.CPU) (on second)) ]

let private functions =
    [ yield! both "tensors of two places throw, so that these tests can fail," (fun second ->
          let there, here = torch.zeros ([| 1L; 3L |], device = second), torch.zeros [| 1L; 3L |]
          Expect.throws (fun () -> there + here |> ignore) "sum"
          Expect.throws (fun () -> there * here |> ignore) "product")

      torchTest "the forms that meta lacks throw too" (fun () ->
          let fails name (body: torch.Device -> Tensor) = Expect.throws (fun () -> onMeta (fun meta -> body meta |> ignore)) name
          let row (device: torch.Device) = torch.zeros ([| 1L; 3L |], device = device)
          fails "where" (fun meta -> torch.where ((row meta).gt (torch.tensor 0.0f), row meta, row torch.CPU))
          fails "index_select" (fun meta -> (row meta).index_select (0L, torch.tensor [| 0L |]))
          onMeta (fun meta -> there meta "row" ((row meta).index_select (0L, (torch.tensor [| 0L; 0L |]).``to`` meta))))

      cudaTest "sequences of different lengths on CUDA" (fun second ->
          let on (device: torch.Device) =
              let layer = new NoisyLstm(3L, 4L, Variants.Nah, NoiseClock 1L, Backend = Backend.Composed)
              layer.``to`` device |> ignore
              let x = (filled 1L [ 5L; 2L; 3L ]).``to`` device
              let packed = torch.nn.utils.rnn.pack_padded_sequence (x, torch.tensor [| 3L; 5L |], enforce_sorted = false)
              let struct (output, h, c) = layer.call packed
              output.data.sum().backward ()
              [ "output", output.data; "h", h; "c", c ] @ [ for struct (name, p) in layer.named_parameters () -> name, p.grad ]
          agree "sequences" (on torch.CPU) (on second))

      yield! both "a loss that counts" (fun second ->
          let on (device: torch.Device) =
              let leaf seed (size: int64 list) = ((filled seed size).``to`` device).detach().requires_grad_ ()
              let input, weight, bias = leaf 1L [ 4L; 3L ], leaf 2L [ 5L; 3L ], leaf 3L [ 5L ]
              let targets = (torch.tensor [| 1L; LinearCrossEntropy.IgnoreIndex; 0L; 4L |]).``to`` device
              let struct (sum, nats, correct) = LinearCrossEntropy.Details(input, weight, bias, targets, Backend.Composed)
              sum.backward ()
              let results = named "result" [ sum; nats; correct; input.grad; weight.grad; bias.grad ]
              for what, t in results do there device what t
              results
          agree "loss" (on torch.CPU) (on second))

      for kind in Enum.GetValues<OptimizerKind>() do
          yield! both $"two steps of {kind}" (fun second ->
              let on (device: torch.Device) =
                  let model = torch.nn.Linear(3L, 2L)
                  use _ = torch.no_grad ()
                  model.weight.copy_ (filled 1L [ 2L; 3L ]) |> ignore
                  model.bias.copy_ (filled 2L [ 2L ]) |> ignore
                  model.``to`` device |> ignore
                  use optimizer = Optimizer.Create(OptimizerSpec.Create kind, model)
                  for step in 1L .. 2L do
                      use _ = torch.enable_grad ()
                      (model.forward((filled 3L [ 4L; 3L ]).``to`` device).square().sum ()).backward ()
                      optimizer.Step(0.1, step, 0.5)
                  for KeyValue(name, t) in optimizer.State do there device name t
                  [ for struct (name, p) in model.named_parameters () -> name, p.detach().clone () ]
              agree "parameters" (on torch.CPU) (on second))

      yield! both "a model that is made noisy" (fun second ->
          let on (device: torch.Device) =
              let model = torch.nn.Sequential(torch.nn.Linear(3L, 4L), torch.nn.Tanh(), torch.nn.Linear(4L, 2L))
              (use _ = torch.no_grad () in for i, p in Seq.indexed (model.parameters ()) do p.copy_ (filled (int64 i) (shape p) * 3.0f.ToScalar()) |> ignore)
              model.``to`` device |> ignore
              Noisify.Replace(model, Variants.Nah, NoiseClock 1L, outputs = true, widths = fun _ -> 4L) |> ignore
              for struct (name, p) in model.named_parameters () do there device name p
              let y = model.forward ((filled 9L [ 5L; 3L ]).``to`` device)
              y.sum().backward ()
              ("output", y) :: [ for struct (name, p) in model.named_parameters () -> name, p.grad ]
          agree "noisy model" (on torch.CPU) (on second))

      cudaTest "exact means on CUDA" (fun second ->
          let on (device: torch.Device) =
              let unit = new NoisyActivation(Variants.Nah.Tanh, 5L, NoiseClock 3L, Backend = Backend.Composed)
              unit.``to`` device |> ignore
              let y = unit.forward ((filled 1L [ 3L; 5L ]).``to`` device, NoiseContext(NoiseMode.ExactMean, Scale = Nullable 0.7))
              there device "mean" y
              [ "mean", y ]
          agree "means" (on torch.CPU) (on second))

      cudaTest "sites are measured, and weights written, on CUDA" (fun second ->
          let on (device: torch.Device) =
              let layer = new NoisyGru(4L, 5L, Variants.Nah, NoiseClock 3L)
              layer.``to`` device |> ignore
              let x = (filled 1L [ 3L; 2L; 4L ] * 9.0f.ToScalar()).``to`` device
              let output () = let struct (y, _) = layer.call x in y.square().sum ()
              let found = SiteMonitor.Observe(layer, output, (fun () -> (output ()).Dispose()))
              use file = new MemoryStream()
              let weights = dict [ for struct (name, p) in layer.named_parameters () -> name, p :> Tensor ]
              Safetensors.Write(file, Dictionary weights, Dictionary())
              let numbers (site: SiteStatistics) = torch.tensor [| site.Saturated; site.Gradient.Value; site.SaturatedGradient.Value; site.AtBound.Value |]
              file.ToArray(), [ for KeyValue(name, site) in found -> name, numbers site ]

          let (expected, measured), (found, there) = on torch.CPU, on second
          agree "statistics" measured there
          Expect.equal found expected "weights") ]

let private builtIn () = DataCache(DataCacheSettings.From(DataCacheSettings.BuiltIn, (fun _ -> null)))

let private sampling update = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed(1L).Child "noise", update, 0, Nullable 0.5)

let private build (experiment: Experiment) (device: torch.Device) =
    let task = experiment.Build(experiment.RowConfig("tiny", "nah"), builtIn (), device)
    for struct (name, p) in task.Model.named_parameters () do there device name p
    task, Optimizer.Create((experiment.Config "tiny").Training.OptimizerSpec(), task.Model)

let private update (task: ITrainingTask) number =
    let loss = task.Loss(BatchPosition(number, 1, number, task.Stages), sampling number)
    loss.Objective.backward ()
    loss

let private tasks =
    [ for experiment in PaperExperiments.All do
          metaTest $"an update of {experiment.Name} on meta" (fun meta ->
              let task, optimizer = build experiment meta
              use _ = task
              use _ = optimizer
              let loss = update task 0L
              optimizer.Step(0.1, 1L, 0.5)
              there meta "objective" loss.Objective
              there meta "loss" loss.NllSum)

          cudaTest $"updates and an evaluation of {experiment.Name} on CUDA" (fun cuda ->
              let on device =
                  let task, optimizer = build experiment device
                  use _ = task
                  use _ = optimizer
                  let losses =
                      [ for number in 0L .. 2L do
                            use _ = torch.NewDisposeScope()
                            let loss = update task number
                            optimizer.Step(0.1, number + 1L, min 1.0 (1.0 / optimizer.GradientNorm()))
                            $"loss {number}", [| scalarOf loss.NllSum |] ]
                  let evaluated = task.Evaluate(Split.Valid, task.Stages, NoiseContext(NoiseMode.Mean, Scale = Nullable 0.5), CancellationToken.None)
                  losses @ [ for KeyValue(name, value) in evaluated -> name, [| value |] ]

              let where, difference = worst 1e-3 (on torch.CPU) (on cuda)
              Tol.below difference 1e-3 $"largest relative difference, of {where}") ]

let tests =
    testSequenced <| testList "devices" [ testList "functions" functions; testList "modules" modules; testList "tasks" tasks ]
