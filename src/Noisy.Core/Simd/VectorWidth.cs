namespace Noisy.Core;

/// <summary>How many single-precision numbers a kernel handles at once. Every width gives the same bits.</summary>
public enum VectorWidth
{
    /// <summary>The widest that this machine does in hardware.</summary>
    Auto = 0,

    /// <summary>One number at a time.</summary>
    Scalar = 32,

    /// <summary>Four numbers, Vector128.</summary>
    Bits128 = 128,

    /// <summary>Eight numbers, Vector256.</summary>
    Bits256 = 256,

    /// <summary>Sixteen numbers, Vector512.</summary>
    Bits512 = 512,
}
