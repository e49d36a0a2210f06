namespace Noisy.Experiments;

/// <summary>A text file of the user's, as any machine may have written it.</summary>
/// <param name="Name">Its name without folder and ".gz".</param>
/// <param name="Text">Its text, each line ended by a line feed, whether the file has those of Windows, of an old Mac or of Unix.</param>
/// <param name="Content">Its uncompressed bytes.</param>
internal sealed record OwnText(string Name, string Text, byte[] Content)
{
    /// <summary>How a text of the user's can take the place of a known one.</summary>
    public const string Hint = "name a text of your own with '--data FILE'";

    /// <summary>Reads a file.</summary>
    /// <param name="path">A plain file or .gz.</param>
    /// <exception cref="DataException">It cannot be read, is damaged, or no text.</exception>
    public static OwnText Read(string path)
    {
        var content = DataFile.Read(path, ParallelText.DefaultRemedy);
        var text = DataFile.DecodeText(content, path, ParallelText.DefaultRemedy).Replace("\r\n", "\n").Replace('\r', '\n');
        var name = Path.GetFileName(path);
        return new(name.EndsWith(".gz", StringComparison.Ordinal) ? name[..^3] : name, text, content);
    }
}
