using System.Text;
using System.Text.Json;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>The file <c>features.json</c>: what the rows of the array of features beside it are, and how they were made.</summary>
/// <param name="Recipe">How the features were made.</param>
/// <param name="Pictures">Folder of the pictures when the features were made.</param>
/// <param name="Names">Names of the pictures in that folder, in the order of the rows.</param>
/// <param name="ArraySha256">SHA-256 of the array's file, uncompressed.</param>
internal sealed record FeatureList(FeatureRecipe Recipe, string Pictures, IReadOnlyList<string> Names, string ArraySha256)
{
    /// <summary>Name of this file.</summary>
    public const string FileName = "features.json";

    /// <summary>Name of the file of the array [pictures, channels, rows, columns].</summary>
    public const string ArrayName = "features.npy";

    private const string Remedy = "Make the features again with scripts/features.fsx and another --out.";

    /// <summary>Reads the file in a folder.</summary>
    /// <exception cref="DataException">It cannot be read or is damaged.</exception>
    public static FeatureList Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        try
        {
            var list = ConfigJson.Parse<FeatureList>(DataFile.DecodeText(DataFile.Read(path, Remedy), path, Remedy));
            return IsWhole(list) ? list : throw new JsonException("something is missing in it");
        }
        catch (JsonException error)
        {
            throw new DataException($"'{path}' is damaged ({error.Message.TrimEnd('.')}). {Remedy}", error);
        }
    }

    /// <summary>Writes the file into a folder, whole or not at all.</summary>
    /// <exception cref="IOException">The disk refuses.</exception>
    public void Write(string folder) => AtomicFile.Write(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, ConfigJson.Indented) + "\n");

    /// <summary>Reads the array beside the file.</summary>
    /// <exception cref="DataException">It cannot be read, or it is not the one that the list was written for.</exception>
    public ImageFeatures ReadArray(string folder)
    {
        const long maxBytes = 1L << 32;
        var path = Path.Combine(folder, ArrayName);
        var features = ImageFeatures.FromNpy(NpyFile.Read(path, Remedy, maxBytes), path, 1, Remedy);
        return features.Count == Names.Count && features.Sha256 == ArraySha256
            ? features
            : throw new DataException($"'{path}' is not the array that '{FileName}' beside it tells of. {Remedy}");
    }

    /// <summary>The parts of the list that data depend on, as text: not where the pictures were.</summary>
    public byte[] ToIdentity() => Encoding.UTF8.GetBytes(JsonSerializer.Serialize(this with { Pictures = "" }, ConfigJson.Line));

    // What the serialiser does not see to.
    private static bool IsWhole(FeatureList list) =>
        list.Recipe is { Size: > 0, Mean.Count: 3, Deviation.Count: 3, Order: "rgb" or "bgr" }
        && !list.Names.Contains(null!) && list.Names.Distinct().Count() == list.Names.Count;
}
