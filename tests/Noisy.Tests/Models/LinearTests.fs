/// Linear layers over many rows, by the engine's products and by libtorch's.
module Noisy.Tests.LinearTests

open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

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

        torchTest "are torch's own where they are small, or composed" (fun () ->
            let x, w, b = (filled 1L [ 20L; 5L ], same), (filled 2L [ 3L; 5L ], same), filled 3L [ 3L ]
            for e, a in List.zip (pass torchs x w b) (pass ours x w b) do sameTensor e a "small"
            let composed x w b = FusedLinear.Apply(x, w, b, Backend.Composed)
            for e, a in List.zip (pass torchs x w b) (ownProducts (fun () -> pass composed x w b)) do sameTensor e a "composed")

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
