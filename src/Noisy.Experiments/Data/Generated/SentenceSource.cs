using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A random source of simple sentences whose every conditional probability, and so whose entropy, is known exactly.</summary>
/// <remarks>
/// <para>A sentence is: the name of its speaker; a topic; words; the speaker's name again; the end token. For instance
/// "Lad nanum baba nano babas babu baba gari garo Lad &lt;eos&gt;". The words follow a small grammar of classes
/// (determiner, adjective, noun, verb, adverb, preposition). Which adjectives, nouns, verbs and adverbs are likely depends on
/// the topic: each topic has its own word list in its own order, word r of a list having a probability proportional to
/// 1/(r + 1), and each such word belongs to two topics. After a noun the sentence closes with probability
/// <see cref="CloseProbability"/>.</para>
/// <para>So a model must remember the topic through the sentence to know the words, and the speaker, about ten words back,
/// to know the closing name and that a name there is not an opening one. Neither is told by the last word.</para>
/// <para>Everything hidden (speaker, topic, class) follows from the visible tokens since the last end token: the state is a
/// function of the past, the next token's distribution is exact, and the entropy rate has a closed form, see
/// <see cref="EntropyRate"/>.</para>
/// <para>Randomness: word lists are drawn from the key given, texts from the key given to <see cref="Sample"/>; probabilities
/// use additions, multiplications and divisions alone, so that the same keys give the same tokens on every machine.</para>
/// </remarks>
public sealed class SentenceSource
{
    /// <summary>Probability that a sentence closes after a noun.</summary>
    public const double CloseProbability = 0.35;

    private const int Opening = 0;
    private readonly SourceStep[][] steps;

    /// <summary>Makes a source.</summary>
    /// <param name="topics">Number of topics, 2 to 30.</param>
    /// <param name="speakers">Number of speakers, 2 to 200.</param>
    /// <param name="key">Decides the word lists.</param>
    /// <exception cref="UsageException">A number is out of its range.</exception>
    public SentenceSource(int topics, int speakers, NoiseKey key)
    {
        if (topics is < 2 or > 30 || speakers is < 2 or > 200)
        {
            throw new UsageException(
                $"The built-in corpus takes 2 to 30 topics and 2 to 200 speakers; {topics} and {speakers} were requested.");
        }

        var lexicon = new SentenceLexicon(topics, speakers, key);
        Vocabulary = lexicon.Vocabulary;
        (EntropyRate, ExpectedLength) = ClosedForm(topics, speakers);
        steps = Automaton(lexicon);
    }

    /// <summary>All tokens that the source can emit.</summary>
    public Vocabulary Vocabulary { get; }

    /// <summary>Entropy rate in nats a token.</summary>
    /// <remarks>
    /// Formula: H(sentence) / E[length]. With v = a + vA the expected visits of each class (a the opening probabilities, A
    /// the transition probabilities, whose rows sum to 1, or to 1 − CloseProbability for the noun), E[length] = 4 + Σ v and
    /// H(sentence) = ln speakers + ln topics + H(a) + Σ v (H(row) + 1 word's entropy for each visit). The closing name and
    /// the end token are certain. Sentences are independent, so the ratio is the rate.
    /// </remarks>
    public double EntropyRate { get; }

    /// <summary>Mean number of tokens a sentence, with its end token.</summary>
    public double ExpectedLength { get; }

    /// <summary>The state at the start of a text, and after each end token.</summary>
    public int Start => Opening;

    /// <summary>Number of states; they are 0, 1, 2 …</summary>
    public int States => steps.Length;

