using System.Text;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What became of one module of a model.</summary>
/// <param name="Path">Its dotted path, as in <c>named_modules()</c>; empty for the root itself.</param>
/// <param name="Was">Type of the module that was found there.</param>
/// <param name="Now">The module that is there now.</param>
/// <param name="Outcome">What was done.</param>
/// <param name="Note">Why, or what there is to know about the replacement; may be empty.</param>
public sealed record NoisifyEntry(string Path, Type Was, nn.Module Now, NoisifyOutcome Outcome, string Note)
{
    /// <summary>Whether a place that cannot hold the new module keeps the old one, whose <c>call</c> a hook answers with the new one's.</summary>
    public bool ByHook => Hook is not null;

    /// <summary>Whether it is an activation whose output is, or for all that is known may be, the model's output.</summary>
    public bool MayBeOutput { get; init; }

    internal CallHook? Hook { get; init; }

    /// <summary>One line for people: path, old type, new type, note.</summary>
    public override string ToString()
    {
        var line = new StringBuilder($"{(Path.Length == 0 ? "(root)" : Path)}: {TypeNames.Readable(Was)}");
        line.Append(Outcome switch
        {
            NoisifyOutcome.Replaced => $" -> {TypeNames.Readable(Now.GetType())}",
            NoisifyOutcome.LeftOut => " left as it is",
            _ => " cannot be replaced",
        });
        if (Note.Length > 0) line.Append(Outcome == NoisifyOutcome.Replaced ? $" ({Note})" : $": {Note}");
        return line.ToString();
    }
}
