using System.Text.RegularExpressions;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A named way to cut a text into tokens; the name stands in the signature of a score.</summary>
/// <param name="Name">What to call it, such as "13a"; for text that other programs tokenised, what they are called.</param>
/// <param name="Rule">Tokens of one line of text, none of them empty.</param>
public sealed record TextTokenizer(string Name, Func<string, string[]> Rule)
{
    // In the order in which mteval-v13a applies them.
    private static readonly (Regex Pattern, string Replacement)[] Rules =
    [
        (new(@"[ -&(-+/:-@\[-`{-~]", RegexOptions.CultureInvariant), " $0 "),
        (new("([^0-9])([.,])", RegexOptions.CultureInvariant), "$1 $2 "),
        (new("([.,])([^0-9])", RegexOptions.CultureInvariant), " $1 $2"),
        (new("([0-9])(-)", RegexOptions.CultureInvariant), "$1 $2 "),
    ];

    /// <summary>Cuts at white space, for text that is tokenised already.</summary>
    public static TextTokenizer None { get; } = new("none", Words);

    /// <summary>The tokenisation of NIST's mteval-v13a, in which WMT reports BLEU: entities are resolved, punctuation is cut off
    /// but for full stops and commas within numbers, hyphens are kept unless they follow a digit.</summary>
    public static TextTokenizer Mteval13a { get; } = new("13a", Cut13a);

    /// <summary>Text that a program of this name has tokenised; cuts at white space.</summary>
    /// <param name="name">What the signature is to say, such as "moses".</param>
    public static TextTokenizer Tokenised(string name) => new(name, Words);

    /// <summary>Cuts one line of text.</summary>
    /// <param name="line">The text.</param>
    public string[] Cut(string line) => Rule(line);

    private static string[] Words(string line) => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    private static string[] Cut13a(string line)
    {
        line = line.TrimEnd().Replace("<skipped>", "").Replace("-\n", "").Replace('\n', ' ')
            .Replace("&quot;", "\"").Replace("&amp;", "&").Replace("&lt;", "<").Replace("&gt;", ">");
        line = $" {line} ";
        foreach (var (pattern, replacement) in Rules) line = pattern.Replace(line, replacement);
        return Words(line);
    }
}
