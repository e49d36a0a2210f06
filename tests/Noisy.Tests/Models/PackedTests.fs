/// Examples of different lengths, packed by nn.utils.rnn.
module Noisy.Tests.PackedTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests
open Noisy.Tests.TorchHelpers
open TorchSharp

type private Rnn = torch.nn.utils.rnn
type private Packed = torch.nn.utils.rnn.PackedSequence

let private engines = [ Backend.Auto; Backend.Composed ]
let private both (h: Tensor) (c: Tensor) = Nullable<struct (Tensor * Tensor)>(struct (h, c))
let private none = Nullable<struct (Tensor * Tensor)>()
let private parameters (m: torch.nn.Module) = [ for struct (name, p) in m.named_parameters () -> name, p ]
let private pack (x: Tensor) (lengths: int64 list) = Rnn.pack_padded_sequence (x, torch.tensor (List.toArray lengths), false, (lengths = List.sortDescending lengths))
let private padded (packed: Packed) = let struct (x, _) = Rnn.pad_packed_sequence (packed, false, 0.0, Nullable()) in x
let private weighted (outputs: Tensor list) = outputs |> List.mapi (fun i o -> (o * filled (100L + int64 i) (shape o)).sum ()) |> List.reduce (fun a b -> a + b)

/// Lengths in order and not, with and without equal ones.
let private batches = [ [ 5L; 3L; 3L; 1L ]; [ 2L; 5L; 1L; 4L ]; [ 4L; 4L; 4L ]; [ 1L ]; [ 3L; 4L; 3L ] ]

/// Outputs, states and all gradients of a pass over a padded batch, [T, B, 3]; what is beyond a length is NaN.
let private pass (m: torch.nn.Module) lengths (states: Tensor list) (run: Packed -> Tensor list -> Packed * Tensor list) =
    m.zero_grad ()
    let steps, count = List.max lengths, int64 (List.length lengths)
    let x = filled 1L [ steps; count; 3L ] * 2
    lengths |> List.iteri (fun b length -> if length < steps then x.select(1L, int64 b).narrow(0L, length, steps - length).fill_ (nanf.ToScalar()) |> ignore)
    let x = x.detach().requires_grad_ ()
    let states = [ for s in states -> s.detach().clone().requires_grad_ () ]
    let packed = pack x lengths
    let output, final = run packed states
    Expect.equal (values output.batch_sizes) (values packed.batch_sizes) "batch sizes"
    let indices (t: Tensor) = if isNull t || t.IsInvalid then [||] else values t
    Expect.equal (indices output.sorted_indices, indices output.unsorted_indices) (indices packed.sorted_indices, indices packed.unsorted_indices) "order"
    let results = output.data :: padded output :: final
    (weighted results).backward ()
    results, [ "x", x.grad ] @ [ for s in states -> "state", s.grad ] @ [ for name, p in parameters m |> List.sortBy fst -> name, p.grad ]

let private same (expected: Tensor list * (string * Tensor) list) (actual: Tensor list * (string * Tensor) list) message =
    List.iteri2 (fun i e a -> closeTensor tensor32 e a $"{message}, result {i}") (fst expected) (fst actual)
    for (name, e), (_, a) in List.zip (snd expected) (snd actual) do
        if not (isNull e && isNull a) then closeTensor tensor32Slope e a $"{message}, gradient of {name}"

let private copyInto (target: torch.nn.Module) (source: torch.nn.Module) = target.load_state_dict (source.state_dict ()) |> ignore

let private states (dims: RecurrentShape) lengths n =
    [ for i in 1L .. n -> filled (10L + i) [ int64 (dims.NumLayers * dims.Directions); int64 (List.length lengths); dims.HiddenSize ] ]

let private shapes = [ for layers in [ 1; 2 ] do for two in [ false; true ] -> RecurrentShape(3L, 5L, layers, Bidirectional = two) ]

let private lstm (m: NoisyLstm) context packed (s: Tensor list) =
    let struct (o, h, c) = m.call (packed, (if s.IsEmpty then none else both s[0] s[1]), context)
    o, [ h; c ]

let private gru (m: NoisyGru) context packed (s: Tensor list) =
    let struct (o, h) = m.call (packed, (if s.IsEmpty then null else s[0]), context)
    o, [ h ]

