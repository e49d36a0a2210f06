using System.Globalization;
using System.Text.RegularExpressions;

namespace Noisy.Experiments;

/// <summary>A file of captions, words separated by blanks. It has one of two forms: that of Flickr8k, whose lines are <c>image#number</c>, a tab
/// and the caption; or that of its copies on Kaggle, comma-separated values with the header <c>image,caption</c>.</summary>
/// <param name="Path">Its name.</param>
/// <param name="Images">Names of the images in order of first appearance, with their captions by number.</param>
/// <param name="Sha256">SHA-256 of the uncompressed file.</param>
public sealed partial record CaptionFile(string Path, IReadOnlyDictionary<string, IReadOnlyList<Caption>> Images, string Sha256)
{
    private const string Forms =
        "A line must be an image's name, '#', the caption's number, a tab and the caption; or the first line must be 'image,caption', and each other "
        + "such a pair";

    /// <summary>Reads a file.</summary>
    /// <param name="path">UTF-8 text; gzip if its name ends in ".gz".</param>
    /// <param name="lowercase">Whether words are put in lower case.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <exception cref="DataException">The file cannot be read or is no text, or a line is not of the file's form, has no words or repeats
    /// an image and number; the message names file and line.</exception>
    public static CaptionFile Read(string path, bool lowercase, string remedy)
    {
        var content = DataFile.Read(path, remedy);
        var lines = DataFile.DecodeText(content, path, remedy).Split('\n');
        var separated = Header().IsMatch(lines[0]);
        var images = new Dictionary<string, SortedList<int, Caption>>(StringComparer.Ordinal);
        for (var i = separated ? 1 : 0; i < lines.Length; i++)
        {
            DataException Bad(string what) => new($"'{path}', line {i + 1:N0}: {what}. {remedy}");
            var line = lines[i].TrimEnd('\r');
            if (line.Length == 0 && i == lines.Length - 1) break;
            var (name, number, text) = separated ? Separated(line, Bad) : Numbered(line, Bad);
            var words = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0) throw Bad("the caption is empty");
            if (lowercase) words = Array.ConvertAll(words, word => word.ToLowerInvariant());
            if (!images.TryGetValue(name, out var captions)) images.Add(name, captions = []);
            var place = number ?? captions.Count;
            if (!captions.TryAdd(place, new Caption(place, words, i + 1)))
                throw Bad($"caption {place} of '{name}' stands in line {captions[place].Line:N0} already");
        }

        return new(
            path, images.ToDictionary(entry => entry.Key, entry => (IReadOnlyList<Caption>)[.. entry.Value.Values], StringComparer.Ordinal),
            DataFile.Sha256(content));
    }

    /// <summary>A line of Flickr8k's own form.</summary>
    private static (string Image, int? Number, string Caption) Numbered(string line, Func<string, DataException> bad)
    {
        var tab = line.IndexOf('\t');
        if (tab < 0) throw bad($"there is no tab between the image's name and its caption. {Forms}");
        var mark = line.LastIndexOf('#', tab);
        var numbered = int.TryParse(line.AsSpan(mark + 1, tab - mark - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        return mark > 0 && numbered
            ? (line[..mark], number, line[(tab + 1)..])
            : throw bad("it does not begin with an image's name, '#' and the caption's number");
    }

    /// <summary>A line of comma-separated values (RFC 4180). A caption that is not quoted may hold commas, since none but it can follow.</summary>
    private static (string Image, int? Number, string Caption) Separated(string line, Func<string, DataException> bad)
    {
        var pair = Pair().Match(line);
        if (!pair.Success)
            throw bad("it is not an image's name, a comma and a caption; one that begins with a quotation mark ends with one, and those in it are doubled");
        string Field(string name) =>
            pair.Groups[name] is { Success: true } quoted ? quoted.Value.Replace("\"\"", "\"") : pair.Groups["plain" + name].Value;
        var image = Field("image").Trim();
        return image.Length > 0 ? (image, null, Field("caption")) : throw bad("there is no image's name before the comma");
    }

    [GeneratedRegex(
        """^\s*"?(image|image_name|file|file_name|filename)"?\s*,\s*"?(caption|comment)"?\s*$""",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Header();

    [GeneratedRegex(
        """^(?:"(?<image>(?:[^"]|"")*)"|(?<plainimage>[^",]*)),\s*(?:"(?<caption>(?:[^"]|"")*)"\s*|(?<plaincaption>[^"].*)?)$""",
        RegexOptions.NonBacktracking)]
    private static partial Regex Pair();
}
