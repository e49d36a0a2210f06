using System.Numerics;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>How many numbers an array has whose file announces its sizes.</summary>
internal static class ArraySize
{
    /// <summary>Most sizes of one array: what NumPy allows.</summary>
    internal const int MaxDimensions = 64;

    /// <summary>The product of all sizes, whatever they are: a file that lies may announce more than any number type holds.</summary>
    /// <param name="sizes">At most <see cref="MaxDimensions"/> numbers ≥ 0; none stand for one number.</param>
    internal static BigInteger Product(IReadOnlyList<int> sizes) => sizes.Aggregate(BigInteger.One, (product, size) => product * size);
}
