namespace Noisy.Models;

/// <summary>Search for likely sequences that keeps several unfinished ones at a time.</summary>
/// <param name="Width">Hypotheses kept for each sentence, ≥ 1; 1 is greedy search.</param>
/// <param name="MaxLength">Most tokens of a sequence, the end token among them, ≥ 1; what is not finished then is returned as it
/// is.</param>
/// <param name="EndToken">The token that ends a sequence.</param>
/// <param name="LengthPower">Score = log p / length^power, the end token counted: 0 for log p itself, 1 for its mean; ≥ 0.</param>
/// <param name="KeepGreedy">Whether one place of the beam is reserved for the hypothesis that greedy search would follow. Plain
/// beam search can lose it and end with a worse one; with this it cannot. Default false, as the reference.</param>
/// <remarks>
/// <para>In each step the best Width − finished continuations of all unfinished hypotheses are kept; those that end leave the
/// beam, which becomes narrower. The search ends when it is empty. Scores are compared in double precision. Ties: the lower
/// token first, then the row that comes first; at the end the sequence whose first different token is lower.</para>
/// <para>Source: the search of dl4mt (docs/paper.md, reference systems), whose length normalisation is power 1. Randomness: none.
/// All sentences of a call share each step of the decoder.</para>
/// </remarks>
public sealed record BeamSearch(int Width, int MaxLength, int EndToken, double LengthPower = 0, bool KeepGreedy = false)
{
    /// <summary>What stands for the last token before the first one.</summary>
    public const int NoToken = -1;

    /// <summary>Searches for one or more sentences.</summary>
    /// <param name="decoder">The decoder.</param>
    /// <param name="start">Its state before the first token, a row a sentence; stays the caller's.</param>
    /// <param name="sentences">Number of sentences, ≥ 0.</param>
    /// <returns>For each sentence its hypotheses, the best first, between 1 and Width of them.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number of this search is out of its range.</exception>
    /// <exception cref="ArgumentException">The decoder did not give N·V numbers.</exception>
    /// <exception cref="DivergedException">A log-probability is NaN or +∞.</exception>
    /// <exception cref="InvalidOperationException">The decoder finds every continuation impossible.</exception>
    public IReadOnlyList<IReadOnlyList<Hypothesis>> Search<TState>(IStepDecoder<TState> decoder, TState start, int sentences)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        Validate(decoder.Tokens, sentences);
        var beams = Enumerable.Range(0, sentences).Select(_ => new Beam(this)).ToArray();
        var state = start;
        var owned = false; // whether the state is ours to dispose
        for (var step = 0; step < MaxLength && beams.Any(beam => beam.Live.Count > 0); step++)
        {
            int[] last = [.. beams.SelectMany(beam => beam.Live.Select(path => path.Token))];
            var (logs, next) = decoder.Step(state, last);
            Release(state, owned);
            (state, owned) = (next, true);
            if (logs.Length != last.Length * decoder.Tokens)
            {
                throw new ArgumentException(
                    $"the decoder gave {logs.Length} numbers, not {last.Length} rows of {decoder.Tokens}", nameof(decoder));
            }

            var kept = new List<int>();
            var row = 0;
            foreach (var beam in beams)
            {
                var rows = beam.Live.Count;
                var its = logs.AsSpan(row * decoder.Tokens, rows * decoder.Tokens);
                foreach (var parent in beam.Advance(its, decoder.Tokens)) kept.Add(row + parent);
                row += rows;
            }

            if (kept.Count == 0) break;
            if (kept.SequenceEqual(Enumerable.Range(0, row))) continue;
            var selected = decoder.Select(state, [.. kept]);
            Release(state, !ReferenceEquals(state, selected));
            state = selected;
        }

