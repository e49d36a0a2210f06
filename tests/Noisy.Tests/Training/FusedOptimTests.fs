/// Fused optimisers with torch's face against torch's own.
module Noisy.Tests.FusedOptimTests

open System
open System.IO
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

type private Helper = TorchSharp.Modules.OptimizerHelper
type private Parameters = TorchSharp.Modules.Parameter seq

let private newModel () : torch.nn.Module =
    let model = torch.nn.Sequential(torch.nn.Linear(37L, 19L), torch.nn.Linear(19L, 200L), torch.nn.Linear(200L, 130L))
    use _ = torch.no_grad ()
    for i, p in Seq.indexed (model.parameters ()) do p.copy_ (filled (int64 i) (shape p)) |> ignore
    model

/// Gradients of a step; at every third step, one parameter after the other has none.
let private withGradients (model: torch.nn.Module) step =
    for i, p in Seq.indexed (model.parameters ()) do
        p.grad <- if step % 3L = 0L && int64 i = step / 3L then null else filled (1000L * step + int64 i) (shape p)

let private close message (expected: torch.nn.Module) (actual: torch.nn.Module) =
    for e, a in Seq.zip (expected.parameters ()) (actual.parameters ()) do closeTensor tensor32 e a message

let private same message (expected: torch.nn.Module) (actual: torch.nn.Module) =
    for e, a in Seq.zip (expected.parameters ()) (actual.parameters ()) do sameTensor e a message

