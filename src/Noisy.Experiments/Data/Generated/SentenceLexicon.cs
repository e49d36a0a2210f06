using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The invented words of a <see cref="SentenceSource"/> and the word list of each topic and class.</summary>
internal sealed class SentenceLexicon
{
    private const string Consonants = "bdfgklmnprstvz", Vowels = "aeiou";
    private readonly int[][][] lists;

    /// <summary>Invents the words and draws the lists.</summary>
    public SentenceLexicon(int topics, int speakers, NoiseKey key)
    {
        var words = new List<string> { PennTreebank.EndOfSentence };
        int New(string word)
        {
            words.Add(word);
            return words.Count - 1;
        }

        Speakers = [.. Enumerable.Range(0, speakers).Select(s => New(char.ToUpperInvariant(Stem(s)[0]) + Stem(s)[1..]))];
        Topics = [.. Enumerable.Range(0, topics).Select(t => New(Stem(t) + "um"))];
        lists = new int[SentenceGrammar.Classes.Count][][];
        for (var c = 0; c < lists.Length; c++)
        {
            var kind = SentenceGrammar.Classes[c];
            var pool = Enumerable.Range(0, kind.Shared + (topics * kind.PerTopic)).Select(i => New(Stem(i) + kind.Suffix)).ToArray();
            lists[c] = new int[topics][];
            for (var t = 0; t < topics; t++)
            {
                // Topic t takes its own words and the next topic's, in an order of its own; shared words keep one order.
                var from = t * kind.PerTopic;
                int[] list = kind.Shared > 0
                    ? pool
                    : [.. Enumerable.Range(from, kind.ListLength).Select(i => pool[i % pool.Length])];
                lists[c][t] = kind.Shared > 0 ? list : Shuffled(list, key.Child((uint)c).Child((uint)t));
            }
        }

        Vocabulary = Vocabulary.ByFirstAppearance(words);
    }

    /// <summary>All words.</summary>
    public Vocabulary Vocabulary { get; }

    /// <summary>Id of the end token.</summary>
    public int End => 0;

    /// <summary>Ids of the speakers' names.</summary>
    public IReadOnlyList<int> Speakers { get; }

    /// <summary>Ids of the topic words.</summary>
    public IReadOnlyList<int> Topics { get; }

    /// <summary>Ids of the words of a class under a topic, the likeliest first.</summary>
    public IReadOnlyList<int> List(int topic, int wordClass) => lists[wordClass][topic];

    /// <summary>Probabilities proportional to 1/(r + 1), r = 0 … count − 1.</summary>
    public static double[] Zipf(int count)
    {
        var total = Enumerable.Range(1, count).Sum(r => 1.0 / r);
        return [.. Enumerable.Range(1, count).Select(r => 1.0 / r / total)];
    }

    /// <summary>Consonant, vowel, consonant: 980 different ones.</summary>
    private static string Stem(int i) =>
        $"{Consonants[i % 14]}{Vowels[i / 14 % 5]}{Consonants[((i / 70) + (3 * i)) % 14]}";

    /// <summary>A uniformly random order (Fisher and Yates).</summary>
    private static int[] Shuffled(int[] list, NoiseKey key)
    {
        var draws = key.At(update: 0, timeStep: 0);
        var order = list.ToArray();
        for (var i = order.Length - 1; i > 0; i--)
        {
            var j = (int)((ulong)draws.Word(i) * (ulong)(i + 1) >> 32);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }
}
