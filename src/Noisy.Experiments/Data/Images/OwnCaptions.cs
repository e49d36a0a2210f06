using System.Text;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Captions of the user's own pictures: a folder with a file of captions and features that <c>scripts/features.fsx</c> made.</summary>
/// <param name="Data">Pictures with captions.</param>
/// <param name="List">What the features are.</param>
internal sealed record OwnCaptions(CaptionData Data, FeatureList List)
{
    private const string Remedy = ParallelText.DefaultRemedy;
    private const int Least = 20;

    // A folder may hold Flickr8k in its original form: it is told from this library's own set by features.json.
    private static readonly string[] Names = ["captions.txt", "captions.csv", "Flickr8k.token.txt"];

    private static readonly string[][] Lists =
        [["train.txt", "valid.txt", "test.txt"], ["Flickr_8k.trainImages.txt", "Flickr_8k.devImages.txt", "Flickr_8k.testImages.txt"]];

    /// <summary>Whether a folder holds, or is meant to hold, such captions.</summary>
    public static bool AreIn(string folder) =>
        File.Exists(Path.Combine(folder, FeatureList.FileName)) || Names[..2].Any(name => DataFile.Find(folder, name) is not null);

    /// <summary>Whether a folder has a file of captions.</summary>
    public static bool HaveCaptions(string folder) => Names.Any(name => DataFile.Find(folder, name) is not null);

    /// <summary>What the files are at this moment.</summary>
    public static string Stamp(string folder) =>
        string.Join("; ", Names.Concat(Lists.SelectMany(list => list)).Append(FeatureList.FileName).Append(FeatureList.ArrayName)
            .Select(name => DataFile.Stamp(DataFile.Find(folder, name) ?? Path.Combine(folder, name))));

    /// <summary>Loads a folder. Lists of names (train.txt, valid.txt and test.txt, or Flickr8k's own) make the splits; without them, pictures
    /// are shuffled by a fixed key, and 90 % are to learn from, then 5 % for validation and 5 % for test.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="DataException">A file is missing, damaged or does not fit the others, or there are too few pictures.</exception>
    public static OwnCaptions Load(string folder)
    {
        if (!File.Exists(Path.Combine(folder, FeatureList.FileName)))
        {
            throw new DataException(
                $"'{folder}' has captions, but no features of their pictures ('{FeatureList.FileName}'): "
                + $"make them with 'dotnet fsi scripts/features.fsx -- --pictures PICTURES --model BACKBONE.onnx --out {folder}'.");
        }

        var path = Names.Select(name => DataFile.Find(folder, name)).FirstOrDefault(found => found is not null)
            ?? throw new DataException(
                $"'{folder}' has features, but no captions: put them there as '{Names[0]}', with a first line 'image,caption' and a line for "
                + "each caption.");
        var list = FeatureList.Read(folder);
        var features = list.ReadArray(folder);
        var captions = CaptionFile.Read(path, lowercase: true, Remedy);
        var rows = list.Names.Select((name, row) => (name, row)).ToDictionary(n => n.name, n => n.row, StringComparer.Ordinal);
        var checksums = new List<string> { captions.Sha256 };
        var listed = new Dictionary<string, string>(StringComparer.Ordinal);
        var (splits, note) = Split(folder, captions, rows, listed, checksums);
        var parts = splits.Select(names => new CaptionSplit(
            [.. names.Select(name => new CaptionedImage(name, [.. captions.Images[name].Select(caption => caption.Words)]))],
            features.Take([.. names.Select(name => rows[name])]))).ToArray();
        byte[][] identity = [.. checksums.Select(Encoding.ASCII.GetBytes), list.ToIdentity()];
        var without = captions.Images.Keys.Count(name => !rows.ContainsKey(name));
        var left = rows.Keys.Count(name => !listed.ContainsKey(name));
        string[] none = [];
        string[] notes =
        [
            note,
            .. without > 0 ? [$"'{path}': captions of {without:N0} pictures without features are left out"] : none,
            .. left > 0 ? [$"{left:N0} pictures with features are left out, which have no captions or which no list names"] : none,
            $"features by {list.Recipe.Backbone}, '{list.Recipe.Layer}': {features.Channels} channels at {features.Height} x {features.Width} places",
        ];
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)));
        return new(new(new(name, DataIdentity.Real, DataFile.Sha256(identity)), parts[0], parts[1], parts[2], notes), list);
    }

    /// <summary>The names of each split, and how they came there.</summary>
    private static (IReadOnlyList<string>[] Names, string Note) Split(
        string folder, CaptionFile captions, Dictionary<string, int> rows, Dictionary<string, string> listed, List<string> checksums)
    {
        foreach (var files in Lists)
        {
            var paths = files.Select(file => DataFile.Find(folder, file)).OfType<string>().ToArray();
            if (paths.Length == 0) continue;
            if (paths.Length < files.Length)
                throw new DataException(
                    $"'{folder}' has '{Path.GetFileName(paths[0])}', but not all of {string.Join(", ", files)}: add the others, or take that "
                    + "one away to have the pictures shuffled.");
            var names = paths.Select(path => CaptionData.List(path, captions, listed, checksums, Remedy)).ToArray();
            if (names.SelectMany(n => n).FirstOrDefault(name => !rows.ContainsKey(name)) is { } missing)
                throw new DataException(
                    $"{listed[missing]}: there are no features of '{missing}'. Take its name off the list, or put the picture among the others "
                    + "and make the features again.");
            if (Array.FindIndex(names, n => n.Count == 0) is var empty and >= 0)
                throw new DataException(
                    $"'{paths[empty]}' lists no picture. {Remedy}");
            return (names, $"the splits are those of {string.Join(", ", files)}");
        }

        string[] all = [.. rows.Keys.Where(captions.Images.ContainsKey)];
        if (all.Length == 0)
        {
            throw new DataException(
                $"no picture of '{Path.Combine(folder, FeatureList.FileName)}', such as '{rows.Keys.FirstOrDefault()}', has a caption in '{captions.Path}', "
                + $"which begins with '{captions.Images.Keys.FirstOrDefault()}': the names must be the same.");
        }

        if (all.Length < Least)
            throw new DataException(
                $"'{folder}' has {all.Length} pictures with captions; to be cut into training, validation and test it needs {Least}: add more.");
        string[] order = [.. Shuffle.Order(NoiseKey.FromSeed(1).Child("own captions"), 0, all.Length).Select(i => all[i])];
        var (valid, test) = ((int)(0.9 * all.Length), (int)(0.95 * all.Length));
        foreach (var name in all) listed.Add(name, FeatureList.FileName);
        checksums.Add("shuffled, 90/5/5");
        return ([order[..valid], order[valid..test], order[test..]],
            $"the pictures are shuffled by a fixed key: {valid:N0} to learn from, {test - valid:N0} for validation, {all.Length - test:N0} for test");
    }
}
