/// What is timed: steps of training and parts of them, ours and libtorch's, on the same shapes and data.
module Noisy.Scripts.BenchWork

open System
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Scripts.BenchSizes
open TorchSharp

type private Tensor = torch.Tensor
type private F = torch.nn.functional

/// Something that can be done again and again.
///
/// Run: once; Path: what ours ran on, after a run; Free: gives its memory back.
type Work =
    { Run: unit -> unit
      Path: unit -> string
      Free: unit -> unit }

/// How the baseline forgets its gradients.
type Clearing =
    | ZeroGrad
    | ToNone

let private rate = 0.1
let private clip = 5.0
let private initRange = 0.1

// ---- Text -----------------------------------------------------------------------------------------------------------

/// A token at a place of a text that nobody can learn, so that the weights stay where they are.
let private token (size: Size) (place: int64) =
    let mix (z: uint64) = (z ^^^ (z >>> 31)) * 0x9E3779B97F4A7C15UL
    int64 (mix (mix (uint64 place + 1UL)) >>> 33) % int64 size.Vocabulary

/// Windows of the text, used in turn: inputs and targets of each, [T B].
let private windows (size: Size) =
    [| for window in 0 .. 31 ->
           let at shift i =
               let t, b = i / size.Batch, i % size.Batch
               token size (int64 b * 1_000_003L + int64 (window * size.Steps + t + shift))

           Array.init size.Rows (at 0), Array.init size.Rows (at 1) |]

/// Gives the tokens and targets of every update as new tensors, as a training loop does.
type private Text(size: Size) =
    let windows = windows size
    let mutable update = 0L

    member _.Update = update

    member _.Next() =
        let inputs, targets = windows[int (update % int64 windows.Length)]
        update <- update + 1L
        torch.tensor(inputs, torch.ScalarType.Int64).reshape(int64 size.Steps, int64 size.Batch), torch.tensor (targets, torch.ScalarType.Int64)

// ---- State ----------------------------------------------------------------------------------------------------------

/// States carried from window to window, cut off from the graph that made them.
type private Carried(cell: Cell, size: Size) =
    let zero () = torch.zeros(int64 size.Layers, int64 size.Batch, int64 size.Hidden).DetachFromDisposeScope()
    let mutable states = List.init cell.States (fun _ -> zero ())

    member _.Now = states

    member _.Keep(next: Tensor list) =
        let old = states
        states <- next |> List.map (fun state -> state.detach().DetachFromDisposeScope())
        for state in old do state.Dispose()

    member _.Free() =
        for state in states do state.Dispose()

// ---- Recurrent layers -----------------------------------------------------------------------------------------------

/// Recurrent layers of either maker.
///
/// Forward: output and states after it, from input and states before; Advance: tells the noise which update it is.
type private Layers =
    { Module: torch.nn.Module
      Forward: Tensor -> Tensor list -> Tensor * Tensor list
      Advance: int64 -> unit
      Path: unit -> string }

let private lstm (m: torch.nn.Module<Tensor, Nullable<struct (Tensor * Tensor)>, struct (Tensor * Tensor * Tensor)>) advance path =
    let forward x states =
        match states with
        | [ hidden; cell ] ->
            let struct (output, h, c) = m.call (x, Nullable<struct (Tensor * Tensor)>(struct (hidden, cell)))
            output, [ h; c ]
        | _ -> invalidArg (nameof states) "an LSTM has two"

    { Module = m; Forward = forward; Advance = advance; Path = path }

let private gru (m: torch.nn.Module<Tensor, Tensor, struct (Tensor * Tensor)>) advance path =
    let forward x states =
        let struct (output, h) = m.call (x, List.exactlyOne states)
        output, [ h ]

    { Module = m; Forward = forward; Advance = advance; Path = path }

let private theirLayers cell (size: Size) =
    let width, layers = int64 size.Hidden, int64 size.Layers

    match cell with
    | Lstm -> lstm (torch.nn.LSTM(width, width, layers)) ignore (fun () -> "libtorch")
    | Gru -> gru (torch.nn.GRU(width, width, layers)) ignore (fun () -> "libtorch")

