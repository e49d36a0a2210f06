/// The fused engine against composed tensor operations, and against itself at other widths and thread counts.
module Noisy.Tests.EngineTests

open System
open System.IO
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.OwnCell
open Noisy.Tests.TorchHelpers
open TorchSharp

/// Whose layers: the library's two, and a cell that it does not have.
type Kind =
    | Lstm
    | Gru
    | Minimal

/// One random layer stack, its activations and how it is run.
type Stack =
    { Kind: Kind
      Variant: ActivationPair
      Input: int64
      Hidden: int64
      Layers: int
      Bidirectional: bool
      Bias: bool
      Dropout: float
      Steps: int64
      Batch: int64
      Width: VectorWidth
      Threads: int
      Mode: NoiseMode
      Scale: float option
      Seed: int64 }

    member s.Rows = int64 (s.Layers * (if s.Bidirectional then 2 else 1))
    member s.Shape = RecurrentShape(s.Input, s.Hidden, s.Layers, s.Bias, Dropout = s.Dropout, Bidirectional = s.Bidirectional)

let private widths = [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512 ]

/// The named variants, and such as mix: other α, clip, frozen p. NANIL's noise acts at a large c alone (decision 2).
let private activations =
    [ yield! Variants.All
      Variants.Nanil.Map(fun s -> s.WithC 30.0)
      Variants.Nah.Map(fun s -> s.WithAlpha(0.9).WithClipOutput true)
      Variants.Nan.Map(fun s -> s.WithAlpha(1.0).WithC(2.0).WithP(Nullable 1.0).WithLearnP false)
      ActivationPair("mixed", Variants.Nanil.Tanh, Variants.Soft.Sigmoid, "soft gates, noisy candidate")
      ActivationPair("fixed", Variants.Nah.Tanh.WithP(Nullable 0.7).WithLearnP false, Variants.Nan.Sigmoid, "p learned at the gates alone")
      ActivationPair("excess", Variants.Nah.Tanh.WithScaling NoiseScaling.Excess, Variants.Nan.Sigmoid.WithScaling NoiseScaling.Excess, "no p") ]

type StackArbitrary =
    static member Stack() =
        gen {
            let! kind = Gen.elements [ Lstm; Gru; Minimal ]
            let! variant = Gen.elements activations
            let! input = Gen.choose (1, 40)
            let! hidden = Gen.choose (1, 70)
            let! layers = Gen.choose (1, 3)
            let! both = Gen.frequency [ 3, Gen.constant false; 1, Gen.constant true ]
            let! bias = Gen.frequency [ 3, Gen.constant true; 1, Gen.constant false ]
            let! dropout = Gen.elements [ 0.0; 0.3 ]
            let! steps = Gen.choose (1, 9)
            let! batch = Gen.choose (1, 33)
            let! width = Gen.elements widths
            let! threads = Gen.choose (1, 4)
            let! mode = Gen.frequency [ 4, Gen.constant NoiseMode.Sample; 1, Gen.constant NoiseMode.Mean; 1, Gen.constant NoiseMode.Off ]
            let! scale = Gen.frequency [ 2, Gen.constant None; 1, Gen.constant (Some 3.0) ]
            let! seed = Gen.choose (0, 1_000_000)
            return
                { Kind = kind; Variant = variant; Input = int64 input; Hidden = int64 hidden; Layers = layers; Bidirectional = both; Bias = bias; Dropout = dropout
                  Steps = int64 steps; Batch = int64 batch; Width = width; Threads = threads; Mode = mode; Scale = scale; Seed = int64 seed }
        }
        |> Arb.fromGen

/// A scale takes the place of each activation's own c.
let private contextOf (s: Stack) (seed: int64) = NoiseContext(s.Mode, NoiseKey.FromSeed seed, 5L, 2, Option.toNullable s.Scale)

/// What a pass gives: outputs and final states, then every gradient, by name.
type private Result = (string * float[]) list * (string * float[]) list

