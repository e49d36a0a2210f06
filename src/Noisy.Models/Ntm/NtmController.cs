namespace Noisy.Models;

/// <summary>What controls a Neural Turing Machine.</summary>
public enum NtmController
{
    /// <summary>One layer without a state of its own: the machine remembers in its memory alone. One noisy site.</summary>
    FeedForward,

    /// <summary>An LSTM: five noisy sites.</summary>
    Lstm,
}
