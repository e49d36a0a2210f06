namespace Noisy.Models;

/// <summary>Which implementation a module runs on.</summary>
public enum Backend
{
    /// <summary>The fused engine where it can, else composed tensor operations.</summary>
    Auto,

    /// <summary>Composed tensor operations: slow, on any device, what the engine is tested against.</summary>
    Composed,
}
