using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Examples with a class each, in three parts. An example is a function of its split and index alone.</summary>
public interface IClassifiedData
{
    /// <summary>What the data are.</summary>
    DataIdentity Identity { get; }

    /// <summary>Numbers an example, ≥ 1.</summary>
    int Inputs { get; }

    /// <summary>Number of classes, ≥ 2.</summary>
    int Classes { get; }

    /// <summary>Number of examples of a split, ≥ 0; null if there is no end of them.</summary>
    long? Count(Split split);

    /// <summary>Writes examples.</summary>
    /// <param name="split">The split.</param>
    /// <param name="indices">Which examples B, each in [0, count).</param>
    /// <param name="inputs">Receives [B, Inputs].</param>
    /// <param name="classes">Receives [B], each in [0, Classes).</param>
    void Fill(Split split, ReadOnlySpan<long> indices, Span<float> inputs, Span<long> classes);
}
