using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Draws and gap gains of one pass of one layer: site s uses child s of the layer's key, time step t its slice t.</summary>
internal sealed class SiteNoise
{
    private readonly IReadOnlyList<NoisyActivationSpec> sites;
    private readonly Tensor?[] gains;
    private readonly Tensor[]?[] draws;
    private readonly NoiseContext context;
    private readonly SiteAddress? layer;

    /// <summary>Draws the noise of all time steps.</summary>
    /// <param name="sites">The activation at each nonlinearity.</param>
    /// <param name="p">Gap gains [sites, H]; null if no site has one.</param>
    /// <param name="shape">[T, B, H].</param>
    /// <param name="device">Where the layer runs.</param>
    /// <param name="context">The layer's context.</param>
    /// <param name="layer">Which layer it is, for who observes the pass; null for none.</param>
    public SiteNoise(IReadOnlyList<NoisyActivationSpec> sites, Tensor? p, long[] shape, Device device, NoiseContext context, SiteAddress? layer)
    {
        (this.sites, this.context, this.layer) = (sites, context, layer);
        gains = sites.Select((s, i) =>
        {
            if (!s.UsesP) return null;
            var row = p!.select(0, i);
            return s.LearnP ? row : row.detach();
        }).ToArray();
        draws = sites.Select((s, i) => context.Mode == NoiseMode.Sample && s.Noise != NoiseKind.None
            ? NoiseSource.Normal(context.Key.Child((uint)i), context.Update, context.TimeStep, shape, device).unbind(0)
            : null).ToArray();
    }

    /// <summary>φ of a site's pre-activation [B, H] at a time step of the pass.</summary>
    public Tensor Apply(int site, int t, Tensor pre)
    {
        var spec = sites[site];
        return SiteObserver.Apply(layer is { } at ? at with { Site = site } : null, spec, pre, draws[site]?[t], gains[site], context.Scale ?? spec.C, context.Mode);
    }
}
