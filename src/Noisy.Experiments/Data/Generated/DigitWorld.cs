using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Generated images of digits, for want of MNIST: pen strokes, distorted, of changing thickness, with noise.</summary>
/// <remarks>
/// An image is a function of (key, index): its digit and the form of it, a shift of every point of the pen's way, rotation,
/// slant, size and place, thickness and darkness of the pen, normal noise on every pixel. Only basic arithmetic and square
/// roots, so that it is the same on every machine. There is no source outside: forms and amounts are ours (decision 17).
/// </remarks>
public static class DigitWorld
{
    private const int Side = DigitData.Side, Pieces = 6;

    // Ranges of what changes from image to image; lengths in parts of the digit's box, or in pixels.
    private const double Jitter = 0.06, Rotation = 0.15, Slant = 0.3, Shift = 1.5, LeastSize = 15, MostSize = 21;
    private const double LeastRadius = 0.7, MostRadius = 1.5, LeastInk = 0.7, MostNoise = 0.15;

    // Numbers of the draws; those of the points follow.
    private const int Turn = 0, Lean = 1, SizeX = 2, SizeY = 3, ShiftX = 4, ShiftY = 5, Pen = 6, Ink = 7, Noise = 8, FirstPoint = 9, Draws = 64;

    /// <summary>Generates three sets that share nothing; a longer set begins with the shorter one.</summary>
    /// <param name="train">Images to learn from, ≥ 1.</param>
    /// <param name="valid">Images for validation, ≥ 1.</param>
    /// <param name="test">Images for test, ≥ 1.</param>
    /// <returns>The sets; the identity's checksum is over pixels and labels of training, validation and test.</returns>
    public static DigitData Create(int train, int valid, int test)
    {
        var root = NoiseKey.FromSeed(1).Child("digits");
        var (a, b, c) = (Images(root.Child("train"), train), Images(root.Child("valid"), valid), Images(root.Child("test"), test));
        var sha256 = DataFile.Sha256(a.Pixels, a.Labels, b.Pixels, b.Labels, c.Pixels, c.Labels);
        return new DigitData(new DataIdentity("digits", DataIdentity.BuiltIn, sha256), a, b, c);
    }

    /// <summary>The first images of a set.</summary>
    /// <param name="key">Key of the set; sets with different keys are independent.</param>
    /// <param name="count">How many, ≥ 0.</param>
    public static LabelledImages Images(NoiseKey key, int count)
    {
        var images = new LabelledImages(Side, Side, new byte[count * Side * Side], new byte[count]);
        for (var i = 0; i < count; i++) images.Labels[i] = Draw(key, i, images.Pixels.AsSpan(i * images.Size, images.Size));
        return images;
    }

    /// <summary>Draws one image.</summary>
    /// <param name="key">Key of the set.</param>
    /// <param name="index">Index of the image, ≥ 0.</param>
    /// <param name="pixels">Receives 28 x 28 intensities, row by row; 255 is full ink.</param>
    /// <returns>The digit, 0 to 9, each as likely as the others.</returns>
    public static byte Draw(NoiseKey key, long index, Span<byte> pixels)
    {
        var choices = key.At(index, 0);
        var digit = choices.Below(10, 0);
        var forms = DigitGlyph.All[digit];
        var glyph = forms[choices.Below(forms.Length, 1)];
        Span<float> draws = stackalloc float[Draws];
        NoiseSampler.Uniform(key.At(index, 1), 0, draws);
        Span<float> noise = stackalloc float[Side * Side];
        NoiseSampler.Normal(key.At(index, 2), 0, noise);
        Span<double> ink = stackalloc double[Side * Side];
        ink.Clear();
        var points = Place(glyph, draws);
        var radius = Between(draws[Pen], LeastRadius, MostRadius);
        foreach (var stroke in glyph.Strokes) Stroke(points, stroke, radius, ink);
        var (darkness, amount) = (Between(draws[Ink], LeastInk, 1), Between(draws[Noise], 0, MostNoise));
        for (var i = 0; i < ink.Length; i++) pixels[i] = (byte)((255 * Math.Clamp((darkness * ink[i]) + (amount * noise[i]), 0, 1)) + 0.5);
        return (byte)digit;
    }

