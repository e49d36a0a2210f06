using System.Text;
using System.Text.Json;

namespace Noisy.Core;

/// <summary>Reads JSON that others may have written or damaged: whatever is wrong with it is a <see cref="JsonException"/>.</summary>
/// <remarks>System.Text.Json finds a name that stands twice, and text that is no Unicode, only when that field is touched, each with an
/// exception of another kind. Here they are found before anything is read.</remarks>
internal static class StrictJson
{
    /// <summary>Reads a document.</summary>
    /// <param name="utf8">Its bytes.</param>
    /// <returns>The document; the caller disposes it.</returns>
    /// <exception cref="JsonException">It is malformed, nested more than 64 deep, has a name twice in one object, or text that is
    /// no Unicode.</exception>
    internal static JsonDocument Document(byte[] utf8)
    {
        Check(utf8);
        return JsonDocument.Parse(utf8);
    }

    /// <summary>Checks a text.</summary>
    /// <param name="text">A JSON value.</param>
    /// <exception cref="JsonException">As <see cref="Document"/>; half of a surrogate pair in the text itself is none.</exception>
    internal static void Check(string text) => Check(Encoding.UTF8.GetBytes(text));

    /// <inheritdoc cref="Document"/>
    internal static void Check(ReadOnlySpan<byte> utf8)
    {
        var reader = new Utf8JsonReader(utf8);
        var objects = new Stack<HashSet<string>>();
        try
        {
            while (reader.Read())
            {
                switch (reader.TokenType)
                {
                    case JsonTokenType.StartObject:
                        objects.Push(new(StringComparer.Ordinal));
                        break;
                    case JsonTokenType.EndObject:
                        objects.Pop();
                        break;
                    case JsonTokenType.PropertyName:
                        var name = reader.GetString()!;
                        if (!objects.Peek().Add(name)) throw new JsonException($"the name '{name}' stands twice in one object");
                        break;
                    case JsonTokenType.String:
                        _ = reader.GetString(); // throws if it is no Unicode
                        break;
                }
            }
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("a text in it is no Unicode: bytes that are not UTF-8, or half of a surrogate pair", e);
        }
    }
}
