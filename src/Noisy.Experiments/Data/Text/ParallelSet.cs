using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A known parallel text in parts.</summary>
/// <param name="Files">Its files with their checksums.</param>
/// <param name="Parts">Its parts.</param>
public sealed record ParallelSet(DataSet Files, IReadOnlyList<ParallelPart> Parts)
{
    /// <summary>Loads one part.</summary>
    /// <param name="folder">The folder that holds the files, plain or .gz, as <see cref="DataCache.Find"/> gives it.</param>
    /// <param name="part">Name of the part.</param>
    /// <param name="rules">Which pairs to keep; null for all without an empty side.</param>
    /// <returns>The pairs in the order of the files.</returns>
    /// <exception cref="DataException">A file is missing, unreadable, cut short or another text; the message states what was found
    /// and what expected.</exception>
    /// <exception cref="UsageException">There is no such part.</exception>
    public ParallelText Load(string folder, string part, ParallelTextRules? rules = null)
    {
        var known = Parts.FirstOrDefault(p => p.Name == part) ?? throw new UsageException(
            $"{Files.Title} has no part '{part}'; its parts are {string.Join(", ", Parts.Select(p => p.Name))}.");
        DataSource[] own = [.. Files.Files.Where(file => file.File == known.Source || file.File == known.Target)];
        var files = (Files with { Files = own }).Open(folder);
        var text = ParallelText.Parse(files.Contents[0], files.Paths[0], files.Contents[1], files.Paths[1], rules, files.Remedy);
        files.Check(0, "lines", text.Lines, known.Lines);
        files.Check(0, "words", text.SourceWords, known.SourceWords);
        files.Check(1, "words", text.TargetWords, known.TargetWords);
        files.CheckSums();
        return text;
    }
}
