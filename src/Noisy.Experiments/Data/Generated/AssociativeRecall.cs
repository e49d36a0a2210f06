using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>
/// Associative recall: items go by, then one of them is shown again, and the item that followed it is to be told.
/// </summary>
/// <remarks>
/// <para>An item is 3 vectors of 6 random bits. An episode of n items is n + 2 blocks of 4 time steps: for each item the first
/// marker, then its vectors; for the query the second marker, then the queried item; for the answer the second marker, then 3
/// steps without input, in which the next item is the target. Channels 0 to 5 are bits, 6 the first marker, 7 the second. Which
/// item is queried is uniform over all but the last. Two items of an episode may be equal, once in 2¹⁸ pairs.</para>
/// <para>Randomness: an episode is a pure function of (items, key, index); different keys or indices give unrelated episodes.
/// Source: docs/paper.md, reference systems (the first author's generator).</para>
/// </remarks>
public static class AssociativeRecall
{
    /// <summary>Bits of a vector.</summary>
    public const int Bits = 6;

    /// <summary>Vectors of an item, and so time steps of an answer.</summary>
    public const int Vectors = 3;

    /// <summary>Channels of an input: bits and two markers.</summary>
    public const int Inputs = Bits + 2;

    /// <summary>Fewest items: one that can be queried, and the one after it.</summary>
    public const int LeastItems = 2;

    /// <summary>Most items: more would be unreasonably long episodes.</summary>
    public const int MostItems = 1000;

    private const int Block = Vectors + 1, ItemMarker = Bits, QueryMarker = Bits + 1;

    /// <summary>Negative log-likelihood of an answer that knows nothing, 3 ln 2: summed over the steps, averaged over the bits;
    /// nats.</summary>
    public static double Chance { get; } = Vectors * Math.Log(2);

    /// <summary>Time steps T of an episode, 4 (n + 2).</summary>
    /// <param name="items">Items n.</param>
    public static int Steps(int items) => Block * (items + 2);

    /// <summary>Generates episodes.</summary>
    /// <param name="items">Items n of each, in [<see cref="LeastItems"/>, <see cref="MostItems"/>].</param>
    /// <param name="key">Key of the split.</param>
    /// <param name="first">Index of the first episode, ≥ 0.</param>
    /// <param name="count">How many, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static RecallBatch Episodes(int items, NoiseKey key, long first, int count)
    {
        if (items is < LeastItems or > MostItems)
            throw new ArgumentOutOfRangeException(nameof(items), items, $"must be in [{LeastItems}, {MostItems}]");
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var batch = new RecallBatch(items, count, new float[Steps(items) * count * Inputs], new float[Vectors * count * Bits], new int[count]);
        for (var b = 0; b < count; b++) Fill(batch, b, key.Child((uint)items).At(first + b, 0));
        return batch;
    }

    private static void Fill(RecallBatch batch, int b, NoiseStream stream)
    {
        var (items, count) = (batch.Items, batch.Count);
        var query = stream.Below(items - 1, items);
        batch.Queries[b] = query;
        for (var block = 0; block < items + 2; block++)
        {
            Input(block, 0)[block < items ? ItemMarker : QueryMarker] = 1;
            if (block > items) break; // the answer's steps are empty
            for (var v = 0; v < Vectors; v++) Write(block < items ? block : query, v, Input(block, 1 + v));
        }

        for (var v = 0; v < Vectors; v++) Write(query + 1, v, batch.Target.AsSpan(((v * count) + b) * Bits, Bits));

        Span<float> Input(int block, int step) => batch.Input.AsSpan(((((block * Block) + step) * count) + b) * Inputs, Inputs);

        // One random word an item: its lowest 18 bits.
        void Write(int item, int vector, Span<float> to)
        {
            var bits = stream.Word(item) >> (vector * Bits);
            for (var bit = 0; bit < Bits; bit++) to[bit] = bits >> bit & 1;
        }
    }
}