let private ourLayers cell (size: Size) (activations: ActivationPair) (engine: Backend) =
    let clock = NoiseClock 1L
    let shape = RecurrentShape(int64 size.Hidden, int64 size.Hidden, size.Layers)
    let advance (update: int64) = clock.Advance update

    match cell with
    | Lstm ->
        let m = new NoisyLstm(shape, activations, clock, Backend = engine)
        lstm m advance (fun () -> m.LastBackend)
    | Gru ->
        let m = new NoisyGru(shape, activations, clock, Backend = engine)
        gru m advance (fun () -> m.LastBackend)

/// Weights in the interval that the training script starts from, however the module was made.
let private start (m: torch.nn.Module) =
    use _ = torch.no_grad ()

    for struct (name, parameter) in m.named_parameters () do
        if not (name.Contains ".p_" || name.StartsWith "p_") then
            use value = NoiseSource.Uniform(NoiseKey.FromSeed(1L).Child(name).At(0L, 0), parameter.shape, float32 -initRange, float32 initRange, torch.CPU)
            parameter.copy_ value |> ignore

// ---- A training step ------------------------------------------------------------------------------------------------

/// A model of some modules. A ModuleList registers its items only as a field of another module: alone it has no parameters.
type private Parts(modules: torch.nn.Module list) as this =
    inherit torch.nn.Module("parts")
    do modules |> List.iteri (fun i m -> this.register_module ($"{i}", m))

/// What of a plain torch loop is exchanged besides the layers.
///
/// Optimiser: step, zero_grad and clip; Ends: embedding, output layer and loss.
type Exchanged = { Optimiser: bool; Ends: bool }

/// Nothing more.
let nothing = { Optimiser = false; Ends = false }

/// A plain torch loop, its model and a step of it: everything is torch's but the layers, if these have activations of ours, and what is
/// exchanged besides.
let torchLoop cell (size: Size) clearing (activations: ActivationPair option) (exchanged: Exchanged) =
    let layers =
        match activations with
        | Some own -> ourLayers cell size own Backend.Auto
        | None -> theirLayers cell size

    let linear = torch.nn.Linear(int64 size.Hidden, int64 size.Vocabulary)
    let model = new Parts([ torch.nn.Embedding(int64 size.Vocabulary, int64 size.Hidden); layers.Module; linear ])
    start model
    if exchanged.Ends then Noisify.Replace(model, Variants.Nah, NoiseClock 1L, embeddings = true) |> ignore
    let struct (_, embedding) = Seq.head (model.named_children ())
    let embedding = embedding :?> torch.nn.Module<Tensor, Tensor>
    let parameters = model.parameters () |> Array.ofSeq
    let optimizer = if exchanged.Optimiser then FusedOptim.SGD(parameters, rate) else torch.optim.SGD(parameters, rate)
    let clipNorm () = if exchanged.Optimiser then FusedOptim.clip_grad_norm_ (parameters, clip) else torch.nn.utils.clip_grad_norm_ (parameters, clip)
    let fused = if exchanged.Ends then Some(new LinearCrossEntropyLoss(linear)) else None
    let text, carried = Text size, Carried(cell, size)

    let run () =
        use _ = torch.NewDisposeScope()
        layers.Advance text.Update
        let tokens, targets = text.Next()

        match clearing with
        | ZeroGrad -> optimizer.zero_grad ()
        | ToNone -> for parameter in parameters do parameter.grad <- null

        let output, next = layers.Forward (embedding.call tokens) carried.Now
        carried.Keep next
        let rows = output.reshape (-1L, int64 size.Hidden)
        let mean =
            match fused with
            | Some loss -> loss.call (rows, targets)
            | None -> F.cross_entropy (linear.call rows, targets)
        use steps = (float32 size.Steps).ToScalar()
        mean.mul(steps).backward () // summed over time, averaged over the batch, as our loop has it
        mean.item<float32> () |> ignore
        clipNorm () |> ignore
        optimizer.step () |> ignore

    model :> torch.nn.Module,
    { Run = run
      Path = layers.Path
      Free =
        fun () ->
            carried.Free()
            optimizer.Dispose()
            fused |> Option.iter _.Dispose()
            model.Dispose() }

