using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Whether what a module gives is what the model gives.</summary>
internal enum OutputRole
{
    /// <summary>Other modules take it.</summary>
    Inner,

    /// <summary>It cannot be known from the modules alone.</summary>
    Unknown,

    /// <summary>It is.</summary>
    Output,
}

/// <summary>One module on its way to its counterpart.</summary>
internal sealed class Replacement(string path, nn.Module module)
{
    public string Path => path;

    public nn.Module Module => module;

    public Counterpart? Counterpart { get; init; }

    public Preparation? Preparation { get; set; }

    public OutputRole Role { get; set; }

    public nn.Module? Made { get; private set; }

    /// <summary>Whether the weights that it belongs to are not trained, so that its gap gains are not either.</summary>
    public bool Frozen { get; set; }

    public List<string> OtherPaths { get; } = [];

    public IReadOnlyList<ModuleReference> Places { get; set; } = [];

    public NoisifyOutcome Outcome { get; set; }

    public string Note { get; set; } = "";

    private CallHook? hook;
    private bool hasFrozenGains;

    /// <summary>The places that cannot hold the new module: there the old one stays and hands its calls on.</summary>
    public IEnumerable<ModuleReference> Closed => Places.Where(p => !p.Accepts(Counterpart!.Type)).DistinctBy(p => p.Where);

    /// <summary>Builds the new module; the model does not change yet.</summary>
    public void Build()
    {
        Made = Preparation!.Build!();
        if (!Frozen) return;
        foreach (var (_, gain) in Made.named_parameters().Where(p => NoisifyReport.IsGain(p.name)))
        {
            gain.requires_grad = false;
            hasFrozenGains = true;
        }
    }

    /// <summary>Puts it into the model.</summary>
    public void Install()
    {
        var closed = Closed.Any();
        foreach (var place in Places.Where(p => p.Accepts(Counterpart!.Type))) place.Set(Made!);
        if (closed) hook = CallHook.Install(Module, Made!);
    }

    public NoisifyEntry Entry()
    {
        string[] notes =
        [
            Note, hasFrozenGains ? "gap gains frozen, as the weights are" : "", OtherPaths.Count == 0 ? "" : $"also at {string.Join(", ", OtherPaths)}",
        ];
        return new(path, module.GetType(), Made ?? module, Outcome, string.Join("; ", notes.Where(n => n.Length > 0)))
        {
            Hook = hook,
            MayBeOutput = Made is NoisyActivation && Role != OutputRole.Inner,
        };
    }
}
