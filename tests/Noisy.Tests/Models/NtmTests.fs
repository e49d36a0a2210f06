/// The Neural Turing Machine: its parts, the composed backend against a scalar reference, the fused backend against the composed one.
module Noisy.Tests.NtmTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A machine, its activations and how it is run.
type Machine =
    { Shape: NtmShape
      Variant: ActivationPair
      Steps: int64
      Batch: int64
      Width: VectorWidth
      Threads: int
      Mode: NoiseMode
      Scale: float option
      Seed: int64 }

let private widths = [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512 ]

/// The named variants, NANIL at a scale at which its noise acts (decision 2), and such as mix: frozen p, one p learned and one not, clip.
let private activations =
    [ yield! Variants.All
      Variants.Nanil.Map(fun s -> s.WithC 30.0)
      Variants.Nah.Map(fun s -> s.WithAlpha(0.9).WithClipOutput true)
      Variants.Nan.Map(fun s -> s.WithAlpha(1.0).WithC(2.0).WithP(Nullable 1.0).WithLearnP false)
      ActivationPair("fixed", Variants.Nah.Tanh.WithP(Nullable 0.7).WithLearnP false, Variants.Nan.Sigmoid, "p learned at the gates alone") ]

let private genMachine =
    gen {
        let! controller = Gen.elements [ NtmController.FeedForward; NtmController.Lstm ]
        let! variant = Gen.elements activations
        let! inputs = Gen.choose (1, 10)
        let! outputs = Gen.choose (1, 20)
        let! hidden = Gen.choose (1, 40)
        let! rows = Gen.frequency [ 4, Gen.choose (1, 40); 1, Gen.elements [ 16; 32; 128 ] ]
        // The cosine of two numbers is ±1, and its gradient nothing but rounding: rows have at least two.
        let! memoryWidth = Gen.choose (2, 24)
        let! readers = Gen.frequency [ 3, Gen.constant 1; 1, Gen.choose (2, 3) ]
        let! writers = Gen.frequency [ 3, Gen.constant 1; 1, Gen.choose (2, 3) ]
        let! steps = Gen.choose (1, 9)
        let! batch = Gen.frequency [ 1, Gen.constant 1; 2, Gen.choose (1, 12) ]
        let! width = Gen.elements widths
        let! threads = Gen.choose (1, 4)
        let! mode = Gen.frequency [ 4, Gen.constant NoiseMode.Sample; 1, Gen.constant NoiseMode.Mean; 1, Gen.constant NoiseMode.Off ]
        let! scale = Gen.frequency [ 2, Gen.constant None; 1, Gen.constant (Some 3.0) ]
        let! seed = Gen.choose (0, 1_000_000)
        return
            { Shape = NtmShape(inputs, outputs, controller, hidden, rows, memoryWidth, readers, writers); Variant = variant
              Steps = int64 steps; Batch = int64 batch; Width = width; Threads = threads; Mode = mode; Scale = scale; Seed = int64 seed }
    }

type MachineArbitrary =
    static member Machine() = Arb.fromGen genMachine

let private property name count (body: Machine -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with arbitrary = [ typeof<MachineArbitrary> ]; maxTest = count } name (fun (m: Machine) ->
        TorchNative.EnsureLoaded()
        torch.set_num_threads 1
        use _ = torch.NewDisposeScope()
        body m)

let private context (m: Machine) = NoiseContext(m.Mode, NoiseKey.FromSeed(m.Seed).Child "noise", 5L, 2, Option.toNullable m.Scale)

/// The machine with biases and starts that are not zero, so that every gradient counts.
let private build (m: Machine) (seed: int64) =
    let machine = new NeuralTuringMachine(m.Shape, m.Variant, NoiseClock seed)
    use _ = torch.no_grad ()
    for struct (name, p) in machine.named_parameters () do
        if name.Contains "bias" || (name.StartsWith "start" && name <> "start_memory") then
            p.copy_ (filled (seed + int64 name.Length) (shape p)) |> ignore
    machine

