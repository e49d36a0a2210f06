namespace Noisy.Core;

/// <summary>Where the numbers of a pass through a layer lie: T time steps of B sequences; rows of units are padded.</summary>
internal unsafe struct LayerRun
{
    /// <summary>Inputs [T · B], and floats from row to row.</summary>
    internal float* X;
    internal nint RowX;

    internal int Steps, Batch;

    /// <summary>Hidden states [(T + 1) · B]: before the first step, then after each.</summary>
    internal float* History;

    /// <summary>Cell states [B]; unused by a GRU.</summary>
    internal float* Cell;

    /// <summary>Scratch: gates [G, T · B], a GRU's recurrent part of the candidate [B], noise [B], which is 0 at the start.</summary>
    internal float* Gates, Inner, Noise;

    /// <summary>The layer's context; its time step is that of time 0.</summary>
    internal NoiseContext Context;

    /// <summary>Time of the first step.</summary>
    internal int Time;

    /// <summary>Which columns of the batch these are: what their noise is addressed by.</summary>
    internal int[] Columns;
}
