/// Linear layers over many rows, by the engine's products and by libtorch's.
module Noisy.Tests.LinearTests

open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp
open TorchSharp.Modules

/// Result and gradients of a layer's operands, which are given as leaves and what the layer takes of them.
let private pass (layer: Tensor -> Tensor -> Tensor -> Tensor) (x: Tensor, takesX) (w: Tensor, takesW) (b: Tensor) =
    let leaves = [ x; w; b ] |> List.map (fun t -> if isNull t then null else t.detach().requires_grad_ ())
    let y = layer (takesX leaves[0]) (takesW leaves[1]) leaves[2]
    (y * filled 9L (shape y)).sum().backward ()
    y :: [ for leaf in leaves do if not (isNull leaf) then leaf.grad ]

let private torchs x w b = torch.nn.functional.linear (x, w, b)
let private ours x w b = FusedLinear.Apply(x, w, b, Backend.Auto)
let private same (t: Tensor) = t

let private agree name (expected: Tensor list) (actual: Tensor list) =
    for i, (e, a) in List.indexed (List.zip expected actual) do closeTensor tensor32 e a $"{name}, {i}"

let tests =
    testSequenced
    <| testList "linear layers" [
        torchTest "equal torch's with their gradients: rows of several dimensions, operands that are not contiguous, no bias, pieces of many rows" (fun () ->
            let shapes =
                [ "matrix", (filled 1L [ 7L; 5L ], same), (filled 2L [ 3L; 5L ], same), filled 3L [ 3L ]
                  "no bias", (filled 1L [ 7L; 5L ], same), (filled 2L [ 3L; 5L ], same), null
                  "time and batch", (filled 1L [ 4L; 3L; 60L ], same), (filled 2L [ 70L; 60L ], same), filled 3L [ 70L ]
                  "transposed", (filled 1L [ 5L; 7L ], (fun t -> t.t ())), (filled 2L [ 5L; 3L ], (fun t -> t.t ())), filled 3L [ 3L ]
                  "some columns", (filled 1L [ 7L; 9L ], (fun t -> t.narrow (1L, 2L, 5L))), (filled 2L [ 3L; 8L ], (fun t -> t.narrow (1L, 3L, 5L))), null
                  "many rows", (filled 1L [ 500L; 20L ], same), (filled 2L [ 50L; 20L ], same), filled 3L [ 50L ] ]
            for name, x, w, b in shapes do
                agree name (pass torchs x w b) (ownProducts (fun () -> pass ours x w b)))

        torchTest "have the same bits for every vector width and number of threads" (fun () ->
            let run () = ownProducts (fun () -> pass ours (filled 1L [ 250L; 61L ], same) (filled 2L [ 83L; 61L ], same) (filled 3L [ 83L ]))
            let expected = withEngine VectorWidth.Auto 1 run
            for width in [ VectorWidth.Bits512; VectorWidth.Bits256; VectorWidth.Bits128; VectorWidth.Scalar ] do
                for threads in [ 1; 3 ] do
                    for e, a in List.zip expected (withEngine width threads run) do sameTensor e a $"{width}, {threads} threads")

        torchTest "add gradients up with the same bits for every vector width, whether columns fill its vectors or not; so does cross-entropy" (fun () ->
            let targets = torch.arange(250L).remainder ((30L).ToScalar())
            let layers: (string * (Tensor -> Tensor -> Tensor -> Tensor)) list =
                [ "linear", ours; "cross-entropy", (fun x w b -> LinearCrossEntropy.Sum(x, w, b, targets, Backend.Auto)) ]
            for name, layer in layers do
                for inputs in [ 24L; 50L ] do
                    // Which gradients are there already when the second pass comes: both, or one of them.
                    for kept in [ "both"; "weight"; "bias" ] do
                        let run passes () =
                            ownProducts (fun () ->
                                let w, b = new Parameter(filled 2L [ 30L; inputs ]), new Parameter(filled 3L [ 30L ])
                                for n: int64 in passes do
                                    let y = layer (filled (10L + n) [ 250L; inputs ]) w b
                                    (y * filled (20L + n) (shape y)).sum().backward ()
                                    if n = 1L && kept = "bias" then w.grad <- null
                                    if n = 1L && kept = "weight" then b.grad <- null
                                [ w; b ] |> List.map (fun p -> if isNull p.grad then torch.zeros (p.shape) else p.grad.clone ()))
                        let expected = withEngine VectorWidth.Bits512 1 (run [ 1L; 2L ])
                        for one, other, sum in List.zip3 (run [ 1L ] ()) (run [ 2L ] ()) expected do closeTensor tensor32 (one + other) sum $"{name}, {inputs} inputs, {kept}"
                        for width, threads in [ VectorWidth.Bits512, 3; VectorWidth.Bits256, 2; VectorWidth.Bits128, 1; VectorWidth.Scalar, 2 ] do
                            for e, a in List.zip expected (withEngine width threads (run [ 1L; 2L ])) do sameTensor e a $"{name}, {inputs} inputs, {kept}, {width}")

        test "are the engine's where they are large enough and its products are the faster ones" {
            for faster, rows, inputs, outputs, expected in
                [ true, 100L, 784L, 500L, true; false, 100L, 784L, 500L, false; true, 31L, 784L, 500L, false; true, 100L, 500L, 10L, false; true, 40_000L, 10L, 10L, true ] do
                Expect.equal (FusedLinear.Pays(faster, rows, inputs, outputs)) expected $"{faster}, {rows} rows, {inputs} to {outputs}"
        }

        torchTest "are torch's where composed, of other types, of sparse or too few dimensions, and the engine's else" (fun () ->
            let x, w, b = filled 1L [ 20L; 5L ], filled 2L [ 3L; 5L ], filled 3L [ 3L ]
            let double (t: Tensor) = t.to_type torch.float64
            let ran layer =
                let mutable names = []
                FunctionFaults.Inject <- fun name pass -> names <- $"{name} {pass}" :: names
                try
                    let y: Tensor = ownProducts layer
                    y.sum().backward ()
                finally
                    FunctionFaults.Inject <- null
                names |> List.filter (fun n -> n.StartsWith "LinearFunction") |> List.sort
            let leaf (t: Tensor) = t.detach().requires_grad_ ()
            Expect.equal (ran (fun () -> FusedLinear.Apply(x, leaf w, b, Backend.Auto))) [ "LinearFunction backward"; "LinearFunction forward" ] "the engine's"
            let torchs =
                [ "composed", (fun () -> FusedLinear.Apply(x, leaf w, b, Backend.Composed))
                  "double", (fun () -> FusedLinear.Apply(double x, leaf (double w), double b, Backend.Auto))
                  "one dimension", (fun () -> FusedLinear.Apply(x[0], leaf w, b, Backend.Auto))
                  "no rows", (fun () -> FusedLinear.Apply(x.narrow (0L, 0L, 0L), leaf w, b, Backend.Auto))
                  "sparse", (fun () -> FusedLinear.Apply(x.to_sparse (), leaf w, null, Backend.Auto)) ]
            for name, layer in torchs do Expect.equal (ran layer) [] name
            Expect.throws (fun () -> ownProducts (fun () -> FusedLinear.Apply(x, filled 2L [ 3L; 4L ], b, Backend.Auto)) |> ignore) "widths that do not fit")

        torchTest "have the gradients that are wanted and no others: of an input without, of a bias alone, of nothing" (fun () ->
            for wanted in [ [ 1; 2 ]; [ 2 ]; [ 0 ]; [ 1 ]; [] ] do
                let run layer =
                    let operands = [ filled 1L [ 20L; 5L ]; filled 2L [ 3L; 5L ]; filled 3L [ 3L ] ]
                    for i in wanted do operands[i].requires_grad_ () |> ignore
                    let y: Tensor = layer operands[0] operands[1] operands[2]
                    if not wanted.IsEmpty then (y * filled 9L [ 20L; 3L ]).sum().backward ()
                    y, [ for t in operands -> t.grad ]
                let expected, actual = run torchs, ownProducts (fun () -> run ours)
                closeTensor tensor32 (fst expected) (fst actual) $"{wanted}"
                for e, a in List.zip (snd expected) (snd actual) do
                    Expect.equal (isNull a) (isNull e) $"{wanted}: which gradients"
                    if not (isNull e) then closeTensor tensor32 e a $"{wanted}: gradient")

        torchTest "in steps, keys and readouts agree with the composed backend" (fun () ->
            for composed, own in List.zip (GradientCases.cases Variants.Nah Backend.Composed) (GradientCases.cases Variants.Nah Backend.Auto) do
                let mutable own' = 0
                FusedLinear.Made <- fun () -> own' <- own' + 1
                let gradients (case: GradientCases.Case) =
                    case.Clear()
                    case.Loss().backward ()
                    case.Gradients()
                for (name, e), (_, a) in List.zip (gradients composed) (try ownProducts (fun () -> gradients own) finally FusedLinear.Made <- null) do
                    Expect.equal (isNull a) (isNull e) $"{own.Name}, {name}: whether there is one"
                    if not (isNull e) then
                        for i, (e, a) in Array.indexed (Array.zip (values e) (values a)) do Tol.below (abs (e - a)) (1e-4 * (1.0 + abs e)) $"{own.Name}, {name}, {i}"
                let due = [ "steps of an LSTM"; "steps of a GRU"; "steps of an LSTM, many of them"; "attention"; "decoder of sentences"; "decoder of captions"; "linear layer" ]
                if List.contains own.Name due then Tol.above (float own') 0.0 $"{own.Name}: products of the engine's")

        torchTest "add up a bias's gradient of many rows without losing digits" (fun () ->
            let x, w, b = torch.zeros [| 1_000_000L; 1L |], filled 2L [ 1L; 1L ], (filled 3L [ 1L ]).requires_grad_ ()
            (ownProducts (fun () -> ours x w b) * (0.1f).ToScalar()).sum().backward ()
            Tol.below (abs (scalarOf b.grad - 100_000.0)) 50.0 "a million of 0.1: a single chain is off by a thousand")

        torchTest "of a network without hidden layers are its backend's" (fun () ->
            use model = new NoisyMlp([| 12L; 9L |], Variants.Nah.Tanh, NoiseClock 5L)
            for path in [ Backend.Composed; Backend.Auto ] do
                model.Backend <- path
                Expect.equal model.Backend path "kept"
                let mutable met = false
                FunctionFaults.Inject <- fun name _ -> met <- met || name = "LinearFunction"
                try ownProducts (fun () -> model.forward (filled 1L [ 30L; 12L ])) |> ignore
                finally FunctionFaults.Inject <- null
                Expect.equal met (path = Backend.Auto) $"{path}")

        torchTest "their products alone equal torch's, of some columns of a matrix too" (fun () ->
            let x, w, g, b = filled 1L [ 40L; 5L ], filled 2L [ 9L; 8L ], filled 3L [ 40L; 9L ], filled 4L [ 9L ]
            let part = w.narrow (1L, 1L, 5L)
            ownProducts (fun () ->
                closeTensor tensor32 (torchs x part b) (FusedLinear.Product(x, part, b)) "product"
                closeTensor tensor32 (g.mm part) (FusedLinear.InputGradient(g, part)) "gradient in the input"
                closeTensor tensor32 (g.t().mm x) (FusedLinear.WeightGradient(g, x)) "gradient in the weight"))

        torchTest "a perceptron through them equals the composed one, and can be differentiated twice" (fun () ->
            let run path =
                use model = new NoisyMlp([| 12L; 9L; 4L |], Variants.Nah.Tanh, NoiseClock 5L, Backend = path)
                let x = (filled 1L [ 30L; 12L ]).requires_grad_ ()
                let y = model.forward (x, NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed(2L), 3L))
                let first = torch.autograd.grad ([| (y * y).sum () |], [| x |], retain_graph = true, create_graph = true)
                first[0].pow(2.0.ToScalar()).sum().backward ()
                [ y.detach (); first[0].detach (); x.grad ] @ [ for p in model.parameters () -> p.grad ]
            agree "perceptron" (run Backend.Composed) (ownProducts (fun () -> run Backend.Auto)))
    ]
