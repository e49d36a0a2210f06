namespace Noisy.Experiments;

/// <summary>One caption of an image.</summary>
/// <param name="Number">Its number among the captions of the image, from 0.</param>
/// <param name="Words">Its words; at least one.</param>
/// <param name="Line">Where it stands in the file, from 1.</param>
public sealed record Caption(int Number, string[] Words, int Line);
