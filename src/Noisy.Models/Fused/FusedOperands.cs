using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The tensors that a fused function takes, and where the gradients of them go: what every such function does on its way
/// in and back.</summary>
internal sealed unsafe class FusedOperands
{
    // torch switches gradients off inside forward(); what the caller had is noted before.
    [ThreadStatic]
    private static bool recording;

    private readonly Tensor?[] given;
    private readonly long[]?[] shapes;
    private readonly Parameter?[] parameters;
    private readonly bool[] isCopy;
    private Tensor?[] tensors, gradients = [];
    private GradientMemory?[] memories = [];
    private bool anyCopy, anyParameter;
    private (int Number, bool[] Learned)? gains;

    /// <summary>Takes a function's arguments but for the last; tensors that are made for it belong to the current scope.</summary>
    internal FusedOperands(object?[] vars)
    {
        // Once a step of a cell: no call of torch's too many.
        Count = vars.Length - 1;
        given = new Tensor?[Count];
        tensors = new Tensor?[Count];
        shapes = new long[]?[Count];
        isCopy = new bool[Count];
        RequiresGrad = new bool[Count];
        parameters = new Parameter?[Count];
        for (var i = 0; i < Count; i++)
        {
            if (vars[i] is not Tensor tensor) continue;
            given[i] = tensor;
            isCopy[i] = !tensor.is_contiguous();
            anyCopy |= isCopy[i];
            tensors[i] = isCopy[i] ? tensor.contiguous() : tensor;
            if (!recording || !tensor.requires_grad) continue; // of what was given: a copy of it made here has none
            RequiresGrad[i] = true;
            shapes[i] = tensor.shape;
            parameters[i] = tensor as Parameter;
            anyParameter |= parameters[i] is not null;
        }
    }

    /// <summary>How many there are.</summary>
    internal int Count { get; }

    /// <summary>Whether there is a backward pass.</summary>
    internal bool AnyRequiresGrad => RequiresGrad.Contains(true);

    /// <summary>Which tensors have a gradient.</summary>
    internal bool[] RequiresGrad { get; }

    /// <summary>To be called before torch takes a function's arguments.</summary>
    internal static void NoteRecording() => recording = is_grad_enabled();

    /// <summary>A tensor as it was given, in the forward pass.</summary>
    internal Tensor Given(int number) => given[number]!;

    /// <summary>A tensor, contiguous; null if there is none.</summary>
    internal Tensor? Tensor(int number) => tensors[number];

    /// <summary>Shape of a tensor; null if there is none.</summary>
    internal long[]? Shape(int number) => shapes[number] ??= tensors[number]?.shape;

    /// <summary>Its first float.</summary>
    internal float* At(int number) => FusedEngine.Pointer(tensors[number]);

    /// <summary>Keeps the tensors for the backward pass.</summary>
    internal void Save(autograd.AutogradContext ctx, bool values)
    {
        // What was given, since it hangs in the graph and may not change; and the copies, which are then freed with the graph.
        if (values && anyCopy) ctx.save_for_backward([.. given!, .. tensors.Select((t, i) => isCopy[i] ? t!.MoveToOuterDisposeScope() : null!)]);
        else if (values) ctx.save_for_backward([.. given!]);
        Array.Clear(given);
        Array.Clear(tensors);
    }

    /// <summary>The contiguous copies of those that needed one.</summary>
    internal IEnumerable<Tensor> Copies() => anyCopy ? tensors.Where((_, i) => isCopy[i]).OfType<Tensor>() : [];

    /// <summary>Begins a backward pass: makes the tensors ready, and places for the gradients.</summary>
    /// <param name="saved">The tensors as torch kept them, in the current scope; none for a function that keeps none.</param>
    /// <returns>To be disposed at its end.</returns>
    internal IDisposable Begin(Tensor?[] saved)
    {
        if (saved.Length > 0)
        {
            for (var i = 0; i < Count; i++) tensors[i] = isCopy[i] ? saved[Count + i] : saved[i];
        }

        gradients = new Tensor?[Count];
        memories = new GradientMemory?[Count];
        if (!anyParameter || !TorchInternals.AccumulatesIntoLeaves) return GradientMemory.Hold.Nothing;
        for (var i = 0; i < Count; i++)
        {
            if (!isCopy[i] && parameters[i] is { IsInvalid: false, requires_grad: true } p) memories[i] = GradientMemory.For(p);
        }

        return GradientMemory.Take(memories.OfType<GradientMemory>());
    }

    /// <summary>Tells that an operand is gap gains, a row a site, some of which may not be learned. Before its gradient is placed.</summary>
    internal void HasGains(int number, bool[] learned)
    {
        // A gain that is not learned at every site gets a tensor of its own, whose other rows can be cleared.
        if (learned.Contains(false)) memories[number] = null;
        gains = (number, learned);
    }

    /// <summary>Where the gradient of an operand is to be written or added; nowhere if it has none.</summary>
    internal GradientTarget Target(int number) =>
        memories[number]?.Whole(parameters[number]!) ?? new GradientTarget { At = Gradient(number) };

    /// <summary>Where rows of the gradient are to be added, zero where nothing was added; nowhere if it has none.</summary>
    internal GradientTarget Rows(int number, IEnumerable<int> touched)
    {
        if (memories[number]?.Rows(parameters[number]!, touched) is { } target) return target;
        if (RequiresGrad[number]) gradients[number] = FusedEngine.Zeros(shapes[number]!);
        return new GradientTarget { At = FusedEngine.Pointer(gradients[number]), Add = true };
    }

    /// <summary>Where the gradient of an operand that is no parameter is to be written; null if it has none.</summary>
    internal float* Gradient(int number) => RequiresGrad[number] ? FusedEngine.Pointer(gradients[number] ??= FusedEngine.Empty(shapes[number]!)) : null;

    /// <summary>Gives the gradient of an operand.</summary>
    internal void Give(int number, Tensor? gradient) => gradients[number] = gradient;

    /// <summary>The gradients as torch takes them, in the outer scope, and none for the call.</summary>
    internal List<Tensor> Gradients()
    {
        if (gains is { } g && gradients[g.Number] is { } sums)
        {
            for (var site = 0; site < g.Learned.Length; site++)
            {
                if (!g.Learned[site]) sums.select(0, site).zero_();
            }
        }

        var result = Made(gradients);
        gradients = [];
        Array.Clear(tensors);
        return result;
    }

    /// <summary>Gradients that were made elsewhere, in the same form.</summary>
    internal List<Tensor> Made(Tensor?[] made) => [.. made.Select(t => t?.MoveToOuterDisposeScope()!), null!];

    /// <summary>No gradients, in the same form.</summary>
    internal List<Tensor> Nothing() => Made(new Tensor?[tensors.Length]);

    /// <summary>Gradients that are not numbers, in the same form: what a pass gives that failed. Throws nothing.</summary>
    internal List<Tensor> NotNumbers()
    {
        try
        {
            using var _ = no_grad();
            using var number = tensor(float.NaN);
            return [.. shapes.Select((shape, i) => RequiresGrad[i] ? number.expand(shape!) : null!), null!];
        }
        catch (Exception)
        {
            return Nothing(); // no memory for a single number: none are the next best
        }
    }
}
