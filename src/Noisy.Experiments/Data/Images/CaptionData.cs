using System.Text;

namespace Noisy.Experiments;

/// <summary>Images with captions and features, in three splits.</summary>
/// <param name="Identity">Which data these are.</param>
/// <param name="Train">What is learned from.</param>
/// <param name="Valid">What decisions are made on.</param>
/// <param name="Test">What is reported.</param>
/// <param name="Notes">What was left out, a sentence each, for the user.</param>
public sealed record CaptionData(
    DataIdentity Identity, CaptionSplit Train, CaptionSplit Valid, CaptionSplit Test, IReadOnlyList<string> Notes)
{
    /// <summary>One of the splits.</summary>
    /// <param name="split">Which.</param>
    public CaptionSplit Part(Split split) => split switch
    {
        Split.Train => Train,
        Split.Valid => Valid,
        _ => Test,
    };

    /// <summary>Reads any set of captions.</summary>
    /// <param name="name">What to call the set.</param>
    /// <param name="captions">The file of captions, see <see cref="CaptionFile"/>; like all files here plain or ".gz".</param>
    /// <param name="splits">Training, validation and test.</param>
    /// <param name="rules">How to read; null for <see cref="CaptionRules.Default"/>.</param>
    /// <param name="remedy">What the user can do; a sentence that ends every message.</param>
    /// <returns>The data; the identity's checksum is over the checksums of the captions and then, for each split in order, of its
    /// list and its features, each as 64 ASCII characters.</returns>
    /// <exception cref="ArgumentException">There are not three splits.</exception>
    /// <exception cref="DataException">A file cannot be read or is damaged; a listed image has no caption or is listed twice; a caption
    /// belongs to no listed image; features have another shape, or not as many rows as images are listed. The message names file
    /// and line.</exception>
    public static CaptionData Read(
        string name, string captions, IReadOnlyList<CaptionSplitFiles> splits,
        CaptionRules? rules = null, string remedy = ParallelText.DefaultRemedy)
    {
        ArgumentNullException.ThrowIfNull(splits);
        if (splits.Count != 3) throw new ArgumentException($"{splits.Count} splits; training, validation and test are expected", nameof(splits));
        rules ??= CaptionRules.Default;
        var file = CaptionFile.Read(captions, rules.Lowercase, remedy);
        var listed = new Dictionary<string, string>(StringComparer.Ordinal);
        var checksums = new List<string> { file.Sha256 };
        var read = new List<CaptionSplit>();
        foreach (var split in splits)
        {
            var names = List(split.List, file, listed, checksums, remedy);
            var features = ImageFeatures.FromNpy(NpyFile.Read(split.Features, remedy, rules.MaxFeatureBytes), split.Features, rules.FeatureScale, remedy);
            checksums.Add(features.Sha256);
            if (features.Count != names.Count)
            {
                throw new DataException(
                    $"'{split.Features}' has features of {features.Count:N0} images, but '{split.List}' lists {names.Count:N0}: " +
                    $"they do not belong together. {remedy}");
            }

            if (read.Count > 0 && (features.Channels, features.Height, features.Width) is var shape && read[0].Features is var first
                && shape != (first.Channels, first.Height, first.Width))
            {
                throw new DataException(
                    $"'{split.Features}' has {shape.Channels} x {shape.Height} x {shape.Width} features an image, but " +
                    $"'{splits[0].Features}' {first.Channels} x {first.Height} x {first.Width}: they do not belong together. {remedy}");
            }

            read.Add(new([.. names.Select(n => new CaptionedImage(n, [.. file.Images[n].Select(caption => caption.Words)]))], features));
        }

        var notes = LeftOut(file, listed, rules, remedy);
        var identity = new DataIdentity(name, DataIdentity.Real, DataFile.Sha256([.. checksums.Select(Encoding.ASCII.GetBytes)]));
        return new(identity, read[0], read[1], read[2], notes);
    }

    /// <summary>Names of a split's list; notes them, and the list's checksum.</summary>
    internal static List<string> List(
        string path, CaptionFile captions, Dictionary<string, string> listed, List<string> checksums, string remedy)
    {
        var content = DataFile.Read(path, remedy);
        checksums.Add(DataFile.Sha256(content));
        var names = new List<string>();
        var lines = DataFile.DecodeText(content, path, remedy).Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            var name = lines[i].Trim();
            if (name.Length == 0 && i == lines.Length - 1) break;
            var place = $"'{path}', line {i + 1:N0}";
            if (name.Length == 0) throw new DataException($"{place}: there is no image's name. {remedy}");
            if (!captions.Images.ContainsKey(name))
                throw new DataException($"{place}: the image '{name}' has no caption in '{captions.Path}'. {remedy}");
            if (!listed.TryAdd(name, place))
                throw new DataException($"{place}: the image '{name}' is listed already, {listed[name]}. {remedy}");
            names.Add(name);
        }

        return names;
    }

    private static List<string> LeftOut(CaptionFile captions, Dictionary<string, string> listed, CaptionRules rules, string remedy)
    {
        var notes = new List<string>();
        var (images, count) = (0, 0);
        foreach (var (name, its) in captions.Images.Where(entry => !listed.ContainsKey(entry.Key)))
        {
            var place = $"'{captions.Path}', line {its.Min(caption => caption.Line):N0}";
            if (rules.Absent?.Contains(name) == true)
            {
                notes.Add($"{place}: there is no image '{name}'; its {its.Count:N0} captions are left out.");
                continue;
            }

            if (!rules.AllowUnlisted) throw new DataException($"{place}: no split lists the image '{name}' of this caption. {remedy}");
            (images, count) = (images + 1, count + its.Count);
        }

        if (images > 0) notes.Add($"'{captions.Path}': {count:N0} captions of {images:N0} images that no split lists are left out.");
        return notes;
    }
}
