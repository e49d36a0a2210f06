using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Flickr8k: 8,000 photographs with five captions each, and convolutional features of them.</summary>
/// <remarks>
/// <para>Source: M. Hodosh, P. Young, J. Hockenmaier, "Framing image description as a ranking task", JAIR 47, 2013; its official
/// splits. For research and education only, so it is neither shipped nor downloaded.</para>
/// <para>Features: SqueezeNet 1.0 (F. Iandola and others, 2016), layer fire9, pooled to 7 x 7 places of 512 channels and quantised
/// to q = 0 … 15, of which an activation is about (2 q)²; the numbers here are 2 q, its square root, which is better scaled. These
/// are not the VGG features, 14 x 14 x 512, of the paper: say so wherever results are reported.</para>
/// </remarks>
public static class Flickr8k
{
    /// <summary>The one name in the caption file that has no image: a known slip of the original.</summary>
    public const string AbsentImage = "2258277193_586949ec62.jpg.1";

    private const int CaptionsAnImage = 5;
    private static readonly int[] Expected = [6_000, 1_000, 1_000];
    private static readonly int[] Shape = [512, 7, 7];

    /// <summary>The files: captions; then names and features for training, validation and test.</summary>
    public static DataSet Files { get; } = new("flickr8k", "Flickr8k",
    [
        new("Flickr8k.token.txt", null, "1e1f3a371ba1a1bf742e6930521c037e046b2bf3fcc2390ba8405e0301ed7689", 3_395_237),
        new("Flickr_8k.trainImages.txt", null, "e330ddd5156a4c2d2e2b67bc587e70e588f2d132bd8a10dc54dcb71e58115d8e", 154_678),
        new("features/train.squeezenet_fire9_7x7.u8.npy", null, "63a13bc6369bb1bd822be36d540e6552eb02fdb69287fba90ed875cd02336707", 150_528_128),
        new("Flickr_8k.devImages.txt", null, "18ba829f47f6df1cb830bf7f0506e2ddf333818925299babbd1bbcaf50fdc504", 25_801),
        new("features/dev.squeezenet_fire9_7x7.u8.npy", null, "29588a4be70cfaca59988f93f09c9b2666c7511b8da3fe58463352d147f10938", 25_088_128),
        new("Flickr_8k.testImages.txt", null, "c0924146c131458ceba45da59670fe9520eadce1e5cafffa16a817672a9b1f17", 25_775),
        new("features/test.squeezenet_fire9_7x7.u8.npy", null, "b2621623e7f60426f6f962784eb9b76253e63eec0628ce4880fed3d7be24daf9", 25_088_128),
    ], "make features of pictures that you have with scripts/features.fsx and name their folder with '--data DIR'");

    /// <summary>Loads the files.</summary>
    /// <param name="folder">The folder that holds them, plain or .gz, as <see cref="DataCache.Find"/> gives it.</param>
    /// <returns>6,000, 1,000 and 1,000 images with five captions each in lower case; the notes tell what was left out.</returns>
    /// <exception cref="DataException">A file is missing, unreadable, damaged or another one.</exception>
    public static CaptionData Load(string folder)
    {
        var remedy = Files.Remedy(folder);
        var paths = Files.Files.Select(file => DataFile.Find(folder, file.File) ?? throw new DataException(
            $"'{file.File}' (or '{file.File}.gz') is not in '{folder}'. {remedy}")).ToArray();
        var splits = Enumerable.Range(0, 3).Select(s => new CaptionSplitFiles(paths[1 + (2 * s)], paths[2 + (2 * s)])).ToArray();
        var rules = new CaptionRules(AllowUnlisted: true, FeatureScale: 2, Absent: [AbsentImage], MaxFeatureBytes: Files.Files.Max(file => file.MaxBytes));
        var data = CaptionData.Read(Files.Name, paths[0], splits, rules, remedy);
        for (var s = 0; s < 3; s++)
        {
            var (split, place) = (data.Part((Split)s), splits[s]);
            if (split.Images.Count != Expected[s])
            {
                throw new DataException(
                    $"'{place.List}' lists {split.Images.Count:N0} images, {Expected[s]:N0} expected: it is another list. {remedy}");
            }

            if (split.Images.FirstOrDefault(image => image.Captions.Count != CaptionsAnImage) is { } odd)
            {
                throw new DataException(
                    $"'{paths[0]}' has {odd.Captions.Count} captions of '{odd.Name}', {CaptionsAnImage} expected: " +
                    $"it is another file or damaged. {remedy}");
            }

            if (split.Features is var f && !Shape.SequenceEqual([f.Channels, f.Height, f.Width]))
            {
                throw new DataException(
                    $"'{place.Features}' has {f.Channels} x {f.Height} x {f.Width} features an image, " +
                    $"{string.Join(" x ", Shape)} expected: they are others. {remedy}");
            }
        }

        for (var i = 0; i < paths.Length; i++)
        {
            // Features are large: their checksum was taken while they were read.
            var found = i > 0 && i % 2 == 0
                ? data.Part((Split)((i / 2) - 1)).Features.Sha256
                : DataFile.Sha256(DataFile.Read(paths[i], remedy, Files.Files[i].MaxBytes));
            if (found != Files.Files[i].Sha256)
            {
                throw new DataException(
                    $"'{paths[i]}' has the right counts but other bytes (SHA-256 {found}, expected {Files.Files[i].Sha256}): " +
                    $"it is damaged or another file. {remedy}");
            }
        }

        return data;
    }
}
