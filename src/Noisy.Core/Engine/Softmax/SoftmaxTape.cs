namespace Noisy.Core;

/// <summary>A linear layer with a softmax over its outputs, and examples with their targets.</summary>
internal unsafe struct SoftmaxInputs
{
    /// <summary>Inputs [N, H].</summary>
    internal float* Hidden;

    /// <summary>Weights [V, H].</summary>
    internal float* Weight;

    /// <summary>Biases [V]; null means zeros.</summary>
    internal float* Bias;

    /// <summary>Sizes, each ≥ 1.</summary>
    internal int Rows, Units, Classes;
}

/// <summary>Which operands require a gradient.</summary>
/// <param name="Hidden">In the inputs.</param>
/// <param name="Weights">In the weights or the biases.</param>
internal readonly record struct SoftmaxRequiresGrad(bool Hidden, bool Weights);

/// <summary>Where the gradients go.</summary>
internal unsafe struct SoftmaxGradients
{
    /// <summary>[N, H], overwritten; null if not wanted.</summary>
    internal float* Hidden;

    /// <summary>[V, H] and [V].</summary>
    internal GradientTarget Weight, Bias;
}

/// <summary>What the forward pass leaves for the backward pass, and how classes are divided.</summary>
/// <remarks>
/// Classes come in groups, whose sums are made apart and then added in their order, and groups in chunks, which a core keeps in
/// its caches. Both depend on the sizes alone: the bits are the same whichever thread does the work. Exponentials are taken relative
/// to the greatest logit of the row so far in its group, so each chunk has its own.
/// </remarks>
internal sealed unsafe class SoftmaxTape : Tape
{
    // Groups are work for so many threads at least; a group of fewer classes is not worth its own sums.
    private const int MostGroups = 8, LeastGroup = 1000;

    // Floats of a chunk's weights: few enough for a second-level cache, which holds the inputs of some rows beside them.
    private const int ChunkFloats = 80_000, MostClasses = 160, LeastClasses = 40;

    private readonly int panels, width, units;

    /// <summary>Makes room for what a pass leaves.</summary>
    /// <param name="x">Layer and inputs.</param>
    /// <param name="targets">Class of each row; negative leaves it out.</param>
    /// <param name="requiresGrad">What the tape is to give.</param>
    /// <param name="width">Rows of a panel, as the kernel has them.</param>
    internal SoftmaxTape(SoftmaxInputs x, int[] targets, SoftmaxRequiresGrad requiresGrad, int width)
    {
        Kept = Enumerable.Range(0, x.Rows).Where(r => targets[r] >= 0).ToArray();
        (Targets, RequiresGrad) = (Array.ConvertAll(Kept, r => targets[r]), requiresGrad);
        (Losses, TargetLogits, Right) = (new double[Count], new float[Count], new bool[Count]);

        // An odd number of cache lines, so that a column does not fall into a few sets of a cache.
        Stride = (Count + 47) / 48 * 48; // whole panels of any kernel
        if (Stride / 16 % 2 == 0) Stride += 16;

        const int tile = MatrixTile.MaxRows;
        var tiles = (x.Classes + tile - 1) / tile;
        var most = Math.Clamp(ChunkFloats / x.Units / tile * tile, LeastClasses, MostClasses);
        Groups = Math.Clamp(x.Classes / LeastGroup, 1, MostGroups);
        List<(int, int)> chunks = [];
        GroupStarts = new int[Groups + 1];
        for (var group = 0; group < Groups; group++)
        {
            var end = Math.Min(x.Classes, (int)((long)tiles * (group + 1) / Groups) * tile);
            for (var v = (int)((long)tiles * group / Groups) * tile; v < end; v += most) chunks.Add((v, Math.Min(most, end - v)));
            GroupStarts[group + 1] = chunks.Count;
        }

        Chunks = [.. chunks];
        LongestChunk = most;
        var perRow = Chunks.Length + (3 * Groups) + 2;
        (panels, this.width, units) = ((Count + width - 1) / width, width, x.Units);
        nint inPanels = panels * width, sums = requiresGrad.Hidden ? Groups * inPanels * units : 0, exponentials = requiresGrad.Weights ? inPanels * x.Classes : 0;
        var parts = Rent((perRow * (long)Stride) + sums + exponentials);
        ChunkTops = parts.Take((nint)Chunks.Length * Stride);
        GroupTops = parts.Take((nint)Groups * Stride);
        GroupSums = parts.Take((nint)Groups * Stride);
        GroupFactors = parts.Take((nint)Groups * Stride);
        Tops = parts.Take(Stride);
        Inverse = parts.Take(Stride);
        HiddenSums = requiresGrad.Hidden ? parts.Take(sums) : null;
        Exponentials = requiresGrad.Weights ? parts.Take(exponentials) : null;
    }

    /// <summary>Numbers of the rows that count, rising. From here on a row is one of these, by its place among them.</summary>
    internal int[] Kept { get; }

    /// <summary>How many rows count.</summary>
    internal int Count => Kept.Length;

    /// <summary>Class of each row.</summary>
    internal int[] Targets { get; }

    /// <summary>What the tape can give.</summary>
    internal SoftmaxRequiresGrad RequiresGrad { get; }

    /// <summary>Negative log-likelihood of each row in nats.</summary>
    internal double[] Losses { get; }

    /// <summary>Whether no class has a greater logit than the row's own.</summary>
    internal bool[] Right { get; }

    /// <summary>Logit of each row's target.</summary>
    internal float[] TargetLogits { get; }

    /// <summary>Floats from one chunk or group to the next in all that has a number for each row.</summary>
    internal int Stride { get; }

    /// <summary>Groups of classes.</summary>
    internal int Groups { get; }

    /// <summary>First class and number of classes of each chunk.</summary>
    internal (int First, int Count)[] Chunks { get; }

    /// <summary>First chunk of each group, and the number of chunks.</summary>
    internal int[] GroupStarts { get; }

    /// <summary>What no chunk has more classes than.</summary>
    internal int LongestChunk { get; }

    /// <summary>[chunk, row]: what the chunk's exponentials are relative to.</summary>
    internal float* ChunkTops { get; }

    /// <summary>[group, row]: greatest logit of the group, sum of its exponentials relative to it, and what makes its sums
    /// those of probabilities.</summary>
    internal float* GroupTops { get; }

    /// <inheritdoc cref="GroupTops"/>
    internal float* GroupSums { get; }

    /// <inheritdoc cref="GroupTops"/>
    internal float* GroupFactors { get; }

    /// <summary>Greatest logit of each row.</summary>
    internal float* Tops { get; }

    /// <summary>Reciprocal of the sum of each row's exponentials relative to its greatest logit.</summary>
    internal float* Inverse { get; }

    /// <summary>[group, panel, H, row of the panel]: weights times the group's exponentials; null if not wanted.</summary>
    private float* HiddenSums { get; }

    /// <summary>[chunk, panel, class of the chunk, row of the panel]; null if not wanted.</summary>
    private float* Exponentials { get; }

    /// <summary>Weights times a group's exponentials, [H, row], for a panel of rows.</summary>
    internal float* SumsOf(int group, nint panel) => HiddenSums + (((group * (nint)panels) + panel) * units * width);

    /// <summary>Exponentials of a chunk for a panel's rows, [class, row]; those of the next panel follow.</summary>
    internal float* ExponentialsOf(int chunk, nint panel) =>
        Exponentials + ((((nint)Chunks[chunk].First * panels) + (Chunks[chunk].Count * panel)) * width);
}
