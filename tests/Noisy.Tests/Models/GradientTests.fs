/// What the engine's functions owe to torch's habits: failures that can be caught, second derivatives, in-place changes that are
/// noticed, graphs that are used once, and gradients that are where everyone looks for them.
module Noisy.Tests.GradientTests

open System
open System.Diagnostics
open System.Runtime.InteropServices
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.GradientCases
open Noisy.Tests.TorchHelpers
open TorchSharp

let private variants = [ "soft", Variants.Soft; "hard", Variants.Hard; "nan", Variants.Nan; "nah", Variants.Nah; "nani", Variants.Nani; "nanis", Variants.Nanis ]
let private sampling = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2, Nullable 0.8)

/// Every function of the engine, by its name in torch's graph.
let private functions =
    let rec isFunction (t: Type) =
        not (isNull t) && (t.IsGenericType && t.GetGenericTypeDefinition().Name = "FusedFunction`2" || isFunction t.BaseType)
    typeof<Optimizer>.Assembly.GetTypes()
    |> Array.filter (fun t -> not t.IsAbstract && isFunction t)
    |> Array.map _.Name
    |> List.ofArray

// ---- Failures --------------------------------------------------------------------------------------------------------

/// Makes every function fail, forward and backward, in this process; says how each failure came out. Run as a child, since what is
/// tested is that the process lives.
let faults () =
    TorchNative.EnsureLoaded()
    torch.set_num_threads 1
    let mutable target, reached = ("", ""), false
    FunctionFaults.Inject <-
        fun name pass ->
            if (name, pass) = target then
                reached <- true
                raise (InvalidOperationException $"injected into {name}, {pass}")
    let told = ResizeArray()
    use _ = torch.NewDisposeScope()
    let gradients (case: Case) =
        target <- "", ""
        case.Clear()
        case.Loss().backward ()
        let all = [ for name, g in case.Gradients() -> name, (if isNull g then null else values g) ]
        case.Clear()
        all
    let all = [ for case in cases Variants.Nah Backend.Auto -> case, gradients case ]
    for f in functions do
        for pass in [ "forward"; "backward" ] do
            for how in [ "backward"; "grad" ] do
                let mutable met = false
                for case, expected in all do
                    target <- f, pass
                    reached <- false
                    let outcome =
                        try
                            let loss = case.Loss()
                            if how = "backward" then loss.backward ()
                            else
                                let inputs = Array.ofList (case.Input :: [ for _, p in case.Parameters -> p :> Tensor ])
                                torch.autograd.grad ([| loss |], inputs, allow_unused = true) |> ignore
                            "nothing"
                        with e -> e.Message
                    met <- met || reached
                    let due = if reached then $"injected into {f}, {pass}" else "nothing"
                    if outcome <> due then told.Add $"{f} {pass} {how}, {case.Name}: {outcome}"
                    if reached && gradients case <> expected then told.Add $"{f} {pass} {how}, {case.Name}: other gradients after the fault"
                if not met then told.Add $"{f} {pass} {how}: in no case"
    for line in told do printfn "%s" line
    printfn "%d functions" functions.Length
    if told.Count = 0 then 0 else 1

/// The name of the child's task on the command line.
let childTask = "--faults-of-functions"

let private child task =
    let start = ProcessStartInfo(Environment.ProcessPath, RedirectStandardOutput = true, RedirectStandardError = true)
    if IO.Path.GetFileNameWithoutExtension Environment.ProcessPath = "dotnet" then start.ArgumentList.Add(Reflection.Assembly.GetExecutingAssembly().Location)
    start.ArgumentList.Add task
    use p = Process.Start start
    let errors = p.StandardError.ReadToEndAsync()
    let output = p.StandardOutput.ReadToEnd()
    p.WaitForExit()
    p.ExitCode, output, errors.Result

/// The exception that an action must throw; with torch's, the cause within.
let private thrown (action: unit -> unit) =
    match (try action (); None with e -> Some e) with
    | Some e -> e
    | None -> failtest "nothing was thrown"

let private inPlace = "modified by an inplace operation"

