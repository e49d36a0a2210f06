using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What the units of a hidden layer did with some examples; each array by unit, then by example.</summary>
/// <param name="PreActivation">x.</param>
/// <param name="Activation">φ(x, ξ).</param>
/// <param name="Slope">∂φ/∂x at the same ξ: what the unit lets of a gradient pass.</param>
/// <param name="Gains">Gap gain p of each unit; empty if there are none.</param>
internal sealed record LayerTrace(double[][] PreActivation, double[][] Activation, double[][] Slope, double[] Gains)
{
    /// <summary>Traces an activation by the reference functions.</summary>
    /// <param name="activation">The module.</param>
    /// <param name="pre">Pre-activations [B, H].</param>
    /// <param name="context">The context of the pass that the activation was called with.</param>
    internal static LayerTrace Create(NoisyActivation activation, Tensor pre, NoiseContext context)
    {
        var spec = activation.Spec;
        context = activation.Own(context);
        var (count, units) = ((int)pre.shape[0], (int)pre.shape[1]);
        var x = Numbers(pre);
        var gains = !spec.UsesP ? [] : Numbers(spec.LearnP ? activation.get_parameter("p")! : activation.get_buffer("p")!);
        var xi = new float[x.Length];
        if (context.Mode == NoiseMode.Sample) NoiseSampler.Normal(context.Key.At(context.Update, context.TimeStep), 0, xi);
        else Array.Fill(xi, NoiseModes.Constant(spec, context.Mode));
        var c = context.Scale ?? spec.C;
        var trace = new LayerTrace(Empty(), Empty(), Empty(), gains);
        for (var i = 0; i < x.Length; i++)
        {
            var (example, unit) = (i / units, i % units);
            trace.PreActivation[unit][example] = x[i];
            (trace.Activation[unit][example], trace.Slope[unit][example]) = Point(x[i], xi[i], gains.Length == 0 ? 1 : gains[unit]);
        }

        return trace;

        double[][] Empty() => [.. Enumerable.Range(0, units).Select(_ => new double[count])];

        (double Value, double Slope) Point(double at, double noise, double p)
        {
            if (context.Mode == NoiseMode.ExactMean)
            {
                var mean = NoisyMoments.Evaluate(spec, at, p, c);
                return (mean.Mean, mean.MeanDx);
            }

            var point = NoisyFunction.Evaluate(spec, at, noise, p, c);
            return (point.Value, point.Dx);
        }
    }

    private static double[] Numbers(Tensor tensor)
    {
        using var numbers = tensor.detach().cpu().to_type(ScalarType.Float64).contiguous();
        return numbers.data<double>().ToArray();
    }
}
