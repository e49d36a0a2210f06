using System.Runtime.InteropServices;
using System.Text;
using Noisy.Core;

namespace Noisy.Experiments;

/// <summary>Generated pictures of coloured shapes with true captions, for want of photographs; the best captions are known.</summary>
/// <remarks>
/// <para>A picture is a grid of 7 x 7 cells of 8 x 8 pixels. One to three things lie in cells of their own, no two of them alike, and
/// for any two the difference in rows is not that in columns, so that one relation describes them. A large thing fills its cell, a
/// small one of 5 x 5 pixels lies in one of four places of it. Every number of a pixel is changed by up to 16 at random.</para>
/// <para>Features are a fixed function of the picture: the cell's pixels, averaged over 2 x 2, make 48 numbers x in [0, 1];
/// feature d is max(0, Σ W x + b) with fixed normal W and b, d = 0 … 63. The last 14 say where the place is: 1 for its row, then 1 for
/// its column, 0 for the others, since a decoder that attends to a place has no other means to know. So all that a caption tells can
/// be read off the features.</para>
/// <para>An example is a function of (most things, key, split, index); to which split a scene may belong is a function of the scene, so
/// the splits never share one. Randomness: the key's child named as the split, at (index, attempt) for the scene, its child
/// "pixels" at (index, 0) for the pixels. There is no source outside.</para>
/// </remarks>
public static class CaptionWorld
{
    /// <summary>Cells a side of the grid.</summary>
    public const int Grid = 7;

    /// <summary>Pixels a side of a picture.</summary>
    public const int Side = Grid * Cell;

    /// <summary>Numbers of an annotation vector D.</summary>
    public const int Channels = Looks + (2 * Grid);

    /// <summary>Most things in a picture.</summary>
    public const int MostThings = 3;

    private const int Looks = 64, Cell = 8, Small = 5, Pooled = 4, Inputs = 3 * Pooled * Pooled, Background = 24, Noise = 16;
    private static readonly float[] Weights = Draws("weights", Looks * Inputs), Biases = Draws("biases", Looks);

