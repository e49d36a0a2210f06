using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Measures what saturation and noise do in a model: share of saturated units, noise, gradients, by nonlinearity.</summary>
public static class SiteMonitor
{
    /// <summary>Runs a pass and measures every noisy nonlinearity of the model in it.</summary>
    /// <param name="model">A model with modules of this library, such as <see cref="NoisyLstm"/> and <see cref="NoisyActivation"/>, or one
    /// that <see cref="Noisify"/> changed.</param>
    /// <param name="loss">Forward pass of a batch to its loss, one number, as in training: <c>() => loss(model.call(x), y)</c>.</param>
    /// <param name="test">Forward pass of the same batch at test time, <c>() => model.call(x)</c>, which runs in <c>eval()</c> and without
    /// gradients; null leaves <see cref="SiteStatistics.AtBound"/> out.</param>
    /// <returns>Statistics by the nonlinearity's name: the module's path, for recurrent layers with layer and gate, such as
    /// "lstm.l0.forget"; in the model's order. Nonlinearities that the pass does not reach are not there.</returns>
    /// <remarks>The pass runs on torch's operations instead of the fused engine, with the same draws, and so takes several times as long as
    /// a training step. It leaves everything as it was: parameters and their gradients, buffers, the modules' clocks and modes, torch's CPU generator. Call
    /// it on one thread; it is not safe beside other passes of the model.</remarks>
    /// <exception cref="ArgumentException">The loss is not one number.</exception>
    public static IReadOnlyDictionary<string, SiteStatistics> Observe(nn.Module model, Func<Tensor> loss, Action? test = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(loss);
        var sites = Sites(model);
        using var state = new ModelState(model, sites.Select(s => s.Module.Noise.Clock).Distinct());
        var measured = Training(loss);
        state.Restore();
        var bounds = test is null ? [] : AtBounds(model, test);
        var named = new Dictionary<string, SiteStatistics>();
        foreach (var (path, module) in sites)
        {
            foreach (var (address, found) in measured.Where(m => m.Key.Module == module.Noise).OrderBy(m => (m.Key.Part, m.Key.Site)))
            {
                var name = string.Join('.', new[] { path, module.SiteName(address) }.Where(part => part.Length > 0));
                named[name.Length > 0 ? name : "activation"] = found with { AtBound = bounds.TryGetValue(address, out var share) ? share : null };
            }
        }

        return named;
    }

    private static List<(string Path, INoisySites Module)> Sites(nn.Module model) =>
        [.. new[] { ("", model) }.Concat(model.named_modules().Select(m => (m.name, m.module)))
            .Where(m => m.Item2 is INoisySites).Select(m => (m.Item1, (INoisySites)m.Item2)).DistinctBy(m => m.Item2.Noise)];

    private static Dictionary<SiteAddress, SiteStatistics> Training(Func<Tensor> loss)
    {
        using var scope = NewDisposeScope();
        using var grad = enable_grad();
        Tensor? objective = null;
        using var observed = SiteObserver.Observe(() => objective = loss());
        if (objective!.numel() != 1) throw new ArgumentException($"the loss is {Operand.Shape(objective)}: must be one number", nameof(loss));
        var inputs = observed.Calls.Values.SelectMany(c => c).Select(c => c.X).ToList();
        if (inputs.Count == 0) return [];
        var slopes = !objective.requires_grad
            ? []
            : inputs.Zip(autograd.grad([objective.reshape([])], inputs, retain_graph: false, allow_unused: true)).ToDictionary(pair => pair.First, pair => pair.Second);
        return observed.Calls.ToDictionary(site => site.Key, site => Measure(site.Value, slopes));
    }

    private static SiteStatistics Measure(List<SiteObserver.Call> calls, Dictionary<Tensor, Tensor> slopes)
    {
        var first = calls[0];
        return SiteStatistics.Measure(
            first.Spec, first.C, first.P is null ? [] : Numbers(first.P), All(calls.Select(c => c.X)),
            first.Xi is null ? [] : All(calls.Select(c => c.Xi!.expand(c.X.shape))),
            slopes.Count == 0 ? [] : All(calls.Select(c => slopes[c.X] is { IsInvalid: false } slope ? slope : zeros_like(c.X))));
    }

    private static Dictionary<SiteAddress, double?> AtBounds(nn.Module model, Action test)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        model.eval(); // the caller puts the modes back
        using var observed = SiteObserver.Observe(test);
        return observed.Calls.ToDictionary(
            site => site.Key, site => SiteStatistics.ShareAtBounds(site.Value[0].Spec.Unit, All(site.Value.Select(c => c.Output))));
    }

    private static double[] All(IEnumerable<Tensor> tensors) => [.. tensors.SelectMany(Numbers)];

    private static double[] Numbers(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.detach().cpu().to_type(ScalarType.Float64).contiguous().data<double>().ToArray();
    }
}