let private failures =
    testList "failures" [
        test "every function, made to fail forward or backward, throws what went wrong, and the next pass is right" {
            let code, output, errors = child childTask
            Expect.equal (code, output.Trim()) (0, $"{functions.Length} functions") errors
        }

        torchTest "an input that is changed between the passes is noticed in every function that needs it" (fun () ->
            for case in cases Variants.Nah Backend.Auto do
                let x = case.Input.clone ()
                let loss = case.Run(x).sum ()
                x.zero_ () |> ignore
                let e = thrown (fun () -> loss.backward ())
                Expect.stringContains e.Message inPlace case.Name
                Expect.isTrue (e :? ExternalException) $"{case.Name}: of the type of torch's own")

        torchTest "weights that torch's optimiser has changed between the passes are noticed" (fun () ->
            for case in cases Variants.Nah Backend.Auto do
                if case.Name <> "lookup" then // its gradient does not depend on the weights
                    use optimizer = torch.optim.SGD(case.Model.parameters (), 0.1)
                    case.Loss().backward ()
                    let loss = case.Loss()
                    optimizer.step () |> ignore
                    Expect.stringContains (thrown (fun () -> loss.backward ())).Message inPlace case.Name)

        torchTest "weights that an optimiser of ours has changed between the passes are noticed" (fun () ->
            for case in cases Variants.Nah Backend.Auto do
                if case.Name <> "lookup" then
                    use optimizer = Optimizer.Create(OptimizerSpec.Sgd, case.Model)
                    case.Loss().backward ()
                    let loss = case.Loss()
                    optimizer.Step(0.1, 1L)
                    Expect.stringContains (thrown (fun () -> loss.backward ())).Message inPlace case.Name)
    ]

// ---- Graphs ----------------------------------------------------------------------------------------------------------

let private penalty (case: Case) =
    case.Clear()
    let leaves = Array.ofList (case.Input :: [ for _, p in case.Parameters -> p :> Tensor ])
    let gradients = torch.autograd.grad ([| case.Loss() |], leaves, retain_graph = true, create_graph = true, allow_unused = true)
    let norm = torch.stack([| for g in gradients do if not g.IsInvalid then g.pow(torch.tensor 2.0f).sum () |]).sum ()
    if norm.requires_grad then norm.backward () // a hard function's slope is a constant
    scalarOf norm, [ for name, p in case.Parameters do if not (isNull p.grad) then name, values p.grad ]

