namespace Noisy.Core;

/// <summary>The linear maps of a machine, packed for one pass in one direction.</summary>
internal sealed unsafe class NtmMaps<V> : IDisposable
    where V : struct, ILanes<V>
{
    private readonly NativeBuffer buffer;

    /// <summary>Makes room for the maps.</summary>
    /// <param name="size">Sizes.</param>
    /// <param name="gates">Blocks of the controller.</param>
    /// <param name="isRecurrent">Whether it sees its own last output.</param>
    /// <param name="x">The weights.</param>
    internal NtmMaps(NtmDimensions size, int gates, bool isRecurrent, NtmInputs x)
    {
        long bias = gates * size.PaddedHidden;
        long controllerInput = LinearMap<V>.Length(gates, size.Hidden, size.ControllerInputs), recurrent = isRecurrent ? LinearMap<V>.Length(gates, size.Hidden, size.Hidden) : 0;
        long heads = LinearMap<V>.Length(1, size.HeadOutputs, size.Hidden), top = LinearMap<V>.Length(1, size.Outputs, size.Hidden);
        var reads = LinearMap<V>.Length(1, size.Outputs, size.Reads);
        buffer = BufferPool.Rent(controllerInput + recurrent + heads + top + reads + bias + size.PaddedHeads + size.PaddedOutputs);
        var parts = new BufferParts(buffer.Start);
        ControllerInput = new(x.WeightIh, size.ControllerInputs, gates, size.Hidden, size.ControllerInputs, parts.Take(controllerInput));
        Recurrent = new(x.WeightHh, size.Hidden, gates, size.Hidden, size.Hidden, parts.Take(recurrent));
        Heads = new(x.HeadWeight, size.Hidden, 1, size.HeadOutputs, size.Hidden, parts.Take(heads));
        var outputRow = size.Hidden + size.Reads;
        Top = new(x.OutputWeight, outputRow, 1, size.Outputs, size.Hidden, parts.Take(top));
        Reads = new(x.OutputWeight + size.Hidden, outputRow, 1, size.Outputs, size.Reads, parts.Take(reads));
        Bias = Pad(x.Bias, gates, size.Hidden, parts.Take(bias));
        HeadBias = Pad(x.HeadBias, 1, size.HeadOutputs, parts.Take(size.PaddedHeads));
        OutputBias = Pad(x.OutputBias, 1, size.Outputs, parts.Take(size.PaddedOutputs));
    }

    /// <summary>From what the controller sees to its pre-activations.</summary>
    internal LinearMap<V> ControllerInput { get; }

    /// <summary>From its last output to its pre-activations, if it is recurrent.</summary>
    internal LinearMap<V> Recurrent { get; }

    /// <summary>From its output to the numbers of the heads.</summary>
    internal LinearMap<V> Heads { get; }

    /// <summary>From its output to the logits, and from the reads to them.</summary>
    internal LinearMap<V> Top { get; }

    internal LinearMap<V> Reads { get; }

    /// <summary>Biases, padded with zeros.</summary>
    internal float* Bias { get; }

    internal float* HeadBias { get; }

    internal float* OutputBias { get; }

    public void Dispose() => BufferPool.Return(buffer);

    private static float* Pad(float* from, int blocks, int units, float* to)
    {
        var padded = Padding.RoundUp(units);
        for (var block = 0; block < blocks; block++)
        {
            var row = new Span<float>(to + (block * padded), padded);
            row.Clear();
            new ReadOnlySpan<float>(from + (block * units), units).CopyTo(row);
        }

        return to;
    }
}
