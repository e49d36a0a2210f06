using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>What saturation and noise did at a nonlinearity over a run.</summary>
/// <param name="First">In the first update that was monitored, with the initial weights.</param>
/// <param name="Last">In the last one.</param>
/// <param name="Updates">How many updates were monitored.</param>
/// <param name="MeanSaturated">Share of saturated units, the mean over them.</param>
public sealed record SiteSummary(SiteStatistics First, SiteStatistics Last, int Updates, double MeanSaturated)
{
    /// <summary>How far the mean |p| of the gap gains has moved; null if there are none.</summary>
    public double? GainDrift => Last.Gain - First.Gain;

    /// <summary>Summaries of all nonlinearities of a run, from its log; null if it was not monitored.</summary>
    internal static IReadOnlyDictionary<string, SiteSummary>? FromLog(string log)
    {
        var monitored = RunLog.Read(log, _ => { }).Select(e => e.Sites).OfType<IReadOnlyDictionary<string, SiteStatistics>>().ToList();
        return monitored.Count == 0 ? null : Over(monitored);
    }

    /// <summary>Summaries of the nonlinearities that the last of some updates has.</summary>
    internal static IReadOnlyDictionary<string, SiteSummary> Over(IReadOnlyList<IReadOnlyDictionary<string, SiteStatistics>> monitored) =>
        monitored[^1].Keys.ToDictionary(name => name, name => Over([.. monitored.Where(m => m.ContainsKey(name)).Select(m => m[name])]));

    private static SiteSummary Over(IReadOnlyList<SiteStatistics> seen) => new(seen[0], seen[^1], seen.Count, seen.Average(s => s.Saturated));
}
