using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What the forward pass of a decoder leaves for the backward pass.</summary>
internal sealed class DecoderTape : IDisposable
{
    /// <summary>States after each step [T, B, H]; those that attended, if a first cell made them.</summary>
    internal required Tensor Hidden { get; init; }

    /// <inheritdoc cref="Hidden"/>
    internal Tensor? Between { get; init; }

    /// <summary>Queries [T, B, A], and attention [T, S, B].</summary>
    internal required Tensor Queries { get; init; }

    /// <inheritdoc cref="Queries"/>
    internal required Tensor Attention { get; init; }

    /// <summary>What the last cell took of what was seen [T, B, C]; what was seen before the selector scaled it.</summary>
    internal required Tensor Seen { get; init; }

    /// <inheritdoc cref="Seen"/>
    internal Tensor? Unscaled { get; init; }

    /// <summary>The selector's pre-activations and values, [T, B].</summary>
    internal Tensor? SelectorInput { get; init; }

    /// <inheritdoc cref="SelectorInput"/>
    internal Tensor? Selected { get; init; }

    /// <summary>Of each time step.</summary>
    internal RecurrentTape?[] First { get; init; } = [];

    /// <inheritdoc cref="First"/>
    internal required RecurrentTape?[] Last { get; init; }

    public void Dispose()
    {
        foreach (var tensor in new[] { Hidden, Between, Queries, Attention, Seen, Unscaled, SelectorInput, Selected }) tensor?.Dispose();
        foreach (var tape in First.Concat(Last)) tape?.Dispose();
    }
}
