using System.Globalization;
using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Generates the programs of Learning to Execute (paper, Section 6.2): each a pure function of hardness, key and number.</summary>
/// <remarks>
/// <para>A program makes N operations, each uniform over six kinds; the last result is printed. An operation's slots are filled
/// in a random order: the first one takes the result of the operation before, if there is one, the others fresh numbers
/// uniform over 1 … 10^L. So one result at most is pending at any time, and it lands in a random slot.</para>
/// <para>Every fresh number, every multiplier and every count of a loop requests the hardness anew, and so does the program for
/// the number of its operations, as in the released code. Source: docs/paper.md, reference systems. Randomness: the key at
/// (program's number, 0) for the program, at (program's number, 1) for the hardness.</para>
/// </remarks>
public static class Programs
{
    /// <summary>A program of one difficulty.</summary>
    /// <param name="difficulty">Length and nesting.</param>
    /// <param name="key">Key of the programs.</param>
    /// <param name="index">Number of the program, ≥ 0.</param>
    public static GeneratedProgram At(ProgramDifficulty difficulty, NoiseKey key, long index) => At((_, _) => difficulty, key, index);

    /// <summary>A program whose difficulty may change from number to number.</summary>
    /// <param name="hardness">How hard the next number is.</param>
    /// <param name="key">Key of the programs.</param>
    /// <param name="index">Number of the program, ≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">The hardness is out of its range, or the number negative.</exception>
    public static GeneratedProgram At(Hardness hardness, NoiseKey key, long index) =>
        new Composer(hardness, key.At(index, 0), key.At(index, 1)).Compose();

    /// <summary>What an operation works on.</summary>
    private readonly record struct Operand(string Text, Int128 Value)
    {
        public override string ToString() => Text;
    }

    /// <summary>Writes one program.</summary>
    private sealed class Composer(Hardness hardness, NoiseStream draws, NoiseStream hardnessDraws)
    {
        private readonly List<string> lines = [];
        private Queue<char>? names;
        private Operand? pending;
        private (uint W0, uint W1, uint W2, uint W3) block;
        private int drawn, asked;

        public GeneratedProgram Compose()
        {
            for (var left = Difficulty().Nesting; left > 0; left--) pending = Operation();
            return new(lines, pending!.Value.Text, pending.Value.Value);
        }

        private Operand Operation() => UpTo(6) switch
        {
            1 => Pair(),
            2 => SmallMultiplication(),
            3 => Take(),
            4 => Variable(),
            5 => SmallLoop(),
            _ => Conditional(),
        };

        private Operand Pair()
        {
            var (a, b) = Two();
            return Sum(a, b);
        }

        private Operand SmallMultiplication()
        {
            var e = Take();
            var b = UpTo(4 * Difficulty().Length);
            return new(Heads() ? $"({e}*{b})" : $"({b}*{e})", e.Value * b);
        }

        private Operand Variable()
        {
            var (a, b) = Two();
            var name = Name();
            lines.Add($"{name}={a};");
            return Sum(a with { Text = name }, b);
        }

        private Operand SmallLoop()
        {
            var (a, b) = Two();
            var name = Name();
            var times = UpTo(4 * Difficulty().Length);
            var up = Heads();
            lines.Add($"{name}={a}");
            lines.Add($"for x in range({times}):{name}{(up ? '+' : '-')}={b}");
            return new(name, up ? a.Value + (times * b.Value) : a.Value - (times * b.Value));
        }

        private Operand Conditional()
        {
            var slots = Slots(4);
            var (a, b, c, d) = (slots[0], slots[1], slots[2], slots[3]);
            var greater = Heads();
            var holds = greater ? a.Value > b.Value : a.Value < b.Value;
            return new($"({c} if {a}{(greater ? '>' : '<')}{b} else {d})", holds ? c.Value : d.Value);
        }

        private Operand Sum(Operand a, Operand b) => Heads() ? new($"({a}+{b})", a.Value + b.Value) : new($"({a}-{b})", a.Value - b.Value);

        private (Operand A, Operand B) Two()
        {
            var slots = Slots(2);
            return (slots[0], slots[1]);
        }

        private Operand[] Slots(int count)
        {
            var slots = new Operand[count];
            foreach (var slot in Permutation(count)) slots[slot] = Take();
            return slots;
        }

        /// <summary>The pending result, or a fresh number if there is none.</summary>
        private Operand Take()
        {
            if (pending is { } result)
            {
                pending = null;
                return result;
            }

            var power = 1L;
            for (var digits = Difficulty().Length; digits > 0; digits--) power *= 10;
            var number = UpTo(power);
            return new(number.ToString(CultureInfo.InvariantCulture), number);
        }

        private string Name()
        {
            names ??= new(Permutation(10).Select(i => (char)('a' + i)));
            return names.Dequeue().ToString();
        }

        private ProgramDifficulty Difficulty()
        {
            var difficulty = hardness(hardnessDraws, asked++);
            if (difficulty.Length is < 1 or > ProgramDifficulty.MaxLength || difficulty.Nesting is < 1 or > ProgramDifficulty.MaxNesting)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(hardness), difficulty, $"length must be 1 to {ProgramDifficulty.MaxLength}, nesting 1 to {ProgramDifficulty.MaxNesting}");
            }

            return difficulty;
        }

        private int[] Permutation(int count)
        {
            var order = Enumerable.Range(0, count).ToArray();
            for (var i = count - 1; i > 0; i--)
            {
                var other = (int)UpTo(i + 1) - 1;
                (order[i], order[other]) = (order[other], order[i]);
            }

            return order;
        }

        private bool Heads() => UpTo(2) == 1;

        /// <summary>An integer uniform over 1 … n; uneven by less than n / 2⁶⁴.</summary>
        private long UpTo(long n)
        {
            var word = ((ulong)Word() << 32) | Word();
            return 1 + (long)Math.BigMul(word, (ulong)n, out _);
        }

        /// <summary>The next word: those of the key's blocks, four each, in their order.</summary>
        private uint Word()
        {
            if (drawn % 4 == 0)
            {
                block = Philox.Block(
                    draws.Key.K0, draws.Key.K1, (uint)(drawn / 4), (uint)draws.TimeStep, (uint)draws.Update, (uint)(draws.Update >> 32));
            }

            return (drawn++ % 4) switch { 0 => block.W0, 1 => block.W1, 2 => block.W2, _ => block.W3 };
        }
    }
}