let private graphs =
    testList "graphs" [
        torchTest "a gradient penalty through every function is the composed backend's" (fun () ->
            for name, variant in variants do
                for ours, composed in List.zip (cases variant Backend.Auto) (cases variant Backend.Composed) do
                    let norm, gradients = penalty ours
                    let expected, expectedGradients = penalty composed
                    let label = $"{ours.Name}, {name}"
                    Tol.close tensor32Slope expected norm $"{label}: norm"
                    // A parameter that the gradient does not depend on may have zeros or nothing.
                    let by = dict gradients
                    for parameter, e in expectedGradients do
                        let a = if by.ContainsKey parameter then by[parameter] else Array.zeroCreate e.Length
                        let scale = e |> Array.fold (fun m v -> max m (abs v)) 1.0
                        for i in 0 .. e.Length - 1 do Tol.close tensor32Slope (e[i] / scale) (a[i] / scale) $"{label}: {parameter}, element {i}"
                    for parameter, a in gradients do
                        if not (List.exists (fst >> (=) parameter) expectedGradients) then
                            Expect.all a (fun v -> v = 0.0) $"{label}: {parameter} has no part")

        torchTest "backward() with a graph of the gradients gives gradients that can be differentiated again" (fun () ->
            for case in cases Variants.Nah Backend.Auto do
                case.Loss().backward (create_graph = true)
                if case.Name <> "cross-entropy" || not (isNull case.Input.grad) then Expect.isTrue case.Input.grad.requires_grad case.Name
                case.Clear())

        torchTest "a gradient penalty after a soft drop-in is that of the model as it was" (fun () ->
            let run noisy =
                let model = new DropInModels.LstmModel(torch.nn.LSTM(3L, 4L))
                use _ = torch.no_grad ()
                for i, p in Seq.indexed (model.parameters ()) do p.copy_ (filled (int64 i) (shape p)) |> ignore
                use _ = torch.enable_grad ()
                if noisy then Noisify.Replace(model, Variants.Soft, NoiseClock 1L) |> ignore
                let x = (filled 31L [ 5L; 2L; 3L ]).detach().requires_grad_ ()
                let zero = torch.zeros (1L, 2L, 4L)
                let gradient = torch.autograd.grad([| model.Run(x, zero, zero).Head.pow(torch.tensor 2.0f).sum () |], [| x |], retain_graph = true, create_graph = true)[0]
                gradient.pow(torch.tensor 2.0f).sum().backward ()
                [ for p in model.parameters () -> values p.grad ]
            for e, a in List.zip (run false) (run true) do
                for i in 0 .. e.Length - 1 do Tol.close tensor32Slope e[i] a[i] $"element {i}")

        torchTest "a second backward pass throws, unless the first kept the graph" (fun () ->
            for case in cases Variants.Nah Backend.Auto do
                let loss = case.Loss()
                loss.backward (retain_graph = true)
                let once = case.Gradients() |> List.map (fun (name, g) -> name, (if isNull g then [||] else values g))
                case.Clear()
                loss.backward ()
                let again = case.Gradients() |> List.map (fun (name, g) -> name, (if isNull g then [||] else values g))
                Expect.equal again once $"{case.Name}: kept"
                Expect.stringContains (thrown (fun () -> loss.backward ())).Message "a second time" case.Name
                case.Clear())

        torchTest "a state that is carried without detach throws at the second update, with any optimiser" (fun () ->
            let lstm = new NoisyLstm(RecurrentShape(3L, 4L), Variants.Nah, NoiseClock 1L)
            for step in [ ignore; (fun () -> use o = Optimizer.Create(OptimizerSpec.Sgd, lstm) in o.Step(0.1, 1L)); (fun () -> (torch.optim.SGD(lstm.parameters (), 0.1)).step () |> ignore) ] do
                let mutable state = Nullable<struct (Tensor * Tensor)>()
                let update () =
                    let struct (y, h, c) = lstm.forward (filled 1L [ 3L; 2L; 3L ], state, sampling)
                    state <- Nullable(struct (h, c))
                    y.sum().backward ()
                    step ()
                update ()
                let e = thrown update
                Expect.isTrue (e.Message.Contains "a second time" || e.Message.Contains inPlace) e.Message)
    ]

// ---- Gradients where torch has them ------------------------------------------------------------------------------------

let private named (gradients: (string * Tensor) list) = [ for name, g in gradients -> name, (if isNull g then [||] else values g) ]

let private close label (expected: (string * float[]) list) (actual: (string * float[]) list) =
    for (name, e), (other, a) in List.zip expected actual do
        Expect.equal (other, a.Length) (name, e.Length) label
        for i in 0 .. e.Length - 1 do Tol.close tensor32Slope e[i] a[i] $"{label}: {name}, element {i}"

