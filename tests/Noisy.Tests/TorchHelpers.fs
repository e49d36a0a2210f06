/// Scopes, devices, comparison of tensors.
module Noisy.Tests.TorchHelpers

open System
open System.IO
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open TorchSharp

type Tensor = torch.Tensor

/// Two ways to the same single-precision tensor: sums of some dozens of products.
let tensor32 : Tol.Tolerance = { Absolute = 1e-5; Relative = 1e-5; Reason = "sums of some dozens of products in single precision" }

/// Gradients through several steps in single precision against differences in double.
let tensor32Slope : Tol.Tolerance = { Absolute = 2e-4; Relative = 2e-4; Reason = "products of wide weights through several layers and steps in single precision" }

/// A test in one dispose scope, with one thread, so that small tensors do not pay for a team.
let torchTest name (body: unit -> unit) =
    testCase name (fun () ->
        TorchNative.EnsureLoaded()
        torch.set_num_threads 1
        use _ = torch.NewDisposeScope()
        body ())

/// A property in one dispose scope a case.
let torchProperty name count (body: 'a -> unit) =
    Arbitraries.property name count (fun (case: 'a) ->
        TorchNative.EnsureLoaded()
        torch.set_num_threads 1
        use _ = torch.NewDisposeScope()
        body case)

/// A test that needs a GPU: reported as skipped where there is none.
let cudaTest name (body: torch.Device -> unit) =
    torchTest name (fun () ->
        if not (torch.cuda.is_available ()) then skiptest "no CUDA device"
        body torch.CUDA)

/// Does something with the fused engine at a vector width and a number of threads: settings of the process, so only one test
/// at a time may.
let withEngine width threads (body: unit -> 'a) =
    torch.set_num_threads threads
    FusedEngine.Width <- width
    try body ()
    finally
        FusedEngine.Width <- VectorWidth.Auto
        torch.set_num_threads 1

let shape (t: Tensor) = Array.toList t.shape

let vector (values: float seq) : Tensor = torch.tensor (Seq.toArray (Seq.map float32 values))

/// Values in row order, as double.
let values (t: Tensor) : float[] = t.detach().cpu().to_type(torch.ScalarType.Float64).contiguous().data<float>().ToArray()

/// A leaf's gradient; zeros if it has none.
let gradientOf (t: Tensor) = if isNull t.grad then Array.zeroCreate (int (t.numel ())) else values t.grad

/// The largest difference relative to the largest element, or to a scale if all are below it, of the worst of named tensors.
let worst scale (expected: (string * float[]) list) (actual: (string * float[]) list) =
    List.zip expected actual
    |> List.map (fun ((name, e), (other, a)) ->
        if name <> other || e.Length <> a.Length then name, infinity
        else
            let largest = Array.fold (fun m v -> max m (abs v)) scale e
            name, (Array.map2 (fun x y -> (if Double.IsFinite(x - y) then abs (x - y) else infinity) / largest) e a |> Array.fold max 0.0))
    |> List.maxBy snd

/// Runs something with every product over many rows made by the engine.
let ownProducts (body: unit -> 'T) =
    let before = FusedLinear.Always
    FusedLinear.Always <- true

    try
        body ()
    finally
        FusedLinear.Always <- before

/// Fails unless a pass on the fused backend gives what it gives on the composed one: outputs to 1e-5, gradients to 1e-4, both by `worst`
/// with the scale. The pass takes a seed and a path.
///
/// A pre-activation within a rounding of a threshold may fall on either side, and its slope with it. That is a matter of the data, so a
/// case fails if it does with three sets of data.
let fusedAgrees scale width threads (seed: int64) pass =
    let attempt i =
        let seed = seed + 1000L * int64 i
        let expected = pass seed Backend.Composed
        // By turns with libtorch's products over all rows and with the engine's, whichever this processor would take.
        let actual = withEngine width threads (fun () -> if seed % 2L = 0L then ownProducts (fun () -> pass seed Backend.Auto) else pass seed Backend.Auto)
        let output, gradient = worst scale (fst expected) (fst actual), worst scale (snd expected) (snd actual)
        if snd output <= 1e-5 && snd gradient <= 1e-4 then None else Some $"{output}, {gradient}"
    match Seq.initInfinite attempt |> Seq.take 3 |> Seq.takeWhile Option.isSome |> Seq.choose id |> List.ofSeq with
    | [ a; b; c ] -> failtest $"differences: {a}; {b}; {c}"
    | _ -> ()

/// Deterministic values in (−1, 1), by a stream of their own.
let filled (seed: int64) (size: int64 list) : Tensor =
    NoiseSource.Uniform(NoiseKey.FromSeed(seed).Child("test").At(0L, 0), List.toArray size, -1.0f, 1.0f, torch.CPU)

let closeTensor tolerance (expected: Tensor) (actual: Tensor) message =
    Expect.equal (shape actual) (shape expected) $"{message}: shape"
    let e, a = values expected, values actual
    for i in 0 .. e.Length - 1 do Tol.close tolerance e[i] a[i] $"{message}, element {i}"

/// Bit for bit.
let sameTensor (expected: Tensor) (actual: Tensor) message =
    Expect.equal (shape actual) (shape expected) $"{message}: shape"
    Expect.equal actual.dtype expected.dtype $"{message}: type"
    // Not by value, for which the zeros of both signs are equal and NaN is nothing's equal.
    let bits (t: Tensor) = t.detach().cpu().contiguous().bytes.ToArray()
    Expect.isTrue ((bits expected).AsSpan().SequenceEqual(bits actual)) $"{message}: not the same bits"

let scalarOf (t: Tensor) = (values t)[0]

/// Outputs of one sequence of a cell, whose gradients in the weights are made together.
let sequence (begin': unit -> NoisyCellSteps) (context: NoiseContext) (x: Tensor) =
    let cell = begin' ()
    let projected = cell.Project x
    let outputs, _ =
        List.mapFold
            (fun state t ->
                let next = cell.Step(projected.select (0L, int64 t), state, context.Later t)
                next[0], next)
            null
            [ 0 .. int x.shape[0] - 1 ]
    torch.stack (List.toArray outputs)

/// A folder that exists for one test.
type TempFolder() =
    let path = Directory.CreateTempSubdirectory("noisy-tests-").FullName
    member _.Path = path
    member _.In([<ParamArray>] parts: string[]) = Path.Combine(Array.append [| path |] parts)

    interface IDisposable with
        member _.Dispose() =
            if Directory.Exists path then
                for folder in Directory.GetDirectories(path, "*", SearchOption.AllDirectories) do
                    if not (OperatingSystem.IsWindows()) then
                        File.SetUnixFileMode(folder, UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute)
                Directory.Delete(path, true)

/// Does something with standard output and error replaced: settings of the process, so only one test at a time may.
let withStreams (output: IO.TextWriter) (errors: IO.TextWriter) work =
    let before = Console.Out, Console.Error
    Console.SetOut output
    Console.SetError errors
    try work ()
    finally
        Console.SetOut(fst before)
        Console.SetError(snd before)
