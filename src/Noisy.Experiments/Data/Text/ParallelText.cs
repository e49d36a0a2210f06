namespace Noisy.Experiments;

/// <summary>Sentences and their translations, read from files.</summary>
/// <param name="Pairs">The pairs that were kept, in the order of the files.</param>
/// <param name="Lines">Lines read.</param>
/// <param name="Empty">Pairs left out because a side is empty.</param>
/// <param name="TooLong">Pairs left out because a side has too many words.</param>
/// <param name="SourceWords">Words of all source lines, those of pairs left out included.</param>
/// <param name="TargetWords">Words of all target lines.</param>
/// <param name="Sha256">SHA-256 over the uncompressed files, source then target; 64 lower-case hexadecimal digits.</param>
/// <remarks>Files are UTF-8, plain or .gz, a sentence a line, lines ended by LF or CR LF; words are cut at white
/// space of any kind, the unbreakable blank of French punctuation included.</remarks>
public sealed record ParallelText(
    IReadOnlyList<SentencePair> Pairs, int Lines, int Empty, int TooLong, int SourceWords, int TargetWords, string Sha256)
{
    /// <summary>What a user can do about a bad file of their own.</summary>
    public const string DefaultRemedy = "Correct the file, or name another.";

    /// <summary>What was left out, a sentence for each reason.</summary>
    /// <param name="what">What these pairs are, such as "training".</param>
    internal IEnumerable<string> Notes(string what)
    {
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

    /// <summary>Reads one file with a sentence, a tab and its translation a line.</summary>
    /// <param name="path">The file; gzip if its name ends in ".gz".</param>
    /// <param name="rules">Which pairs to keep; null for <see cref="ParallelTextRules.Default"/>.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <exception cref="DataException">The file cannot be read or is not UTF-8, a line has not exactly one tab, nothing is left, or a
    /// side is empty and that is an error; the message names file and line.</exception>
    public static ParallelText ReadTabs(string path, ParallelTextRules? rules = null, string remedy = DefaultRemedy)
    {
        var content = DataFile.Read(path, remedy);
        var lines = Lined(content, path, remedy);
        var cut = new string[lines.Length][];
        for (var i = 0; i < lines.Length; i++)
        {
            cut[i] = lines[i].Split('\t');
            if (cut[i].Length != 2)
            {
                throw new DataException(
                    $"'{path}', line {i + 1:N0}: {cut[i].Length - 1} tabs, exactly 1 expected, between a sentence and its translation. {remedy}");
            }
        }

        return Pair(
            Array.ConvertAll(cut, sides => sides[0]), path, Array.ConvertAll(cut, sides => sides[1]), path,
            DataFile.Sha256(content), rules, remedy);
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
        var lines = DataFile.DecodeUtf8(content, path, remedy).Split('\n');
        return lines[^1].Length == 0 ? lines[..^1] : lines;
    }
}
