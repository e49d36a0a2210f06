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
        (Targets, Panel) = (targets, 2 * lanes);
        Losses = new double[rows];
        Inverse = new float[rows];
        buffer = BufferPool.Rent((long)((rows + Panel - 1) / Panel) * Panel * classes);
        Exponentials = buffer.Start;
        ByTarget = Enumerable.Range(0, rows).Where(r => targets[r] >= 0).ToArray();
        Array.Sort(ByTarget, (a, b) => targets[a] != targets[b] ? targets[a].CompareTo(targets[b]) : a.CompareTo(b));
    }

    /// <summary>Class of each row; a negative one leaves the row out.</summary>
    internal int[] Targets { get; }

    /// <summary>Rows that count, by class and then by number.</summary>
    internal int[] ByTarget { get; }

    /// <summary>Rows side by side in a panel.</summary>
    internal int Panel { get; }

    /// <summary>Negative log-likelihood of each row in nats; 0 for one that is left out.</summary>
    internal double[] Losses { get; }

    /// <summary>Reciprocal of each row's sum; 0 for one that is left out.</summary>
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
