using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>Everything that decides the result of a run: the experiment, the activation, how it is trained, and the experiment's own
/// settings; immutable.</summary>
public sealed record RunConfig
{
    /// <summary>Name of the experiment, such as "ptb".</summary>
    public required string Experiment { get; init; }

    /// <summary>Name of the preset that the config started from.</summary>
    public required string Preset { get; init; }

    /// <summary>What replaces tanh and sigmoid, before <see cref="Training"/> overrides its leak, scale and gap gain.</summary>
    public ActivationPair Activation { get; init; } = Variants.Soft;

    /// <summary>Root of all random numbers of the run.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>How the run is trained.</summary>
    public TrainingSettings Training { get; init; } = new();

    /// <summary>The experiment's own settings: a record of numbers, text, truth values and enumerations, or null if it has none.</summary>
    public object? Settings { get; init; }

    /// <summary>The activation with the overrides of <see cref="Training"/>.</summary>
    public ActivationPair Activations() => Activation.Map(Training.Override);

    /// <summary>The key under which the run's noise is drawn.</summary>
    internal NoiseKey NoiseKey() => Core.NoiseKey.FromSeed(Seed).Child("noise");

    /// <summary>How noise is treated at test time by weights of so many updates.</summary>
    internal NoiseContext TestContext(long update) => new(Training.TestNoise, Update: update, Scale: Training.Schedule?.At(update));

    /// <summary>The experiment's own settings, by their type.</summary>
    /// <typeparam name="TSettings">The record that the experiment's presets hold.</typeparam>
    /// <exception cref="ArgumentException">They are of another type: the config belongs to another experiment.</exception>
    public TSettings SettingsAs<TSettings>()
        where TSettings : class => Settings as TSettings
        ?? throw new ArgumentException($"the config of '{Experiment}' has settings of type {Settings?.GetType().Name ?? "null"}, where {typeof(TSettings).Name} is needed");

    /// <summary>Checks every rule that holds whatever the experiment.</summary>
    /// <exception cref="InvalidSpecException">A rule is broken; the message names each.</exception>
    public void Validate()
    {
        var broken = BrokenRules().ToList();
        if (broken.Count > 0) throw new InvalidSpecException(broken);
    }

    /// <summary>One sentence for each broken rule, of those that hold whatever the experiment and of the settings' own.</summary>
    internal IEnumerable<string> BrokenRules()
    {
        foreach (var rule in Training.BrokenRules()) yield return rule;
        foreach (var unused in Training.NoiseSettings().Where(field => field != "schedule" || !IsOwn).Select(field => (Field: field, Why: TrainingSettings.WhyUnused(field, Activation))).Where(f => f.Why is not null).GroupBy(f => f.Why))
        {
            var fields = unused.Select(f => f.Field).ToList();
            yield return $"{string.Join(" and ", fields)} {(fields.Count == 1 ? "does" : "do")} not apply to '{Activation.Name}', {unused.Key}";
        }

        foreach (var rule in BrokenByActivation().Distinct()) yield return rule;
        if (Settings is ISettings own)
            foreach (var rule in own.BrokenRules(Training)) yield return rule;
    }

    /// <summary>Whether the settings are of an experiment of one's own, whose model may have noise of its own, which takes a schedule too.</summary>
    private bool IsOwn => Settings is { } own && own.GetType().Assembly != GetType().Assembly;

    private IReadOnlyList<string> BrokenByActivation()
    {
        try
        {
            Activations().Map(s => s.Validate());
            return [];
        }
        catch (InvalidSpecException e)
        {
            return e.Broken;
        }
    }
}