    private static double Between(float draw, double low, double high) => low + ((high - low) * draw);

    /// <summary>The glyph's points in pixels.</summary>
    private static (double X, double Y)[] Place(DigitGlyph glyph, ReadOnlySpan<float> draws)
    {
        // Half the angle's tangent gives its sine and cosine without either function.
        var t = Between(draws[Turn], -Rotation, Rotation);
        var (cos, sin) = ((1 - (t * t)) / (1 + (t * t)), 2 * t / (1 + (t * t)));
        var (width, height) = (Between(draws[SizeX], LeastSize, MostSize), Between(draws[SizeY], LeastSize, MostSize));
        var lean = Between(draws[Lean], -Slant, Slant);
        var (left, top) = (Between(draws[ShiftX], -Shift, Shift), Between(draws[ShiftY], -Shift, Shift));
        var points = new (double X, double Y)[glyph.Points.Length];
        for (var i = 0; i < points.Length; i++)
        {
            var x = glyph.Points[i].X - 0.5 + Between(draws[FirstPoint + (2 * i)], -Jitter, Jitter);
            var y = glyph.Points[i].Y - 0.5 + Between(draws[FirstPoint + (2 * i) + 1], -Jitter, Jitter);
            (x, y) = (width * (x - (lean * y)), height * y);
            points[i] = (((Side - 1) / 2.0) + left + (cos * x) - (sin * y), ((Side - 1) / 2.0) + top + (sin * x) + (cos * y));
        }

        return points;
    }

    /// <summary>Draws a curve of Catmull and Rom through points, as short straight pieces.</summary>
    private static void Stroke((double X, double Y)[] points, int[] stroke, double radius, Span<double> ink)
    {
        var closed = stroke[0] == stroke[^1];
        (double X, double Y) At(int i) => points[stroke[
            i < 0 ? (closed ? stroke.Length - 2 : 0) : i >= stroke.Length ? (closed ? 1 : stroke.Length - 1) : i]];
        for (var i = 0; i + 1 < stroke.Length; i++)
        {
            var (before, start, end, after) = (At(i - 1), At(i), At(i + 1), At(i + 2));
            var from = start;
            for (var piece = 1; piece <= Pieces; piece++)
            {
                var t = piece / (double)Pieces;
                var to = (Spline(before.X, start.X, end.X, after.X, t), Spline(before.Y, start.Y, end.Y, after.Y, t));
                Line(from, to, radius, ink);
                from = to;
            }
        }
    }

    private static double Spline(double before, double start, double end, double after, double t) =>
        start + (0.5 * t * (end - before
            + (t * ((2 * before) - (5 * start) + (4 * end) - after + (t * ((3 * (start - end)) + after - before))))));

    /// <summary>Inks the pixels near a straight line: fully within the radius, less and less over the next pixel.</summary>
    private static void Line((double X, double Y) from, (double X, double Y) to, double radius, Span<double> ink)
    {
        var (dx, dy) = (to.X - from.X, to.Y - from.Y);
        var square = Math.Max((dx * dx) + (dy * dy), 1e-12);
        var reach = radius + 0.5;
        var (left, right) = ((int)Math.Max(0, Math.Ceiling(Math.Min(from.X, to.X) - reach)), (int)Math.Min(Side - 1, Math.Floor(Math.Max(from.X, to.X) + reach)));
        var (top, bottom) = ((int)Math.Max(0, Math.Ceiling(Math.Min(from.Y, to.Y) - reach)), (int)Math.Min(Side - 1, Math.Floor(Math.Max(from.Y, to.Y) + reach)));
        for (var y = top; y <= bottom; y++)
        {
            for (var x = left; x <= right; x++)
            {
                var along = Math.Clamp((((x - from.X) * dx) + ((y - from.Y) * dy)) / square, 0, 1);
                var (ex, ey) = (from.X + (along * dx) - x, from.Y + (along * dy) - y);
                var covered = Math.Min(1, reach - Math.Sqrt((ex * ex) + (ey * ey)));
                if (covered > ink[(y * Side) + x]) ink[(y * Side) + x] = covered;
            }
        }
    }
}