    /// <summary>All ways to continue from a state; their probabilities sum to 1.</summary>
    /// <param name="state">0 ≤ state &lt; <see cref="States"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such state.</exception>
    public IReadOnlyList<SourceStep> Next(int state)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(state);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(state, States);
        return steps[state];
    }

    /// <summary>A text.</summary>
    /// <param name="key">Decides the text; other keys give independent texts.</param>
    /// <param name="count">Number of tokens, ≥ 0.</param>
    /// <returns>Token ids from the start of a sentence; the last sentence may be cut.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is negative.</exception>
    public int[] Sample(NoiseKey key, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var draws = key.At(update: 0, timeStep: 0);
        var text = new int[count];
        var state = Opening;
        for (var i = 0; i < count; i++)
        {
            var u = (draws.Word(i) + 0.5) / 4294967296.0;
            var options = steps[state];
            var chosen = 0;
            for (var sum = options[0].Probability; u >= sum && chosen < options.Length - 1; sum += options[chosen].Probability)
            {
                chosen++;
            }

            (text[i], state) = (options[chosen].Token, options[chosen].State);
        }

        return text;
    }

    /// <summary>Negative log-probability of each token of a text given all before it, in nats.</summary>
    /// <param name="text">Token ids from the start of a sentence.</param>
    /// <returns>As many numbers as tokens; +∞ from the first token on that the source cannot emit there.</returns>
    public double[] Nats(ReadOnlySpan<int> text)
    {
        var nats = new double[text.Length];
        var state = Opening;
        for (var i = 0; i < text.Length; i++)
        {
            var token = text[i];
            var step = Array.Find(steps[state], option => option.Token == token);
            if (step.Probability == 0)
            {
                nats.AsSpan(i).Fill(double.PositiveInfinity);
                break;
            }

            nats[i] = -Math.Log(step.Probability);
            state = step.State;
        }

        return nats;
    }

    private static (double Rate, double Length) ClosedForm(int topics, int speakers)
    {
        var classes = SentenceGrammar.Classes;
        var visits = SentenceGrammar.ExpectedVisits();
        var nats = Math.Log(speakers) + Math.Log(topics);
        var length = 4.0;
        for (var c = 0; c < classes.Count; c++)
        {
            length += visits[c];
            nats += visits[c] * (Entropy(SentenceGrammar.Row(c)) + Entropy(SentenceLexicon.Zipf(classes[c].ListLength)));
        }

        return ((nats + Entropy(SentenceGrammar.Start)) / length, length);
    }

    private static double Entropy(IEnumerable<double> probabilities) =>
        -probabilities.Where(p => p > 0).Sum(p => p * Math.Log(p));

    private static SourceStep[][] Automaton(SentenceLexicon words)
    {
        var classes = SentenceGrammar.Classes.Count;
        var (speakers, topics) = (words.Speakers.Count, words.Topics.Count);
        var closed = 1 + speakers + (speakers * topics * (1 + classes));
        int Named(int speaker) => 1 + speaker;
        int Body(int speaker, int topic, int place) => 1 + speakers + ((((speaker * topics) + topic) * (1 + classes)) + place);

        // Place 0 is after the topic, place 1 + c after a word of class c.
        IEnumerable<SourceStep> Words(int speaker, int topic, IReadOnlyList<double> row) =>
            from c in Enumerable.Range(0, classes)
            where row[c] > 0
            let list = words.List(topic, c)
            let zipf = SentenceLexicon.Zipf(list.Count)
            from r in Enumerable.Range(0, list.Count)
            select new SourceStep(list[r], row[c] * zipf[r], Body(speaker, topic, 1 + c));

        var table = new SourceStep[closed + 1][];
        table[Opening] = [.. words.Speakers.Select((token, s) => new SourceStep(token, 1.0 / speakers, Named(s)))];
        table[closed] = [new(words.End, 1, Opening)];
        for (var s = 0; s < speakers; s++)
        {
            var speaker = s;
            table[Named(s)] = [.. words.Topics.Select((token, t) => new SourceStep(token, 1.0 / topics, Body(speaker, t, 0)))];
            for (var t = 0; t < topics; t++)
            {
                table[Body(s, t, 0)] = [.. Words(s, t, SentenceGrammar.Start)];
                for (var c = 0; c < classes; c++)
                {
                    var row = SentenceGrammar.Row(c);
                    var close = row[^1];
                    var steps = Words(s, t, row);
                    table[Body(s, t, 1 + c)] = [.. close > 0 ? steps.Prepend(new(words.Speakers[s], close, closed)) : steps];
                }
            }
        }

        return table;
    }
}