let private run (s: Stack) (seed: int64) (path: Backend) : Result =
    use _ = torch.NewDisposeScope()
    let leaf n size = (filled (seed + n) size).mul((3.0f).ToScalar()).detach().requires_grad_ ()
    let x, h, c = leaf 1L [ s.Steps; s.Batch; s.Input ], leaf 2L [ s.Rows; s.Batch; s.Hidden ], leaf 3L [ s.Rows; s.Batch; s.Hidden ]
    let context = contextOf s seed
    let one (m: RecurrentModule<Tensor, struct (Tensor * Tensor)>) : torch.nn.Module * Tensor list =
        m.Backend <- path
        let struct (y, hn) = m.forward (x, h, context)
        m, [ y; hn ]
    let m, outputs =
        match s.Kind with
        | Gru -> one (new NoisyGru(s.Shape, s.Variant, NoiseClock seed))
        | Minimal -> one (new MinimalGatedUnit(s.Shape, s.Variant, NoiseClock seed))
        | Lstm ->
            let m = new NoisyLstm(s.Shape, s.Variant, NoiseClock seed, Backend = path)
            let struct (y, hn, cn) = m.forward (x, struct (h, c), context)
            m, [ y; hn; cn ]
    let leaves: (string * Tensor) list = [ "x", x; "h", h; if s.Kind = Lstm then "c", c ]
    let loss = outputs |> List.mapi (fun i o -> (o * filled (seed + 10L + int64 i) (shape o)).sum ()) |> List.reduce (fun a b -> a + b)
    loss.backward ()
    outputs |> List.mapi (fun i o -> $"output {i}", values o),
    [ for name, t in leaves do name, gradientOf t
      for struct (name, p) in m.named_parameters () do name, gradientOf p ]

/// The same of a single step, from a projected input that is given. Takes the stack's cell, batch and units.
let private runStep (s: Stack) (seed: int64) (path: Backend) : Result =
    use _ = torch.NewDisposeScope()
    let cell: RecurrentCell =
        match s.Kind with
        | Gru -> GruCell s.Variant
        | Minimal -> MinimalCell s.Variant
        | Lstm -> LstmCell s.Variant
    let leaf n scale size = (filled (seed + n) size).mul((scale: float32).ToScalar()).detach().requires_grad_ ()
    let gates = int64 cell.Layout.Gates * s.Hidden
    let fromInput, weight = leaf 1L 3.0f [ s.Batch; gates ], leaf 2L 1.0f [ gates; s.Hidden ]
    let bias = if cell.Layout.SharesBlocks then null else leaf 5L 1.0f [ gates ]
    let states = [| for i in 0 .. cell.Layout.States - 1 -> leaf (6L + int64 i) 2.0f [ s.Batch; s.Hidden ] |]
    let gains = if cell.Sites |> Seq.exists _.UsesP then leaf 4L 3.0f [ int64 cell.Sites.Count; s.Hidden ] else null
    let context = contextOf s seed
    let activate site (pre: Tensor) =
        let spec = cell.Sites[site]
        let p = if not spec.UsesP then null elif spec.LearnP then gains.select (0L, int64 site) else gains.detach().select (0L, int64 site)
        SiteActivation.Apply(spec, pre, p, context.Child(uint32 site), Backend.Composed)
    use fromState = new StepLinear(weight, bias, path)
    let next =
        if path = Backend.Composed then cell.Step(fromInput, (fun h -> fromState.Apply h), states, (fun site pre -> activate site pre))
        else FusedStep.Run(cell, fromState, StepWeights weight, fromInput, gains, states, context)
    let loss = next |> Seq.mapi (fun i o -> (o * filled (seed + 10L + int64 i) (shape o)).sum ()) |> Seq.reduce (fun a b -> a + b)
    loss.backward ()
    [ for i, o in Seq.indexed next -> $"state {i}", values o ],
    [ "input", gradientOf fromInput
      "weight", gradientOf weight
      for i, state in Seq.indexed states do $"state {i}", gradientOf state
      for name, t in [ "bias", bias; "p", gains ] do
          if not (isNull t) then name, gradientOf t ]

let private property name count (body: Stack -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with arbitrary = [ typeof<StackArbitrary> ]; maxTest = count } name (fun (s: Stack) ->
        TorchNative.EnsureLoaded()
        body s)

let private fused (pass: Stack -> int64 -> Backend -> Result) (s: Stack) = fusedAgrees 1e-3 s.Width s.Threads s.Seed (pass s)

