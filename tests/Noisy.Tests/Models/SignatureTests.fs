/// The recurrent modules' constructors and calls, as torch has them.
module Noisy.Tests.SignatureTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

let private soft = Variants.Soft
let private clock () = NoiseClock 1L
let private names (m: torch.nn.Module) = [ for struct (name, _) in m.named_parameters () -> name ]

let private gradients (m: torch.nn.Module) (outputs: Tensor list) =
    (outputs |> List.mapi (fun i o -> (o * filled (20L + int64 i) (shape o)).sum ()) |> List.reduce (fun a b -> a + b)).backward ()
    [ for name in List.sort (names m) -> (m.get_parameter name).grad ]

let private agrees (theirs: torch.nn.Module) (ours: torch.nn.Module) (run: torch.nn.Module -> Tensor list) =
    Expect.equal (List.sort (names ours)) (List.sort (names theirs)) "parameters"
    theirs.load_state_dict (ours.state_dict ()) |> ignore
    let expected, actual = run theirs, run ours
    for e, a in List.zip (expected @ gradients theirs expected) (actual @ gradients ours actual) do closeTensor tensor32 e a "value or gradient"

let private constructors =
    [ for backend in [ Backend.Auto; Backend.Composed ] do
          for bias in [ true; false ] do
              torchTest $"torch's arguments give torch's module: bias {bias}, {backend}" (fun () ->
                  let x, step, zero = filled 1L [ 2L; 5L; 3L ], filled 2L [ 2L; 3L ], torch.zeros [| 2L; 4L |]
                  agrees
                      (torch.nn.LSTM(3L, 4L, 2L, bias, true, 0.0, true))
                      (new NoisyLstm(3L, 4L, soft, clock (), 2L, bias, true, 0.0, true, Backend = backend))
                      (function
                       | :? NoisyLstm as m -> let struct (o, h, c) = m.call x in [ o; h; c ]
                       | m -> let struct (o, h, c) = (m :?> Modules.LSTM).call (x, Nullable()) in [ o; h; c ])
                  agrees
                      (torch.nn.GRU(3L, 4L, 2L, bias, true, 0.0, true))
                      (new NoisyGru(3L, 4L, soft, clock (), 2L, bias, true, 0.0, true, Backend = backend))
                      (function
                       | :? NoisyGru as m -> let struct (o, h) = m.call x in [ o; h ]
                       | m -> let struct (o, h) = (m :?> Modules.GRU).call (x, null) in [ o; h ])
                  agrees
                      (torch.nn.LSTMCell(3L, 4L, bias))
                      (new NoisyLstmCell(3L, 4L, soft, clock (), bias, Backend = backend))
                      (function
                       | :? NoisyLstmCell as m -> let struct (h, c) = m.call step in [ h; c ]
                       | m -> let struct (h, c) = (m :?> Modules.LSTMCell).call (step, Nullable<struct (Tensor * Tensor)>(struct (zero, zero))) in [ h; c ])
                  agrees
                      (torch.nn.GRUCell(3L, 4L, bias))
                      (new NoisyGruCell(3L, 4L, soft, clock (), bias, Backend = backend))
                      (function
                       | :? NoisyGruCell as m -> [ m.call step ]
                       | m -> [ (m :?> Modules.GRUCell).call (step, zero) ]))

      torchTest "arguments and a shape say the same" (fun () ->
          let byName = new NoisyLstm(3L, 4L, Variants.Nah, clock (), numLayers = 2L, bias = false, batchFirst = true, dropout = 0.25, bidirectional = true)
          Expect.equal byName.Shape (RecurrentShape(3L, 4L, 2, false, true, 0.25, true)) "shape"
          let byShape = new NoisyLstm(byName.Shape, Variants.Nah, clock ())
          Expect.equal (names byShape) (names byName) "names"
          for name in names byName do sameTensor (byShape.get_parameter name) (byName.get_parameter name) name)

      torchTest "a type is that of every parameter and gain, and a module so made outlives its scope" (fun () ->
          let frozen = Variants.Nah.Map(fun s -> s.WithLearnP false)
          let made: torch.nn.Module list =
              use _ = torch.NewDisposeScope()
              let double = Nullable torch.ScalarType.Float64
              [ new NoisyLstm(3L, 4L, frozen, clock (), dtype = double)
                new NoisyGru(RecurrentShape(3L, 4L), Variants.Nah, clock (), torch.CPU, double)
                new NoisyLstmCell(3L, 4L, Variants.Nah, clock (), dtype = double)
                new NoisyGruCell(3L, 4L, frozen, clock (), dtype = double) ]
          for m in made do
              for t in Seq.append (Seq.cast<Tensor> (m.parameters ())) (m.buffers ()) do Expect.equal t.dtype torch.ScalarType.Float64 $"{m}"
          let x = (filled 1L [ 5L; 2L; 3L ]).to_type torch.ScalarType.Float64
          let struct (y, _, _) = (made.Head :?> NoisyLstm).call x
          Expect.equal y.dtype torch.ScalarType.Float64 "output")

      cudaTest "a device is that of every parameter" (fun device ->
          let m = new NoisyLstm(3L, 4L, Variants.Nah, clock (), device = device)
          for p in m.parameters () do Expect.equal p.device.``type`` device.``type`` "device") ]

