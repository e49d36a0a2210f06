using System.Globalization;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Examples.DropIn;

/// <summary>An ordinary model, one call that makes it noisy, and an ordinary training loop with one line more.</summary>
public static class DropInTour
{
    private const int Tokens = 10, Length = 8, Batch = 32;

    /// <summary>Takes the tour.</summary>
    /// <param name="output">Where it is written.</param>
    /// <param name="updates">How long to train.</param>
    public static void Write(TextWriter output, int updates = 60)
    {
        void Line(FormattableString text) => output.WriteLine(text.ToString(CultureInfo.InvariantCulture));

        TorchNative.EnsureLoaded(); // before the first tensor
        using var everything = NewDisposeScope();
        var model = new SequenceClassifier(Tokens, width: 16, classes: 2);

        // The call: every tanh, sigmoid, LSTM and GRU module; a gap gain p for each of the head's 16 units.
        var clock = new NoiseClock(seed: 1);
        NoisifyReport report = Noisify.Replace(model, Variants.Nah, clock, widths: _ => 16);
        Line($"{report}");

        var optimizer = optim.Adam(model.parameters(), lr: 0.01); // after the call, so that it knows the new gains
        var random = new Random(1);
        double before = Loss(model, random);
        for (int update = 0; update < updates; update++)
        {
            using var scope = NewDisposeScope();
            clock.Advance(update); // the one line more
            var (input, target) = NewBatch(random);
            optimizer.zero_grad();
            var loss = nn.functional.cross_entropy(model.call(input), target);
            loss.backward();
            optimizer.step();
        }

        Line($"loss on other data: {before:F3} before, {Loss(model, random):F3} after {updates} updates");
    }

    /// <summary>Loss on fresh examples in eval(), where the noise is replaced by its expectation.</summary>
    private static double Loss(SequenceClassifier model, Random random)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        model.eval();
        var (input, target) = NewBatch(random);
        double loss = nn.functional.cross_entropy(model.call(input), target).item<float>();
        model.train();
        return loss;
    }

    /// <summary>Token sequences; the class is 1 if the tokens are large on average.</summary>
    private static (Tensor Input, Tensor Target) NewBatch(Random random)
    {
        long[,] input = new long[Batch, Length];
        long[] target = new long[Batch];
        for (int b = 0; b < Batch; b++)
        {
            for (int t = 0; t < Length; t++) target[b] += input[b, t] = random.Next(Tokens);
            target[b] = target[b] > Length * (Tokens - 1) / 2 ? 1 : 0;
        }

        return (tensor(input), tensor(target));
    }
}