/// libtorch's step without noise.
let theirStep cell size clearing = snd (torchLoop cell size clearing None nothing)

/// A plain torch loop with our layers in it, and what else is exchanged.
let dropIn cell size activations exchanged = snd (torchLoop cell size ZeroGrad (Some activations) exchanged)

/// A step of our own loop: loss gives the summed negative log-likelihood and the states after it.
let private ourLoop cell (size: Size) (model: torch.nn.Module) (loss: int64 -> Tensor -> Tensor -> Tensor list -> Tensor * Tensor list) path =
    let optimizer = Optimizer.Create(OptimizerSpec.Sgd, model)
    optimizer.OwnsGradients <- true
    let text, carried = Text size, Carried(cell, size)

    let run () =
        use _ = torch.NewDisposeScope()
        let update = text.Update
        let tokens, targets = text.Next()
        let sum, next = loss update tokens targets carried.Now
        carried.Keep next
        use share = (1.0f / float32 size.Batch).ToScalar()
        sum.mul(share).backward ()
        sum.item<float32> () |> ignore
        let norm = optimizer.GradientNorm()
        optimizer.Step(rate, update + 1L, (if norm > clip then clip / norm else 1.0))

    { Run = run
      Path = path
      Free =
        fun () ->
            carried.Free()
            optimizer.Dispose()
            model.Dispose() }

/// Our step, with the fused loss and optimiser.
let ourStep cell (size: Size) activations engine =
    let shape = RecurrentShape(int64 size.Hidden, int64 size.Hidden, size.Layers)
    let kind = match cell with Lstm -> RecurrentKind.Lstm | Gru -> RecurrentKind.Gru
    let model = new RecurrentLanguageModel(size.Vocabulary, shape, activations, initRange, NoiseClock 1L, kind, Backend = engine)
    let noise = NoiseKey.FromSeed(1L).Child "noise"

    let loss update tokens targets (states: torch.Tensor list) =
        let struct (sum, next) = model.Loss(tokens, targets, List.toArray states, NoiseContext(NoiseMode.Sample, noise, update))
        sum, List.ofSeq next

    ourLoop cell size model loss (fun () -> model.LastBackend)

// ---- Layers alone ---------------------------------------------------------------------------------------------------

let private stack cell (size: Size) (layers: Layers) =
    let random name =
        NoiseSource.Uniform(NoiseKey.FromSeed(1L).Child(name: string).At(0L, 0), [| int64 size.Steps; int64 size.Batch; int64 size.Hidden |], -1.0f, 1.0f, torch.CPU)

    let input = (random "input").requires_grad_ ()
    let upstream = random "gradient"
    let parameters = layers.Module.parameters () |> Array.ofSeq
    let zero = Carried(cell, size)
    let mutable update = 0L

    let run () =
        use _ = torch.NewDisposeScope()
        layers.Advance update
        update <- update + 1L
        input.grad <- null
        for parameter in parameters do parameter.grad <- null
        let output, _ = layers.Forward input zero.Now
        output.backward ([| upstream |])

    { Run = run
      Path = layers.Path
      Free =
        fun () ->
            zero.Free()
            input.Dispose()
            upstream.Dispose()
            layers.Module.Dispose() }

/// libtorch's layers, forward and backward.
let theirStack cell size = stack cell size (theirLayers cell size)

/// Our layers, forward and backward.
let ourStack cell size activations = stack cell size (ourLayers cell size activations Backend.Auto)

