using System.Text.Json.Nodes;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;

namespace Noisy.Experiments;

/// <summary>What the noisy modules of a model say of themselves: the truth about exported weights, whatever a config says.</summary>
internal static class ModelDescription
{
    /// <summary>Entries for the metadata of exported weights.</summary>
    /// <param name="model">The model.</param>
    /// <param name="expected">The activations that the model was to be made of.</param>
    /// <param name="test">Mode and scale of the test.</param>
    /// <returns><c>modules</c>: for each noisy module its path, type and specs. <c>activations</c>: the pair that all of them are made
    /// of; not there if they are made of several. <c>noise</c>: the test's.</returns>
    internal static Dictionary<string, string> Write(torch.nn.Module model, ActivationPair expected, NoiseContext test)
    {
        var modules = new[] { (name: "", module: model) }.Concat(model.named_modules().Select(m => (m.name, m.module)))
            .Select(m => (Path: m.name, Type: m.module.GetType().Name, Specs: Specs(m.module))).Where(m => m.Specs.Count > 0).ToList();
        var pairs = modules.Where(m => m.Specs.Count == 2).Select(m => (Tanh: m.Specs["tanh"], Sigmoid: m.Specs["sigmoid"])).Distinct().ToList();
        var specs = modules.SelectMany(m => m.Specs.Values).Distinct().ToList();
        var pair = specs.All(s => s == expected.Tanh || s == expected.Sigmoid) ? expected
            : pairs.Count == 1 && specs.All(s => s == pairs[0].Tanh || s == pairs[0].Sigmoid) ? new ActivationPair("own", pairs[0].Tanh, pairs[0].Sigmoid, "the model's")
            : null;
        var entries = ModelMetadata.Write(pair ?? expected, test);
        if (pair is null) entries.Remove(ModelMetadata.Activations);
        entries["modules"] = new JsonArray([.. modules.Select(m =>
        {
            var json = new JsonObject { ["path"] = m.Path, ["type"] = m.Type };
            foreach (var (name, spec) in m.Specs) json[name] = ConfigJson.Describe(spec);
            return (JsonNode)json;
        })]).ToJsonString(ConfigJson.Line);
        return entries;
    }

    /// <summary>Which implementation a model's last pass ran on: the fused engine only if every noisy module did.</summary>
    /// <param name="model">The model.</param>
    internal static string LastBackend(torch.nn.Module model)
    {
        var backends = model.named_modules().Select(m => m.module switch
        {
            NoisyActivation a => a.LastBackend,
            NoisyLstm l => l.LastBackend,
            NoisyGru g => g.LastBackend,
            NoisyLstmCell l => l.LastBackend,
            NoisyGruCell g => g.LastBackend,
            NeuralTuringMachine n => n.LastBackend,
            _ => null,
        }).OfType<string>().ToList();
        return backends.Count > 0 && backends.All(b => b == FusedEngine.FusedName) ? FusedEngine.FusedName : FusedEngine.ComposedName;
    }

    private static Dictionary<string, NoisyActivationSpec> Specs(torch.nn.Module module)
    {
        static Dictionary<string, NoisyActivationSpec> Both(ActivationPair pair) => new() { ["tanh"] = pair.Tanh, ["sigmoid"] = pair.Sigmoid };
        return module switch
        {
            NoisyActivation m => new() { ["activation"] = m.Spec },
            NoisyLstm m => Both(m.Activations),
            NoisyGru m => Both(m.Activations),
            NoisyLstmCell m => Both(m.Activations),
            NoisyGruCell m => Both(m.Activations),
            _ => [],
        };
    }
}
