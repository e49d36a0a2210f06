using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Sequences of random integers, whose distinct values are to be counted.</summary>
/// <remarks>Source: paper, Section 6.6, Table 5; decision 23. Element t of an example is uniform in [0, values), independent of
/// all others, and a function of (key, index, t) alone: a shorter example is the beginning of the longer one of the same
/// index.</remarks>
public static class UniqueElements
{
    /// <summary>The key of a set: sets never share an example by their making.</summary>
    /// <param name="split">Which set; validation and test are the same for all runs.</param>
    /// <param name="seed">Seed of the run, which training depends on.</param>
    public static NoiseKey KeyOf(Split split, long seed) =>
        NoiseKey.FromSeed(split == Split.Train ? seed : 0).Child("unique elements").Child(split.ToString());

    /// <summary>Writes examples side by side.</summary>
    /// <param name="values">How many different values there are, ≥ 1.</param>
    /// <param name="key">Key of the set; sets with different keys are independent.</param>
    /// <param name="first">Index of the first example, ≥ 0.</param>
    /// <param name="count">How many examples B.</param>
    /// <param name="elements">Receives [T, B]: element t of example first + b at t·B + b; its length is a multiple of B.</param>
    public static void Fill(int values, NoiseKey key, long first, int count, Span<long> elements)
    {
        for (var b = 0; b < count; b++)
        {
            var draws = key.At(first + b, 0);
            for (var t = 0; t * count < elements.Length; t++) elements[(t * count) + b] = draws.Below(values, t);
        }
    }

    /// <summary>Counts the distinct values of each example.</summary>
    /// <param name="values">How many different values there are.</param>
    /// <param name="count">How many examples B.</param>
    /// <param name="elements">[T, B], as <see cref="Fill"/> writes it.</param>
    /// <returns>A number in [1, min(values, T)] for each example.</returns>
    public static int[] Distinct(int values, int count, ReadOnlySpan<long> elements)
    {
        var distinct = new int[count];
        var seen = new bool[values * count];
        for (var i = 0; i < elements.Length; i++)
        {
            ref var known = ref seen[(i % count * values) + (int)elements[i]];
            if (!known) distinct[i % count]++;
            known = true;
        }

        return distinct;
    }

    /// <summary>The exact law of the number of distinct values.</summary>
    /// <param name="length">Elements of an example, ≥ 1.</param>
    /// <param name="values">How many different values there are, ≥ 1.</param>
    /// <returns>Probability of k distinct values at index k, from 0 to <paramref name="values"/>.</returns>
    /// <remarks>Formula: an element is new with probability (values − k) / values where k are known, so
    /// P(k) ← P(k) k / values + P(k − 1) (values − k + 1) / values, once for each element.</remarks>
    public static double[] Law(int length, int values)
    {
        var law = new double[values + 1];
        law[0] = 1;
        for (var t = 0; t < length; t++)
        {
            for (var k = values; k >= 1; k--) law[k] = ((law[k] * k) + (law[k - 1] * (values - k + 1))) / values;
            law[0] = 0;
        }

        return law;
    }
}
