namespace Noisy.Experiments;

/// <summary>What an evaluation decides about the best weights and the end of a run; pure.</summary>
/// <param name="HigherIsBetter">Whether a higher value of the metric is a better one.</param>
/// <param name="StopAt">The run is solved at or beyond this value; null never.</param>
/// <param name="Patience">Evaluations without improvement after which the run ends; 0 never.</param>
/// <remarks>Only evaluations at the last stage of difficulty count: values at easier ones cannot be compared with them.</remarks>
internal sealed record StopRules(bool HigherIsBetter, double? StopAt, int Patience)
{
    /// <summary>Whether a value improves on the best so far; NaN never does, and anything improves on none or on NaN.</summary>
    /// <param name="value">The new value.</param>
    /// <param name="best">The best so far; null if there is none.</param>
    public bool Improves(double value, double? best) =>
        best is not { } b || double.IsNaN(b) || (HigherIsBetter ? value > b : value < b);

    /// <summary>The state after an evaluation at the last stage.</summary>
    /// <param name="state">State before.</param>
    /// <param name="value">Validation by the task's metric.</param>
    public TrainState After(TrainState state, double value)
    {
        var better = Improves(value, state.Best);
        var solved = HigherIsBetter ? value >= StopAt : value <= StopAt;
        var without = better ? 0 : state.WithoutImprovement + 1;
        return state with
        {
            Best = better ? value : state.Best,
            BestUpdate = better ? state.Update : state.BestUpdate,
            WithoutImprovement = without,
            SolvedAtUpdate = solved ? state.Update : null,
            EndedBy = solved ? RunEnd.StopAt : Patience > 0 && without >= Patience ? RunEnd.Patience : null,
        };
    }
}