let tests =
    testSequenced <| testList "packed sequences" [
        for engine in engines do
            torchTest $"a soft LSTM is torch's: packed output, states and all gradients: {engine}" (fun () ->
                for dims in shapes do
                    for lengths in batches do
                        for given in [ 0L; 2L ] do
                            let ours = new NoisyLstm(dims, Variants.Soft, NoiseClock 1L, Backend = engine)
                            let theirs = torch.nn.LSTM(3L, 5L, numLayers = int64 dims.NumLayers, bidirectional = dims.Bidirectional)
                            copyInto theirs ours
                            let expected =
                                pass theirs lengths (states dims lengths given) (fun packed s ->
                                    let struct (o, h, c) = theirs.call (packed, (if s.IsEmpty then none else both s[0] s[1]))
                                    o, [ h; c ])
                            let actual = pass ours lengths (states dims lengths given) (lstm ours NoiseContext.Test)
                            Expect.equal ours.LastBackend (if engine = Backend.Auto then FusedEngine.FusedName else FusedEngine.ComposedName) "path"
                            same expected actual $"{dims}, {lengths}")

            torchTest $"a soft GRU is torch's: packed output, state and all gradients: {engine}" (fun () ->
                for dims in shapes do
                    for lengths in batches do
                        for given in [ 0L; 1L ] do
                            let ours = new NoisyGru(dims, Variants.Soft, NoiseClock 1L, Backend = engine)
                            let theirs = torch.nn.GRU(3L, 5L, numLayers = int64 dims.NumLayers, bidirectional = dims.Bidirectional)
                            copyInto theirs ours
                            let expected =
                                pass theirs lengths (states dims lengths given) (fun packed s ->
                                    let struct (o, h) = theirs.call (packed, (if s.IsEmpty then null else s[0]))
                                    o, [ h ])
                            let actual = pass ours lengths (states dims lengths given) (gru ours NoiseContext.Test)
                            same expected actual $"{dims}, {lengths}")

        for pair in [ Variants.Nah; Variants.Nanis ] do
            torchTest $"fused and composed agree over a packed sequence, noise, dropout and gradients included: {pair.Name}" (fun () ->
                let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2)
                let dims = RecurrentShape(3L, 5L, 2, Dropout = 0.3, Bidirectional = true)
                for lengths in batches do
                    let lstms = [ for engine in engines -> new NoisyLstm(dims, pair, NoiseClock 1L, Backend = engine) ]
                    let results = [ for m in lstms -> pass m lengths (states dims lengths 2L) (lstm m context) ]
                    same results[1] results[0] $"LSTM, {lengths}"
                    let grus = [ for engine in engines -> new NoisyGru(dims, pair, NoiseClock 1L, Backend = engine) ]
                    let results = [ for m in grus -> pass m lengths (states dims lengths 1L) (gru m context) ]
                    same results[1] results[0] $"GRU, {lengths}")

            torchTest $"a packed pass draws the noise and the dropout of a padded one over the examples in the packed order: {pair.Name}" (fun () ->
                let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2)
                let x, lengths = filled 1L [ 5L; 4L; 3L ] * 5, [ 5L; 3L; 3L; 1L ]
                let m = new NoisyLstm(RecurrentShape(3L, 5L, 2, Dropout = 0.3), pair, NoiseClock 1L)
                let struct (whole, h, c) = m.forward (x, none, context)
                let packed, final = lstm m context (pack x lengths) []
                let rows = padded packed
                lengths
                |> List.iteri (fun b length ->
                    let valid (t: Tensor) = t.select(1L, int64 b).narrow (0L, 0L, length)
                    closeTensor tensor32 (valid whole) (valid rows) $"example {b}"
                    closeTensor tensor32 (whole.select(1L, int64 b).select (0L, length - 1L)) (final[0].select(1L, int64 b).select (0L, 1L)) $"hidden state {b}")
                closeTensor tensor32 (c.select (1L, 0L)) (final[1].select (1L, 0L)) "cell state of the longest"

                // The same examples in another order: packed, they are where they were.
                let order = [| 3L; 0L; 1L; 2L |]
                let index = torch.tensor order
                let again, _ = lstm m context (pack (x.index_select (1L, index)) [ for b in order -> lengths[int b] ]) []
                closeTensor tensor32 packed.data again.data "the packed data")

        torchTest "a packed pass takes as many time steps from the clock as its longest example has" (fun () ->
            let clock = NoiseClock 5L
            let m = new NoisyGru(RecurrentShape(3L, 5L), Variants.Nani, clock)
            let x = filled 1L [ 4L; 2L; 3L ]
            clock.Advance 8L
            let struct (a, _) = m.call (pack x [ 4L; 2L ], null)
            let struct (b, _) = m.forward (x, null)
            let context = NoiseContext(NoiseMode.Sample, clock.Key.Child("noise"), 8L)
            let struct (first, _) = m.call (pack x [ 4L; 2L ], null, context)
            let struct (second, _) = m.forward (x, null, context.Later 4)
            sameTensor first.data a.data "first"
            sameTensor second b "second")

        torchTest "a packed sequence or state that does not fit is refused" (fun () ->
            let m = new NoisyLstm(RecurrentShape(3L, 5L), Variants.Nah, NoiseClock 1L)
            let run (x: Tensor) state () = lstm m NoiseContext.Test (pack x [ 4L; 2L ]) state |> ignore
            Tol.throws<ArgumentException> "the packed elements are [6, 7]: must be [N, 3] (Parameter 'input')" (run (filled 1L [ 4L; 2L; 7L ]) [])
            let x, state = filled 1L [ 4L; 2L; 3L ], filled 1L [ 1L; 1L; 5L ]
            Tol.throws<ArgumentException> "a state is [1, 1, 5]: must be [1, 2, 5] (Parameter 'states')" (run x [ state; state ])
            Tol.throws<ArgumentException>
                "input is Float64, the weights are Float32: convert it with to_type, or the module with to (Parameter 'input')"
                (run (x.to_type torch.ScalarType.Float64) []))
    ]
