using System.Text;
using Noisy.Core;
using Noisy.Models;
using static Noisy.Experiments.TranslationLexicon;

namespace Noisy.Experiments;

/// <summary>A generated pair of languages with exactly one right translation of each sentence, so that BLEU 100 can be reached.</summary>
/// <remarks>
/// <para>The source is a simple English whose verbs have one form: clauses of a subject, a verb, an object where the verb takes one,
/// perhaps a preposition with its noun; joined by conjunctions; perhaps an adverb of time at the very end, as in "the small cat
/// follow some birds near this river and it sleep yesterday". The target has other orders and forms, which need context from far:</para>
/// <para>the adverb comes first, and all verbs take their tense from it; the verb comes last in its clause, after the object and the
/// preposition's noun, and agrees in number with its subject; prepositions follow their nouns; adjectives follow their noun, the
/// nearest first; determiners and adjectives agree with the noun in gender, which only the noun itself decides, and in number; "it" and
/// "they" take gender and number of the subject before. The example becomes "yeri la mirel mina kesto fluven apud unoi aveli
/// sekvav ed ella dormav".</para>
/// <para>A sentence is a function of (most clauses, key, split, index); to which split a sentence may belong is a function of its text,
/// so the splits never share one. Randomness: the key's child named as the split, at (index, attempt). There is no source outside:
/// languages and words are ours.</para>
/// </remarks>
public static class TranslationWorld
{
    /// <summary>Most clauses of a sentence; it then has at most 45 words, below the reference's 50.</summary>
    public const int MostClauses = 3;

