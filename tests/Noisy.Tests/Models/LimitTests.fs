/// Tensors of 2 GiB and more, told by their shapes alone; arguments that are missing or out of range.
module Noisy.Tests.LimitTests

open System
open System.Collections.Generic
open System.IO
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A tensor of many numbers that are one in memory.
let private wide (numbers: int64) : Tensor = torch.zeros([| 1L |]).expand([| numbers |])

/// The most numbers of single precision below 2 GiB.
let private most = int64 Int32.MaxValue / 4L

let private fits (sizes: int64 list) = FusedEngine.Fits(ReadOnlySpan(List.toArray sizes))

let private large =
    [ torchTest "the fused engine takes tensors of less than 2 GiB" (fun () ->
          Expect.isTrue (FusedEngine.Takes(wide most)) "the most"
          Expect.isFalse (FusedEngine.Takes(wide (most + 1L))) "2 GiB"
          Expect.isTrue (fits [ most ] && fits [ 0L; Int64.MaxValue ]) "sizes that fit"
          Expect.isFalse (fits [ most; 2L ] || fits [ Int64.MaxValue; Int64.MaxValue; Int64.MaxValue ]) "sizes that overflow")

      torchTest "rows of tokens, and weights and outputs of layers, count before they are there" (fun () ->
          Expect.isTrue (EmbeddingLookup.Fits(1000L, 512L)) "a small lookup"
          Expect.isFalse (EmbeddingLookup.Fits(1L <<< 20, 512L)) "rows"
          Expect.isFalse (EmbeddingLookup.Fits(1L <<< 28, 1L)) "tokens of eight bytes"
          let shape' = RecurrentShape(64L, 512L)
          Expect.isTrue (RecurrentLayers.Fits(shape', 4, 35L, 20L)) "a small layer"
          Expect.isFalse (RecurrentLayers.Fits(shape', 4, 1L <<< 10, 1L <<< 10)) "outputs"
          Expect.isFalse (RecurrentLayers.Fits(RecurrentShape(1L <<< 20, 512L), 4, 35L, 20L)) "weights of the input")

      torchTest "a call of a cell counts the weights of its input and its states, a machine its logits" (fun () ->
          let matrix (rows: int64) (columns: int64) : Tensor = torch.zeros([| 1L; 1L |]).expand ([| rows; columns |])
          let takes inputs batch =
              let weights = RecurrentWeights(matrix 64L inputs, torch.zeros [| 64L; 16L |], null, null, null)
              FusedStep.TakesCall(NoiseMode.Sample, weights, matrix batch inputs, null)
          Expect.isTrue (takes 1000L 4L) "a small cell"
          Expect.isFalse (takes (1L <<< 24) 4L) "weights of the input"
          Expect.isFalse (takes 1L (1L <<< 26)) "states"
          let machine = new NeuralTuringMachine(NtmShape(8, 20_000), Variants.Soft, NoiseClock 1L)
          let input steps : Tensor = torch.zeros([| 1L; 1L; 8L |]).expand ([| steps; 100L; 8L |])
          Expect.isTrue (machine.Fuses(input 3L, NoiseMode.Mean)) "a short sequence"
          Expect.isFalse (machine.Fuses(input 300L, NoiseMode.Mean)) "logits")

      torchTest "what is too large all the same is refused with a remedy" (fun () ->
          Expect.throwsC (fun () -> FusedEngine.Pointer(wide (most + 1L)) |> ignore) (fun e ->
              Expect.isTrue (e :? InvalidOperationException) "kind"
              Expect.stringContains e.Message "has 2 GiB or more, which the fused engine cannot hold: set the module's Backend to Composed" "message"))

      torchTest "pieces of a tensor's bytes are its bytes" (fun () ->
          for dtype in [ torch.ScalarType.Float32; torch.ScalarType.Float64; torch.ScalarType.Byte ] do
              let tensor: Tensor = torch.tensor([| for i in 0 .. 34 -> float32 i |]).reshape(5L, 7L).to_type dtype
              let whole = tensor.bytes.ToArray()
              for limit in [ 1L; 12L; 35L; 1000L ] do
                  let found = List<byte>()
                  let firsts = List<int64>()
                  TensorBytes.Each(tensor, TensorBytes.Piece(fun first bytes -> firsts.Add first; found.AddRange(bytes.ToArray())), limit)
                  Expect.equal (found.ToArray()) whole $"{dtype}, {limit}"
                  Expect.equal firsts[0] 0L "first"
          TensorBytes.Each(torch.zeros [| 0L |], TensorBytes.Piece(fun _ _ -> failtest "an empty tensor has none")))

      torchTest "noise has the same bits filled at once and by pieces that end within time steps" (fun () ->
          let key = NoiseKey.FromSeed 4L
          let whole = NoiseSource.Normal(key, 3L, 2, [| 5L; 3L; 70L |], torch.CPU)
          for limit in [ 4L; 52L; 840L; 1000L ] do
              sameTensor whole (NoiseSource.Normal(key, 3L, 2, [| 5L; 3L; 70L |], torch.CPU, limit)) $"{limit} bytes"
          for t in 0 .. 4 do
              let values = Array.zeroCreate<float32> 210
              NoiseSampler.Normal(key.At(3L, 2 + t), 0L, values.AsSpan())
              sameTensor (torch.tensor(values).reshape(3L, 70L)) (whole.select (0L, int64 t)) $"time step {t}"
          Expect.equal (shape (NoiseSource.Normal(key, 0L, 0, [| 0L; 3L |], torch.CPU))) [ 0L; 3L ] "no time steps") ]

let private refused<'e when 'e :> exn> (text: string) (action: unit -> unit) =
    Expect.throwsC action (fun e ->
        Expect.isTrue (e :? 'e) $"{e.GetType().Name}: {e.Message}"
        Expect.stringContains e.Message text "message")

let private arguments =
    [ torchTest "nothing in place of an argument is refused by its name" (fun () ->
          let clock = NoiseClock 1L
          let pair = Variants.Nah
          let shape' = RecurrentShape(3L, 4L)
          let cases: (string * (unit -> unit)) list =
              [ "activations", (fun () -> Noisify.Replace(torch.nn.Sequential(torch.nn.Tanh()), null, clock) |> ignore)
                "clock", (fun () -> Noisify.Replace(torch.nn.Sequential(torch.nn.Tanh()), pair, null) |> ignore)
                "clock", (fun () -> new NoisyLstm(shape', pair, null) |> ignore)
                "activations", (fun () -> new NoisyLstm(shape', null, clock) |> ignore)
                "spec", (fun () -> new NoisyActivation(null, 1L, clock) |> ignore)
                "x", (fun () -> (new NoisyActivation(pair.Tanh, 1L, clock)).call null |> ignore)
                "x", (fun () -> (new NoisyMlp([| 2L; 2L |], pair.Tanh, clock)).call null |> ignore)
                "input", (fun () -> (new NoisyLstm(shape', pair, clock)).call (null: Tensor) |> ignore)
                "input", (fun () -> (new NoisyGruCell(3L, 4L, pair, clock)).call (null, null) |> ignore)
                "input", (fun () -> (new NeuralTuringMachine(NtmShape(3, 2), pair, clock)).call null |> ignore)
                "tokens", (fun () -> EmbeddingLookup.Rows(torch.zeros (2, 2), null) |> ignore)
                "target", (fun () -> (new LinearCrossEntropyLoss(torch.nn.Linear(2L, 2L))).call (torch.zeros (2, 2), null) |> ignore)
                "shape", (fun () -> NoiseSource.Normal(clock.Key, 0L, 0, null, torch.CPU) |> ignore)
                "tensors", (fun () -> Safetensors.Write(new MemoryStream(), null, Dictionary())) ]
          for name, action in cases do
              Expect.throwsC action (fun e ->
                  Expect.isTrue (e :? ArgumentNullException) $"{name}: {e.GetType().Name}: {e.Message}"
                  Expect.equal (e :?> ArgumentNullException).ParamName name "name"))

      torchTest "targets of eight bits are taken as torch takes them, with every reduction" (fun () ->
          let linear = torch.nn.Linear(3L, 5L)
          let x, targets = filled 1L [ 4L; 3L ], torch.tensor [| 0uy; 4uy; 2uy; 2uy |]
          for reduction in [ torch.nn.Reduction.Mean; torch.nn.Reduction.Sum; torch.nn.Reduction.None ] do
              let expected = torch.nn.functional.cross_entropy (linear.call x, targets, reduction = reduction)
              closeTensor tensor32 expected ((new LinearCrossEntropyLoss(linear, reduction = reduction)).call (x, targets)) $"{reduction}")

      torchTest "a loss without its target, which has the type of a cell, is refused with the reason" (fun () ->
          refused<NotSupportedException> "CrossEntropyLoss takes two tensors: only a cell begins from zeros" (fun () ->
              RecurrentCalls.call (torch.nn.CrossEntropyLoss(), torch.zeros (2, 3)) |> ignore)
          refused<NotSupportedException> "LinearCrossEntropyLoss takes two tensors" (fun () ->
              RecurrentCalls.call (new LinearCrossEntropyLoss(torch.nn.Linear(2L, 2L)), torch.zeros (2, 2)) |> ignore)
          Expect.equal (shape (RecurrentCalls.call (torch.nn.GRUCell(3L, 4L), torch.zeros (2, 3)))) [ 2L; 4L ] "torch's cell"
          Expect.equal (shape (RecurrentCalls.call (new NoisyGruCell(3L, 4L, Variants.Nah, NoiseClock 1L), torch.zeros (2, 3)))) [ 2L; 4L ] "ours")

      torchTest "numbers that safetensors do not have are refused by name, and nothing is written" (fun () ->
          use stream = new MemoryStream()
          let tensors = dict [ "real", torch.zeros [| 2L |]; "waves", torch.zeros ([| 2L |], dtype = torch.ScalarType.ComplexFloat32) ]
          refused<ArgumentException> "the tensor 'waves' is ComplexFloat32, which safetensors do not have" (fun () ->
              Safetensors.Write(stream, Dictionary tensors, Dictionary()))
          Expect.equal stream.Length 0L "bytes")

      testSequenced (torchTest "tensors are written without one left where there is no scope" (fun () ->
          let tensors = dict [ "a", filled 1L [ 2L; 3L ]; "b", filled 2L [ 4L ] ]
          let work () =
              let write () = Safetensors.Write(Stream.Null, Dictionary tensors, Dictionary())
              write ()
              let before = torch.Tensor.TotalCount
              for _ in 1 .. 20 do write ()
              Tol.atMost torch.Tensor.TotalCount before "tensors"

          // A thread of its own has no scope.
          (Threading.Tasks.Task.Run work).GetAwaiter().GetResult()))

      torchTest "a shape without time steps is refused" (fun () ->
          refused<ArgumentException> "shape is []: must be [T, ..]" (fun () -> NoiseSource.Normal(NoiseKey.FromSeed 1L, 0L, 0, [||], torch.CPU) |> ignore)
          refused<ArgumentException> "shape is []: must be [T, ..]" (fun () ->
              NoiseSource.DropoutMask(NoiseKey.FromSeed 1L, 0L, 0, [||], 0.5, torch.CPU) |> ignore))

      torchTest "a clock counts time steps from 1 on, and as far as they go" (fun () ->
          let clock = NoiseClock 1L
          let id = clock.NewModuleId()
          for steps in [ 0; -5 ] do
              refused<ArgumentOutOfRangeException> "timeSteps" (fun () -> clock.Context(id, true, steps) |> ignore)
          clock.Context(id, true, Int32.MaxValue) |> ignore
          refused<InvalidOperationException> "advance the clock once an update" (fun () -> clock.Context(id, true) |> ignore)
          clock.Advance 1L
          Expect.equal (clock.Context(id, true)).TimeStep 0 "the next update begins anew") ]

let tests = testList "limits" [ testList "large tensors" large; testList "arguments" arguments ]
