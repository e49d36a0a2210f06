using TorchSharp.Modules;

namespace Noisy.Models;

/// <summary>
/// What <see cref="Noisify"/> did to a model: an entry for each module with a saturating unit, and for each embedding if these
/// are to be replaced, in the model's order.
/// </summary>
/// <param name="Entries">One entry a module; a module that is registered twice has one, under its first path.</param>
public sealed record NoisifyReport(IReadOnlyList<NoisifyEntry> Entries)
{
    /// <summary>What was replaced.</summary>
    public IEnumerable<NoisifyEntry> Replaced => With(NoisifyOutcome.Replaced);

    /// <summary>What was left as it is, on purpose or for want of a counterpart.</summary>
    public IEnumerable<NoisifyEntry> LeftOut => With(NoisifyOutcome.LeftOut);

    /// <summary>What was requested and could not be replaced; empty unless partial replacement was allowed.</summary>
    public IEnumerable<NoisifyEntry> Refused => With(NoisifyOutcome.Refused);

    /// <summary>What was replaced and no call has reached since: after the first pass, what is listed here runs without noise or not at all.
    /// The model's code then has the old module from a place that the replacement did not find, or calls its <c>forward</c> past the hook:
    /// keep the module in a field or a collection of the model, and use <c>call</c>.</summary>
    public IEnumerable<NoisifyEntry> NotCalled => Replaced.Where(e => e.Now is IReached { Reached: false });

    /// <summary>The learned gap gains p that the model did not have before: what an optimiser made earlier must be told of.</summary>
    public IEnumerable<Parameter> NewParameters =>
        Replaced.SelectMany(e => e.Now.named_parameters()).Where(n => IsGain(n.name)).Select(n => n.parameter);

    /// <summary>Runs a pass and tells how many of the units saturated, by module. Where none does, output noise and leak do nothing:
    /// NAN and NAH are then the hard function to the last bit.</summary>
    /// <param name="pass">The pass, <c>() => model.call(x)</c>; it runs on torch's operations instead of the fused engine.</param>
    /// <returns>One value for each module that was made noisy.</returns>
    public IReadOnlyList<NoisifySaturation> Saturation(Action pass) => SaturationCount.Count([.. Replaced], pass);

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
