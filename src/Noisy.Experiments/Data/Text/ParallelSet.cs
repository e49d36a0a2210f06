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
        var known = Part(part);
        var files = FilesOf(part).Open(folder);
        var text = ParallelText.Parse(files.Contents[0], files.Paths[0], files.Contents[1], files.Paths[1], rules, files.Remedy);
        files.Check(0, "lines", text.Lines, known.Lines);
        files.Check(0, "words", text.SourceWords, known.SourceWords);
        files.Check(1, "words", text.TargetWords, known.TargetWords);
        files.CheckSums();
        return text;
    }

    /// <summary>The files of some parts, as a set of their own.</summary>
    /// <param name="parts">Names of the parts.</param>
    /// <exception cref="UsageException">There is no such part.</exception>
    internal DataSet FilesOf(params string[] parts)
    {
        var names = parts.Select(Part).SelectMany(part => new[] { part.Source, part.Target }).ToHashSet();
        return Files with { Files = [.. Files.Files.Where(file => names.Contains(file.File))] };
    }

    private ParallelPart Part(string name) => Parts.FirstOrDefault(part => part.Name == name) ?? throw new UsageException(
        $"{Files.Title} has no part '{name}'; its parts are {string.Join(", ", Parts.Select(part => part.Name))}.");
}
