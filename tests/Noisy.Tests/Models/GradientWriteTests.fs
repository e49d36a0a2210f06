/// Gradients into which a user writes, by whatever way torch has.
module Noisy.Tests.GradientWriteTests

open System
open System.Runtime.InteropServices
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

type private Parameter = TorchSharp.Modules.Parameter

type private Owner(p: Parameter) as this =
    inherit torch.nn.Module("owner")
    do this.register_parameter ("p", p)

/// A parameter, and a pass of it, ours or torch's.
let private functions: (string * (bool -> Parameter * (int64 -> unit))) list =
    let table () = new Parameter(filled 1L [ 6L; 4L ])
    [ "a layer", fun ours ->
          let weight, targets = table (), torch.tensor [| 1L; 5L; 1L |]
          weight, fun seed ->
              let x = filled seed [ 3L; 4L ]
              let loss =
                  if ours then LinearCrossEntropy.Sum(x, weight, torch.zeros 6L, targets)
                  else torch.nn.functional.cross_entropy (torch.nn.functional.linear (x, weight), targets, reduction = torch.nn.Reduction.Sum)
              loss.backward ()
      "rows", fun ours ->
          let weight, tokens = table (), torch.tensor [| 1L; 4L; 1L |]
          weight, fun seed ->
              let rows = if ours then EmbeddingLookup.Rows(weight, tokens) else weight.index_select (0L, tokens)
              (rows * filled seed [ 3L; 4L ]).sum().backward () ]

let private writes: (string * (Tensor -> unit)) list =
    [ "data", fun g -> g.data<float32>().CopyFrom(Array.create (int (g.numel ())) 1.0f)
      "an element of data", fun g ->
          let data = g.data<float32>()
          data[3L, 2L] <- 2.0f
      "bytes", fun g -> (MemoryMarshal.Cast<byte, float32> g.bytes).Fill 1.0f
      "an operation", fun g -> g.add_ (1.0f.ToScalar()) |> ignore ]

/// What a loop does around a write, given the pass, the parameter, its optimiser and the write; what can be seen, again and again.
let private loops: (string * ((int64 -> unit) -> Parameter -> torch.optim.Optimizer -> (Tensor -> unit) -> Tensor list)) list =
    let write (p: Parameter) (how: Tensor -> unit) =
        use gradient = p.grad
        how gradient
    [ "a step", fun pass p o how ->
          write p how
          o.step () |> ignore
          [ p ]
      "zero_grad", fun _ p o how ->
          write p how
          o.zero_grad ()
          [ p.grad ]
      "a backward pass, then a step", fun pass p o how ->
          write p how
          pass 7L
          let seen = p.grad.clone ()
          o.step () |> ignore
          [ seen; p ]
      "a gradient of null, then a backward pass", fun pass p o how ->
          write p how
          p.grad <- null
          pass 7L
          let seen = p.grad.clone ()
          o.step () |> ignore
          [ seen; p ]
      "a clip, then a step", fun pass p o how ->
          write p how
          let norm =
              if o.GetType().Assembly = typeof<FusedEngine>.Assembly then FusedOptim.clip_grad_norm_ ([ p ], 0.5)
              else torch.nn.utils.clip_grad_norm_ ([| p |], 0.5)
          let seen = p.grad.clone ()
          o.step () |> ignore
          [ torch.tensor (float32 norm); seen; p ] ]

let private written =
    [ for function', make in functions do
          for what, loop in loops do
              torchTest $"{function'}: what is written into a gradient counts in {what}, as in torch" (fun () ->
                  for way, how in writes do
                      for zeroed in [ false; true ] do
                          let run ours =
                              let p, pass = make ours
                              use o = if ours then FusedOptim.SGD([ p ], 0.3) else torch.optim.SGD([ p ], 0.3)
                              pass 5L
                              o.step () |> ignore
                              if zeroed then o.zero_grad ()
                              loop pass p o how |> List.map (fun t -> t.detach().clone ())
                          for i, (e, a) in Seq.indexed (List.zip (run false) (run true)) do
                              closeTensor tensor32 e a $"{way}, zeroed {zeroed}, {i}")

      torchTest "what is written into a row's gradient counts in a step of our own optimiser" (fun () ->
          let p, pass = (List.last functions |> snd) true
          use o = Optimizer.Create(OptimizerSpec.Sgd, new Owner(p))
          pass 5L
          (use g = p.grad in g.data<float32>().CopyFrom(Array.create 24 1.0f))
          let before = values p
          Tol.close tensor32 (sqrt 24.0) (o.GradientNorm()) "norm"
          o.Step(0.5, 1L)
          Array.iter2 (fun b a -> Tol.close tensor32 (b - 0.5) a "weight") before (values p)
          // Nothing of it is left in the memory of the next gradient.
          pass 5L
          Expect.equal (Array.take 4 (values p.grad)) [| 0.0; 0.0; 0.0; 0.0 |] "a row that was not looked up") ]

let private changes: (string * ((int64 -> unit) -> Parameter -> unit)) list =
    [ "a backward pass", fun pass _ -> pass 7L
      "zero_grad", fun _ p -> (FusedOptim.SGD([ p ], 0.1)).zero_grad ()
      "a clip", fun _ p -> FusedOptim.clip_grad_norm_ ([ p ], 0.001) |> ignore ]

