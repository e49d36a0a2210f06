namespace Noisy.Models;

/// <summary>A module that can take the place of one of torch's, and knows whether it did.</summary>
internal interface IReached
{
    /// <summary>Whether it has run.</summary>
    bool Reached { get; }
}
