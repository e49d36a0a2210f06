namespace Noisy.Experiments;

/// <summary>A part of the data.</summary>
public enum Split
{
    /// <summary>What the model learns from.</summary>
    Train,

    /// <summary>What decisions are made on.</summary>
    Valid,

    /// <summary>What is reported.</summary>
    Test,
}
