using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>An activation at one place of a model and one time step, on whichever path fits.</summary>
internal static class SiteActivation
{
    /// <summary>Whether the fused engine can do it.</summary>
    internal static bool Fuses(NoisyActivationSpec spec, Tensor x, Tensor? p, NoiseContext context, Backend engine) =>
        engine == Backend.Auto && FusedActivation.Takes(spec, x, p, context.Mode);

    /// <summary>Applies the activation.</summary>
    /// <param name="spec">The activation.</param>
    /// <param name="x">Pre-activation [.., H].</param>
    /// <param name="p">Gap gains [H] or [1]; null if the activation has none.</param>
    /// <param name="context">Mode, key, update, time step and scale; the draws are those of this time step.</param>
    /// <param name="engine">Which implementation to run on.</param>
    /// <param name="site">Whose activation it is, for who observes the pass; null for nobody's.</param>
    /// <returns>φ, of x's shape; owned by the caller.</returns>
    internal static Tensor Apply(NoisyActivationSpec spec, Tensor x, Tensor? p, NoiseContext context, Backend engine, SiteAddress? site = null)
    {
        var c = context.Scale ?? spec.C;
        using var constant = p is { requires_grad: true } && !GapGain.Counts(spec, context) ? p.detach() : null;
        p = constant ?? p;
        if (Fuses(spec, x, p, context, engine)) return FusedActivation.Apply(spec, x, p, c, context);
        using var xi = context.Mode == NoiseMode.Sample && spec.Noise != NoiseKind.None
            ? NoiseSource.Normal(context.Key, context.Update, context.TimeStep, [1, .. x.shape], x.device).squeeze_(0)
            : null;
        using var shared = p is not null && x.dim() == 0 ? p.squeeze(0) : null; // a p [1] would give a scalar x a dimension
        return SiteObserver.Apply(site, spec, x, xi, shared ?? p, c, context.Mode);
    }
}