    /// <summary>One picture.</summary>
    /// <param name="things">Most things, 1 to <see cref="MostThings"/>; each number up to it is as likely as the others.</param>
    /// <param name="key">Key of the world; worlds with different keys are independent.</param>
    /// <param name="split">The split.</param>
    /// <param name="index">Index in the split, ≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static CaptionExample Example(int things, NoiseKey key, Split split, long index)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(things, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(things, MostThings);
        var own = key.Child(split.ToString());
        for (var attempt = 0; ; attempt++)
        {
            if (Scene(things, own.At(index, attempt)) is { } scene && SplitOf(scene) == split)
                return new(scene, Draw(scene, own.Child("pixels").At(index, 0)));
        }
    }

    /// <summary>The annotation vectors of a picture.</summary>
    /// <param name="pixels">[56, 56, 3], as an example has them.</param>
    /// <returns>[D, 7, 7], as convolutions give them.</returns>
    /// <exception cref="ArgumentException">There are not so many pixels.</exception>
    public static float[] Features(byte[] pixels)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        if (pixels.Length != Side * Side * 3)
            throw new ArgumentException($"{pixels.Length} numbers; {Side} x {Side} x 3 are expected", nameof(pixels));
        var features = new float[Channels * Grid * Grid];
        Span<double> cell = stackalloc double[Inputs];
        for (var place = 0; place < Grid * Grid; place++)
        {
            cell.Clear();
            for (var i = 0; i < Cell * Cell * 3; i++)
            {
                var (y, x, colour) = (i / (Cell * 3), i / 3 % Cell, i % 3);
                var (row, column) = ((place / Grid * Cell) + y, (place % Grid * Cell) + x);
                cell[(((y / 2 * Pooled) + (x / 2)) * 3) + colour] += pixels[(((row * Side) + column) * 3) + colour] / (4 * 255.0);
            }

            for (var channel = 0; channel < Looks; channel++)
            {
                var sum = 0.2 * Biases[channel];
                var weights = Weights.AsSpan(channel * Inputs, Inputs);
                for (var i = 0; i < Inputs; i++) sum += 0.5 * weights[i] * cell[i];
                features[(channel * Grid * Grid) + place] = (float)Math.Max(0, sum);
            }

            foreach (var channel in new[] { Looks + (place / Grid), Looks + Grid + (place % Grid) }) features[(channel * Grid * Grid) + place] = 1;
        }

        return features;
    }

    /// <summary>The only split that a scene may belong to.</summary>
    /// <param name="scene">The scene.</param>
    /// <remarks>FNV-1a (64 bits) of its things with their cells: remainder 0 by 10 is validation, 1 is test, the rest training.</remarks>
    public static Split SplitOf(CaptionScene scene)
    {
        ArgumentNullException.ThrowIfNull(scene);
        var hash = 0xCBF29CE484222325UL;
        foreach (var thing in scene.Things)
        {
            foreach (var character in $"{thing.Description} {thing.Row} {thing.Column};") hash = (hash ^ character) * 0x100000001B3UL;
        }

        return (hash % 10) switch
        {
            0 => Split.Valid,
            1 => Split.Test,
            _ => Split.Train,
        };
    }

    /// <summary>Three splits; a longer one begins with the shorter one. Image i is called "train i", "valid i" or "test i".</summary>
    /// <param name="things">Most things in a picture, 1 to <see cref="MostThings"/>.</param>
    /// <param name="train">Pictures to learn from, ≥ 1.</param>
    /// <param name="valid">Pictures for validation, ≥ 1.</param>
    /// <param name="test">Pictures for test, ≥ 1.</param>
    /// <param name="seed">Decides the pictures; not the seed of a run, so that all runs see the same. Default 1.</param>
    /// <returns>The data; the identity's checksum is over pixels and captions of training, validation and test.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static CaptionData Create(int things, int train, int valid, int test, long seed = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(Math.Min(train, Math.Min(valid, test)), 1);
        var contents = new List<byte[]>();
        CaptionSplit Part(Split split, int count)
        {
            CaptionExample[] examples = [.. Enumerable.Range(0, count).Select(i => Example(things, KeyOf(seed), split, i))];
            contents.AddRange(examples.Select(example => example.Pixels));
            contents.AddRange(examples.Select(example => Encoding.UTF8.GetBytes(string.Join('\n', example.Scene.Captions()))));
            float[] features = [.. examples.SelectMany(example => Features(example.Pixels))];
            var sha256 = DataFile.Sha256(MemoryMarshal.AsBytes<float>(features).ToArray());
            var file = new NpyFile([count, Channels, Grid, Grid], NpyKind.Single, features, sha256);
            var images = examples.Select((example, i) => new CaptionedImage(
                $"{split.ToString().ToLowerInvariant()} {i}", [.. example.Scene.Captions().Select(caption => caption.Split(' '))]));
            return new([.. images], ImageFeatures.FromNpy(file, "the caption world", scale: 1, remedy: ""));
        }

        var (a, b, c) = (Part(Split.Train, train), Part(Split.Valid, valid), Part(Split.Test, test));
        return new(new DataIdentity("caption-world", DataIdentity.BuiltIn, DataFile.Sha256([.. contents])), a, b, c, []);
    }

    /// <summary>The key of the pictures that <see cref="Create"/> takes.</summary>
    /// <param name="seed">Its seed.</param>
    public static NoiseKey KeyOf(long seed) => NoiseKey.FromSeed(seed).Child("caption world");

    /// <summary>A scene, or null if the draws do not make one.</summary>
    private static CaptionScene? Scene(int most, NoiseStream draws)
    {
        var things = new List<CaptionThing>();
        var count = 1 + draws.Below(most, 0);
        for (var i = 0; i < count; i++)
        {
            int Below(int bound, int draw) => draws.Below(bound, 1 + (5 * i) + draw);
            var thing = new CaptionThing(
                Below(2, 0) == 1, (CaptionColour)Below(6, 1), (CaptionForm)Below(5, 2), Below(Grid, 3), Below(Grid, 4));
            foreach (var other in things)
            {
                var (rows, columns) = (Math.Abs(thing.Row - other.Row), Math.Abs(thing.Column - other.Column));
                if (thing.Description == other.Description || rows == columns) return null;
            }

            things.Add(thing);
        }

        return new([.. things.OrderBy(thing => thing.Row).ThenBy(thing => thing.Column)]);
    }

    private static byte[] Draw(CaptionScene scene, NoiseStream draws)
    {
        var clean = new byte[Side * Side * 3];
        Array.Fill(clean, (byte)Background);
        for (var t = 0; t < scene.Things.Count; t++)
        {
            var thing = scene.Things[t];
            var glyph = CaptionGlyphs.Rows(thing.Form, thing.Large);
            var (red, green, blue) = CaptionGlyphs.Rgb(thing.Colour);

            // Small things lie one or two pixels from the cell's edge; these draws come after those of the pixels.
            int Offset(int draw) => thing.Large ? 0 : 1 + draws.Below(Cell - Small - 1, clean.Length + (2 * t) + draw);
            var (top, left) = ((thing.Row * Cell) + Offset(0), (thing.Column * Cell) + Offset(1));
            for (var y = 0; y < glyph.Length; y++)
            {
                for (var x = 0; x < glyph.Length; x++)
                {
                    if (glyph[y][x] == '#') new[] { red, green, blue }.CopyTo(clean, (((top + y) * Side) + left + x) * 3);
                }
            }
        }

        const int steps = (2 * Noise) + 1;
        var noise = new float[clean.Length];
        NoiseSampler.Uniform(draws, 0, noise);
        for (var i = 0; i < clean.Length; i++)
        {
            // A draw next to 1 would be rounded up to a step too many.
            var change = Math.Min((int)(noise[i] * steps), steps - 1) - Noise;
            clean[i] = (byte)Math.Clamp(clean[i] + change, 0, 255);
        }

        return clean;
    }

    private static float[] Draws(string name, int count)
    {
        var draws = new float[count];
        NoiseSampler.Normal(NoiseKey.FromSeed(1).Child("caption features").Child(name).At(0, 0), 0, draws);
        return draws;
    }
}
