namespace Noisy.Experiments;

/// <summary>Where the images of one split are listed, and where their features are.</summary>
/// <param name="List">File of names, one a line.</param>
/// <param name="Features">File .npy [N, D, rows, columns], rows in the order of the list.</param>
public sealed record CaptionSplitFiles(string List, string Features);
