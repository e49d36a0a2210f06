namespace Noisy.Core;

/// <summary>A spec, schedule or config breaks at least one of its rules; the message names each of them.</summary>
public sealed class InvalidSpecException : ArgumentException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="broken">One sentence a broken rule, with the value found and the allowed range; at least one.</param>
    public InvalidSpecException(IReadOnlyList<string> broken)
        : base(string.Join("; ", broken)) => Broken = broken;

    /// <summary>The broken rules, one sentence each.</summary>
    public IReadOnlyList<string> Broken { get; }
}
