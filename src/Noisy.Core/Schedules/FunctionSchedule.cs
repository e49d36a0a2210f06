using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace Noisy.Core;

/// <summary>Any function of the update; made by <see cref="Schedule.FromFunction"/>.</summary>
/// <remarks>Two are equal if their names and fingerprints are: a fingerprint is a checksum of the function's values at some updates below
/// a million, each to ten digits, so that another function is noticed as far as that can be.</remarks>
internal sealed record FunctionSchedule : Schedule
{
    /// <summary>What stands between a function's name and its fingerprint.</summary>
    internal const string Mark = " [function ";

    private const int Digits = 8;
    private readonly Func<long, double>? function;

    internal FunctionSchedule(string name, Func<long, double> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        if (string.IsNullOrWhiteSpace(name) || name.AsSpan().IndexOfAny("[]|\r\n") >= 0 || name.Trim() != name)
            throw new InvalidSpecException([$"schedule: the name '{name}' of a function must be one line of text without brackets [ ], bars and spaces around it"]);
        (Name, Fingerprint, this.function) = (name, FingerprintOf(function), function);
    }

    private FunctionSchedule(string name, string fingerprint) => (Name, Fingerprint) = (name, fingerprint);

    /// <summary>What the function is called.</summary>
    public string Name { get; }

    /// <summary>Checksum of the function's values: eight hexadecimal digits.</summary>
    public string Fingerprint { get; }

    /// <inheritdoc/>
    public bool Equals(FunctionSchedule? other) => other is not null && (Name, Fingerprint) == (other.Name, other.Fingerprint);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Fingerprint);

    /// <summary>Reads what <see cref="Schedule.ToString"/> wrote of a function.</summary>
    /// <param name="text">Text from the function's name on.</param>
    /// <returns>The schedule, which has no values, and how many letters were read; null if the text does not begin with such a form.</returns>
    internal static (FunctionSchedule Schedule, int Length)? Read(ReadOnlySpan<char> text)
    {
        var mark = text.IndexOf(Mark, StringComparison.Ordinal);
        var end = mark + Mark.Length + Digits;
        if (mark < 1 || end >= text.Length || text[end] != ']' || text[..mark].IndexOfAny("[]|\r\n") >= 0) return null;
        var fingerprint = text[(end - Digits)..end];
        foreach (var c in fingerprint)
            if (!char.IsAsciiHexDigitLower(c)) return null;
        return (new FunctionSchedule(text[..mark].ToString(), fingerprint.ToString()), end + 1);
    }

    /// <inheritdoc/>
    protected internal override double ValueAt(long update)
    {
        var value = function is null
            ? throw new InvalidOperationException($"the schedule '{Name}' is a function that its text does not hold: make it by Schedule.FromFunction")
            : function(update);
        return double.IsFinite(value) && value >= 0
            ? value
            : throw new InvalidSpecException([$"schedule '{Name}' is {ScheduleText.Format(value)} at update {ScheduleText.Format(update)}: must be finite and >= 0"]);
    }

    /// <inheritdoc/>
    protected internal override string Text => $"{Name}{Mark}{Fingerprint}]";

    private static string FingerprintOf(Func<long, double> function)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long update = 0; update < 1_000_000; update += 1 + (update / 64))
        {
            string value;
            try
            {
                value = function(update).ToString("G10", CultureInfo.InvariantCulture);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                value = "none"; // a function of a shorter run
            }

            hash.AppendData(System.Text.Encoding.UTF8.GetBytes(value + ";"));
        }

        return BinaryPrimitives.ReadUInt32BigEndian(hash.GetHashAndReset()).ToString("x8", CultureInfo.InvariantCulture);
    }
}
