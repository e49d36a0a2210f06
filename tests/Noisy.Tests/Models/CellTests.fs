/// Single steps of cells, and initial weights.
module Noisy.Tests.CellTests

#nowarn "9" // pointers into the engine

open System
open FSharp.NativeInterop
open Expecto
open FsCheck
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

let private parameters (m: torch.nn.Module) = [ for struct (name, p) in m.named_parameters () -> name, p ]
let private both (h: Tensor) (c: Tensor) = Nullable<struct (Tensor * Tensor)>(struct (h, c))
let private sampling = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2, Nullable 0.8)

/// Gives a cell the weights of the first layer of recurrent layers.
let private take (cell: torch.nn.Module) (layers: torch.nn.Module) =
    use _ = torch.no_grad ()
    let theirs = dict (parameters layers)
    for name, p in parameters cell do p.copy_ theirs[name + "_l0"] |> ignore

/// Outputs of a module that steps through time, and gradients of their weighted sum in input and parameters.
let private pass (m: torch.nn.Module) (x: Tensor) (run: Tensor -> Tensor) =
    m.zero_grad ()
    let x = x.detach().requires_grad_ true
    let y = run x
    (y * filled 9L (shape y)).sum().backward ()
    (y, x.grad :: [ for _, p in parameters m |> List.sortBy fst do if not (isNull p.grad) then p.grad ])

let private steps (count: int64) step (x: Tensor) =
    let outputs, _ = List.mapFold (fun state t -> let y, next = step (x.select (0L, t)) state (int t) in y, Some next) None [ 0L .. count - 1L ]
    torch.stack (List.toArray outputs)

let private gru (cell: NoisyGruCell) (context: NoiseContext) x =
    steps x (fun input state t ->
        let h = cell.forward (input, Option.toObj state, context.Later t)
        h, h)

let private lstm (cell: NoisyLstmCell) (context: NoiseContext) x =
    steps x (fun input state t ->
        let before = match state with Some(h, c) -> both h c | None -> Nullable()
        let struct (h, c) = cell.forward (input, before, context.Later t)
        h, (h, c))