        Release(state, owned);
        return [.. beams.Select(beam => beam.Ranked())];
    }

    private void Validate(int tokens, int sentences)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxLength, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(EndToken);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(EndToken, tokens);
        ArgumentOutOfRangeException.ThrowIfNegative(sentences);
        var power = LengthPower >= 0 && double.IsFinite(LengthPower) ? LengthPower : -1; // NaN has no sign to go by
        ArgumentOutOfRangeException.ThrowIfNegative(power, nameof(LengthPower));
    }

    private static void Release<TState>(TState state, bool owned)
    {
        if (owned && state is IDisposable disposable) disposable.Dispose();
    }

    /// <summary>A hypothesis as the end of a chain of tokens.</summary>
    private sealed record Path(Path? Before, int Token, double LogProbability, int Length, bool Greedy);

    private readonly record struct Candidate(double LogProbability, int Token, int Row)
    {
        public bool IsBefore(Candidate other) =>
            LogProbability != other.LogProbability ? LogProbability > other.LogProbability
            : Token != other.Token ? Token < other.Token
            : Row < other.Row;
    }

    /// <summary>The search for one sentence.</summary>
    private sealed class Beam(BeamSearch search)
    {
        private readonly List<Path> finished = [];

        public List<Path> Live { get; private set; } = [new(null, NoToken, 0, 0, search.KeepGreedy)];

        /// <summary>Takes one more token.</summary>
        /// <returns>For each hypothesis that stays unfinished, the row that it continues; rising.</returns>
        public IReadOnlyList<int> Advance(ReadOnlySpan<float> logs, int tokens)
        {
            if (Live.Count == 0) return [];
            var places = search.Width - finished.Count;
            var best = new List<Candidate>(places + 1);
            Candidate? greedy = null;
            for (var row = 0; row < Live.Count; row++)
            {
                for (var token = 0; token < tokens; token++)
                {
                    var log = logs[(row * tokens) + token];
                    if (float.IsNegativeInfinity(log)) continue;
                    if (!float.IsFinite(log))
                    {
                        throw new DivergedException(
                            $"The log-probability of token {token} is {log} after {Live[row].Length} tokens: " +
                            "the model's weights are damaged or have diverged.");
                    }

                    var candidate = new Candidate(Live[row].LogProbability + log, token, row);
                    if (Live[row].Greedy && (greedy is not { } known || candidate.IsBefore(known))) greedy = candidate;
                    if (best.Count == places && !candidate.IsBefore(best[^1])) continue;
                    Insert(best, candidate, places);
                }
            }

            if (greedy is { } own && !best.Contains(own)) best[^1] = own;
            if (best.Count == 0 && finished.Count == 0)
                throw new InvalidOperationException($"the decoder finds every token impossible after {Live[0].Length} tokens");

            // Rows in rising order, so that gathering a state copies forward; ranks among equals do not change.
            var (live, rows) = (new List<Path>(), new List<int>());
            foreach (var candidate in best.OrderBy(candidate => candidate.Row))
            {
                var before = Live[candidate.Row];
                var path = new Path(before, candidate.Token, candidate.LogProbability, before.Length + 1, candidate == greedy);
                if (candidate.Token == search.EndToken)
                {
                    finished.Add(path);
                    continue;
                }

                live.Add(path);
                rows.Add(candidate.Row);
            }

            Live = live;
            return rows;
        }

        public IReadOnlyList<Hypothesis> Ranked() =>
        [
            .. finished.Concat(Live)
                .Select(path => (Path: path, Score: path.LogProbability / Math.Pow(path.Length, search.LengthPower), Ids: Ids(path)))
                .OrderByDescending(entry => entry.Score)
                .ThenBy(entry => entry.Ids, Comparer<int[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)))
                .Select(entry => new Hypothesis(
                    entry.Path.Token == search.EndToken ? entry.Ids[..^1] : entry.Ids,
                    entry.Path.LogProbability, entry.Score, entry.Path.Token == search.EndToken)),
        ];

        private static void Insert(List<Candidate> best, Candidate candidate, int places)
        {
            var at = best.Count;
            while (at > 0 && candidate.IsBefore(best[at - 1])) at--;
            best.Insert(at, candidate);
            if (best.Count > places) best.RemoveAt(places);
        }

        private static int[] Ids(Path path)
        {
            var ids = new int[path.Length];
            for (var i = ids.Length - 1; i >= 0; i--, path = path.Before!) ids[i] = path.Token;
            return ids;
        }
    }
}
