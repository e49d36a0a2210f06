using System.Globalization;

namespace Noisy.Core;

/// <summary>
/// Text form of schedules. Grammar: pipeline = start { "|" change }; start = number | "paper" | inverseSqrt(n) | linear(n, n, k) |
/// exponential(n, n) | cosine(n, n, k) |
/// warmRestarts(n, n, k, k) | constant(n) | function, which has a name and a fingerprint; change = every(k) | clampMin(n) | clampMax(n) | then(k, pipeline).
/// </summary>
internal static class ScheduleText
{
    private const string Starts = "a number, paper, constant, inverseSqrt, linear, exponential, cosine, warmRestarts";
    private const int MaxQuoted = 400;
    private const string Changes = "every, clampMin, clampMax, then";

    internal static string Format(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    internal static string Format(long value) => value.ToString(CultureInfo.InvariantCulture);

    internal static Schedule Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var reader = new Reader(text);
        var schedule = Pipeline(reader);
        if (!reader.AtEnd) throw reader.Error("'|' or the end");
        return schedule;
    }

    private static Schedule Pipeline(Reader reader, int depth = 1)
    {
        if (depth > Schedule.MaxDepth) throw reader.Error($"at most {Schedule.MaxDepth} schedules nested by 'then'");
        var schedule = Start(reader);
        while (reader.Take('|')) schedule = Change(reader, schedule, depth);
        return schedule;
    }

    private static Schedule Start(Reader reader)
    {
        if (reader.TakeFunction() is { } function) return function;
        if (reader.AtNumber) return Schedule.Constant(reader.Number());
        var start = reader.Position;
        switch (reader.Word())
        {
            case "paper":
                return Schedule.Paper;
            case "constant":
                return reader.InBrackets(() => Schedule.Constant(reader.Number()));
            case "inverseSqrt":
                return reader.InBrackets(() => Schedule.InverseSqrt(reader.Number()));
            case "linear":
                return reader.InBrackets(() => Schedule.Linear(reader.Number(), reader.Next().Number(), reader.Next().Whole()));
            case "exponential":
                return reader.InBrackets(() => Schedule.Exponential(reader.Number(), reader.Next().Number()));
            case "cosine":
                return reader.InBrackets(() => Schedule.Cosine(reader.Number(), reader.Next().Number(), reader.Next().Whole()));
            case "warmRestarts":
                return reader.InBrackets(() => Schedule.WarmRestarts(reader.Number(), reader.Next().Number(), reader.Next().Whole(), reader.Next().Whole()));
            default:
                throw reader.Error(Starts, start);
        }
    }

    private static Schedule Change(Reader reader, Schedule inner, int depth)
    {
        reader.SkipSpaces();
        var start = reader.Position;
        return reader.Word() switch
        {
            "every" => reader.InBrackets(() => inner.Every(reader.Whole())),
            "clampMin" => reader.InBrackets(() => inner.ClampMin(reader.Number())),
            "clampMax" => reader.InBrackets(() => inner.ClampMax(reader.Number())),
            "then" => reader.InBrackets(() => inner.Then(reader.Whole(), Pipeline(reader.Next(), depth + 1))),
            _ => throw reader.Error(Changes, start),
        };
    }

    /// <summary>Reads tokens from left to right; every error names the place.</summary>
    private sealed class Reader(string text)
    {
        internal int Position { get; private set; }

        internal bool AtEnd
        {
            get
            {
                SkipSpaces();
                return Position == text.Length;
            }
        }

        internal bool AtNumber => !AtEnd && (char.IsAsciiDigit(text[Position]) || text[Position] is '.' or '-' or '+');

        internal void SkipSpaces()
        {
            while (Position < text.Length && char.IsWhiteSpace(text[Position])) Position++;
        }

        internal bool Take(char wanted)
        {
            if (AtEnd || text[Position] != wanted) return false;
            Position++;
            return true;
        }

        internal FunctionSchedule? TakeFunction()
        {
            SkipSpaces();
            if (FunctionSchedule.Read(text.AsSpan(Position)) is not { } read) return null;
            Position += read.Length;
            return read.Schedule;
        }

        internal string Word()
        {
            SkipSpaces();
            var start = Position;
            while (Position < text.Length && char.IsAsciiLetter(text[Position])) Position++;
            return text[start..Position];
        }

        internal double Number()
        {
            var (start, token) = Token();
            return double.TryParse(token, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
                ? value
                : throw Error("a number", start);
        }

        internal long Whole()
        {
            var (start, token) = Token();
            return long.TryParse(token, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
                ? value
                : throw Error("an integer", start);
        }

        internal Reader Next() => Take(',') ? this : throw Error("','");

        internal Schedule InBrackets(Func<Schedule> read)
        {
            if (!Take('(')) throw Error("'('");
            SkipSpaces();
            var schedule = read();
            return Take(')') ? schedule : throw Error("')'");
        }

        private static string Shortened(string text) => text.Length <= MaxQuoted ? text : text[..MaxQuoted] + "…";

        internal InvalidSpecException Error(string expected, int? position = null)
        {
            SkipSpaces();
            var at = position ?? Position;
            var end = at;
            while (end < text.Length && char.IsAsciiLetterOrDigit(text[end])) end++;
            var found = at >= text.Length ? "the end" : $"'{Shortened(text[at..Math.Max(end, at + 1)])}'";
            return new([$"schedule '{Shortened(text)}': found {found} at position {Format(at + 1L)}, expected {expected}"]);
        }

        private (int Start, string Token) Token()
        {
            SkipSpaces();
            var start = Position;
            while (Position < text.Length && (char.IsAsciiLetterOrDigit(text[Position]) || text[Position] is '.' or '-' or '+')) Position++;
            return (start, text[start..Position]);
        }
    }
}