/// A layer made of single steps, as models have it that decide between them.
///
/// start: begins a sequence [T, B, H]; the function that it gives makes a step from its number and the states before.
let private stepping (m: torch.nn.Module) advance path (start: Tensor -> (int -> Tensor list -> Tensor list)) =
    let forward (x: Tensor) (states: Tensor list) =
        let step = start x
        let before = states |> List.map (fun state -> state.select (0L, 0L))
        let outputs, after = [ 0 .. int x.shape[0] - 1 ] |> List.mapFold (fun state t -> let next = step t state in List.head next, next) before
        torch.stack (List.toArray outputs), after

    { Module = m; Forward = forward; Advance = advance; Path = path }

/// A call a step.
let private each (x: Tensor) step =
    let inputs = x.unbind 0
    fun t (states: Tensor list) -> step inputs[t] states

/// libtorch's single steps of one layer, forward and backward.
let theirCells cell (size: Size) =
    let width = int64 size.Hidden
    stack cell size
        (match cell with
         | Lstm ->
             let m = torch.nn.LSTMCell(width, width)

             stepping m ignore (fun () -> "libtorch") (fun x ->
                 each x (fun input states ->
                     let struct (h, c) = m.call (input, Nullable<struct (Tensor * Tensor)>(struct (states[0], states[1])))
                     [ h; c ]))
         | Gru ->
             let m = torch.nn.GRUCell(width, width)
             stepping m ignore (fun () -> "libtorch") (fun x -> each x (fun input states -> [ m.call (input, List.exactlyOne states) ])))

/// Our single steps of one layer, forward and backward, as models take them that know where a sequence begins.
let ourCells cell (size: Size) (activations: ActivationPair) =
    let width, noise = int64 size.Hidden, NoiseKey.FromSeed(1L).Child "noise"
    let mutable update = 0L

    let sequence (steps: NoisyCellSteps) (x: Tensor) =
        let projected = steps.Project(x).unbind 0
        fun t (states: Tensor list) -> List.ofArray (steps.Step(projected[t], List.toArray states, NoiseContext(NoiseMode.Sample, noise, update, t)))

    let layer m steps = stepping m (fun u -> update <- u) (fun () -> FusedEngine.FusedName) (fun x -> sequence (steps ()) x)

    stack cell size
        (match cell with
         | Lstm -> let m = new NoisyLstmCell(width, width, activations, NoiseClock 1L) in layer m m.Steps
         | Gru -> let m = new NoisyGruCell(width, width, activations, NoiseClock 1L) in layer m m.Steps)

/// The same through the cells' plain face, a call a step, as a drop-in has it.
let ourCellCalls cell (size: Size) (activations: ActivationPair) =
    let width, clock = int64 size.Hidden, NoiseClock 1L
    let advance (update: int64) = clock.Advance update

    stack cell size
        (match cell with
         | Lstm ->
             let m = new NoisyLstmCell(width, width, activations, clock)

             stepping m advance (fun () -> m.LastBackend) (fun x ->
                 each x (fun input states ->
                     let struct (h, c) = m.call (input, struct (states[0], states[1]))
                     [ h; c ]))
         | Gru ->
             let m = new NoisyGruCell(width, width, activations, clock)
             stepping m advance (fun () -> m.LastBackend) (fun x -> each x (fun input states -> [ m.call (input, List.exactlyOne states) ])))

// ---- The output layer alone -----------------------------------------------------------------------------------------

/// Linear layer and cross-entropy, forward and backward: our fused one, or libtorch's two.
let softmax (size: Size) (ours: bool) =
    let linear = torch.nn.Linear(int64 size.Hidden, int64 size.Vocabulary)
    start linear
    let input = NoiseSource.Uniform(NoiseKey.FromSeed(1L).Child("input").At(0L, 0), [| int64 size.Rows; int64 size.Hidden |], -1.0f, 1.0f, torch.CPU)
    input.requires_grad_ () |> ignore
    let targets = windows size |> Array.map (fun (_, targets) -> torch.tensor (targets, torch.ScalarType.Int64))
    let mutable turn = 0

    let run () =
        use _ = torch.NewDisposeScope()
        turn <- (turn + 1) % targets.Length
        input.grad <- null
        linear.weight.grad <- null
        linear.bias.grad <- null
        let sum =
            if ours then LinearCrossEntropy.Sum(input, linear.weight, linear.bias, targets[turn])
            else F.cross_entropy (linear.call input, targets[turn], reduction = torch.nn.Reduction.Sum)
        sum.backward ()

    { Run = run
      Path = (fun () -> if ours then FusedEngine.FusedName else "libtorch")
      Free =
        fun () ->
            for t in targets do t.Dispose()
            input.Dispose()
            linear.Dispose() }