let private steps (model: torch.nn.Module) (optimizer: #torch.optim.Optimizer) numbers =
    for i in numbers do
        withGradients model i
        optimizer.step () |> ignore

/// What, ours and torch's: by the engine.
let private fused: (string * (Parameters -> Helper) * (Parameters -> Helper)) list =
    [ "SGD", (fun p -> FusedOptim.SGD(p, 0.3)), (fun p -> torch.optim.SGD(p, 0.3))
      "SGD, momentum", (fun p -> FusedOptim.SGD(p, 0.3, 0.9)), (fun p -> torch.optim.SGD(p, 0.3, 0.9))
      "SGD, decay", (fun p -> FusedOptim.SGD(p, 0.3, weight_decay = 0.03)), (fun p -> torch.optim.SGD(p, 0.3, weight_decay = 0.03))
      "SGD, momentum, decay", (fun p -> FusedOptim.SGD(p, 0.3, 0.9, weight_decay = 0.03)), (fun p -> torch.optim.SGD(p, 0.3, 0.9, weight_decay = 0.03))
      "Adam", (fun p -> FusedOptim.Adam(p, 0.01)), (fun p -> torch.optim.Adam(p, 0.01))
      "Adam, decay", (fun p -> FusedOptim.Adam(p, 0.01, 0.8, 0.95, 1e-6, 0.03)), (fun p -> torch.optim.Adam(p, 0.01, 0.8, 0.95, 1e-6, 0.03))
      "RMSProp", (fun p -> FusedOptim.RMSProp(p)), (fun p -> torch.optim.RMSProp(p))
      "RMSProp, decay", (fun p -> FusedOptim.RMSProp(p, 0.01, 0.9, weight_decay = 0.03)), (fun p -> torch.optim.RMSProp(p, 0.01, 0.9, weight_decay = 0.03))
      "Adadelta", (fun p -> FusedOptim.Adadelta(p)), (fun p -> torch.optim.Adadelta(p))
      "Adadelta, decay", (fun p -> FusedOptim.Adadelta(p, 1.0, 0.95, weight_decay = 0.03)), (fun p -> torch.optim.Adadelta(p, 1.0, 0.95, weight_decay = 0.03)) ]

/// What has no kernel.
let private torchs: (string * (Parameters -> Helper) * (Parameters -> Helper)) list =
    [ "dampening", (fun p -> FusedOptim.SGD(p, 0.3, 0.9, 0.2)), (fun p -> torch.optim.SGD(p, 0.3, 0.9, 0.2))
      "nesterov", (fun p -> FusedOptim.SGD(p, 0.3, 0.9, nesterov = true)), (fun p -> torch.optim.SGD(p, 0.3, 0.9, nesterov = true))
      "ascent", (fun p -> FusedOptim.SGD(p, 0.3, maximize = true)), (fun p -> torch.optim.SGD(p, 0.3, maximize = true))
      "AMSGrad", (fun p -> FusedOptim.Adam(p, 0.01, amsgrad = true)), (fun p -> torch.optim.Adam(p, 0.01, amsgrad = true))
      "ascent of Adam", (fun p -> FusedOptim.Adam(p, 0.01, maximize = true)), (fun p -> torch.optim.Adam(p, 0.01, maximize = true))
      "centred RMSProp", (fun p -> FusedOptim.RMSProp(p, 0.01, momentum = 0.5, centered = true)), (fun p -> torch.optim.RMSProp(p, 0.01, momentum = 0.5, centered = true))
      "ascent of Adadelta", (fun p -> FusedOptim.Adadelta(p, maximize = true)), (fun p -> torch.optim.Adadelta(p, maximize = true)) ]

let private save (optimizer: Helper) =
    use memory = new MemoryStream()
    use writer = new BinaryWriter(memory)
    optimizer.save_state_dict writer
    writer.Flush()
    memory.ToArray()

let private load (optimizer: Helper) (bytes: byte[]) =
    use reader = new BinaryReader(new MemoryStream(bytes))
    optimizer.load_state_dict reader

let private methods =
    [ for what, ours, theirs in fused do
          torchTest $"{what} gives torch's numbers" (fun () ->
              let model, other = newModel (), newModel ()
              use optimizer = ours (model.parameters ())
              use reference = theirs (other.parameters ())
              Expect.equal (optimizer.GetType().BaseType) (reference.GetType()) "it is torch's class"
              steps model optimizer [ 1L .. 7L ]
              steps other reference [ 1L .. 7L ]
              close what other model)

          torchTest $"{what}: a file of torch's state goes on in ours, and ours in torch's" (fun () ->
              for first, second in [ ours, theirs; theirs, ours ] do
                  let whole, model = newModel (), newModel ()
                  use reference = theirs (whole.parameters ())
                  steps whole reference [ 1L .. 7L ]
                  use before = first (model.parameters ())
                  steps model before [ 1L .. 4L ]
                  use after = second (model.parameters ())
                  load after (save before)
                  steps model after [ 5L .. 7L ]
                  close what whole model)

          torchTest $"{what}: the bits depend on no width and no number of threads" (fun () ->
              let run width threads =
                  withEngine width threads (fun () ->
                      let model = newModel ()
                      use optimizer = ours (model.parameters ())
                      steps model optimizer [ 1L .. 3L ]
                      [ for p in model.parameters () -> values p ])
              let reference = run VectorWidth.Auto 1
              for width, threads in [ VectorWidth.Scalar, 1; VectorWidth.Bits128, 3; VectorWidth.Auto, 2 ] do
                  Expect.equal (run width threads) reference $"{width}, {threads}")

      for what, ours, theirs in torchs do
          torchTest $"{what} is torch's own step" (fun () ->
              let model, other = newModel (), newModel ()
              use optimizer = ours (model.parameters ())
              use reference = theirs (other.parameters ())
              steps model optimizer [ 1L .. 5L ]
              steps other reference [ 1L .. 5L ]
              same what other model) ]

let private face =
    [ torchTest "groups have rates and momenta of their own" (fun () ->
          let run (make: TorchSharp.Modules.SGD.ParamGroup[] -> TorchSharp.Modules.SGD) =
              let model = newModel ()
              let all = Array.ofSeq (model.parameters ())
              let group (ps: TorchSharp.Modules.Parameter[]) rate momentum =
                  TorchSharp.Modules.SGD.ParamGroup(Parameters = ps, Options = TorchSharp.Modules.SGD.Options(LearningRate = rate, momentum = momentum))
              use optimizer = make [| group all[..1] (Nullable 0.05) (Nullable 0.5); group all[2..3] (Nullable()) (Nullable 0.0) |]
              optimizer.add_param_group (group all[4..] (Nullable 0.7) (Nullable()))
              Expect.equal [ for g in optimizer.ParamGroups -> g.LearningRate ] [ 0.05; 0.3; 0.7 ] "rates"
              steps model optimizer [ 1L .. 5L ]
              model
          close "weights" (run (fun g -> torch.optim.SGD(g, 0.3, 0.9))) (run (fun g -> FusedOptim.SGD(g, 0.3, 0.9))))

      torchTest "torch's schedulers work, of rates and of momentum" (fun () ->
          let schedulers: (torch.optim.Optimizer -> torch.optim.lr_scheduler.LRScheduler) list =
              [ fun o -> torch.optim.lr_scheduler.StepLR(o, 2, 0.5)
                fun o -> torch.optim.lr_scheduler.CosineAnnealingLR(o, 5.0)
                fun o -> torch.optim.lr_scheduler.CyclicLR(o, 0.1, 0.5, 2) ]
          for scheduler in schedulers do
              let run (make: Parameters -> TorchSharp.Modules.SGD) =
                  let model = newModel ()
                  use optimizer = make (model.parameters ())
                  let schedule = scheduler optimizer
                  for i in 1L .. 6L do
                      steps model optimizer [ i ]
                      schedule.step ()
                  model, [ for g in optimizer.ParamGroups -> g.LearningRate ]
              let (theirs, expected), (ours, actual) = run (fun p -> torch.optim.SGD(p, 0.3, 0.9)), run (fun p -> FusedOptim.SGD(p, 0.3, 0.9))
              Expect.equal actual expected "rate"
              close "weights" theirs ours)

      torchTest "state_dict and load_state_dict carry state from one optimiser to another" (fun () ->
          let whole, model = newModel (), newModel ()
          use reference = torch.optim.Adam(whole.parameters (), 0.01)
          steps whole reference [ 1L .. 5L ]
          use before = torch.optim.Adam(model.parameters (), 0.01)
          steps model before [ 1L .. 3L ]
          use after = FusedOptim.Adam(model.parameters (), 0.5)
          after.load_state_dict (before.state_dict ())
          steps model after [ 4L .. 5L ]
          close "weights" whole model)

      torchTest "a closure's gradients are used and its loss is returned" (fun () ->
          let model, other = newModel (), newModel ()
          let run (model: torch.nn.Module) (optimizer: torch.optim.Optimizer) =
              (optimizer.step (fun () -> withGradients model 1L; torch.tensor 3.0f)).item<float32> ()
          use ours = FusedOptim.SGD(model.parameters (), 0.3)
          use theirs = torch.optim.SGD(other.parameters (), 0.3)
          Expect.equal (run model ours) 3.0f "loss"
          run other theirs |> ignore
          close "weights" other model)

      torchTest "named parameters are taken as torch takes them" (fun () ->
          let model = newModel ()
          use optimizer = FusedOptim.Adam(model.named_parameters ())
          Expect.hasLength (optimizer.parameters ()) 6 "parameters")

      torchTest "what breaks torch's rules is refused with torch's words" (fun () ->
          Expect.throwsT<ArgumentException> (fun () -> FusedOptim.SGD((newModel ()).parameters (), -1.0) |> ignore) "rate")

      torchTest "a parameter that came later is named, and not a number for a key" (fun () ->
          let model = torch.nn.Sequential(torch.nn.Linear(3L, 4L), torch.nn.Tanh(), torch.nn.Linear(4L, 2L))
          use optimizer = FusedOptim.SGD(model.parameters (), 0.1)
          Noisify.Replace(model, Variants.Nah, NoiseClock 1L) |> ignore
          Expect.throwsC (fun () -> optimizer.step () |> ignore) (fun e ->
              Expect.stringContains e.Message "make the optimiser after Noisify.Replace" "message"))

      torchTest "double precision, a sparse gradient and a weight of two names are torch's" (fun () ->
          let double () = let m = newModel () in m.``to``(torch.ScalarType.Float64)
          let embedding sparse =
              let made = torch.nn.Embedding(5L, 3L, sparse = sparse)
              (use _ = torch.no_grad () in made.weight.copy_ (filled 1L [ 5L; 3L ]) |> ignore)
              made
          let sparse () : torch.nn.Module = embedding true
          let tied () : torch.nn.Module =
              let embedding, head = embedding false, torch.nn.Linear(3L, 5L, hasBias = false)
              head.weight <- embedding.weight
              torch.nn.Sequential(embedding, head)
          for make in [ double; sparse; tied ] do
              let run (optimizer: Parameters -> torch.optim.Optimizer) =
                  let model = make ()
                  Expect.isNonEmpty (model.parameters ()) "parameters"
                  let o = optimizer (model.parameters ())
                  for i in 1L .. 3L do
                      o.zero_grad ()
                      match model with
                      | :? TorchSharp.Modules.Embedding as e -> (e.call (torch.tensor [| 1L; 3L; 1L |]) * filled i [ 3L; 3L ]).sum().backward ()
                      | _ -> for p in model.parameters () do p.grad <- (filled i (shape p)).to_type p.dtype
                      o.step () |> ignore
                  model
              same "weights" (run (fun p -> torch.optim.SGD(p, 0.1))) (run (fun p -> FusedOptim.SGD(p, 0.1))))

      torchTest "a backward pass that still needs the old weights throws" (fun () ->
          let model = torch.nn.Linear(3L, 2L)
          use optimizer = FusedOptim.SGD(model.parameters (), 0.1)
          let x = (filled 1L [ 4L; 3L ]).requires_grad_ ()
          let loss = model.call(x).square().sum ()
          torch.autograd.backward ([| loss |], retain_graph = true)
          optimizer.step () |> ignore
          Expect.throws (fun () -> loss.backward ()) "changed in place") ]

let private sparse =
    [ for momentum, decay in [ 0.0, 0.0; 0.9, 0.0; 0.0, 0.03 ] do
          torchTest $"rows that a lookup did not touch: momentum {momentum}, decay {decay}" (fun () ->
              let tokens (i: int64) = torch.tensor [| i; 9L; 3L; 49L - i; 9L |]
              let table () = new TorchSharp.Modules.Parameter(filled 1L [ 50L; 7L ])
              let ours, theirs = table (), table ()
              use fused = FusedOptim.SGD([ ours ], 0.3, momentum, weight_decay = decay)
              use torchs = torch.optim.SGD([ theirs ], 0.3, momentum, weight_decay = decay)
              for i in 0L .. 5L do
                  fused.zero_grad ()
                  torchs.zero_grad ()
                  if i > 0L then sameTensor theirs.grad ours.grad "zeros are there for all to see"
                  // In one update all rows have a gradient, once of this library and once of torch.
                  let loss (rows: Tensor) (weight: Tensor) =
                      let sum = (rows * filled (10L + i) [ 5L; 7L ]).sum ()
                      if i = 3L then sum + weight.square().sum () else sum
                  (loss (EmbeddingLookup.Rows(ours, tokens i)) ours).backward ()
                  (loss (theirs.index_select (0L, tokens i)) theirs).backward ()
                  closeTensor tensor32 theirs.grad ours.grad "gradient"
                  let expected = torch.nn.utils.clip_grad_norm_ ([| theirs |], 0.5)
                  Tol.close tensor32 expected (FusedOptim.clip_grad_norm_ ([ ours ], 0.5)) "norm"
                  closeTensor tensor32 theirs.grad ours.grad "clipped"
                  fused.step () |> ignore
                  torchs.step () |> ignore
                  closeTensor tensor32 theirs ours "weights")

      torchTest "after zero_grad a fused layer's gradient is written, and a second one added" (fun () ->
          let ours, theirs = torch.nn.Linear(6L, 9L), torch.nn.Linear(6L, 9L)
          (use _ = torch.no_grad () in
           theirs.weight.copy_ ours.weight |> ignore
           theirs.bias.copy_ ours.bias |> ignore)
          use fused = FusedOptim.SGD(ours.parameters (), 0.1)
          use torchs = torch.optim.SGD(theirs.parameters (), 0.1)
          let targets = torch.tensor [| 0L; 3L; 8L; 3L |]
          for i in 0L .. 3L do
              fused.zero_grad ()
              torchs.zero_grad ()
              for part in 0L .. i % 3L do
                  let x = filled (10L * i + part) [ 4L; 6L ]
                  LinearCrossEntropy.Sum(x, ours.weight, ours.bias, targets).backward ()
                  (torch.nn.functional.cross_entropy (theirs.call x, targets, reduction = torch.nn.Reduction.Sum)).backward ()
              for o, t in Seq.zip (ours.parameters ()) (theirs.parameters ()) do closeTensor tensor32 t.grad o.grad "gradient"
              fused.step () |> ignore
              torchs.step () |> ignore
          close "weights" theirs ours) ]

let private clips =
    [ torchTest "clip_grad_norm_ is torch's: any norm, no gradient, none that is a number" (fun () ->
          let cases: (string * (torch.nn.Module -> unit)) list =
              [ "as they are", ignore
                "one is missing", (fun m -> (Seq.head (m.parameters ())).grad <- null)
                "none", (fun m -> for p in m.parameters () do p.grad <- null)
                "NaN", (fun m -> (Seq.head (m.parameters ())).grad[torch.TensorIndex.Single 0L, torch.TensorIndex.Single 0L] <- torch.tensor nanf)
                "infinite", (fun m -> (Seq.head (m.parameters ())).grad[torch.TensorIndex.Single 0L, torch.TensorIndex.Single 0L] <- torch.tensor infinityf) ]
          for what, change in cases do
              for most, kind in [ 0.1, 2.0; 1e3, 2.0; 0.1, 1.0; 0.1, Double.PositiveInfinity ] do
                  let ours, theirs = newModel (), newModel ()
                  for model in [ ours; theirs ] do
                      withGradients model 1L
                      change model
                  let expected = torch.nn.utils.clip_grad_norm_ (theirs.parameters (), most, kind)
                  Tol.close tensor32 expected (FusedOptim.clip_grad_norm_ (ours.parameters (), most, kind)) $"{what}: norm {kind}"
                  for e, a in Seq.zip (theirs.parameters ()) (ours.parameters ()) do
                      if isNull e.grad then Expect.isNull a.grad what else closeTensor tensor32 e.grad a.grad $"{what}: {most}, norm {kind}")

      torchTest "a gradient that is not a number reaches rows that were not looked up, as in torch" (fun () ->
          let table = new TorchSharp.Modules.Parameter(filled 1L [ 5L; 2L ])
          (EmbeddingLookup.Rows(table, torch.tensor [| 1L |]) * nanf.ToScalar()).sum().backward ()
          Expect.isTrue (Double.IsNaN(FusedOptim.clip_grad_norm_ ([ table ], 1.0))) "norm"
          Expect.all (values table.grad) Double.IsNaN "gradient") ]

let tests =
    testSequenced
    <| testList "fused optimisers" [
        testList "methods" methods
        testList "face" face
        testList "rows" sparse
        testList "clip" clips
    ]
