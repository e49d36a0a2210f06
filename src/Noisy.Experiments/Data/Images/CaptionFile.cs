using System.Globalization;

namespace Noisy.Experiments;

/// <summary>A file of captions in the form of Flickr8k: a line is <c>image#number</c>, a tab, and words separated by blanks.</summary>
/// <param name="Path">Its name.</param>
/// <param name="Images">Names of the images in order of first appearance, with their captions by number.</param>
/// <param name="Sha256">SHA-256 of the uncompressed file.</param>
public sealed record CaptionFile(string Path, IReadOnlyDictionary<string, IReadOnlyList<Caption>> Images, string Sha256)
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">UTF-8 text; gzip if its name ends in ".gz".</param>
    /// <param name="lowercase">Whether words are put in lower case.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <exception cref="DataException">The file cannot be read or is not UTF-8, or a line is not of this form, has no words or repeats
    /// an image and number; the message names file and line.</exception>
    public static CaptionFile Read(string path, bool lowercase, string remedy)
    {
        var content = DataFile.Read(path, remedy);
        var lines = DataFile.DecodeUtf8(content, path, remedy).Split('\n');
        var images = new Dictionary<string, SortedList<int, Caption>>(StringComparer.Ordinal);
        for (var i = 0; i < lines.Length; i++)
        {
            DataException Bad(string what) => new($"'{path}', line {i + 1:N0}: {what}. {remedy}");
            var line = lines[i].TrimEnd('\r');
            if (line.Length == 0 && i == lines.Length - 1) break;
            var tab = line.IndexOf('\t');
            if (tab < 0) throw Bad("there is no tab between the image's name and its caption");
            var mark = line.LastIndexOf('#', tab);
            var numbered = int.TryParse(
                line.AsSpan(mark + 1, tab - mark - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number);
            if (mark <= 0 || !numbered) throw Bad("it does not begin with an image's name, '#' and the caption's number");
            var words = line[(tab + 1)..].Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0) throw Bad("the caption is empty");
            if (lowercase) words = Array.ConvertAll(words, word => word.ToLowerInvariant());
            var name = line[..mark];
            if (!images.TryGetValue(name, out var captions)) images.Add(name, captions = []);
            if (!captions.TryAdd(number, new Caption(number, words, i + 1)))
                throw Bad($"caption {number} of '{name}' stands in line {captions[number].Line:N0} already");
        }

        return new(
            path, images.ToDictionary(entry => entry.Key, entry => (IReadOnlyList<Caption>)[.. entry.Value.Values], StringComparer.Ordinal),
            DataFile.Sha256(content));
    }
}
