using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Sees what every nonlinearity is applied to while a pass runs, which runs on torch's operations meanwhile.</summary>
internal sealed class SiteObserver : IDisposable
{
    [ThreadStatic]
    private static SiteObserver? current;

    private readonly Dictionary<SiteAddress, List<Call>> calls = [];

    /// <summary>One application of an activation.</summary>
    /// <param name="Spec">The activation.</param>
    /// <param name="X">Pre-activations, through which alone the pass has its result from x: its gradient is that of this application.</param>
    /// <param name="Xi">Raw noise, broadcastable to x; null if none was drawn.</param>
    /// <param name="P">Gap gains; null if there are none.</param>
    /// <param name="C">Noise scale.</param>
    /// <param name="Output">φ.</param>
    internal sealed record Call(NoisyActivationSpec Spec, Tensor X, Tensor? Xi, Tensor? P, double C, Tensor Output);

    /// <summary>What was seen, by nonlinearity, in the order of the pass.</summary>
    internal IReadOnlyDictionary<SiteAddress, List<Call>> Calls => calls;

    /// <summary>Runs a pass on this thread and observes it.</summary>
    /// <exception cref="InvalidOperationException">A pass is being observed already.</exception>
    internal static SiteObserver Observe(Action pass)
    {
        if (current is not null) throw new InvalidOperationException("a pass that is being observed cannot observe another one");
        var observer = new SiteObserver();
        (current, FusedEngine.Composing) = (observer, true);
        try
        {
            pass();
            return observer;
        }
        catch
        {
            observer.Dispose();
            throw;
        }
        finally
        {
            (current, FusedEngine.Composing) = (null, false);
        }
    }

    /// <summary>Applies an activation as <see cref="ComposedActivation.Apply"/> does, before the observer's eyes if a pass is being observed.</summary>
    /// <param name="site">Whose activation; null for one that is not to be observed.</param>
    /// <param name="spec">The activation.</param>
    /// <param name="x">Pre-activation.</param>
    /// <param name="xi">Raw noise.</param>
    /// <param name="p">Gap gains.</param>
    /// <param name="c">Noise scale.</param>
    /// <param name="mode">What to do with the noise.</param>
    internal static Tensor Apply(SiteAddress? site, NoisyActivationSpec spec, Tensor x, Tensor? xi, Tensor? p, double c, NoiseMode mode)
    {
        if (current is not { } observer || site is not { } address) return ComposedActivation.Apply(spec, x, xi, p, c, mode);
        using var scope = NewDisposeScope();

        // A view, since x may go elsewhere too, as an LSTM's cell state does, and alias() is x itself to autograd. An input of the model has no
        // gradient of its own, but its activation does.
        var seen = x.requires_grad || !is_grad_enabled() ? x.view(x.shape) : x.detach().requires_grad_();
        var output = ComposedActivation.Apply(spec, seen, xi, p, c, mode);
        if (!observer.calls.TryGetValue(address, out var known)) observer.calls[address] = known = [];
        known.Add(new(spec, Kept(seen), Kept(xi?.detach()), Kept(p?.detach()), c, Kept(output.detach())));
        return output.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var call in calls.Values.SelectMany(c => c))
        {
            call.X.Dispose();
            call.Xi?.Dispose();
            call.P?.Dispose();
            call.Output.Dispose();
        }

        calls.Clear();
    }

    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(tensor))]
    private static Tensor? Kept(Tensor? tensor) => tensor?.DetachFromDisposeScope();
}