let private cells =
    [ for pair in Variants.All do
          for engine in [ Backend.Auto; Backend.Composed ] do
              torchTest $"steps of a cell are the steps of the layer, noise and gradients included: {pair.Name}, {engine}" (fun () ->
                  let x = filled 1L [ 5L; 3L; 4L ] * torch.tensor 3.0f
                  let layers = new NoisyGru(RecurrentShape(4L, 6L), pair, NoiseClock 1L)
                  let cell = new NoisyGruCell(4L, 6L, pair, NoiseClock 2L, Backend = engine)
                  take cell layers
                  let y, gradients = pass cell x (gru cell sampling 5L)
                  let expected, expectedGradients = pass layers x (fun x -> let struct (y, _) = layers.forward (x, null, sampling) in y)
                  closeTensor tensor32 expected y "GRU"
                  for e, a in List.zip expectedGradients gradients do closeTensor tensor32Slope e a "gradient, GRU"
                  let y, gradients = pass cell x (sequence cell.Steps sampling)
                  closeTensor tensor32 expected y "GRU, one sequence"
                  for e, a in List.zip expectedGradients gradients do closeTensor tensor32Slope e a "gradient, GRU, one sequence"

                  let layers = new NoisyLstm(RecurrentShape(4L, 6L), pair, NoiseClock 1L)
                  let cell = new NoisyLstmCell(4L, 6L, pair, NoiseClock 2L, Backend = engine)
                  take cell layers
                  let y, gradients = pass cell x (lstm cell sampling 5L)
                  let expected, expectedGradients = pass layers x (fun x -> let struct (y, _, _) = layers.forward (x, Nullable(), sampling) in y)
                  closeTensor tensor32 expected y "LSTM"
                  for e, a in List.zip expectedGradients gradients do closeTensor tensor32Slope e a "gradient, LSTM"
                  let y, gradients = pass cell x (sequence cell.Steps sampling)
                  closeTensor tensor32 expected y "LSTM, one sequence"
                  for e, a in List.zip expectedGradients gradients do closeTensor tensor32Slope e a "gradient, LSTM, one sequence")

      torchTest "a backward pass for other gradients leaves nothing in the weights'" (fun () ->
          let leaf size = (filled 1L size * torch.tensor 3.0f).detach().requires_grad_ ()
          let after (m: torch.nn.Module) (x: Tensor) (loss: Tensor) asked =
              m.zero_grad ()
              if asked then torch.autograd.grad ([| loss |], [| x |], retain_graph = true) |> ignore
              loss.backward (retain_graph = true)
              [ for name, p in parameters m -> name, values p.grad ]
          let gru = new NoisyGruCell(4L, 6L, Variants.Nah, NoiseClock 1L)
          let x = leaf [ 3L; 2L; 4L ]
          let loss = (sequence gru.Steps sampling x).sum ()
          Expect.equal (after gru x loss true) (after gru x loss false) "steps"
          let x = leaf [ 3L; 4L ]
          let y = gru.forward (x, null, sampling)
          let loss = y.sum ()
          Expect.equal (after gru x loss true) (after gru x loss false) "a step"
          let attention = new AdditiveAttention(4L, 5L, 7L, Variants.Nah.Tanh, NoiseClock 1L)
          let annotations = filled 2L [ 6L; 3L; 5L ]
          let struct (mean, _) = attention.forward (x, annotations, attention.Keys annotations, null, sampling)
          let loss = mean.sum ()
          Expect.equal (after attention x loss true) (after attention x loss false) "attention")

      torchTest "a backward pass over the later steps leaves nothing in the weights' gradient of the earlier ones" (fun () ->
          if not TorchInternals.Verified then skiptest "torch does not tell which pass is running here"
          let x = filled 1L [ 5L; 2L; 4L ]
          let gradients engine =
              let cell = new NoisyGruCell(4L, 6L, Variants.Nah, NoiseClock 1L, Backend = engine)
              let steps = cell.Steps()
              let projected = steps.Project x
              let next (h: Tensor) t = Array.head (steps.Step(projected.select (0L, int64 t), [| h |], sampling.Later t))
              let states = List.scan next (torch.zeros [| 2L; 6L |]) [ 0 .. 4 ]
              torch.autograd.grad ([| (List.last states).sum () |], [| states[3] |]) |> ignore
              (states[3] * filled 2L [ 2L; 6L ]).sum().backward ()
              [ for name, p in parameters cell -> name, gradientOf p ]
          Tol.atMost (snd (worst 1.0 (gradients Backend.Composed) (gradients Backend.Auto))) 1e-5 "difference")

      torchTest "steps begun with gradients off and taken with gradients on have all of them" (fun () ->
          let x = filled 1L [ 4L; 3L; 4L ]
          for engine in [ Backend.Auto; Backend.Composed ] do
              let gradients late =
                  let cell = new NoisyLstmCell(4L, 6L, Variants.Nah, NoiseClock 1L, Backend = engine)
                  let begin' () = if late then (use _ = torch.no_grad () in cell.Steps()) else cell.Steps()
                  (sequence begin' sampling x).sum().backward ()
                  [ for name, p in parameters cell -> name, gradientOf p ]
              Tol.atMost (snd (worst 1.0 (gradients false) (gradients true))) 1e-5 $"{engine}")

      torchTest "steps of an LSTM that are disposed where there is no scope leave no tensor" (fun () ->
          let cell = new NoisyLstmCell(4L, 6L, Variants.Nah, NoiseClock 1L)
          let work () =
              let begin' () = cell.Steps().Dispose()
              begin' ()
              let before = torch.Tensor.TotalCount
              for _ in 1 .. 20 do begin' ()
              Tol.atMost torch.Tensor.TotalCount before "tensors"

          // A thread of its own has no scope.
          (Threading.Tasks.Task.Run work).GetAwaiter().GetResult())

      torchTest "soft cells are torch's, from the same weights" (fun () ->
          let x, h, c = filled 1L [ 3L; 4L ], filled 2L [ 3L; 6L ], filled 3L [ 3L; 6L ]
          let load (ours: torch.nn.Module) (theirs: torch.nn.Module) = theirs.load_state_dict (ours.state_dict ()) |> ignore
          let ours, theirs = new NoisyGruCell(4L, 6L, Variants.Soft, NoiseClock 1L), torch.nn.GRUCell(4L, 6L)
          load ours theirs
          closeTensor tensor32 (theirs.call (x, h)) (ours.call (x, h)) "GRU"
          let ours, theirs = new NoisyLstmCell(4L, 6L, Variants.Soft, NoiseClock 1L), torch.nn.LSTMCell(4L, 6L)
          load ours theirs
          let struct (eh, ec) = theirs.call (x, both h c)
          let struct (ah, ac) = ours.call (x, both h c)
          closeTensor tensor32 eh ah "LSTM, hidden"
          closeTensor tensor32 ec ac "LSTM, cell")

      torchTest "each call in an update is another time step" (fun () ->
          let clock = NoiseClock 1L
          let cell = new NoisyGruCell(4L, 6L, Variants.Nah, clock)
          let x = filled 1L [ 3L; 4L ] * torch.tensor 20.0f
          clock.Advance 7L
          let first, second = cell.call (x, null), cell.call (x, null)
          clock.Advance 7L
          sameTensor first (cell.call (x, null)) "again from the start"
          Expect.isFalse (first.equal(second).all().item<bool> ()) "other noise")

      torchTest "shapes that do not fit are refused" (fun () ->
          let cell = new NoisyGruCell(4L, 6L, Variants.Nah, NoiseClock 1L)
          Tol.throws<ArgumentException> "input is [3, 5]: must be [B, 4] or [4] (Parameter 'input')" (fun () ->
              cell.call (filled 1L [ 3L; 5L ], null) |> ignore)
          Tol.throws<ArgumentException> "a state is [2, 6]: must be [3, 6] (Parameter 'state')" (fun () ->
              cell.call (filled 1L [ 3L; 4L ], filled 1L [ 2L; 6L ]) |> ignore))

      torchTest "a backward pass frees the packed weights of the steps before it, of which no scope knows" (fun () ->
          let hidden = 37L // of which no other test has weights
          let cell = new NoisyLstmCell(hidden, hidden, Variants.Nah, NoiseClock 1L)
          let weights = cell.get_parameter "weight_hh"
          let kernel = RecurrentKernel.Create(LstmCell Variants.Nah, Nullable(), FusedEngine.Width)
          let at () =
              let packed = StepWeights weights
              let before = NativePtr.toNativeInt (packed.Forward(kernel, int hidden, 1))
              packed.Back(kernel, int hidden, 1) |> ignore
              packed.FreeBack()
              before
          at () |> ignore // makes the memory
          Expect.equal (at ()) (at ()) "where the next sequence's weights lie") ]

let private weights =
    [ torchProperty "rows, or columns, of an orthogonal matrix are orthogonal and of the asked length" 30 (fun (a: byte, b: byte, seed: int64) ->
          let rows, columns = int64 (a % 40uy) + 1L, int64 (b % 40uy) + 1L
          let m = InitialWeights.Orthogonal(NoiseKey.FromSeed seed, rows, columns, 0.5).to_type torch.ScalarType.Float64
          let product = if rows <= columns then m.mm (m.t ()) else m.t().mm m
          closeTensor tensor32 (torch.eye(min rows columns, dtype = torch.ScalarType.Float64) * torch.tensor 0.25) product "products")

      torchTest "normal weights have the asked deviation, uniform ones the asked bound" (fun () ->
          let normal = InitialWeights.Normal(NoiseKey.FromSeed 1L, 0.01, 100L, 100L)
          let deviation = values normal |> Array.averageBy (fun v -> v * v) |> sqrt
          Tol.below (abs (deviation - 0.01)) (5.0 * 0.01 / sqrt 20_000.0) "five standard errors"
          let uniform = values (InitialWeights.Uniform(NoiseKey.FromSeed 1L, 16L, 50L, 50L))
          Tol.atMost (Array.max uniform) 0.25 "bound"
          Tol.above (Array.max uniform) 0.24 "near it")

      torchTest "the schemes make each gate's matrix orthogonal and leave gains alone" (fun () ->
          let cell = new NoisyGruCell(4L, 6L, Variants.Nah, NoiseClock 1L)
          let p = (cell.get_parameter "p").clone ()
          let gate name g (m: torch.nn.Module) = (m.get_parameter name).detach().narrow (0L, 6L * g, 6L)
          InitialSchemes.Apply(cell, InitialScheme.Reference, NoiseKey.FromSeed 1L)
          for g in 0L .. 2L do
              let w = gate "weight_hh" g cell
              closeTensor tensor32 (torch.eye 6L) (w.mm (w.t ())) "recurrent"
          Tol.below (values (cell.get_parameter "weight_ih") |> Array.map abs |> Array.max) 0.06 "0.01 N(0, 1) where it is not square"
          InitialSchemes.Apply(cell, InitialScheme.ScaledOrthogonal, NoiseKey.FromSeed 1L)
          for g in 0L .. 2L do
              let hh, ih = gate "weight_hh" g cell, gate "weight_ih" g cell
              closeTensor tensor32 (torch.eye 6L * torch.tensor 1e-4f) (hh.mm (hh.t ())) "recurrent"
              closeTensor tensor32 (torch.eye 4L * torch.tensor 1e-4f) (ih.t().mm ih) "input"
          Expect.equal (values (cell.get_parameter "bias_hh")) (Array.zeroCreate 18) "biases"
          sameTensor p (cell.get_parameter "p") "gains")

      torchTest "tables of words begin as 0.01 N(0, 1) in both schemes, however few words there are" (fun () ->
          let encoder = new SentenceEncoder(80L, 50L, 6L, Variants.Nah, NoiseClock 1L)
          for scheme in [ InitialScheme.Reference; InitialScheme.ScaledOrthogonal ] do
              InitialSchemes.Apply(encoder, scheme, NoiseKey.FromSeed 1L)
              let deviation = values (encoder.get_parameter "embedding") |> Array.averageBy (fun v -> v * v) |> sqrt
              Tol.below (abs (deviation - 0.01)) (5.0 * 0.01 / sqrt 8_000.0) $"five standard errors, {scheme}") ]

let tests = testSequenced <| testList "cells" [ testList "steps" cells; testList "initial weights" weights ]
