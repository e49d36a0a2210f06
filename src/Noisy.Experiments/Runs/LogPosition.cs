using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Where a run stands, as far as its log is concerned.</summary>
/// <param name="Updates">Updates done.</param>
/// <param name="Evaluated">Update of the last evaluation that was logged; 0 if there was none.</param>
/// <param name="PerEvaluation">Updates between evaluations.</param>
/// <param name="PerEpoch">Updates an epoch.</param>
internal sealed record LogPosition(long Updates, long Evaluated, long PerEvaluation, long PerEpoch)
{
    /// <summary>Whether an event belongs to what was done, and not to updates that were lost.</summary>
    internal bool Has(LogEvent entry) => entry.Update <= (entry.IsEvaluation ? Evaluated : Updates);

    /// <summary>The events of a run up to here, with a gap wherever some are missing.</summary>
    /// <param name="events">Events that were found, all of which belong to the run up to here.</param>
    /// <returns>They, in order, without those that come a second time.</returns>
    internal IReadOnlyList<LogEvent> Complete(IEnumerable<LogEvent> events)
    {
        var complete = new List<LogEvent>();
        var last = 0L;
        var owed = false; // whether the evaluation after the last update is still to come
        foreach (var entry in events)
        {
            // What comes now, if nothing is missing: the evaluation that is owed, or the next update.
            var next = owed ? last : last + 1;
            if (entry.IsGap)
            {
                Miss(next, entry.From!.Value - 1);
                Add(entry, evaluated: true);
            }
            else if (entry.IsEvaluation)
            {
                if (entry.Update < next) continue;
                if (entry.Update > last) Miss(next, entry.Update);
                Add(entry, evaluated: true);
            }
            else if (entry.Update > last)
            {
                Miss(next, entry.Update - 1);
                Add(entry, evaluated: false);
            }
        }

        Miss(owed ? last : last + 1, Updates);
        return complete;

        void Miss(long from, long to)
        {
            if (from <= to) complete.Add(LogEvent.Gap(from, to, PerEpoch));
        }

        void Add(LogEvent entry, bool evaluated)
        {
            complete.Add(entry);
            last = Math.Max(last, entry.Update);
            owed = !evaluated && last <= Evaluated && last % PerEvaluation == 0;
        }
    }
}
