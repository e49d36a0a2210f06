using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Weights that torch saved, of a model before or after its replacement.</summary>
internal static class SavedWeights
{
    /// <summary>Loads them; see <see cref="Noisify.Load"/>.</summary>
    public static IReadOnlyList<string> Load(nn.Module root, string path)
    {
        var own = root.state_dict().Keys.ToList();
        Dictionary<string, bool> saved = [];
        root.load(path, strict: false, skip: own, loadedParameters: saved); // reads the names only
        var added = Added(root);
        var missing = own.Where(n => !saved.ContainsKey(n)).ToList();
        List<string> problems = [];
        if (missing.Except(added).ToList() is { Count: > 0 } lost) problems.Add($"it lacks {string.Join(", ", lost)}");
        if (saved.Where(s => !s.Value).Select(s => s.Key).ToList() is { Count: > 0 } foreign)
            problems.Add($"the model has no {string.Join(", ", foreign)}");
        if (problems.Count > 0) throw new UsageException($"{path} has weights of another model: {string.Join("; ", problems)}. Nothing was loaded.");
        root.load(path, strict: false);
        return missing;
    }

    /// <summary>Names of what a replacement adds to a model: gap gains.</summary>
    private static HashSet<string> Added(nn.Module root)
    {
        HashSet<string> names = [];
        foreach (var (path, module) in root.named_modules().Prepend(("", root)))
        {
            if (module is not (NoisyActivation or IRecurrence)) continue;
            var prefix = path.Length == 0 ? "" : path + ".";
            foreach (var (name, _) in module.named_parameters())
                if (NoisifyReport.IsGain(name)) names.Add(prefix + name);
            foreach (var (name, _) in module.named_buffers()) names.Add(prefix + name);
        }

        return names;
    }
}