let private input (m: Machine) (seed: int64) =
    (filled (seed + 1L) [ m.Steps; m.Batch; int64 m.Shape.Inputs ]).mul((2.0f).ToScalar()).detach().requires_grad_ ()

/// Logits, then every gradient by name.
let private run (m: Machine) (seed: int64) (path: Backend) =
    use _ = torch.NewDisposeScope()
    let machine = build m seed
    machine.Backend <- path
    let x = input m seed
    let y = machine.forward (x, context m)
    (y * filled (seed + 7L) (shape y)).sum().backward ()
    Expect.equal machine.LastBackend (if path = Backend.Auto then FusedEngine.FusedName else FusedEngine.ComposedName) "path"
    let gradients = ("x", gradientOf x) :: [ for struct (name, p) in machine.named_parameters () -> name, gradientOf p ]
    [ "logits", values y ], gradients

let private agree (m: Machine) = fusedAgrees 1e-2 m.Width m.Threads m.Seed (run m)

let private small controller variant =
    { Shape = NtmShape(3, 2, controller, 4, 5, 3, 2, 2); Variant = variant; Steps = 4L; Batch = 1L; Width = VectorWidth.Auto; Threads = 1
      Mode = NoiseMode.Sample; Scale = None; Seed = 11L }

/// Logits of the scalar reference for some parameters.
let private reference (m: Machine) (parameters: Map<string, float[]>) (x: float[]) =
    let noise =
        let sites = if m.Shape.Controller = NtmController.Lstm then 5 else 1
        [| for site in 0 .. sites - 1 ->
               [| for t in 0 .. int m.Steps - 1 ->
                      let draws = Array.zeroCreate<float32> m.Shape.Hidden
                      let c = context m
                      NoiseSampler.Normal(c.Key.Child(0u).Child(uint32 site).At(c.Update, c.TimeStep + t), 0L, Span draws)
                      draws |> Array.map float |] |]
    let spec site = if m.Shape.Controller = NtmController.FeedForward || site = 2 || site = 4 then m.Variant.Tanh else m.Variant.Sigmoid
    let activate site x xi p = let s = spec site in NoisyFunction.Value(s, x, xi, p, defaultArg m.Scale s.C)
    NtmReference.logits m.Shape (fun name -> parameters.[name]) (fun site t u -> noise.[site].[t].[u]) activate (Array.chunkBySize m.Shape.Inputs x)
    |> Array.concat

/// Every parameter and buffer of a machine.
let private parametersOf (machine: NeuralTuringMachine) =
    let all = Map [ for entry in machine.state_dict () -> entry.Key, values entry.Value ]
    if all.ContainsKey "p" then all else all.Add("p", Array.create (5 * machine.Shape.Hidden) 1.0)

