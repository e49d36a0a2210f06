using System.Runtime.InteropServices;
using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Initial values of weights as functions of a key.</summary>
public static class InitialWeights
{
    /// <summary>U(−1/√n, 1/√n), as torch's linear layers have it.</summary>
    /// <param name="key">Key of the weight.</param>
    /// <param name="inputs">Number of inputs n, ≥ 1.</param>
    /// <param name="size">Shape.</param>
    /// <returns>A float tensor on the CPU that the caller owns.</returns>
    public static Tensor Uniform(NoiseKey key, long inputs, params long[] size)
    {
        var bound = (float)(1 / Math.Sqrt(inputs));
        return NoiseSource.Uniform(key.At(0, 0), size, -bound, bound, CPU);
    }

    /// <summary>N(0, deviation²).</summary>
    /// <param name="key">Key of the weight.</param>
    /// <param name="deviation">Standard deviation, ≥ 0.</param>
    /// <param name="size">Shape.</param>
    /// <returns>A float tensor on the CPU that the caller owns.</returns>
    public static Tensor Normal(NoiseKey key, double deviation, params long[] size)
    {
        using var raw = NoiseSource.Normal(key, 0, 0, [1, .. size], CPU);
        return raw.squeeze(0).Times(deviation);
    }

    /// <summary>A random matrix whose rows, or columns if there are fewer, are orthogonal and of one length.</summary>
    /// <param name="key">Key of the weight.</param>
    /// <param name="rows">Rows, ≥ 1.</param>
    /// <param name="columns">Columns, ≥ 1.</param>
    /// <param name="gain">That length.</param>
    /// <returns>A float matrix on the CPU that the caller owns.</returns>
    /// <remarks>Gram and Schmidt's method, twice over, in double precision on normal draws: uniformly distributed among such
    /// matrices. Source: Saxe, McClelland, Ganguli, 2014; paper, Sections 6.4 and 6.5.</remarks>
    public static Tensor Orthogonal(NoiseKey key, long rows, long columns, double gain)
    {
        var (count, length) = ((int)Math.Min(rows, columns), (int)Math.Max(rows, columns));
        using var draws = NoiseSource.Normal(key, 0, 0, [1, count, length], CPU);
        var values = MemoryMarshal.Cast<byte, float>(draws.bytes);
        var vectors = new double[count][];
        for (var i = 0; i < count; i++)
        {
            var vector = vectors[i] = new double[length];
            for (var j = 0; j < length; j++) vector[j] = values[(i * length) + j];
            for (var pass = 0; pass < 2; pass++)
            {
                for (var k = 0; k < i; k++) Add(vector, -Dot(vector, vectors[k]), vectors[k]);
            }

            var norm = Math.Sqrt(Dot(vector, vector));
            for (var j = 0; j < length; j++) vector[j] /= norm;
        }

        var result = FusedEngine.Empty([rows, columns]);
        var to = MemoryMarshal.Cast<byte, float>(result.bytes);
        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j < length; j++) to[rows <= columns ? (i * length) + j : (j * count) + i] = (float)(gain * vectors[i][j]);
        }

        return result;
    }

    private static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (var j = 0; j < a.Length; j++) sum += a[j] * b[j];
        return sum;
    }

    private static void Add(double[] to, double factor, double[] vector)
    {
        for (var j = 0; j < to.Length; j++) to[j] += factor * vector[j];
    }
}