let private counted =
    [ for function', make in functions do
          for what, change in changes do
              torchTest $"{function'}: a graph that needs a gradient's old values throws after {what}" (fun () ->
                  let p, pass = make true
                  pass 5L
                  let s = (torch.tensor 2.0f).requires_grad_ ()
                  let penalty = (p.grad * s).sum ()
                  change pass p
                  Expect.throwsC (fun () -> penalty.backward ()) (fun e -> Expect.stringContains e.Message "modified by an inplace operation" what))

      torchTest "a gradient that is not contiguous is cleared and added to" (fun () ->
          for ours in [ true; false ] do
              let p, pass = (List.head functions |> snd) ours
              pass 5L
              let once = values p.grad
              use o = if ours then FusedOptim.SGD([ p ], 0.1) else torch.optim.SGD([ p ], 0.1)
              p.grad <- torch.ones(4L, 6L).t ()
              o.zero_grad ()
              Expect.all (values p.grad) ((=) 0.0) "cleared"
              p.grad <- torch.ones(4L, 6L).t ()
              pass 5L
              Array.iter2 (fun g a -> Tol.close tensor32 (g + 1.0) a "added") once (values p.grad)
              o.step () |> ignore) ]

let private unusual =
    [ torchTest "a parameter that is not contiguous has torch's gradients, time after time" (fun () ->
          let w = torch.nn.Parameter((filled 1L [ 6L; 5L ]).t ())
          Expect.isFalse (w.is_contiguous ()) "columns first"
          let x, classes, ids = filled 2L [ 4L; 6L ], torch.tensor [| 0L; 4L; 2L; 2L |], torch.tensor [| 3L; 1L; 3L |]
          let passes: (string * (Backend -> Tensor)) list =
              [ "loss", (fun backend -> LinearCrossEntropy.Sum(x, w, null, classes, backend = backend))
                "lookup", (fun backend -> (EmbeddingLookup.Rows(w, ids, backend) * filled 3L [ 3L; 6L ]).sum ()) ]
          for name, pass in passes do
              let gradient backend =
                  w.grad <- null
                  (pass backend).backward ()
                  values w.grad
              let expected = gradient Backend.Composed
              for _ in 1..2 do Array.iter2 (fun e a -> Tol.close tensor32 e a name) expected (gradient Backend.Auto))

      torchTest "an embedding's weight that is no matrix is refused" (fun () ->
          for backend in [ Backend.Auto; Backend.Composed ] do
              Tol.throws<ArgumentException> "weight is [4, 3, 2]: must be [V, E] (Parameter 'weight')" (fun () ->
                  EmbeddingLookup.Rows(torch.zeros (4L, 3L, 2L), torch.tensor [| 1L |], backend) |> ignore))

      torchTest "an output layer without inputs has the loss of its biases" (fun () ->
          let x, w, b, classes = torch.zeros [| 4L; 0L |], torch.zeros [| 5L; 0L |], filled 1L [ 5L ], torch.tensor [| 0L; 4L; 2L; 2L |]
          closeTensor tensor32 (LinearCrossEntropy.Sum(x, w, b, classes, backend = Backend.Composed)) (LinearCrossEntropy.Sum(x, w, b, classes)) "sum")

      torchTest "torch's default type does not matter to tensors of single precision" (fun () ->
          let classes, ids = torch.tensor [| 0L; 4L; 2L; 2L |], torch.tensor [| 3L; 1L; 3L |]
          let pass () =
              let lstm = new NoisyLstm(4L, 5L, Variants.Nah, NoiseClock 1L)
              let weight = torch.nn.Parameter(filled 1L [ 5L; 6L ])
              let x = (filled 2L [ 3L; 2L; 4L ] * 9).detach().requires_grad_ ()
              let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2)
              let struct (y, _, _) = lstm.forward (x, Nullable(), context)
              let cell = new NoisyLstmCell(4L, 5L, Variants.Nah, NoiseClock 1L)
              let struct (h, _) = cell.forward (x.select (0L, 0L), Nullable(), context)
              let unit = new NoisyActivation(Variants.Nah.Tanh, 5L, NoiseClock 1L)
              use steps = cell.Steps()
              let next = steps.Step(steps.Project(x.select (0L, 1L)), [| h; h |], context)
              let attention = new AdditiveAttention(5L, 4L, 6L, Variants.Nah.Tanh, NoiseClock 1L)
              use over = attention.Over(x, attention.Keys x, null)
              let struct (mean, _) = over.forward (h, context)
              let machine = new NeuralTuringMachine(NtmShape(3, 2), Variants.Nah, NoiseClock 1L)
              let read = machine.forward (filled 4L [ 2L; 2L; 3L ], context)
              let parts: Tensor list =
                  [ y.sum (); next[0].sum (); mean.sum (); read.sum (); unit.forward(y, context).sum ()
                    LinearCrossEntropy.Sum(filled 3L [ 4L; 6L ], weight, null, classes)
                    (EmbeddingLookup.Rows(weight, ids)).sum () ]
              (parts |> List.reduce (fun a b -> a + b)).backward ()
              for t in [ y; next[0]; mean; read; x.grad; weight.grad ] do Expect.equal t.dtype torch.ScalarType.Float32 "type"
              [ for t in [ y; next[0]; mean; read; x.grad; weight.grad; InitialWeights.Orthogonal(NoiseKey.FromSeed 3L, 3L, 4L, 1.0) ] do yield values t
                for m in [ lstm :> torch.nn.Module; cell; attention; machine ] do for p in m.parameters () do yield values p.grad ]
          let expected = pass ()
          let before = torch.get_default_dtype ()
          try
              for dtype in [ torch.ScalarType.Float64; torch.ScalarType.BFloat16 ] do
                  torch.set_default_dtype dtype
                  Expect.equal (pass ()) expected $"{dtype}"
          finally torch.set_default_dtype before) ]

let tests = testSequenced <| testList "written gradients" [ testList "values" written; testList "changes" counted; testList "unusual tensors" unusual ]
