using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The tensors that a fused function takes, and where the gradients in them go: what every such function does on its way
/// in and back.</summary>
/// <remarks>A gradient in a parameter that an optimiser of ours knows is written to its slot; any other becomes a tensor.</remarks>
internal sealed unsafe class FusedOperands
{
    private const string Name = "operands";

    // torch switches gradients off inside forward(); what the caller had is noted on the way in.
    [ThreadStatic]
    private static bool recording;

    private readonly bool[] wants;
    private readonly GradientSlot?[] slots;
    private Tensor?[] given, tensors, gradients = [];
    private (int Number, bool[] Learned)? gains;

    /// <summary>Takes a function's first arguments; tensors that are made for it belong to the current scope.</summary>
    internal FusedOperands(object?[] vars, int count)
    {
        given = [.. vars.Take(count).Select(v => v as Tensor)];
        tensors = [.. given.Select(t => t?.contiguous())];
        wants = [.. given.Select(t => recording && t is { requires_grad: true })]; // of what was given: a copy of it made here has none
        slots = [.. given.Select((t, i) => wants[i] ? GradientSlot.Of(t) : null)];
    }

    /// <summary>Whether there is a way back.</summary>
    internal bool AnyWanted => wants.Contains(true);

    /// <summary>To be called on a function's arguments before torch takes them.</summary>
    internal static object[] Note(params object?[] vars)
    {
        recording = is_grad_enabled();
        return vars!;
    }

    /// <summary>Whether a tensor's gradient is wanted.</summary>
    internal bool Wants(int number) => wants[number];

    /// <summary>A tensor, contiguous; null if there is none.</summary>
    internal Tensor? Tensor(int number) => tensors[number];

    /// <summary>Its first float.</summary>
    internal float* At(int number) => FusedEngine.Pointer(tensors[number]);

    /// <summary>Keeps the tensors for the way back.</summary>
    internal void Save(autograd.AutogradContext ctx)
    {
        ctx.save_for_backward([.. tensors.Select((t, i) => ReferenceEquals(t, given[i]) ? t : t?.MoveToOuterDisposeScope())!]);
        ctx.save_data(Name, this);
        given = tensors = [];
    }

    /// <summary>The operands on their way back, with places for the gradients; in the current scope.</summary>
    internal static FusedOperands Of(autograd.AutogradContext ctx)
    {
        var operands = (FusedOperands)ctx.get_data(Name);
        operands.tensors = [.. ctx.get_saved_variables().Select(t => t is null || t.IsInvalid ? null : t)];
        operands.gradients = new Tensor?[operands.tensors.Length];
        return operands;
    }

    /// <summary>Tells that an operand is gap gains, a row a site, some of which may not be learned. Before its gradient is asked for.</summary>
    internal void HasGains(int number, bool[] learned)
    {
        // A gain that is not learned at every site gets a tensor of its own, whose other rows can be cleared.
        if (learned.Contains(false)) slots[number] = null;
        gains = (number, learned);
    }

    /// <summary>Where the gradient in an operand is to be written or added; nowhere if it is not wanted.</summary>
    internal GradientTarget Target(int number) => slots[number]?.Live?.Whole() ?? new GradientTarget { At = Gradient(number) };

    /// <summary>The same for an operand that is no parameter: to be overwritten; null if it is not wanted.</summary>
    internal float* Gradient(int number) => wants[number] ? FusedEngine.Pointer(gradients[number] ??= empty_like(tensors[number]!)) : null;

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

        List<Tensor> result = [.. gradients.Select(t => t?.MoveToOuterDisposeScope()!), null!];
        gradients = tensors = [];
        return result;
    }
}
