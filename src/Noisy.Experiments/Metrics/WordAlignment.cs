using System.Numerics;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Pairs equal words of two sentences as METEOR does.</summary>
internal static class WordAlignment
{
    // Far more than sentences need; only repetitions such as forty times one word reach it.
    private const int MostStates = 500;

    /// <summary>Pairs as many words as possible, in as few chunks as possible, as near to each other as possible.</summary>
    /// <param name="hypothesis">Words, or whatever of them must be equal.</param>
    /// <param name="reference">The same of the other sentence.</param>
    /// <returns>For each word of the hypothesis the place of its partner, or −1.</returns>
    /// <remarks>From left to right over the hypothesis, keeping for each set of taken partners and last partner the best way
    /// there. Exact as long as no more than 500 such states lie side by side; beyond that the worst are given up.</remarks>
    internal static int[] Align(IReadOnlyList<string> hypothesis, IReadOnlyList<string> reference)
    {
        var kinds = new Dictionary<string, Kind>(StringComparer.Ordinal);
        for (var place = 0; place < reference.Count; place++)
        {
            if (!kinds.TryGetValue(reference[place], out var kind)) kinds.Add(reference[place], kind = new Kind());
            kind.Places.Add(place);
        }

        foreach (var word in hypothesis)
        {
            if (kinds.TryGetValue(word, out var kind)) kind.Remaining++;
        }

        foreach (var kind in kinds.Values) kind.Pairs = Math.Min(kind.Remaining, kind.Places.Count);

        var layer = new Dictionary<State, Way> { [new State(BigInteger.Zero, None)] = new Way(null, None, 0, 0) };
        for (var i = 0; i < hypothesis.Count; i++)
        {
            var kind = kinds.GetValueOrDefault(hypothesis[i]);
            if (kind is not null) kind.Remaining--;
            var next = new Dictionary<State, Way>();
            foreach (var (state, way) in layer)
            {
                if (kind is null)
                {
                    Offer(next, state with { Last = None }, new Way(way, None, way.Chunks, way.Distance));
                    continue;
                }

                var taken = kind.Places.Count(place => !(state.Taken >> place).IsEven);
                var taking = kind.Pairs - taken;
                foreach (var place in taking > 0 ? kind.Places : [])
                {
                    if (!(state.Taken >> place).IsEven) continue;
                    var chunks = way.Chunks + (state.Last != None && place == state.Last + 1 ? 0 : 1);
                    Offer(
                        next, new State(kind.Forget(state.Taken | (BigInteger.One << place)), place),
                        new Way(way, place, chunks, way.Distance + Math.Abs(i - place)));
                }

                // Left alone only where enough of its kind follow.
                if (kind.Remaining >= taking)
                    Offer(next, new State(kind.Forget(state.Taken), None), new Way(way, None, way.Chunks, way.Distance));
            }

            layer = next.Count <= MostStates
                ? next
                : next.OrderBy(entry => entry.Value.Chunks).ThenBy(entry => entry.Value.Distance).Take(MostStates).ToDictionary();
        }

        var partners = new int[hypothesis.Count];
        var best = layer.Values.Aggregate((a, b) => b.IsBetterThan(a) ? b : a);
        for (var i = partners.Length - 1; i >= 0; i--, best = best.Before!) partners[i] = best.Place;
        return partners;
    }

    /// <summary>Number of runs of pairs that lie side by side in both sentences.</summary>
    internal static int Chunks(IReadOnlyList<int> partners)
    {
        var chunks = 0;
        for (var i = 0; i < partners.Count; i++)
        {
            if (partners[i] >= 0 && (i == 0 || partners[i - 1] < 0 || partners[i] != partners[i - 1] + 1)) chunks++;
        }

        return chunks;
    }

    private const int None = -1;

    private static void Offer(Dictionary<State, Way> layer, State state, Way way)
    {
        if (!layer.TryGetValue(state, out var known) || way.IsBetterThan(known)) layer[state] = way;
    }

    private readonly record struct State(BigInteger Taken, int Last);

    private sealed record Way(Way? Before, int Place, int Chunks, int Distance)
    {
        public bool IsBetterThan(Way other) => Chunks < other.Chunks || (Chunks == other.Chunks && Distance < other.Distance);
    }

    /// <summary>Words that are equal to each other.</summary>
    private sealed class Kind
    {
        public List<int> Places { get; } = [];

        /// <summary>How many are still to come in the hypothesis.</summary>
        public int Remaining { get; set; }

        public int Pairs { get; set; }

        /// <summary>After the last of a kind it does not matter any more which of its partners are taken.</summary>
        public BigInteger Forget(BigInteger taken)
        {
            if (Remaining > 0) return taken;
            foreach (var place in Places) taken &= ~(BigInteger.One << place);
            return taken;
        }
    }
}
