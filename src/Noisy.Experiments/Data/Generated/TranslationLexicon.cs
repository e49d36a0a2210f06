using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The words of <see cref="TranslationWorld"/>.</summary>
internal static class TranslationLexicon
{
    /// <summary>Forms of the target language: gender changes the vowel, plural adds -i.</summary>
    internal readonly record struct Agreement(bool Feminine, bool Plural)
    {
        public string Ending => (Feminine ? "a" : "o") + (Plural ? "i" : "");
    }

    internal sealed record Noun(string Source, string Target, bool Feminine);

    /// <summary>Nouns; nothing about the source word tells the gender. Plural: -s in the source, -i in the target.</summary>
    internal static IReadOnlyList<Noun> Nouns { get; } =
    [
        new("cat", "mirel", true), new("dog", "kanet", false), new("bird", "avel", false), new("horse", "equir", true),
        new("house", "domel", true), new("tree", "arbin", true), new("river", "fluven", false), new("garden", "hortel", false),
        new("table", "mensir", false), new("chair", "sedin", true), new("window", "venstel", true), new("door", "portun", false),
        new("flower", "floren", false), new("stone", "petrin", true), new("boat", "navul", true), new("road", "viren", false),
        new("teacher", "doken", true), new("farmer", "agrol", false), new("doctor", "medin", true), new("king", "regel", false),
        new("letter", "litren", true), new("song", "kantir", false), new("lamp", "lumel", false), new("bridge", "pontar", true),
    ];

    /// <summary>Adjectives and their stems.</summary>
    internal static OrderedDictionary<string, string> Adjectives { get; } = new()
    {
        ["small"] = "min", ["big"] = "grand", ["old"] = "senk", ["new"] = "nov", ["red"] = "rub", ["green"] = "verd",
        ["white"] = "blank", ["quiet"] = "tak", ["heavy"] = "pes", ["bright"] = "klar", ["slow"] = "lent", ["round"] = "rond",
    };

    /// <summary>Verbs with an object, and their stems.</summary>
    internal static OrderedDictionary<string, string> Transitive { get; } = new()
    {
        ["see"] = "vid", ["find"] = "trov", ["follow"] = "sekv", ["carry"] = "port", ["help"] = "jut", ["watch"] = "gard",
        ["paint"] = "ping", ["move"] = "mov",
    };

    /// <summary>Verbs without an object, and their stems.</summary>
    internal static OrderedDictionary<string, string> Intransitive { get; } = new()
    {
        ["sleep"] = "dorm", ["wait"] = "aspet", ["fall"] = "kad", ["shine"] = "bril", ["sing"] = "kant", ["vanish"] = "dispar",
    };

    /// <summary>Determiners: the source words for one and for several, and the target's stem.</summary>
    internal static IReadOnlyList<(string Singular, string Plural, string Target)> Determiners { get; } =
        [("the", "the", "l"), ("a", "some", "un"), ("this", "these", "kest")];

    /// <summary>Prepositions of the source, which the target puts behind.</summary>
    internal static OrderedDictionary<string, string> Prepositions { get; } = new()
    {
        ["near"] = "apud", ["behind"] = "detra", ["under"] = "sub", ["with"] = "kum", ["beside"] = "later",
    };

    /// <summary>Adverbs, which tell the tense of all verbs: the target's word and its ending for verbs.</summary>
    internal static OrderedDictionary<string, (string Target, string Ending)> Adverbs { get; } = new()
    {
        ["yesterday"] = ("yeri", "av"), ["earlier"] = ("pridu", "av"), ["tomorrow"] = ("matin", "er"), ["soon"] = ("balde", "er"),
    };

    /// <summary>Ending of verbs where no adverb tells the tense.</summary>
    internal const string Present = "is";

    /// <summary>What joins clauses.</summary>
    internal static OrderedDictionary<string, string> Conjunctions { get; } = new()
    {
        ["and"] = "ed", ["but"] = "mes", ["while"] = "dum",
    };

    /// <summary>Stem of the target's pronoun; the source has "it" and "they".</summary>
    internal const string Pronoun = "ell";
}
