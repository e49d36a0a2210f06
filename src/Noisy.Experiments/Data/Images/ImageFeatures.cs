using System.Buffers;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Annotation vectors of images: for each place of a grid as many numbers as there are channels.</summary>
public sealed class ImageFeatures
{
    private readonly NpyFile file;
    private readonly float scale;
    private readonly int[]? rows;

    private ImageFeatures(NpyFile file, float scale, int[]? rows = null) => (this.file, this.scale, this.rows) = (file, scale, rows);

    /// <summary>Images N.</summary>
    public int Count => rows?.Length ?? file.Shape[0];

    /// <summary>Numbers of a vector D.</summary>
    public int Channels => file.Shape[1];

    /// <summary>Rows of the grid.</summary>
    public int Height => file.Shape[2];

    /// <summary>Columns of the grid.</summary>
    public int Width => file.Shape[3];

    /// <summary>Places of the grid L.</summary>
    public int Places => Height * Width;

    /// <summary>SHA-256 of the uncompressed file that they are from, or of what else they were made of.</summary>
    public string Sha256 => file.Sha256;

    /// <summary>The features in an array.</summary>
    /// <param name="file">Numbers [N, D, rows, columns], as convolutions give them.</param>
    /// <param name="path">Its name, for the message.</param>
    /// <param name="scale">What every number is multiplied by.</param>
    /// <param name="remedy">What the user can do; a sentence that ends the message.</param>
    /// <exception cref="DataException">The array has another number of dimensions, or one of them is 0.</exception>
    public static ImageFeatures FromNpy(NpyFile file, string path, float scale, string remedy)
    {
        ArgumentNullException.ThrowIfNull(file);
        return file.Shape.Count == 4 && file.Shape.Min() > 0
            ? new(file, scale)
            : throw new DataException(
                $"'{path}' has the shape ({string.Join(", ", file.Shape)}); (images, channels, rows, columns) is expected. {remedy}");
    }

    /// <summary>The features of some of the images of the file, which all share.</summary>
    /// <param name="chosen">Their rows in the file.</param>
    internal ImageFeatures Take(int[] chosen) => new(file, scale, chosen);

    /// <summary>The vectors of one image.</summary>
    /// <param name="image">Its index, 0 ≤ image &lt; <see cref="Count"/>.</param>
    /// <param name="vectors">Receives [L, D]: places row by row, the channels of a place side by side.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such image.</exception>
    /// <exception cref="ArgumentException">There is no room for exactly L·D numbers.</exception>
    public void Fill(int image, Span<float> vectors)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(image);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(image, Count);
        if (vectors.Length != Places * Channels)
            throw new ArgumentException($"there must be room for {Places} x {Channels} numbers, not {vectors.Length}", nameof(vectors));
        var planes = ArrayPool<float>.Shared.Rent(vectors.Length);
        file.CopyTo((rows?[image] ?? image) * vectors.Length, planes.AsSpan(0, vectors.Length));
        var (places, next) = (Places, 0);
        for (var place = 0; place < places; place++)
        {
            for (var from = place; from < vectors.Length; from += places) vectors[next++] = scale * planes[from];
        }

        ArrayPool<float>.Shared.Return(planes);
    }
}
