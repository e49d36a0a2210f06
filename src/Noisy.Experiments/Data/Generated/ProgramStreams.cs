using System.Text;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Programs of one part of the data laid out side by side: characters to be read in windows, of which only those of
/// the answers are to be predicted.</summary>
/// <remarks>
/// Programs 0, 1, 2 … of the key that belong to the part fill stream after stream; one that does not fit starts the next
/// stream, and what is left of its own stays blank. A stream of W windows of T characters has W · T + 1: each character but
/// the first is the target of the one before. Source: docs/paper.md, reference systems. Randomness: the programs' key.
/// </remarks>
public sealed class ProgramStreams
{
    private readonly byte[] ids;
    private readonly bool[] answers;

    private ProgramStreams(int streams, int windows, int steps)
    {
        (Streams, Windows, Steps) = (streams, windows, steps);
        ids = new byte[(long)streams * Height];
        answers = new bool[ids.Length];
    }

    /// <summary>Number of streams B.</summary>
    public int Streams { get; }

    /// <summary>Windows of a stream W.</summary>
    public int Windows { get; }

    /// <summary>Characters of a window T.</summary>
    public int Steps { get; }

    /// <summary>Characters of a stream.</summary>
    public int Height => (Windows * Steps) + 1;

    /// <summary>The programs in order.</summary>
    public IReadOnlyList<PlacedProgram> Programs { get; private init; } = [];

    /// <summary>Lays programs out.</summary>
    /// <param name="hardness">How hard they are.</param>
    /// <param name="split">Which part of the data they belong to.</param>
    /// <param name="key">Key of the programs.</param>
    /// <param name="streams">Streams B, ≥ 1.</param>
    /// <param name="windows">Windows of a stream W, ≥ 1.</param>
    /// <param name="steps">Characters of a window T, ≥ 1.</param>
    /// <exception cref="UsageException">A program is longer than a stream.</exception>
    public static ProgramStreams Create(Hardness hardness, Split split, NoiseKey key, int streams, int windows, int steps)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(streams, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(windows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(steps, 1);
        var programs = new List<PlacedProgram>();
        var layout = new ProgramStreams(streams, windows, steps) { Programs = programs };
        var (stream, row) = (0, 0);
        for (var index = 0L; ; index++)
        {
            var program = Experiments.Programs.At(hardness, key, index);
            if (program.Split != split) continue;
            var text = program.Text;
            if (text.Length > layout.Height)
                throw new UsageException($"a program of {text.Length} characters does not fit into a stream of {layout.Height}: take more windows, a greater bptt, or easier programs");
            if (row + text.Length > layout.Height) (stream, row) = (stream + 1, 0);
            if (stream == streams) return layout;
            programs.Add(new(stream, row, program));
            layout.Write(stream, row, text, program.Question.Length);
            row += text.Length;
        }
    }

    /// <summary>One window in fresh arrays.</summary>
    /// <param name="window">Number of the window, 0 ≤ window &lt; <see cref="Windows"/>.</param>
    /// <returns>Inputs and targets, each [T, B], time-major; the target of a character that no answer's follows is
    /// <see cref="LinearCrossEntropy.IgnoreIndex"/>. And how many targets count.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such window.</exception>
    public (long[] Inputs, long[] Targets, int Counted) At(int window)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(window);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(window, Windows);
        var (inputs, targets, counted) = (new long[Steps * Streams], new long[Steps * Streams], 0);
        for (var b = 0; b < Streams; b++)
        {
            var from = (b * Height) + (window * Steps);
            for (var t = 0; t < Steps; t++)
            {
                var counts = answers[from + t + 1];
                inputs[(t * Streams) + b] = ids[from + t];
                targets[(t * Streams) + b] = counts ? ids[from + t + 1] : LinearCrossEntropy.IgnoreIndex;
                if (counts) counted++;
            }
        }

        return (inputs, targets, counted);
    }

    /// <summary>The characters of a stream, blanks at its end included.</summary>
    /// <param name="stream">Stream, 0 ≤ stream &lt; <see cref="Streams"/>.</param>
    public string Text(int stream)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(stream);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(stream, Streams);
        var text = new StringBuilder(Height);
        foreach (var id in ids.AsSpan(stream * Height, Height)) text.Append(ProgramAlphabet.Characters[id]);
        return text.ToString();
    }

    private void Write(int stream, int row, string text, int question)
    {
        for (var i = 0; i < text.Length; i++)
        {
            ids[(stream * Height) + row + i] = (byte)ProgramAlphabet.Id(text[i]);
            answers[(stream * Height) + row + i] = i >= question;
        }
    }
}