    /// <summary>One sentence and its translation.</summary>
    /// <param name="clauses">Most clauses, 1 to <see cref="MostClauses"/>; each number up to it is as likely as the others.</param>
    /// <param name="key">Key of the world; worlds with different keys are independent.</param>
    /// <param name="split">The split.</param>
    /// <param name="index">Index in the split, ≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static SentencePair Pair(int clauses, NoiseKey key, Split split, long index)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(clauses, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(clauses, MostClauses);
        var own = key.Child(split.ToString());
        for (var attempt = 0; ; attempt++)
        {
            var source = new Composer(own.At(index, attempt)).Sentence(clauses);
            if (SplitOf(source) == split) return new(source, Translate(source));
        }
    }

    /// <summary>Three splits; a longer one begins with the shorter one.</summary>
    /// <param name="clauses">Most clauses, 1 to <see cref="MostClauses"/>.</param>
    /// <param name="train">Pairs to learn from, ≥ 1.</param>
    /// <param name="valid">Pairs for validation, ≥ 1.</param>
    /// <param name="test">Pairs for test, ≥ 1.</param>
    /// <param name="seed">Decides the sentences; not the seed of a run, so that all runs see the same. Default 1.</param>
    /// <returns>The data; the identity's checksum is over all pairs as lines of source, tab and target.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static TranslationData Create(int clauses, int train, int valid, int test, long seed = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Math.Min(train, Math.Min(valid, test)), 1);
        var key = NoiseKey.FromSeed(seed).Child("translation world");
        SentencePair[] Part(Split split, int count) => [.. Enumerable.Range(0, count).Select(i => Pair(clauses, key, split, i))];
        SentencePair[][] parts = [Part(Split.Train, train), Part(Split.Valid, valid), Part(Split.Test, test)];
        var lines = parts.SelectMany(part => part).Select(pair => $"{string.Join(' ', pair.Source)}\t{string.Join(' ', pair.Target)}\n");
        var sha256 = DataFile.Sha256(Encoding.UTF8.GetBytes(string.Concat(lines)));
        return new(new DataIdentity("translation-world", DataIdentity.BuiltIn, sha256), parts[0], parts[1], parts[2]);
    }

    /// <summary>The only split that a sentence may belong to.</summary>
    /// <param name="source">Its words.</param>
    /// <remarks>FNV-1a (64 bits) of the words joined by blanks: remainder 0 by 10 is validation, 1 is test, the rest training.</remarks>
    public static Split SplitOf(IReadOnlyList<string> source)
    {
        var hash = 0xCBF29CE484222325UL;
        foreach (var character in string.Join(' ', source)) hash = (hash ^ character) * 0x100000001B3UL;
        return (hash % 10) switch
        {
            0 => Split.Valid,
            1 => Split.Test,
            _ => Split.Train,
        };
    }

    /// <summary>The right translation.</summary>
    /// <param name="source">Words of a sentence of the source language.</param>
    /// <exception cref="ArgumentException">They are no sentence of it; the message names the word and what was expected.</exception>
    public static string[] Translate(IReadOnlyList<string> source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new Translator(source).Sentence();
    }

    /// <summary>Writes source sentences.</summary>
    private sealed class Composer(NoiseStream draws)
    {
        private readonly List<string> words = [];
        private int drawn;

        public string[] Sentence(int most)
        {
            var clauses = 1 + Below(most);
            var plural = Clause(null);
            for (var i = 1; i < clauses; i++)
            {
                words.Add(Any(Conjunctions));
                plural = Clause(plural);
            }

            if (Below(3) > 0) words.Add(Any(Adverbs));
            return [.. words];
        }

        /// <summary>Adds a clause whose subject may be the one before.</summary>
        /// <returns>Whether its subject is in the plural.</returns>
        private bool Clause(bool? before)
        {
            var again = before is not null && Below(2) == 0;
            if (again) words.Add(before == true ? "they" : "it");
            var plural = again ? before == true : Phrase();
            if (Below(3) > 0)
            {
                words.Add(Any(Transitive));
                Phrase();
            }
            else
            {
                words.Add(Any(Intransitive));
            }

            if (Below(3) == 0)
            {
                words.Add(Any(Prepositions));
                Phrase();
            }

            return plural;
        }

        private bool Phrase()
        {
            var plural = Below(2) == 1;
            var (singular, several, _) = Determiners[Below(Determiners.Count)];
            words.Add(plural ? several : singular);
            var adjectives = Below(3);
            for (int i = 0, which = Below(Adjectives.Count); i < adjectives; i++, which += 1 + Below(Adjectives.Count - 1))
                words.Add(Adjectives.GetAt(which % Adjectives.Count).Key);
            words.Add(Nouns[Below(Nouns.Count)].Source + (plural ? "s" : ""));
            return plural;
        }

        private string Any<T>(OrderedDictionary<string, T> choices) => choices.GetAt(Below(choices.Count)).Key;

        private int Below(int bound) => draws.Below(bound, drawn++);
    }

    /// <summary>Reads a source sentence and writes its translation.</summary>
    private sealed class Translator(IReadOnlyList<string> source)
    {
        private readonly List<string> target = [];
        private int at;

        public string[] Sentence()
        {
            // The last word decides the tense, so it is looked at before the first.
            var adverb = source.Count > 0 && Adverbs.TryGetValue(source[^1], out var known) ? known : default;
            var end = adverb.Target is null ? source.Count : source.Count - 1;
            if (adverb.Target is not null) target.Add(adverb.Target);
            var subject = Clause(null, adverb.Ending ?? Present, end);
            while (at < end)
            {
                target.Add(Take(Conjunctions, "a conjunction, a preposition or the end", end));
                subject = Clause(subject, adverb.Ending ?? Present, end);
            }

            return [.. target];
        }

        private Agreement Clause(Agreement? before, string tense, int end)
        {
            var subject = before is { } known && Word(end) == (known.Plural ? "they" : "it") ? Again(known) : Phrase(end);
            var transitive = Transitive.ContainsKey(Word(end));
            var verb = Take(transitive ? Transitive : Intransitive, "a verb", end);
            var from = target.Count;
            if (transitive) Phrase(end);
            if (at < end && Prepositions.TryGetValue(source[at], out var behind))
            {
                // The preposition's phrase comes before the object.
                at++;
                var all = target.Count;
                Phrase(end);
                target.Add(behind);
                var moved = target[all..];
                target.RemoveRange(all, moved.Count);
                target.InsertRange(from, moved);
            }

            target.Add(verb + tense + (subject.Plural ? "en" : ""));
            return subject;
        }

        private Agreement Again(Agreement subject)
        {
            at++;
            target.Add(Pronoun + subject.Ending);
            return subject;
        }

        private Agreement Phrase(int end)
        {
            var determiner = Word(end);
            if (!Determiners.Any(d => d.Singular == determiner || d.Plural == determiner)) throw Unexpected("a determiner");
            at++;
            var adjectives = new List<string>();
            while (Adjectives.TryGetValue(Word(end), out var stem))
            {
                adjectives.Add(stem);
                at++;
            }

            var plural = Word(end).EndsWith('s');
            var singular = plural ? Word(end)[..^1] : Word(end);
            var noun = Nouns.FirstOrDefault(n => n.Source == singular) ?? throw Unexpected("an adjective or a noun");
            var entry = Determiners.FirstOrDefault(d => (plural ? d.Plural : d.Singular) == determiner);
            if (entry.Target is null) throw Unexpected($"a noun of the number of '{determiner}'");
            at++;
            var agreement = new Agreement(noun.Feminine, plural);
            target.Add(entry.Target + agreement.Ending);
            target.Add(noun.Target + (plural ? "i" : ""));
            target.AddRange(adjectives.AsEnumerable().Reverse().Select(stem => stem + agreement.Ending));
            return agreement;
        }

        private string Word(int end) => at < end ? source[at] : "";

        private string Take(OrderedDictionary<string, string> words, string what, int end)
        {
            if (!words.TryGetValue(Word(end), out var word)) throw Unexpected(what);
            at++;
            return word;
        }

        private ArgumentException Unexpected(string what) =>
            new($"word {at + 1}, '{(at < source.Count ? source[at] : "the end")}': {what} is expected");
    }
}
