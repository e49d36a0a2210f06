using System.Globalization;
using Noisy.Core;

namespace Noisy.Examples;

/// <summary>A short tour of the core: a variant, its exact moments, a schedule, and noise that has an address.</summary>
public static class CoreTour
{
    /// <summary>Takes the tour.</summary>
    /// <param name="output">Where it is written.</param>
    public static void Write(TextWriter output)
    {
        void Line(FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));

        // A variant is a value, not a class: take one of the paper's and change what you like.
        NoisyActivationSpec spec = Variants.Nah.Tanh.WithC(0.5).Validate();
        const double p = 1;

        // What the noise does to a unit, exactly: nothing where it is linear, more the deeper it saturates.
        Line($"     x    mean  deviation  d mean/dx");
        foreach (double x in new[] { 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0 })
        {
            NoisyExpectation exact = NoisyMoments.Evaluate(spec, x, p);
            Line($"{x,6:F1} {exact.Mean,7:F4} {Math.Sqrt(exact.Variance),10:F4} {exact.MeanDx,10:F4}");
        }

        // The paper's schedule lowers the noise scale as training proceeds; any other is put together from the same pieces.
        Line($"{Schedule.Paper}:");
        foreach (long update in new long[] { 0, 1_000, 10_000, 100_000, 1_000_000 })
            Line($"{update,9}: c = {Schedule.Paper.At(update):F3}");

        // Noise has an address, so each piece can be had alone, in any order, and again tomorrow.
        NoiseStream stream = NoiseKey.FromSeed(1).Child("example").At(update: 0, timeStep: 0);
        float[] noise = new float[100_000];
        NoiseSampler.Normal(stream, firstElement: 0, noise);
        float[] piece = new float[3];
        NoiseSampler.Normal(stream, firstElement: 5_000, piece);
        Line($"elements 5000 to 5002 drawn again are the same: {piece.AsSpan().SequenceEqual(noise.AsSpan(5_000, 3))}");

        // And the average over many draws is what the closed form said.
        double sampled = noise.Average(xi => NoisyFunction.Value(spec, 3.0, xi, p, spec.C));
        double closed = NoisyMoments.Mean(spec, 3.0, p, spec.C);
        Line($"mean at x = 3: {closed:F4} exactly, {sampled:F4} over {noise.Length} draws");
    }
}
