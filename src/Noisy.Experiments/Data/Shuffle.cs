using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Random orders of a finite set, as functions of a key.</summary>
internal static class Shuffle
{
    /// <summary>The order of an epoch.</summary>
    /// <param name="key">Key of all orders of the set.</param>
    /// <param name="epoch">Epoch, ≥ 0; each has an order of its own.</param>
    /// <param name="count">Elements of the set, ≥ 0.</param>
    /// <returns>Every number in [0, count) once; each order is as likely as any other.</returns>
    /// <remarks>Fisher and Yates' method.</remarks>
    public static long[] Order(NoiseKey key, int epoch, int count)
    {
        var draws = key.At(epoch, 0);
        var order = new long[count];
        for (var i = 0; i < count; i++)
        {
            var place = draws.Below(i + 1, i);
            order[i] = order[place];
            order[place] = i;
        }

        return order;
    }
}
