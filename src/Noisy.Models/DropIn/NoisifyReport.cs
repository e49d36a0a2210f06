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
    /// <summary>Whether a place that cannot hold the new module keeps the old one, whose <c>call</c> a hook answers with the new one's.</summary>
    public bool ByHook => Hook is not null;

    /// <summary>Whether it is an activation whose output is, or for all that is known may be, the model's output.</summary>
    public bool MayBeOutput { get; init; }

    internal CallHook? Hook { get; init; }

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

    /// <summary>What was replaced by a hook and no call has reached since: after the first pass, what is listed here runs without noise
    /// or not at all.</summary>
    public IEnumerable<NoisifyEntry> NotCalled => Replaced.Where(e => e.Hook is { Calls: 0 });

    /// <summary>The learned gap gains p that the model did not have before: what an optimiser made earlier must be told of.</summary>
    public IEnumerable<Parameter> NewParameters =>
        Replaced.SelectMany(e => e.Now.named_parameters()).Where(n => IsGain(n.name)).Select(n => n.parameter);

    /// <summary>Runs a pass and tells how many of the units saturated, by module. Where none does, output noise and leak do nothing:
    /// NAN and NAH are then the hard function to the last bit.</summary>
    /// <param name="pass">The pass, <c>() => model.call(x)</c>; it runs on torch's operations instead of the fused engine.</param>
    /// <returns>One value for each module that was replaced.</returns>
    public IReadOnlyList<NoisifySaturation> Saturation(Action pass) => SaturationProbe.Count([.. Replaced], pass);

    /// <summary>One line an entry, and one on the optimiser if there are new parameters.</summary>
    public override string ToString()
    {
        var gains = NewParameters.Count();
        IEnumerable<object> lines = Entries;
        if (gains > 0) lines = lines.Append($"{gains} new parameters: make the optimiser now; one made before needs frozen gains (LearnP false)");
        return string.Join(Environment.NewLine, lines);
    }

    private IEnumerable<NoisifyEntry> With(NoisifyOutcome outcome) => Entries.Where(e => e.Outcome == outcome);

    internal static bool IsGain(string name) => name == "p" || name.StartsWith("p_", StringComparison.Ordinal);
}
