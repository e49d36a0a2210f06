using System.Globalization;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>Measures what saturation and noise do in an update's batch before the update is made, and leaves no trace of it.</summary>
internal static class BatchMonitor
{
    /// <summary>Measures.</summary>
    /// <param name="task">Model and data.</param>
    /// <param name="position">The batch.</param>
    /// <param name="context">The update's noise.</param>
    /// <param name="test">How noise is treated at test time.</param>
    /// <returns>Statistics by nonlinearity, in six digits; null if the model has none.</returns>
    public static IReadOnlyDictionary<string, SiteStatistics>? Observe(ITrainingTask task, BatchPosition position, NoiseContext context, NoiseContext test)
    {
        using var scope = NewDisposeScope();
        var carried = task.Carried.ToDictionary(state => state.Key, state => state.Value.clone());
        try
        {
            Tensor Loss()
            {
                task.Restore(carried);
                return task.Loss(position, context).Objective;
            }

            void Test()
            {
                task.Restore(carried);
                task.Loss(position, test);
            }

            var sites = SiteMonitor.Observe(task.Model, Loss, Test);
            return sites.Count == 0 ? null : sites.ToDictionary(site => site.Key, site => Rounded(site.Value));
        }
        finally
        {
            task.Restore(carried);
        }
    }

    /// <summary>Measures a trained model in the first batches of an epoch, as the updates after its last would be. The model has the same weights
    /// and buffers afterwards.</summary>
    /// <param name="task">Data, and a model with the weights that were tested.</param>
    /// <param name="config">The run's config.</param>
    /// <param name="updates">Updates that the model has been trained for, which say whose noise scale is in force.</param>
    /// <param name="batches">How many batches; ≥ 1.</param>
    /// <returns>Statistics by nonlinearity, batch by batch; null if the model has none.</returns>
    public static IReadOnlyDictionary<string, SiteSummary>? ObserveTrained(ITrainingTask task, RunConfig config, long updates, int batches)
    {
        var (noise, test) = (config.NoiseKey(), config.TestContext(updates));
        var epoch = (int)(updates / task.UpdatesPerEpoch) + 1;
        var seen = new List<IReadOnlyDictionary<string, SiteStatistics>>();
        using var tested = new BestWeights();
        tested.Capture(task.Model.state_dict());
        for (var batch = 0L; batch < Math.Min(batches, task.UpdatesPerEpoch); batch++)
        {
            var place = new BatchPosition(updates + batch, epoch, batch, task.Stages);
            var context = new NoiseContext(NoiseMode.Sample, noise, updates + batch, 0, test.Scale);
            if (Observe(task, place, context, test) is not { } sites) return null;
            seen.Add(sites);
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            task.Loss(place, context); // hands its state to the next batch
            tested.Restore(task.Model); // a pass may change buffers, as batch normalisation does
        }

        return SiteSummary.Over(seen);
    }

    private static SiteStatistics Rounded(SiteStatistics site) => site with
    {
        Saturated = Rounded(site.Saturated)!.Value,
        Sigma = Rounded(site.Sigma),
        SignalToNoise = Rounded(site.SignalToNoise),
        Returned = Rounded(site.Returned),
        Gain = Rounded(site.Gain),
        Gradient = Rounded(site.Gradient),
        SaturatedGradient = Rounded(site.SaturatedGradient),
        AtBound = Rounded(site.AtBound),
    };

    private static double? Rounded(double? value) =>
        value is { } number ? double.Parse(number.ToString("G6", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : null;
}
