using System.Runtime.InteropServices;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Points of <see cref="GaussianMixture"/> to be classified: without end for training, which depend on a seed; the same
/// for all runs in validation and test.</summary>
public sealed class MixtureData : IClassifiedData
{
    private static readonly NoiseKey Sets = NoiseKey.FromSeed(1).Child("mixture");
    private readonly NoiseKey training;
    private readonly int valid, test;

    /// <summary>The points of a run.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="valid">Points for validation, ≥ 1.</param>
    /// <param name="test">Points for test, ≥ 1.</param>
    public MixtureData(long seed, int valid, int test)
    {
        training = NoiseKey.FromSeed(seed).Child("mixture").Child("train");
        (this.valid, this.test) = (valid, test);
        var (validPoints, validClasses) = All(Split.Valid);
        var (testPoints, testClasses) = All(Split.Test);
        TestLimit = GaussianMixture.LimitOn(testPoints, testClasses);
        Identity = new DataIdentity("mixture", DataIdentity.BuiltIn, DataFile.Sha256(
            Bytes(validPoints), Bytes(validClasses), Bytes(testPoints), Bytes(testClasses)));
    }

    /// <summary>The generated validation and test sets; the checksum is over both.</summary>
    public DataIdentity Identity { get; }

    /// <summary>What the classifier that knows the mixture attains on the test points.</summary>
    public BayesLimit TestLimit { get; }

    /// <inheritdoc/>
    public int Inputs => 2;

    /// <inheritdoc/>
    public int Classes => GaussianMixture.Components.Count;

    /// <inheritdoc/>
    public long? Count(Split split) => split switch
    {
        Split.Train => null,
        Split.Valid => valid,
        _ => test,
    };

    /// <inheritdoc/>
    public void Fill(Split split, ReadOnlySpan<long> indices, Span<float> inputs, Span<long> classes) =>
        GaussianMixture.Fill(split == Split.Train ? training : Sets.Child(split == Split.Valid ? "valid" : "test"), indices, inputs, classes);

    private (float[] Points, long[] Classes) All(Split split)
    {
        var indices = Enumerable.Range(0, (int)Count(split)!).Select(i => (long)i).ToArray();
        var (points, classes) = (new float[2 * indices.Length], new long[indices.Length]);
        Fill(split, indices, points, classes);
        return (points, classes);
    }

    private static byte[] Bytes<T>(T[] values) where T : struct => MemoryMarshal.AsBytes<T>(values).ToArray();
}