/// What is done with gradients, beside an optimiser of ours and without, fused and composed: what can be seen must be the same.
let private habits: (string * (Case -> (string * float[]) list)) list =
    [ "backward() leaves them in grad", fun case ->
          case.Loss().backward ()
          named (case.Gradients())
      "a second backward() adds", fun case ->
          case.Loss().backward ()
          case.Loss().backward ()
          named (case.Gradients())
      "zero_grad() of the model clears", fun case ->
          case.Loss().backward ()
          case.Clear()
          case.Loss().backward ()
          named (case.Gradients())
      "zero_grad() to zeros clears", fun case ->
          case.Loss().backward ()
          case.Model.zero_grad (false)
          case.Input.grad.zero_ () |> ignore
          case.Loss().backward ()
          named (case.Gradients())
      "clip_grad_norm_ sees and scales", fun case ->
          case.Loss().backward ()
          let norm = torch.nn.utils.clip_grad_norm_ (case.Model.parameters (), 0.1)
          ("norm", [| float norm |]) :: named (case.Gradients())
      "a gradient put there by hand is added to", fun case ->
          for _, p in case.Parameters do p.grad <- torch.ones_like p
          case.Loss().backward ()
          named (case.Gradients())
      "a gradient that was kept stays as it was", fun case ->
          case.Loss().backward ()
          let kept = case.Gradients()
          case.Clear()
          (case.Loss() * torch.tensor 2.0f).backward ()
          named kept
      "rows of a gradient that was kept stay as they were", fun case ->
          case.Loss().backward ()
          let kept = [ for name, g in case.Gradients() -> name, (if isNull g then null else g.reshape(-1L).narrow (0L, 0L, min 2L (g.numel ()))) ]
          case.Clear()
          (case.Loss() * torch.tensor 2.0f).backward ()
          named kept
      "autograd.grad leaves grad alone", fun case ->
          let made = torch.autograd.grad ([| case.Loss() |], [| for _, p in case.Parameters -> p :> Tensor |], allow_unused = true)
          [ for (name, _), g in Seq.zip case.Parameters made -> name, (if g.IsInvalid then [||] else values g) ] @ named (case.Gradients())
      "backward() for some inputs leaves the others alone", fun case ->
          torch.autograd.backward ([| case.Loss() |], inputs = [| case.Input |])
          named (case.Gradients())
      "frozen parameters have none", fun case ->
          let _, first = case.Parameters.Head
          first.requires_grad_ (false) |> ignore
          case.Loss().backward ()
          first.requires_grad_ (true) |> ignore
          named (case.Gradients())
      "torch's Adam moves the weights", fun case ->
          use adam = torch.optim.Adam(case.Model.parameters (), 0.01, eps = 0.1) // a small gradient's rounding must not decide the step
          case.Loss().backward ()
          adam.step () |> ignore
          [ for name, p in case.Parameters -> name, values p ] ]

