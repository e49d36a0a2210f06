namespace Noisy.Experiments;

/// <summary>One part of a known parallel text, with the counts that its files must have.</summary>
/// <param name="Name">What to ask for, such as "train".</param>
/// <param name="Source">Name of the file of sentences.</param>
/// <param name="Target">Name of the file of translations.</param>
/// <param name="Lines">Lines of each.</param>
/// <param name="SourceWords">Words of the sentences, cut at white space.</param>
/// <param name="TargetWords">Words of the translations.</param>
public sealed record ParallelPart(string Name, string Source, string Target, int Lines, int SourceWords, int TargetWords);
