using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>MNIST: 70,000 handwritten digits of 28 x 28 pixels.</summary>
/// <remarks>Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
/// Proceedings of the IEEE 86(11), 1998. The files are neither shipped nor downloaded: nobody promises a lasting address of
/// their uncompressed bytes.</remarks>
public static class Mnist
{
    /// <summary>How many of the training images, at their end, become the validation set.</summary>
    public const int ValidationImages = 10_000;

    private static readonly int[] Expected = [60_000, 10_000];

    /// <summary>The four files: images and labels for training, then for test.</summary>
    public static DataSet Files { get; } = new("mnist", "MNIST",
    [
        new("train-images-idx3-ubyte", null, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 47_040_016),
        new("train-labels-idx1-ubyte", null, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60_008),
        new("t10k-images-idx3-ubyte", null, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7_840_016),
        new("t10k-labels-idx1-ubyte", null, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10_008),
    ]);

    /// <summary>Loads the four files.</summary>
    /// <param name="folder">The folder that holds them, plain or .gz, as <see cref="DataCache.Find"/> gives it.</param>
    /// <returns>50,000 images to learn from, the last 10,000 training images for validation, 10,000 for test. The identity's
    /// checksum is over the four uncompressed files in the order of <see cref="Files"/>.</returns>
    /// <exception cref="DataException">A file is missing, unreadable, damaged or another one.</exception>
    public static DigitData Load(string folder)
    {
        var files = Files.Open(folder);
        var sets = new[] { 0, 2 }.Select(images =>
        {
            var labels = images + 1;
            var set = Parse(files.Contents[images], files.Paths[images], files.Contents[labels], files.Paths[labels], files.Remedy);
            files.Check(images, "images", set.Count, Expected[images / 2]);
            return set;
        }).ToArray();
        files.CheckSums();
        var train = sets[0].Count - ValidationImages;
        return new DigitData(files.Identity, sets[0].Range(0, train), sets[0].Range(train, ValidationImages), sets[1]);
    }

    /// <summary>Images with their labels, from the contents of two IDX files of any number of digits.</summary>
    /// <param name="images">Uncompressed file of images.</param>
    /// <param name="imagesPath">Its name, for messages.</param>
    /// <param name="labels">Uncompressed file of labels.</param>
    /// <param name="labelsPath">Its name, for messages.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <exception cref="DataException">A file is no IDX file of its kind, images are not 28 x 28, a label is no digit, or there
    /// are not as many labels as images.</exception>
    public static LabelledImages Parse(byte[] images, string imagesPath, byte[] labels, string labelsPath, string remedy)
    {
        var pixels = IdxFile.Parse(images, imagesPath, 3, remedy);
        var classes = IdxFile.Parse(labels, labelsPath, 1, remedy);
        var (count, height, width) = (pixels.Dimensions[0], pixels.Dimensions[1], pixels.Dimensions[2]);
        if (height != DigitData.Side || width != DigitData.Side)
            throw new DataException($"'{imagesPath}' has images of {height} x {width} pixels, {DigitData.Side} x {DigitData.Side} expected. {remedy}");
        if (count != classes.Data.Length)
            throw new DataException($"'{imagesPath}' has {count:N0} images, but '{labelsPath}' {classes.Data.Length:N0} labels: they do not belong together. {remedy}");
        var wrong = Array.FindIndex(classes.Data, label => label > 9);
        if (wrong >= 0) throw new DataException($"'{labelsPath}' has the label {classes.Data[wrong]} at place {wrong:N0}, which is no digit: the file is damaged. {remedy}");
        return new LabelledImages(height, width, pixels.Data, classes.Data);
    }
}
