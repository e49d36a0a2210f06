using static TorchSharp.torch;
using Packed = TorchSharp.torch.nn.utils.rnn.PackedSequence;
using Rnn = TorchSharp.torch.nn.utils.rnn;

namespace Noisy.Models;

/// <summary>A packed sequence as segments: examples of different lengths, the longest first, none of them padded.</summary>
internal sealed class PackedSegments
{
    private readonly Packed packed;
    private readonly long[] sizes;
    private readonly Tensor? sorted, unsorted;

    /// <summary>Takes a packed sequence apart; its tensors stay its own.</summary>
    internal PackedSegments(Packed packed)
    {
        this.packed = packed;
        sizes = packed.batch_sizes.data<long>().ToArray();
        (sorted, unsorted) = (Given(packed.sorted_indices), Given(packed.unsorted_indices));
        List<PackedSegment> all = [];
        for (var t = 0; t < sizes.Length; t++)
        {
            if (all.Count > 0 && all[^1].Batch == sizes[t]) all[^1] = all[^1] with { Steps = all[^1].Steps + 1 };
            else all.Add(new(t, 1, sizes[t]));
        }

        All = all;
    }

    /// <summary>In the order of time; their batches fall.</summary>
    internal IReadOnlyList<PackedSegment> All { get; }

    /// <summary>Time steps of the longest example.</summary>
    internal int Steps => sizes.Length;

    /// <summary>Examples.</summary>
    internal long Batch => sizes[0];

    /// <summary>The elements of each segment, [T, B, I].</summary>
    internal Tensor[] Split()
    {
        var parts = new Tensor[All.Count];
        var row = 0L;
        for (var i = 0; i < parts.Length; i++)
        {
            var (steps, batch) = (All[i].Steps, All[i].Batch);
            parts[i] = packed.data.narrow(0, row, steps * batch).reshape(steps, batch, packed.data.shape[1]);
            row += steps * batch;
        }

        return parts;
    }

    /// <summary>The states of the examples in the order that they are packed in, [.., B, H].</summary>
    internal Tensor Sorted(Tensor state) => sorted is null ? state : state.index_select(1, sorted);

    /// <summary>The states of the examples in their own order, [.., B, H].</summary>
    internal Tensor Unsorted(Tensor state) => unsorted is null ? state : state.index_select(1, unsorted);

    /// <summary>Packs the outputs of the segments as the inputs were.</summary>
    /// <param name="parts">[T, B, H] each.</param>
    internal Packed Join(Tensor[] parts)
    {
        // TorchSharp makes a packed sequence of a padded one alone, so rows of padding are put in and left out again.
        var lengths = Enumerable.Range(0, (int)Batch).Select(b => (long)sizes.Count(size => size > b)).ToArray();
        var rows = cat([.. parts.Select(p => p.reshape(-1, p.shape[2])), zeros([1, parts[0].shape[2]], parts[0].dtype, parts[0].device)], 0);
        var places = new long[Steps * Batch];
        Array.Fill(places, rows.shape[0] - 1);
        for (var (t, row) = (0, 0L); t < Steps; t++)
        {
            for (var b = 0L; b < sizes[t]; b++) places[(t * Batch) + b] = row++;
        }

        var padded = rows.index_select(0, tensor(places).to(rows.device)).reshape(Steps, Batch, rows.shape[1]);
        var (examples, length) = unsorted is null ? (padded, tensor(lengths)) : (Unsorted(padded), tensor(lengths).index_select(0, unsorted.cpu()));
        return Rnn.pack_padded_sequence(examples, length, batch_first: false, enforce_sorted: sorted is null);
    }

    private static Tensor? Given(Tensor? indices) => indices is null || indices.IsInvalid ? null : indices;
}
