using System.Text;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What became of one module.</summary>
public enum NoisifyOutcome
{
    /// <summary>A noisy module has taken its place.</summary>
    Replaced,

    /// <summary>It stayed as it was because nobody asked for it, or because it has no noisy counterpart.</summary>
    LeftOut,

    /// <summary>It was asked for and could not be replaced; the note says why and what to do.</summary>
    Refused,
}

/// <summary>What became of one module of a model.</summary>
/// <param name="Path">Its dotted path, as in <c>named_modules()</c>; empty for the root itself.</param>
/// <param name="Was">Type of the module that was found there.</param>
/// <param name="Now">The module that is there now.</param>
/// <param name="Outcome">What was done.</param>
/// <param name="Note">Why, or what there is to know about the replacement; may be empty.</param>
public sealed record NoisifyEntry(string Path, Type Was, nn.Module Now, NoisifyOutcome Outcome, string Note)
{
    /// <summary>One line for people: path, old type, new type, note.</summary>
    public override string ToString()
    {
        var line = new StringBuilder($"{(Path.Length == 0 ? "(root)" : Path)}: {TypeNames.Of(Was)}");
        line.Append(Outcome switch
        {
            NoisifyOutcome.Replaced => $" -> {TypeNames.Of(Now.GetType())}",
            NoisifyOutcome.LeftOut => " left as it is",
            _ => " cannot be replaced",
        });
        if (Note.Length > 0) line.Append(Outcome == NoisifyOutcome.Replaced ? $" ({Note})" : $": {Note}");
        return line.ToString();
    }
}

/// <summary>
/// What <see cref="Noisify"/> did to a model: an entry for each module with a saturating unit, in the model's order.
/// </summary>
/// <param name="Entries">One entry a module; a module that is registered twice has one, under its first path.</param>
public sealed record NoisifyReport(IReadOnlyList<NoisifyEntry> Entries)
{
    /// <summary>What was replaced.</summary>
    public IEnumerable<NoisifyEntry> Replaced => With(NoisifyOutcome.Replaced);

    /// <summary>What was left as it is, on purpose or for want of a counterpart.</summary>
    public IEnumerable<NoisifyEntry> LeftOut => With(NoisifyOutcome.LeftOut);

    /// <summary>What was asked for and could not be replaced; empty unless partial replacement was allowed.</summary>
    public IEnumerable<NoisifyEntry> Refused => With(NoisifyOutcome.Refused);

    /// <summary>The learned gap gains p that the model did not have before: what an optimiser made earlier must be told of.</summary>
    public IEnumerable<Parameter> NewParameters =>
        Replaced.SelectMany(e => e.Now.named_parameters()).Where(n => IsGain(n.name)).Select(n => n.parameter);

    /// <summary>One line an entry.</summary>
    public override string ToString() => string.Join(Environment.NewLine, Entries);

    private IEnumerable<NoisifyEntry> With(NoisifyOutcome outcome) => Entries.Where(e => e.Outcome == outcome);

    internal static bool IsGain(string name) => name == "p" || name.StartsWith("p_", StringComparison.Ordinal);
}
