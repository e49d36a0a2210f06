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

/// <summary>Gradients asked for.</summary>
internal unsafe struct SoftmaxGradients
{
    /// <summary>[N, H], overwritten; null if not wanted.</summary>
    internal float* Hidden;

    /// <summary>[V, H] and [V].</summary>
    internal GradientTarget Weight, Bias;
}

/// <summary>What the forward pass leaves: exp(logit − greatest logit) of every class and row, and what makes them probabilities.</summary>
internal sealed unsafe class SoftmaxTape : IDisposable
{
    private NativeBuffer? buffer;

    internal SoftmaxTape(int rows, int classes, int lanes, int[] targets)
    {
        Panel = 2 * lanes;
        Kept = Enumerable.Range(0, rows).Where(r => targets[r] >= 0).ToArray();
        Targets = Array.ConvertAll(Kept, r => targets[r]);
        Losses = new double[Count];
        Right = new bool[Count];
        Inverse = new float[Count];
        buffer = BufferPool.Rent((long)((Count + Panel - 1) / Panel) * Panel * classes);
        Exponentials = buffer.Start;
        ByTarget = Enumerable.Range(0, Count).ToArray();
        Array.Sort(ByTarget, (a, b) => Targets[a] != Targets[b] ? Targets[a].CompareTo(Targets[b]) : a.CompareTo(b));
    }

    /// <summary>Numbers of the rows that count, rising. From here on a row is one of these, by its place among them.</summary>
    internal int[] Kept { get; }

    /// <summary>How many rows count.</summary>
    internal int Count => Kept.Length;

    /// <summary>Class of each row.</summary>
    internal int[] Targets { get; }

    /// <summary>Rows by class and then by place.</summary>
    internal int[] ByTarget { get; }

    /// <summary>Rows side by side in a panel.</summary>
    internal int Panel { get; }

    /// <summary>Negative log-likelihood of each row in nats.</summary>
    internal double[] Losses { get; }

    /// <summary>Whether no class has a greater logit than the row's own.</summary>
    internal bool[] Right { get; }

    /// <summary>Reciprocal of each row's sum.</summary>
    internal float[] Inverse { get; }

    /// <summary>[panel, V, row in panel].</summary>
    internal float* Exponentials { get; }

    /// <summary>Whether the memory was given back.</summary>
    internal bool IsDisposed => buffer is null;

    /// <summary>Gives the memory back. Where nobody calls this, the buffer's own finaliser frees it: one here could hand on a
    /// buffer that is being freed.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref buffer, null) is { } owned) BufferPool.Return(owned);
    }
}