/// A cell with a site more than its operator has.
type private TwoSites() =
    inherit RecurrentCell([| Variants.Nah.Tanh; Variants.Nah.Tanh |])
    override _.Accept<'V when 'V: struct and 'V :> ValueType and 'V: (new: unit -> 'V) and 'V :> ICellVisitor>(scale: Nullable<float>, visitor: byref<'V>) =
        DenseOperator.Accept<'V>(Variants.Nah.Tanh, scale, &visitor)
    override _.Step(input, _, _, activate) = [| activate.Invoke(0, input) |]

/// Passes a tensor on, and gives no gradient back.
type NoWayBack() =
    inherit torch.autograd.SingleTensorFunction<NoWayBack>()
    override _.Name = nameof NoWayBack
    override _.forward(_, vars) = (vars[0] :?> Tensor).alias ()
    override _.backward(_, _) = Collections.Generic.List<Tensor> [ null ]

/// Which examples of an output layer count.
type Mask =
    | Everyone
    | MostOfThem
    | AFew
    | Nobody

/// Sizes of an output layer.
type Layer =
    { Examples: int64
      Mask: Mask
      Units: int64
      Classes: int64
      Bias: bool
      LayerWidth: VectorWidth
      LayerThreads: int
      LayerSeed: int64 }

type LayerArbitrary =
    static member Layer() =
        gen {
            let! examples = Gen.choose (1, 70)
            let! units = Gen.choose (1, 70)
            let! classes = Gen.frequency [ 5, Gen.choose (1, 300); 1, Gen.choose (2_000, 5_000) ]
            let! mask = Gen.frequency [ 2, Gen.constant Everyone; 3, Gen.constant MostOfThem; 3, Gen.constant AFew; 1, Gen.constant Nobody ]
            let! bias = Gen.elements [ false; true ]
            let! width = Gen.elements widths
            let! threads = Gen.choose (1, 4)
            let! seed = Gen.choose (0, 1_000_000)
            return
                { Examples = int64 examples; Mask = mask; Units = int64 units; Classes = int64 classes; Bias = bias
                  LayerWidth = width; LayerThreads = threads; LayerSeed = int64 seed }
        }
        |> Arb.fromGen

let private layerProperty name count (body: Layer -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with arbitrary = [ typeof<LayerArbitrary> ]; maxTest = count } name (fun (layer: Layer) ->
        TorchNative.EnsureLoaded()
        use _ = torch.NewDisposeScope()
        body layer)

let private counts (l: Layer) i =
    match l.Mask with
    | Everyone -> true
    | MostOfThem -> (i + l.LayerSeed) % 5L <> 0L
    | AFew -> (i + l.LayerSeed) % 7L = 0L
    | Nobody -> false

let private targets (l: Layer) =
    [| for i in 0L .. l.Examples - 1L -> if counts l i then (i * 7919L + l.LayerSeed) % l.Classes else LinearCrossEntropy.IgnoreIndex |]

/// Loss, number of right predictions and gradients of an output layer.
///
/// chosen: examples that the layer sees, of the inputs and of the targets; null for all of them.
let private crossEntropyOf (chosen: int64[]) (l: Layer) width threads path =
    withEngine width threads (fun () ->
        let leaf n size = (filled (l.LayerSeed + n) size).mul((4.0f).ToScalar()).detach().requires_grad_ ()
        let x, w, b = leaf 1L [ l.Examples; l.Units ], leaf 2L [ l.Classes; l.Units ], leaf 3L [ l.Classes ]
        let rows (t: Tensor) = if isNull chosen then t else t.index_select (0L, torch.tensor chosen)
        let struct (sum, nats, correct) = LinearCrossEntropy.Details(rows x, w, (if l.Bias then b else null), rows (torch.tensor (targets l)), path)
        (sum.mul((0.3f).ToScalar())).backward ()
        // By place, not by value: a sure example costs nothing, to single precision.
        let seen = if isNull chosen then [| for i in 0L .. l.Examples - 1L do if counts l i then int i |] else Array.init chosen.Length id
        let nats = values nats
        [ "loss", values sum; "right", values correct; "each", [| for i in seen -> nats[i] |] ],
        [ "x", values x.grad; "w", values w.grad; if l.Bias then "b", values b.grad ])

let private crossEntropy = crossEntropyOf null

let tests =
    testSequenced
    <| testList "engine" [
        property "fused equals composed: outputs to 1e-5, gradients to 1e-4" 120 (fused run)

        property "every width and every number of threads gives the same bits" 40 (fun s ->
            let reference = withEngine VectorWidth.Bits512 1 (fun () -> run s s.Seed Backend.Auto)
            let other = withEngine s.Width s.Threads (fun () -> run s s.Seed Backend.Auto)
            Expect.equal other reference "bits")

        torchTest "layers with more rows than a block, and with more weights than a cache, give the same bits too" (fun () ->
            let stack kind input hidden steps batch =
                { Kind = kind; Variant = Variants.Nah; Input = input; Hidden = hidden; Layers = 1; Bidirectional = false; Bias = true; Dropout = 0.0
                  Steps = steps; Batch = batch; Width = VectorWidth.Auto; Threads = 1; Mode = NoiseMode.Sample; Scale = None; Seed = 7L }
            for s in [ for kind in [ Lstm; Gru ] do stack kind 50L 5L 61L 8L; stack kind 33L 600L 3L 16L ] do
                fused run s
                let reference = withEngine VectorWidth.Auto 1 (fun () -> run s s.Seed Backend.Auto)
                for width, threads in [ VectorWidth.Auto, 2; VectorWidth.Auto, 3; VectorWidth.Bits128, 2 ] do
                    Expect.equal (withEngine width threads (fun () -> run s s.Seed Backend.Auto)) reference $"{s.Kind}, {s.Hidden} units, {width}, {threads} threads")

        property "a single step: fused equals composed" 100 (fused runStep)

        property "a single step: every width and every number of threads gives the same bits" 40 (fun s ->
            let reference = withEngine VectorWidth.Bits512 1 (fun () -> runStep s s.Seed Backend.Auto)
            Expect.equal (withEngine s.Width s.Threads (fun () -> runStep s s.Seed Backend.Auto)) reference "bits")

        torchTest "a cell says its gates, states and sites once, and one that contradicts itself is refused" (fun () ->
            let layout (cell: RecurrentCell) = cell.Layout
            Expect.equal (layout (LstmCell Variants.Nah)) (CellLayout(4, 5, 2, true, true)) "LSTM"
            Expect.equal (layout (GruCell Variants.Nah)) (CellLayout(3, 3, 1, true, false)) "GRU"
            Expect.equal (layout (MinimalCell Variants.Nah)) (CellLayout(2, 2, 1, true, false)) "minimal gated unit"
            Expect.equal (layout (DenseCell Variants.Nah.Tanh)) (CellLayout(1, 1, 1, false, true)) "dense"
            Tol.throws<ArgumentException> "TwoSites has 2 sites, its operator 1" (fun () -> layout (TwoSites()) |> ignore)
            Tol.throws<ArgumentException> "the two products of a controller's gate must add up in the same block (Parameter 'cell')" (fun () ->
                NtmKernel.Create(MinimalCell Variants.Nah, Nullable(), VectorWidth.Auto) |> ignore))

        test "the cell that the documentation works through is the compiled one" {
            let page = File.ReadAllText(Repository.file [ "docs"; "extending.md" ])
            let worked = page.Substring(page.IndexOf("## A recurrent cell, worked"))
            let blocks = worked.Split("```csharp\n") |> Array.skip 1 |> Array.map (fun (b: string) -> b.Substring(0, b.IndexOf("```")).TrimEnd())
            let sources = [ for f in Directory.GetFiles(Repository.file [ "tests"; "Noisy.OwnCell" ], "*.cs") -> File.ReadAllText f ]
            Expect.hasLength blocks 4 "blocks"
            for b in blocks do Expect.isTrue (sources |> List.exists (fun s -> s.Contains b)) b
        }

        torchTest "a single step goes back from either state alone, and twice" (fun () ->
            let leaf n size = (filled n size).detach().requires_grad_ ()
            let x, h, c, w = leaf 1L [ 3L; 24L ], leaf 2L [ 3L; 6L ], leaf 3L [ 3L; 6L ], leaf 4L [ 24L; 6L ]
            let leaves = [ x; h; c; w ]
            let gradients (loss: Tensor) =
                for t in leaves do t.grad <- null
                loss.backward (retain_graph = true)
                [ for t in leaves -> values t.grad ]
            use fromState = new StepLinear(w, null, Backend.Auto)
            let states = FusedStep.Run(LstmCell Variants.Soft, fromState, StepWeights w, x, null, [| h; c |], NoiseContext.Test)
            let hidden, cell = gradients (states[0].sum ()), gradients (states[1].sum ())
            Expect.equal (gradients (states[0].sum ())) hidden "again"
            let both = gradients ((states[0] + states[1]).sum ())
            for i in 0 .. leaves.Length - 1 do
                Tol.above (Array.max both[i]) 0.0 "the test can tell"
                closeTensor tensor32 (vector (Array.map2 (+) hidden[i] cell[i])) (vector both[i]) "sum")

        torchTest "steps see weights that changed between them, and another vector width" (fun () ->
            use _ = torch.NewDisposeScope()
            use _ = torch.no_grad ()
            let x, h, c, w = filled 1L [ 3L; 24L ], filled 2L [ 3L; 6L ], filled 3L [ 3L; 6L ], filled 4L [ 24L; 6L ]
            let weights, linear = StepWeights w, new StepLinear(w, null, Backend.Auto)
            let step packed = values (FusedStep.Run(LstmCell Variants.Soft, linear, packed, x, null, [| h; c |], NoiseContext.Test)[0])
            let before = step weights
            let width = FusedEngine.Width
            try
                FusedEngine.Width <- VectorWidth.Bits128
                Expect.equal (step weights) before "width"
            finally
                FusedEngine.Width <- width
            w.mul_ ((2.0f).ToScalar()) |> ignore
            Expect.notEqual (step weights) before "changed"
            Expect.equal (step weights) (step (StepWeights w)) "as packed anew")

        torchTest "a function that gets no gradient gives none" (fun () ->
            let x = (filled 1L [ 3L; 24L ]).detach().requires_grad_ ()
            let y = SiteActivation.Apply(Variants.Hard.Tanh, x, null, NoiseContext.Test, Backend.Auto)
            (NoWayBack.apply(y).sum () + x.sum ()).backward ()
            Expect.equal (values x.grad) (Array.create 72 1.0) "the other path's alone")

        layerProperty "linear layer with cross-entropy equals torch's" 80 (fun l ->
            let expected = crossEntropy l VectorWidth.Auto 1 Backend.Composed
            let actual = crossEntropy l l.LayerWidth l.LayerThreads Backend.Auto
            // A gradient is a probability less one: its errors are those of numbers near one.
            let loss, gradient = worst 1.0 (fst expected) (fst actual), worst 1.0 (snd expected) (snd actual)
            if not (snd loss <= 1e-5 && snd gradient <= 1e-4) then failtest $"{loss}, {gradient}")

        layerProperty "linear layer with cross-entropy: every width and number of threads gives the same bits" 40 (fun l ->
            Expect.equal (crossEntropy l l.LayerWidth l.LayerThreads Backend.Auto) (crossEntropy l VectorWidth.Bits512 1 Backend.Auto) "bits")

        layerProperty "examples that are left out take no part: the bits are those of a pass over the others alone" 60 (fun l ->
            let kept = [| for i in 0L .. l.Examples - 1L do if counts l i then i |]
            if kept.Length > 0 then
                let whole, part = crossEntropy l l.LayerWidth l.LayerThreads Backend.Auto, crossEntropyOf kept l l.LayerWidth l.LayerThreads Backend.Auto
                Expect.equal whole part "bits")

        torchTest "the sum without the count is the same, and a layer of whom nobody counts adds nothing to gradients" (fun () ->
            let weight = new Modules.Parameter(filled 1L [ 4L; 3L ])
            let model = torch.nn.Linear(3L, 4L, hasBias = false)
            model.weight <- weight
            use optimizer = Optimizer.Create(OptimizerSpec.Sgd, model)
            let x = filled 2L [ 5L; 3L ]
            let some = torch.tensor [| 1L; LinearCrossEntropy.IgnoreIndex; 3L; 0L; LinearCrossEntropy.IgnoreIndex |]
            let nobody = torch.full ([| 5L |], LinearCrossEntropy.IgnoreIndex.ToScalar())
            let norm (targets: Tensor list) =
                for t in targets do LinearCrossEntropy.Sum(x, weight, null, t).backward ()
                let norm = optimizer.GradientNorm()
                optimizer.Step(0.0, 1L, 1.0)
                norm
            let struct (sum, _, right) = LinearCrossEntropy.Details(x, weight, null, some)
            Expect.equal (scalarOf (LinearCrossEntropy.Sum(x, weight, null, some))) (scalarOf sum) "sum"
            Expect.isTrue (right.item<int64> () >= 0L && right.item<int64> () <= 3L) "count"
            let alone = norm [ some ]
            Tol.above alone 0.0 "the test can tell"
            Expect.equal (norm [ some; nobody ]) alone "added to what is there"
            Expect.equal (norm [ nobody ]) 0.0 "alone")

        torchTest "a second backward pass over the same graph gives the same gradients" (fun () ->
            let lstm = new NoisyLstm(RecurrentShape(3L, 5L, 2), Variants.Nah, NoiseClock 1L)
            let x = (filled 1L [ 4L; 2L; 3L ]).requires_grad_ ()
            let struct (y, _, _) = lstm.forward (x, Nullable<struct (Tensor * Tensor)>())
            let loss = y.sum ()
            loss.backward (retain_graph = true)
            let first = [ for p in lstm.parameters () -> values p.grad ]
            for p in lstm.parameters () do p.grad <- null
            loss.backward ()
            Expect.equal [ for p in lstm.parameters () -> values p.grad ] first "gradients"
            Expect.equal lstm.LastBackend FusedEngine.FusedName "path")

        test "tiles of very many rows follow one another" {
            for rows in [ 1; 10; 200_001; 2_000_000_000 ] do
                let tiles = (rows + 9) / 10
                Expect.equal (MatrixProduct.FirstRow(rows, 0, tiles), MatrixProduct.FirstRow(rows, tiles, tiles)) (0, rows) "whole"
                for tile in [ 0; tiles / 3; tiles - 1 ] do
                    let count = MatrixProduct.FirstRow(rows, tile + 1, tiles) - MatrixProduct.FirstRow(rows, tile, tiles)
                    if count < 1 || count > 10 then failtest $"tile {tile} of {tiles} has {count} rows"
        }

        torchTest "what has another type is converted or refused, never misread" (fun () ->
            let weight = filled 1L [ 6L; 3L ]
            sameTensor (EmbeddingLookup.Rows(weight, torch.tensor [| 5L; 0L; 2L |])) (EmbeddingLookup.Rows(weight, torch.tensor [| 5; 0; 2 |])) "tokens of 32 bits"
            Tol.throws<ArgumentException> "tokens are Float32: must be Int64 or Int32 (Parameter 'tokens')" (fun () ->
                EmbeddingLookup.Rows(weight, torch.tensor [| 1.0f |]) |> ignore)
            Tol.throws<ArgumentException> "targets are Int32: must be Int64 (Parameter 'targets')" (fun () ->
                LinearCrossEntropy.Sum(filled 2L [ 2L; 3L ], weight, null, torch.tensor [| 1; 2 |]) |> ignore)
            let gru = new NoisyGru(RecurrentShape(2L, 3L), Variants.Nah, NoiseClock 1L)
            let state = (filled 3L [ 1L; 2L; 3L ]).to_type torch.ScalarType.Float64
            Expect.throwsT<ArgumentException> (fun () -> gru.forward (filled 4L [ 2L; 2L; 2L ], state, NoiseContext.Test) |> ignore) "a state in double")

        torchTest "summaries tell the width that the engine runs at" (fun () ->
            for width in widths do
                Expect.equal (withEngine width 1 (fun () -> RunVersions.Current["vectorBits"])) (string (int width)) "bits"
            Expect.equal RunVersions.Current["vectorBits"] (string (int VectorWidths.Best)) "the machine's best")

        torchTest "other types and exact means take the composed backend" (fun () ->
            let lstm = new NoisyLstm(RecurrentShape(2L, 3L), Variants.Nani, NoiseClock 1L)
            let x = filled 1L [ 2L; 2L; 2L ]
            lstm.forward (x, Nullable<struct (Tensor * Tensor)>(), NoiseContext(NoiseMode.ExactMean)) |> ignore
            Expect.equal lstm.LastBackend FusedEngine.ComposedName "exact mean"
            lstm.forward (x, Nullable<struct (Tensor * Tensor)>(), NoiseContext.Test) |> ignore
            Expect.equal lstm.LastBackend FusedEngine.FusedName "mean"
            lstm.``to``(torch.ScalarType.Float64) |> ignore
            lstm.forward (x.to_type torch.ScalarType.Float64, Nullable<struct (Tensor * Tensor)>(), NoiseContext.Test) |> ignore
            Expect.equal lstm.LastBackend FusedEngine.ComposedName "double")
    ]