let tests =
    testSequenced
    <| testList "ntm" [
        property "fused equals composed: outputs to 1e-5, gradients to 1e-4" 150 agree

        torchTest "fused equals composed at the paper's sizes" (fun () ->
            for controller in [ NtmController.FeedForward; NtmController.Lstm ] do
                agree
                    { small controller Variants.Nan with
                        Shape = NtmShape(8, 6, controller); Steps = 24L; Batch = 3L; Threads = 2; Scale = Some 30.0 })

        property "every width and every number of threads gives the same bits" 60 (fun m ->
            let reference = withEngine VectorWidth.Bits512 1 (fun () -> run m m.Seed Backend.Auto)
            Expect.equal (withEngine m.Width m.Threads (fun () -> run m m.Seed Backend.Auto)) reference "bits")

        torchTest "both paths give the logits of the scalar reference, and its differences are the fused gradients" (fun () ->
            for controller in [ NtmController.FeedForward; NtmController.Lstm ] do
                for variant in [ Variants.Soft; Variants.Nan; Variants.Nah; Variants.Nani ] do
                    let m = small controller variant
                    let machine = build m m.Seed
                    let parameters = parametersOf machine
                    let x = input m m.Seed
                    let expected = reference m parameters (values x)
                    let above = filled 99L [ m.Steps; 1L; int64 m.Shape.Outputs ]
                    let name = $"{controller} {variant.Name}"
                    for path, tolerance in [ Backend.Auto, tensor32; Backend.Composed, tensor32 ] do
                        machine.Backend <- path
                        let y = machine.forward (x, context m)
                        Array.iteri2 (fun i e a -> Tol.close tolerance e a $"{name}, {path}, logit {i}") expected (values y)
                    machine.Backend <- Backend.Auto
                    (machine.forward (x, context m) * above).sum().backward ()
                    let weights = values above
                    let loss parameters = Array.fold2 (fun sum a b -> sum + a * b) 0.0 weights (reference m parameters (values x))
                    for struct (parameter, p) in machine.named_parameters () do
                        let gradient = values p.grad
                        for i in 0 .. gradient.Length - 1 do
                            let moved by = parameters.Add(parameter, parameters[parameter] |> Array.mapi (fun j v -> if j = i then v + by else v))
                            let step = 1e-5
                            let difference = (loss (moved step) - loss (moved -step)) / (2.0 * step)
                            Tol.close tensor32Slope difference gradient[i] $"{name}, gradient in {parameter} {i}")

        torchTest "the composed backend in double precision is the scalar reference" (fun () ->
            for controller in [ NtmController.FeedForward; NtmController.Lstm ] do
                let m = { small controller Variants.Soft with Mode = NoiseMode.Off }
                let machine = build m 3L
                machine.``to``(torch.ScalarType.Float64) |> ignore
                let x = (input m 3L).to_type torch.ScalarType.Float64
                let y = machine.forward (x, context m)
                Expect.equal machine.LastBackend FusedEngine.ComposedName "path"
                // The guards are rounded to single precision there, which counts where an attention or a length is small.
                Array.iteri2 (fun i e a -> Tol.close Tol.difference e a $"logit {i}") (reference m (parametersOf machine) (values x)) (values y))

        torchTest "content, gate, shift and sharpening each do what they are for" (fun () ->
            let rows = 6L
            let memory = (filled 5L [ 1L; rows; 4L ])
            let before = (vector [ 0.0; 1.0; 0.0; 0.0; 0.0; 0.0 ]).unsqueeze 0L
            let scalar (v: float) = (vector [ v ]).unsqueeze 0L
            let head strength gate (shift: float list) sharpening =
                NtmHead(memory.select(1, 3L), scalar strength, scalar gate, (vector shift).unsqueeze 0L, scalar sharpening, null, null)
            let attend strength gate shift sharpening = NtmMemory.Attend(memory, before, head strength gate shift sharpening) |> values
            let stay, onwards, back = [ 0.0; 1.0; 0.0 ], [ 0.0; 0.0; 1.0 ], [ 1.0; 0.0; 0.0 ]
            let most row (attention: float[]) message = Tol.above attention[row] 0.99 message
            most 3 (attend 200.0 1.0 stay 1.0) "a strong key finds its row"
            most 1 (attend 1.0 0.0 stay 1.0) "a closed gate stays"
            most 2 (attend 1.0 0.0 onwards 1.0) "the third shift goes one on"
            most 0 (attend 1.0 0.0 back 1.0) "the first shift goes one back"
            let twice = NtmMemory.Attend(memory, before.roll (-1L, 1L), head 1.0 0.0 back 1.0) |> values
            most 5 twice "round the circle"
            let soft, sharp = attend 1.0 0.0 [ 0.2; 0.6; 0.2 ] 1.0, attend 1.0 0.0 [ 0.2; 0.6; 0.2 ] 3.0
            Tol.close tensor32 0.6 soft[1] "as shifted"
            Tol.close tensor32 (0.216 / 0.232) sharp[1] "0.6³ / (0.6³ + 2 · 0.2³)"
            Tol.close tensor32 1.0 (Array.sum sharp) "sum")

        torchTest "what is written with all attention and full erasure is what is read" (fun () ->
            let memory = filled 5L [ 2L; 7L; 3L ]
            let attention = torch.zeros ([| 2L; 7L |])
            attention.index_put_(torch.ones [| 2L |], [| torch.TensorIndex.Colon; torch.TensorIndex.Single 4L |]) |> ignore
            let add = filled 6L [ 2L; 3L ]
            let unused = torch.zeros ([| 2L; 1L |])
            let written = NtmMemory.Write(memory, attention, NtmHead(unused, unused, unused, unused, unused, torch.ones ([| 2L; 3L |]), add))
            closeTensor tensor32 add (NtmMemory.Read(written, attention)) "read"
            closeTensor tensor32 (memory.narrow (1, 0L, 4L)) (written.narrow (1, 0L, 4L)) "other rows stay")

        torchTest "a trace shows the pass: its logits, attentions that add up to 1, the memory after each step" (fun () ->
            let m = { small NtmController.Lstm Variants.Nan with Batch = 2L }
            let machine = build m 1L
            use trace = machine.Trace(input m 1L, context m)
            machine.Backend <- Backend.Composed
            sameTensor (machine.forward (input m 1L, context m)) trace.Logits "logits"
            Expect.equal (shape trace.Attention) [ 4L; 2L; 4L; 5L ] "attention"
            Expect.equal (shape trace.Memory) [ 4L; 2L; 5L; 3L ] "memory"
            for sum in values (trace.Attention.sum 3L) do Tol.close tensor32 1.0 sum "sum")

        torchTest "a second backward pass over the same graph gives the same gradients" (fun () ->
            let m = small NtmController.Lstm Variants.Nah
            let machine = build m 1L
            let loss = machine.forward(input m 1L, context m).sum ()
            let gradients () = [ for p in machine.parameters () -> values p.grad ]
            loss.backward (retain_graph = true)
            let first = gradients ()
            for p in machine.parameters () do p.grad <- null
            loss.backward ()
            Expect.equal (gradients ()) first "gradients")

        torchTest "the module's own face asks the clock" (fun () ->
            let m = small NtmController.FeedForward Variants.Nan
            let clock = NoiseClock 4L
            let machine = new NeuralTuringMachine(m.Shape, m.Variant.Map(fun s -> s.WithC 30.0), clock)
            let x = (input m 1L).mul((5.0f).ToScalar())
            let first, second = machine.forward x, machine.forward x
            Expect.isFalse (first.equal(second).all().item<bool> ()) "a second call of an update has other noise"
            clock.Advance 0L
            sameTensor first (machine.forward x) "the first call again"
            machine.eval ()
            sameTensor (machine.forward x) (machine.forward x) "no noise in eval")

        torchTest "exact means and other types take the composed backend" (fun () ->
            let m = small NtmController.FeedForward Variants.Nani
            let machine = build m 1L
            machine.forward (input m 1L, NoiseContext(NoiseMode.ExactMean)) |> ignore
            Expect.equal machine.LastBackend FusedEngine.ComposedName "exact mean"
            machine.forward (input m 1L, NoiseContext.Test) |> ignore
            Expect.equal machine.LastBackend FusedEngine.FusedName "mean")

        torchTest "impossible sizes are named, each of them" (fun () ->
            Tol.throws<InvalidSpecException>
                "inputs is 0: must be in [1, 65536]; memoryRows is 100000: must be in [1, 65536]; writeHeads is 0: must be in [1, 64]"
                (fun () -> NtmShape(0, 6, MemoryRows = 100_000, WriteHeads = 0).Validate() |> ignore)
            let machine = new NeuralTuringMachine(NtmShape(8, 6), Variants.Soft, NoiseClock 1L)
            Tol.throws<ArgumentException> "input is [4, 1, 7]: must be [T, B, 8] and not empty (Parameter 'input')" (fun () ->
                machine.forward (torch.zeros [| 4L; 1L; 7L |]) |> ignore)
            Expect.throwsT<ArgumentException> (fun () -> machine.forward (torch.zeros [| 0L; 1L; 8L |]) |> ignore) "empty")
    ]
