namespace Noisy.Experiments;

/// <summary>Sentences and their translations, read from files.</summary>
/// <param name="Pairs">The pairs that were kept, in the order of the files.</param>
/// <param name="Lines">Lines read.</param>
/// <param name="Empty">Pairs left out because a side is empty.</param>
/// <param name="TooLong">Pairs left out because a side has too many words.</param>
/// <param name="SourceWords">Words of all source lines, those of pairs left out included.</param>
/// <param name="TargetWords">Words of all target lines.</param>
/// <param name="Sha256">SHA-256 over the uncompressed files, source then target; 64 lower-case hexadecimal digits.</param>
/// <remarks>Files are UTF-8 or have a mark of byte order, plain or .gz, a sentence a line, lines ended by LF or CR LF; words are cut at white
/// space of any kind, the unbreakable blank of French punctuation included.</remarks>
public sealed record ParallelText(
    IReadOnlyList<SentencePair> Pairs, int Lines, int Empty, int TooLong, int SourceWords, int TargetWords, string Sha256)
{
    /// <summary>What a user can do about a bad file of their own.</summary>
    public const string DefaultRemedy = "Correct the file, or name another.";

    /// <summary>Which columns of a file with tabs were not read, for the user; null if all were.</summary>
    public string? Unread { get; init; }

    /// <summary>What was left out, a sentence for each reason.</summary>
    /// <param name="what">What these pairs are, such as "training".</param>
    internal IEnumerable<string> Notes(string what)
    {
        if (Unread is not null) yield return $"{what}: {Unread}";
        if (Empty > 0) yield return $"{what}: {Empty:N0} of {Lines:N0} pairs are left out, of which a side is empty";
        if (TooLong > 0) yield return $"{what}: {TooLong:N0} of {Lines:N0} pairs are left out, of which a side is too long";
    }

    /// <summary>Reads two files of which line i is the translation of line i.</summary>
    /// <param name="sourcePath">File of sentences; gzip if its name ends in ".gz".</param>
    /// <param name="targetPath">File of translations; gzip if its name ends in ".gz".</param>
    /// <param name="rules">Which pairs to keep; null for <see cref="ParallelTextRules.Default"/>.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <exception cref="DataException">A file cannot be read or is not UTF-8, the files differ in their numbers of lines, nothing is
    /// left, or a side is empty and that is an error; the message names file and line.</exception>
    public static ParallelText Read(string sourcePath, string targetPath, ParallelTextRules? rules = null, string remedy = DefaultRemedy) =>
        Parse(DataFile.Read(sourcePath, remedy), sourcePath, DataFile.Read(targetPath, remedy), targetPath, rules, remedy);

    /// <summary>Pairs the lines of two files.</summary>
    /// <param name="source">Uncompressed file of sentences.</param>
    /// <param name="sourcePath">Its name, for messages.</param>
    /// <param name="target">Uncompressed file of translations.</param>
    /// <param name="targetPath">Its name, for messages.</param>
    /// <param name="rules">Which pairs to keep; null for <see cref="ParallelTextRules.Default"/>.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <exception cref="DataException">As <see cref="Read"/>.</exception>
    public static ParallelText Parse(
        byte[] source, string sourcePath, byte[] target, string targetPath, ParallelTextRules? rules = null, string remedy = DefaultRemedy)
    {
        var (sources, targets) = (Lined(source, sourcePath, remedy), Lined(target, targetPath, remedy));
        if (sources.Length != targets.Length)
        {
            var (shorter, longer) = sources.Length < targets.Length ? (sourcePath, targetPath) : (targetPath, sourcePath);
            throw new DataException(
                $"'{shorter}' ends after line {Math.Min(sources.Length, targets.Length):N0}, but '{longer}' has " +
                $"{Math.Max(sources.Length, targets.Length):N0}: they are no translations of each other line by line. {remedy}");
        }

        return Pair(sources, sourcePath, targets, targetPath, DataFile.Sha256(source, target), rules, remedy);
    }

    /// <summary>Reads one file with a sentence, a tab and its translation a line; further columns, such as the attribution of Tatoeba's
    /// sentences, are not read. Lines with a number before either side, as Tatoeba exports them, are read too.</summary>
    /// <param name="path">The file; gzip if its name ends in ".gz".</param>
    /// <param name="rules">Which pairs to keep; null for <see cref="ParallelTextRules.Default"/>.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <exception cref="DataException">The file cannot be read or is no text, a line has too few columns, nothing is left, or a
    /// side is empty and that is an error; the message names file and line.</exception>
    public static ParallelText ReadTabs(string path, ParallelTextRules? rules = null, string remedy = DefaultRemedy)
    {
        var content = DataFile.Read(path, remedy);
        var cut = Array.ConvertAll(Lined(content, path, remedy), line => string.IsNullOrWhiteSpace(line) ? [] : line.Split('\t'));
        var numbered = cut.FirstOrDefault(columns => columns.Length > 0) is [var number, _, var other, _]
            && int.TryParse(number, out var _) && int.TryParse(other, out var _);
        var (source, target) = numbered ? (1, 3) : (0, 1);
        for (var i = 0; i < cut.Length; i++)
        {
            if (cut[i].Length > target) continue;
            if (cut[i].Length > 0)
            {
                throw new DataException(
                    $"'{path}', line {i + 1:N0}: " + (numbered
                        ? $"{cut[i].Length} columns, 4 expected as in the first line: number, sentence, number, translation. {remedy}"
                        : "there is no tab. A line must be a sentence, a tab and its translation; or name two files, "
                            + $"'--data SENTENCES,TRANSLATIONS'. {remedy}"));
            }

            cut[i] = [.. Enumerable.Repeat("", target + 1)]; // a blank line, a pair of which both sides are empty
        }

        var columns = cut.Select(line => line.Length).DefaultIfEmpty(0).Max();
        return Pair(
            Array.ConvertAll(cut, sides => sides[source]), path, Array.ConvertAll(cut, sides => sides[target]), path,
            DataFile.Sha256(content), rules, remedy) with
        {
            Unread = numbered ? "columns 1 and 3 are numbers and not read"
                : columns > 3 ? $"columns 3 to {columns} are not read"
                : columns == 3 ? "column 3 is not read" : null,
        };
    }

    private static ParallelText Pair(
        string[] sources, string sourcePath, string[] targets, string targetPath, string sha256, ParallelTextRules? rules, string remedy)
    {
        var (maxLength, emptyIsError) = rules ?? ParallelTextRules.Default;
        var pairs = new List<SentencePair>(sources.Length);
        var (empty, tooLong, sourceWords, targetWords) = (0, 0, 0, 0);
        for (var i = 0; i < sources.Length; i++)
        {
            var pair = new SentencePair(Words(sources[i]), Words(targets[i]));
            sourceWords += pair.Source.Length;
            targetWords += pair.Target.Length;
            if (pair.Source.Length == 0 || pair.Target.Length == 0)
            {
                empty++;
                if (!emptyIsError) continue;
                var (path, side) = pair.Source.Length == 0 ? (sourcePath, "sentence") : (targetPath, "translation");
                throw new DataException($"'{path}', line {i + 1:N0}: the {side} is empty. {remedy}");
            }

            if (maxLength > 0 && Math.Max(pair.Source.Length, pair.Target.Length) >= maxLength) tooLong++;
            else pairs.Add(pair);
        }

        return pairs.Count > 0
            ? new(pairs, sources.Length, empty, tooLong, sourceWords, targetWords, sha256)
            : throw new DataException(
                $"'{sourcePath}' has {sources.Length:N0} lines, but no pair of sentences is left: {empty:N0} have an empty side, " +
                $"{tooLong:N0} have {maxLength} words or more. {remedy}");
    }

    private static string[] Words(string line) => line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    private static string[] Lined(byte[] content, string path, string remedy)
    {
        var text = DataFile.DecodeText(content, path, remedy);
        var lines = text.Split(text.Contains('\n') ? '\n' : '\r'); // an old Mac's; those of Windows end in white space
        return lines[^1].Length == 0 ? lines[..^1] : lines;
    }
}