// ---- A perceptron ---------------------------------------------------------------------------------------------------

/// Widths of the perceptron, as the experiment mnist has it.
let perceptron = [| 784L; 500L; 10L |]
let private examples = 100L

/// Operations of the matrix products of a step: the input's gradient is not wanted.
let perceptronOperations =
    2.0 * float examples * (2.0 * float (perceptron[0] * perceptron[1]) + 3.0 * float (perceptron[1] * perceptron[2]))

let private random name shape =
    NoiseSource.Uniform(NoiseKey.FromSeed(1L).Child(name: string).At(0L, 0), shape, -1.0f, 1.0f, torch.CPU)

/// A step of a plain loop: forward, loss, backward, SGD.
let private perceptronStep (model: torch.nn.Module) (forward: int64 -> Tensor -> Tensor) (update: int64 -> unit) path free =
    let inputs = random "inputs" [| examples; perceptron[0] |]
    let targets = torch.tensor [| for i in 0L .. examples - 1L -> i % perceptron[2] |]
    let mutable count = 0L

    let run () =
        use _ = torch.NewDisposeScope()
        let loss = F.cross_entropy (forward count inputs, targets)
        loss.backward ()
        loss.item<float32> () |> ignore
        update count
        count <- count + 1L

    { Run = run
      Path = path
      Free =
        fun () ->
            free ()
            inputs.Dispose()
            targets.Dispose()
            model.Dispose() }

/// libtorch's step with its tanh.
let theirPerceptron () =
    let linear i = torch.nn.Linear(perceptron[i], perceptron[i + 1]) :> torch.nn.Module<Tensor, Tensor>
    let model = torch.nn.Sequential(struct ("first", linear 0), struct ("tanh", torch.nn.Tanh() :> torch.nn.Module<Tensor, Tensor>), struct ("second", linear 1))
    start model
    let optimizer = torch.optim.SGD(model.parameters (), rate)

    let update _ =
        optimizer.step () |> ignore
        optimizer.zero_grad ()

    perceptronStep model (fun _ x -> model.call x) update (fun () -> "libtorch") optimizer.Dispose

/// Our step with noise.
let ourPerceptron (variant: ActivationPair) (engine: Backend) () =
    let model = new NoisyMlp(perceptron, variant.Tanh, NoiseClock 1L, Backend = engine)
    let optimizer = Optimizer.Create(OptimizerSpec.Sgd, model)
    let noise = NoiseKey.FromSeed(1L).Child "noise"
    let forward update (x: Tensor) = model.forward (x, NoiseContext(NoiseMode.Sample, noise, update))
    perceptronStep model forward (fun update -> optimizer.Step(rate, update + 1L)) (fun () -> model.LastBackend) optimizer.Dispose

/// The activation of the perceptron's hidden layer alone, forward and backward.
let activationModule (variant: ActivationPair) (engine: Backend) () =
    let clock = NoiseClock 1L
    let unit = new NoisyActivation(variant.Tanh, perceptron[1], clock, Backend = engine)
    let x = ((random "values" [| examples; perceptron[1] |]) * (3.0f).ToScalar()).detach().requires_grad_ ()
    let upstream = random "upstream" x.shape
    let p = unit.get_parameter "p"
    let mutable update = 0L

    let run () =
        use _ = torch.NewDisposeScope()
        clock.Advance update
        update <- update + 1L
        x.grad <- null
        if not (isNull p) then p.grad <- null
        unit.forward(x).backward [| upstream |]

    { Run = run
      Path = (fun () -> unit.LastBackend)
      Free =
        fun () ->
            x.Dispose()
            upstream.Dispose()
            unit.Dispose() }