let private calls =
    [ torchTest "states are left out or given as they are" (fun () ->
          let x, step, h, c = filled 1L [ 5L; 2L; 3L ], filled 2L [ 2L; 3L ], filled 3L [ 1L; 2L; 4L ], filled 4L [ 1L; 2L; 4L ]
          let zero, h1, c1 = torch.zeros [| 1L; 2L; 4L |], h.squeeze 0, c.squeeze 0
          let lstm, gru = new NoisyLstm(3L, 4L, soft, clock ()), new NoisyGru(3L, 4L, soft, clock ())
          let lstmCell, gruCell = new NoisyLstmCell(3L, 4L, soft, clock ()), new NoisyGruCell(3L, 4L, soft, clock ())
          let same (expected: Tensor) (found: Tensor list) = for f in found do sameTensor expected f "the same call"
          let first struct (o: Tensor, _, _) = o
          let output struct (o: Tensor, _) = o
          same (first (lstm.forward (x, struct (zero, zero)))) [ first (lstm.call x); first (lstm.forward x); first (lstm.call (x, Nullable())) ]
          same (first (lstm.forward (x, struct (h, c), NoiseContext.Test))) [ first (lstm.call (x, struct (h, c))); first (lstm.call (x, Nullable<struct (Tensor * Tensor)>(struct (h, c)))) ]
          same (output (gru.forward (x, zero))) [ output (gru.call x); output (gru.forward x); output (gru.call (x, null)) ]
          same (output (gru.forward (x, h, NoiseContext.Test))) [ output (gru.call (x, h)) ]
          same (output (lstmCell.forward (step, struct (zero.squeeze 0, zero.squeeze 0)))) [ output (lstmCell.call step); output (lstmCell.forward step) ]
          same (output (lstmCell.forward (step, struct (h1, c1), NoiseContext.Test))) [ output (lstmCell.call (step, struct (h1, c1))) ]
          same (gruCell.forward (step, zero.squeeze 0)) [ gruCell.call step; gruCell.forward step ]
          same (gruCell.forward (step, h1, NoiseContext.Test)) [ gruCell.call (step, h1) ])

      torchTest "fields of torch's general types are called the same way" (fun () ->
          let x, step = filled 1L [ 5L; 2L; 3L ], filled 2L [ 2L; 3L ]
          let lstm: torch.nn.Module<Tensor, Nullable<struct (Tensor * Tensor)>, struct (Tensor * Tensor * Tensor)> = new NoisyLstm(3L, 4L, soft, clock ())
          let gru: torch.nn.Module<Tensor, Tensor, struct (Tensor * Tensor)> = new NoisyGru(3L, 4L, soft, clock ())
          let cell: torch.nn.Module<Tensor, Tensor, Tensor> = new NoisyGruCell(3L, 4L, soft, clock ())
          let struct (_, h, c) = lstm.call x
          let struct (_, g) = gru.call x
          Expect.equal [ shape h; shape c; shape g; shape (cell.call step) ] [ [ 1L; 2L; 4L ]; [ 1L; 2L; 4L ]; [ 1L; 2L; 4L ]; [ 2L; 4L ] ] "shapes") ]

let tests = testSequenced <| testList "signatures" [ testList "constructors" constructors; testList "calls" calls ]