let private places =
    testList "places" [
        for habit, see in habits do
            torchTest $"{habit}, beside an optimiser of ours and without, as on the composed backend" (fun () ->
                for beside in [ false; true ] do
                    for ours, composed in List.zip (cases Variants.Nah Backend.Auto) (cases Variants.Nah Backend.Composed) do
                        let expected = see composed
                        use optimizer = if beside then Optimizer.Create(OptimizerSpec.Sgd, ours.Model) else null
                        close ours.Name expected (see ours))

        torchTest "two optimisers on one model both see its gradients" (fun () ->
            for case in cases Variants.Nah Backend.Auto do
                use first = Optimizer.Create(OptimizerSpec.Sgd, case.Model)
                use second = Optimizer.Create(OptimizerSpec.Adam, case.Model)
                case.Loss().backward ()
                Tol.above (first.GradientNorm()) 0.0 case.Name
                Expect.equal (first.GradientNorm()) (second.GradientNorm()) case.Name
                case.Clear())

        torchTest "optimisers on parts of a model move their part alone" (fun () ->
            let encoder, output = List.item 0 (cases Variants.Nah Backend.Auto), new NoisyLstm(RecurrentShape(3L, 4L), Variants.Nah, NoiseClock 2L)
            use first = Optimizer.Create(OptimizerSpec.Sgd, encoder.Model)
            use second = Optimizer.Create(OptimizerSpec.Sgd, output)
            let weights (m: torch.nn.Module) = [ for p in m.parameters () -> values p ]
            encoder.Loss().backward ()
            let before, others = weights encoder.Model, weights output
            second.Step(0.1, 1L)
            Expect.equal (weights encoder.Model) before "the other's part"
            first.Step(0.1, 1L)
            Expect.notEqual (weights encoder.Model) before "its own part"
            Expect.equal (weights output) others "a part without gradients")

        torchTest "a dense change of an embedding's gradient counts in every row" (fun () ->
            let table = (cases Variants.Nah Backend.Auto) |> List.last
            let weight = table.Model.get_parameter "weight"
            use optimizer = Optimizer.Create(OptimizerSpec.Sgd, table.Model)
            table.Loss().backward ()
            let before = values weight
            use _ = torch.no_grad ()
            weight.grad.add_ (torch.tensor 1.0f) |> ignore
            let gradient = values weight.grad
            optimizer.Step(1.0, 1L)
            for i, (b, g) in Seq.indexed (Seq.zip before gradient) do Tol.close tensor32 (b - g) (values weight).[i] $"element {i}")

        torchTest "a model that was moved or converted after its optimiser was made is told so" (fun () ->
            let model = new NoisyLstm(RecurrentShape(3L, 4L), Variants.Nah, NoiseClock 1L)
            use optimizer = Optimizer.Create(OptimizerSpec.Sgd, model)
            model.``to``(torch.ScalarType.Float64) |> ignore
            Expect.stringContains (thrown (fun () -> optimizer.Step(0.1, 1L))).Message "make the optimiser after" "message")

        torchTest "threads that share parameters add up their gradients" (fun () ->
            let lstm = new NoisyLstm(RecurrentShape(8L, 16L), Variants.Nah, NoiseClock 1L)
            let backward (seed: int) =
                use _ = torch.NewDisposeScope()
                let struct (y, _, _) = lstm.forward (filled (int64 seed) [ 4L; 3L; 8L ], Nullable(), sampling)
                y.sum().backward ()
            for seed in 0 .. 39 do backward seed
            let expected = [ for p in lstm.parameters () -> values p.grad ]
            lstm.zero_grad ()
            Threading.Tasks.Parallel.For(0, 40, backward) |> ignore
            for e, p in List.zip expected (List.ofSeq (lstm.parameters ())) do
                let a = values p.grad
                for i in 0 .. e.Length - 1 do Tol.close tensor32Slope e[i] a[i] $"element {i}")

        torchTest "what torch tells of itself has been tried out here" (fun () ->
            Expect.isTrue TorchInternals.Verified "the engine's fast way with gradients is off: it is right, and slower")

        torchTest "the count of tensors stays level over updates of every function" (fun () ->
            for case in cases Variants.Nah Backend.Auto do
                let update () =
                    use _ = torch.NewDisposeScope()
                    case.Loss().backward ()
                    case.Clear()
                let count () =
                    update ()
                    GC.Collect()
                    GC.WaitForPendingFinalizers()
                    torch.Tensor.TotalCount
                for _ in 1 .. 3 do update ()
                let before = count ()
                for _ in 1 .. 20 do update ()
                Tol.atMost (count ()) before case.Name)

        torchTest "the steps of a sequence, disposed after the forward pass, leave nothing behind where there is no scope, and give the same gradients" (fun () ->
            let cell = new NoisyGruCell(3L, 4L, Variants.Nah, NoiseClock 1L)
            let attention = new AdditiveAttention(4L, 5L, 6L, Variants.Nah.Tanh, NoiseClock 1L)
            let gradients () = [ for p in Seq.append (cell.parameters ()) (attention.parameters ()) -> match p.grad with null -> [||] | g -> values g ]

            let update early =
                use x = torch.ones [| 2L; 3L |]
                use annotations = torch.ones [| 7L; 2L; 5L |]
                use keys = attention.Keys annotations
                let steps, over = cell.Steps(), attention.Over(annotations, keys, null)
                use projected = steps.Project x
                use hidden = (steps.Step(projected, null, sampling))[0]
                let struct (mean, weights) = over.forward (hidden, sampling)
                use mean = mean
                use weights = weights
                let release () = steps.Dispose(); over.Dispose()
                if early then release ()
                use loss = mean.sum ()
                loss.backward ()
                if not early then release ()

            let work () =
                update false
                let expected = gradients ()
                cell.zero_grad ()
                attention.zero_grad ()
                update true
                Expect.equal (gradients ()) expected "gradients"
                for _ in 1 .. 3 do update true
                let before = torch.Tensor.TotalCount
                for _ in 1 .. 20 do update true
                Tol.atMost torch.Tensor.TotalCount before "tensors"

            // A thread of its own has no scope.
            (Threading.Tasks.Task.Run work).GetAwaiter().GetResult())
    ]

let tests = testSequenced <| testList "gradients" [ failures; graphs; places ]
