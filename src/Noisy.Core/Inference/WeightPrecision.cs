namespace Noisy.Core;

/// <summary>What the weights of a model are held in while it runs.</summary>
public enum WeightPrecision
{
    /// <summary>Single precision, as they were trained.</summary>
    Single,

    /// <summary>Integers of eight bits with a scale for each row of a weight: a quarter of the memory, and results that differ a little.</summary>
    Int8,
}
