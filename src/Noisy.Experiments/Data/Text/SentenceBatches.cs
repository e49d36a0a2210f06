using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Which sentences make up the batches of an epoch: a pure function of key, epoch and lengths, so that a resumed run needs the
/// epoch and the number of the batch alone.</summary>
public static class SentenceBatches
{
    /// <summary>Batches of sentences of similar length.</summary>
    /// <param name="key">Key of all orders of the set.</param>
    /// <param name="epoch">Epoch, ≥ 0; each has an order of its own.</param>
    /// <param name="lengths">Length of each sentence; of a translation for pairs.</param>
    /// <param name="batch">Sentences a batch B, ≥ 1; the last batch may have fewer.</param>
    /// <param name="block">Batches that are sorted together, ≥ 1; the reference takes 20.</param>
    /// <returns>Every index in [0, N) once, a list a batch.</returns>
    /// <remarks>The set is shuffled and cut into blocks of <paramref name="block"/> batches; in each block sentences are sorted by
    /// length and cut into batches, and the batches are shuffled. Source: dl4mt (docs/paper.md, reference systems), which takes the
    /// batches of a block from the longest down.</remarks>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static int[][] Blocks(NoiseKey key, int epoch, IReadOnlyList<int> lengths, int batch, int block = 20)
    {
        ArgumentNullException.ThrowIfNull(lengths);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(block, 1);
        var batches = new List<int[]>();
        var order = Order(key.Child("sentences"), epoch, lengths.Count);
        foreach (var (number, some) in order.Chunk((int)Math.Min((long)batch * block, Array.MaxLength)).Index())
        {
            int[][] sorted = [.. some.OrderBy(i => lengths[i]).Chunk(batch)];
            batches.AddRange(Order(key.Child("batches").Child((uint)number), epoch, sorted.Length).Select(i => sorted[i]));
        }

        return [.. batches];
    }

    /// <summary>Batches of sentences of one length each.</summary>
    /// <param name="key">Key of all orders of the set.</param>
    /// <param name="epoch">Epoch, ≥ 0; each has an order of its own.</param>
    /// <param name="lengths">Length of each sentence.</param>
    /// <param name="batch">Most sentences a batch B, ≥ 1; for each length the last batch may have fewer.</param>
    /// <returns>Every index in [0, N) once, a list a batch.</returns>
    /// <remarks>Source: arctic-captions (docs/paper.md, reference systems).</remarks>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static int[][] OneLength(NoiseKey key, int epoch, IReadOnlyList<int> lengths, int batch)
    {
        ArgumentNullException.ThrowIfNull(lengths);
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        var order = Order(key.Child("sentences"), epoch, lengths.Count);
        int[][] batches = [.. order.GroupBy(i => lengths[i]).SelectMany(same => same.Chunk(batch))];
        return [.. Order(key.Child("batches"), epoch, batches.Length).Select(i => batches[i])];
    }

    private static int[] Order(NoiseKey key, int epoch, int count) => Array.ConvertAll(Shuffle.Order(key, epoch, count), i => (int)i);
}
