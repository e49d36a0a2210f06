using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Noisy.Core;

/// <summary>Value and gradients of an activation over whole spans, in single precision.</summary>
/// <remarks>
/// <para>Layout: x is rows of n units; element i belongs to unit i mod n, n the length of p (1: one p for all).</para>
/// <para>Precision: single, a few roundings from <see cref="NoisyFunction"/>. The same bits for every vector width,
/// alignment and machine. Special values: those of <see cref="NoisyFunction"/>. Nothing passes a stuck unit, whatever gradient arrives. Randomness: none,
/// ξ is an argument. Aliasing: an output may be the very span of an input of its length, but not overlap one partly.</para>
/// <para>Source: as <see cref="NoisyFunction"/>; operator structs and one shared loop after .NET's TensorPrimitives.</para>
/// </remarks>
public static unsafe class SpanKernels
{
    /// <summary>Units below which several copies of p are laid side by side, so that the loops over a row are long.</summary>
    private const int ShortRow = 512;

    /// <summary>y = φ(x, ξ), element by element.</summary>
    /// <param name="spec">The activation; validated here.</param>
    /// <param name="c">Noise scale; finite and ≥ 0.</param>
    /// <param name="x">Pre-activations.</param>
    /// <param name="noise">Raw noise ξ, as many as x; may be empty for an activation without noise.</param>
    /// <param name="p">Gap gains, one a unit or one for all; may be empty if the activation has none.</param>
    /// <param name="y">Receives the activations; as long as x; may be x itself.</param>
    /// <param name="width">Vector width; default the best of this machine.</param>
    /// <exception cref="InvalidSpecException">The spec is not valid.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="c"/> or <paramref name="width"/> is out of range.</exception>
    /// <exception cref="ArgumentException">Lengths do not fit, or an output overlaps an input partly.</exception>
    public static void Forward(
        NoisyActivationSpec spec, double c, ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> p,
        Span<float> y, VectorWidth width = VectorWidth.Auto)
    {
        Check(spec, c, x, noise, p);
        if (spec.Noise == NoiseKind.None) noise = default;
        if (!spec.UsesP) p = default;
        SameLength(y, x, nameof(y));
        Apart(y, nameof(y), x, nameof(x));
        Apart(y, nameof(y), noise, nameof(noise));
        if (y.Overlaps(p)) throw new ArgumentException("y overlaps p", nameof(y));
        Run(spec, c, x, noise, p, y, VectorWidths.Resolve(width));
    }

    /// <summary>The forward pass for callers that have made its checks: a definite width, and nothing but what is read.</summary>
    internal static void Run(
        NoisyActivationSpec spec, double c, ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> p, Span<float> y,
        VectorWidth width)
    {
        fixed (float* x0 = x, noise0 = noise, p0 = p, y0 = y)
        {
            var pass = new ForwardPass(new(x0, x.Length), new(noise0, noise.Length), new(p0, p.Length), new(y0, y.Length), width);
            NoisyOperators.Accept(spec, c, ref pass);
        }
    }

    /// <summary>gradX = gradY · ∂φ/∂x, and gradY · ∂φ/∂p added up over the rows into gradP.</summary>
    /// <param name="spec">The activation; validated here.</param>
    /// <param name="c">Noise scale; finite and ≥ 0.</param>
    /// <param name="x">Pre-activations of the forward pass.</param>
    /// <param name="noise">Raw noise of the forward pass.</param>
    /// <param name="p">Gap gains of the forward pass.</param>
    /// <param name="gradY">Gradient of the loss in y; as long as x.</param>
    /// <param name="gradX">Receives the gradient in x; as long as x; may be gradY or x itself.</param>
    /// <param name="gradP">Its old content plus the gradient in p, added in an order that follows from the lengths alone; as long as p. May be empty where p is
    /// not read or not learned.</param>
    /// <param name="width">Vector width; default the best of this machine.</param>
    /// <exception cref="InvalidSpecException">The spec is not valid.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="c"/> or <paramref name="width"/> is out of range.</exception>
    /// <exception cref="ArgumentException">Lengths do not fit, or an output overlaps an input partly.</exception>
    public static void Backward(
        NoisyActivationSpec spec, double c, ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> p,
        ReadOnlySpan<float> gradY, Span<float> gradX, Span<float> gradP, VectorWidth width = VectorWidth.Auto)
    {
        Check(spec, c, x, noise, p);
        if (spec.Noise == NoiseKind.None) noise = default;
        if (!spec.UsesP) p = default;
        SameLength(gradY, x, nameof(gradY));
        SameLength(gradX, x, nameof(gradX));
        if (!spec.UsesP) gradP = default;
        if (!gradP.IsEmpty) SameLength(gradP, p, nameof(gradP));
        Apart(gradX, nameof(gradX), x, nameof(x));
        Apart(gradX, nameof(gradX), noise, nameof(noise));
        Apart(gradX, nameof(gradX), gradY, nameof(gradY));
        if (gradX.Overlaps(p) || gradX.Overlaps(gradP)) throw new ArgumentException("gradX overlaps p or gradP", nameof(gradX));
        if (gradP.Overlaps(p) || gradP.Overlaps(x) || gradP.Overlaps(noise) || gradP.Overlaps(gradY))
            throw new ArgumentException("gradP overlaps another span", nameof(gradP));
        RunBack(spec, c, x, noise, p, gradY, gradX, gradP, default, VectorWidths.Resolve(width));
    }

    /// <summary>The backward pass for callers that have made its checks; with the values too, unless y is empty. y may be x itself.</summary>
    internal static void RunBack(
        NoisyActivationSpec spec, double c, ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> p,
        ReadOnlySpan<float> gradY, Span<float> gradX, Span<float> gradP, Span<float> y, VectorWidth width)
    {
        fixed (float* x0 = x, noise0 = noise, p0 = p, gradY0 = gradY, gradX0 = gradX, gradP0 = gradP, y0 = y)
        {
            var pass = new BackwardPass(
                new(x0, x.Length), new(noise0, noise.Length), new(p0, p.Length), new(gradY0, gradY.Length), new(gradX0, gradX.Length),
                new(gradP0, gradP.Length), new(y0, y.Length), width);
            NoisyOperators.Accept(spec, c, ref pass);
        }
    }

    /// <summary>Checks what both passes have in common.</summary>
    private static void Check(
        NoisyActivationSpec spec, double c, ReadOnlySpan<float> x, ReadOnlySpan<float> noise, ReadOnlySpan<float> p)
    {
        spec.Validate();
        NoisyFunction.CheckScale(c);
        if (spec.Noise != NoiseKind.None) SameLength(noise, x, nameof(noise));
        if (!spec.UsesP) return;
        if (p.IsEmpty) throw new ArgumentException("this activation has a gap gain, but p is empty", nameof(p));
        if (x.Length % p.Length != 0)
            throw new ArgumentException($"x has {x.Length} elements: must be whole rows of {p.Length}, the length of p", nameof(x));
    }

    private static void SameLength(ReadOnlySpan<float> span, ReadOnlySpan<float> model, string name)
    {
        if (span.Length != model.Length)
            throw new ArgumentException($"{name} has {span.Length} elements: must be {model.Length}", name);
    }

    private static void Apart(ReadOnlySpan<float> output, string outputName, ReadOnlySpan<float> input, string inputName)
    {
        if (output.Overlaps(input, out var offset) && offset != 0)
            throw new ArgumentException($"{outputName} overlaps {inputName} partly: must be apart from it or the same", outputName);
    }

    // Vectors that pass one loop before the next: few enough for the nearest cache.
    private const int Block = 32;

    /// <summary>What an activation reads from an element on; the memory stays in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static OperatorInputs Inputs<V>(ref readonly float x, ref readonly float noise, ref readonly float p, int from)
        where V : struct, ILanes<V> => new(At(in x, from), V.Count, At(in noise, from), V.Count, At(in p, from), V.Count);

    private static float* At(ref readonly float first, int element) => (float*)Unsafe.AsPointer(ref Unsafe.AsRef(in first)) + element;

    /// <summary>How often p is laid side by side to make a row.</summary>
    private static int Copies(int units, int elements) =>
        units is > 0 and < ShortRow ? Math.Clamp(elements / units, 1, (ShortRow + units - 1) / units) : 1;

    /// <summary>p, or copies of it side by side in a buffer.</summary>
    private static ReadOnlySpan<float> Widen(ReadOnlySpan<float> p, int copies, Span<float> buffer)
    {
        if (copies == 1) return p;
        for (var copy = 0; copy < copies; copy++) p.CopyTo(buffer[(copy * p.Length)..]);
        return buffer[..(copies * p.Length)];
    }

    /// <summary>A span whose memory stays in place: a visitor is a type argument, which .NET 8 does not let hold a span.</summary>
    private readonly struct Pinned(float* start, int length)
    {
        internal int Length => length;

        internal Span<float> Slice(int first, int count) => new Span<float>(start, length).Slice(first, count);
    }

    private readonly struct ForwardPass(Pinned x, Pinned noise, Pinned p, Pinned y, VectorWidth width) : IOperatorVisitor
    {
        private readonly Pinned x = x, noise = noise, p = p, y = y;
        private readonly VectorWidth width = width;

        [SkipLocalsInit]
        public void Visit<TOperator>(TOperator op)
            where TOperator : struct, INoisyOperator
        {
            var p = Widen(this.p[..], Copies(this.p.Length, this.x.Length), stackalloc float[2 * ShortRow]);
            var row = TOperator.ReadsP ? p.Length : this.x.Length;
            for (var start = 0; start < this.x.Length; start += row)
            {
                var length = Math.Min(row, this.x.Length - start);
                ref readonly var x = ref MemoryMarshal.GetReference(this.x[start..]);
                ref readonly var noise = ref MemoryMarshal.GetReference(TOperator.ReadsNoise ? this.noise[start..] : this.x[start..]);
                ref readonly var gain = ref MemoryMarshal.GetReference(TOperator.ReadsP ? p : this.x[start..]);
                ref var y = ref MemoryMarshal.GetReference(this.y[start..]);
                var done = 0;
                if (width >= VectorWidth.Bits512) done = Row<TOperator, Lanes16>(op, in x, in noise, in gain, ref y, done, length);
                if (width >= VectorWidth.Bits256 && done < length) done = Row<TOperator, Lanes8>(op, in x, in noise, in gain, ref y, done, length);
                if (width >= VectorWidth.Bits128 && done < length) done = Row<TOperator, Lanes4>(op, in x, in noise, in gain, ref y, done, length);
                if (done < length) Row<TOperator, Lanes1>(op, in x, in noise, in gain, ref y, done, length);
            }
        }

        [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static int Row<TOperator, V>(
            TOperator op, ref readonly float x, ref readonly float noise, ref readonly float p, ref float y, int done, int length)
            where TOperator : struct, INoisyOperator
            where V : struct, ILanes<V>
        {
            var rest = stackalloc float[2 * Block * V.Count];
            var scale = rest + (Block * V.Count);
            while (done <= length - V.Count)
            {
                var inputs = Inputs<V>(in x, in noise, in p, done);
                var count = Math.Min(Block, (length - done) / V.Count);
                OperatorLoops.Begin<TOperator, V>(op, inputs, count, rest, scale, V.Count);
                for (nint i = 0; i < count; i++, done += V.Count, inputs.Next())
                {
                    var e = OperatorLoops.End<TOperator, V>(rest + (i * V.Count), scale + (i * V.Count));
                    op.Forward(inputs.PreActivation<V>(), inputs.Noise<TOperator, V>(), inputs.Gain<TOperator, V>(), e).Store(ref y, (nuint)done);
                }
            }

            return done;
        }
    }

    /// <summary>Whether a backward pass gives the values too; a type, so that the loop of one that does not has no trace of it.</summary>
    private interface IValues
    {
        static abstract bool Wanted { get; }
    }

    private readonly struct Values : IValues
    {
        public static bool Wanted => true;
    }

    private readonly struct NoValues : IValues
    {
        public static bool Wanted => false;
    }

    private readonly struct BackwardPass(Pinned x, Pinned noise, Pinned p, Pinned gradY, Pinned gradX, Pinned gradP, Pinned y, VectorWidth width)
        : IOperatorVisitor
    {
        private readonly Pinned x = x, noise = noise, p = p, gradY = gradY, gradX = gradX, gradP = gradP, y = y;
        private readonly VectorWidth width = width;

        [SkipLocalsInit]
        public void Visit<TOperator>(TOperator op)
            where TOperator : struct, INoisyOperator
        {
            var copies = Copies(this.p.Length, this.x.Length);
            var p = Widen(this.p[..], copies, stackalloc float[2 * ShortRow]);
            Span<float> partial = stackalloc float[2 * ShortRow];
            partial = partial[..Math.Min(partial.Length, copies * this.p.Length)];
            partial.Clear();
            var gradP = this.gradP[..];
            var sums = gradP.IsEmpty ? default : copies == 1 ? gradP : partial;
            var row = TOperator.ReadsP ? p.Length : this.x.Length;
            for (var start = 0; start < this.x.Length; start += row)
            {
                var length = Math.Min(row, this.x.Length - start);
                if (y.Length == 0) Columns<TOperator, NoValues>(op, start, length, p, sums);
                else Columns<TOperator, Values>(op, start, length, p, sums);
            }

            if (gradP.IsEmpty || copies == 1) return;
            for (var copy = 0; copy < copies; copy++)
                for (var unit = 0; unit < gradP.Length; unit++)
                    gradP[unit] += partial[copy * gradP.Length + unit];
        }

        private void Columns<TOperator, TValues>(TOperator op, int start, int length, ReadOnlySpan<float> p, Span<float> sums)
            where TOperator : struct, INoisyOperator
            where TValues : struct, IValues
        {
            ref readonly var x = ref MemoryMarshal.GetReference(this.x[start..]);
            ref readonly var noise = ref MemoryMarshal.GetReference(TOperator.ReadsNoise ? this.noise[start..] : this.x[start..]);
            ref readonly var gain = ref MemoryMarshal.GetReference(TOperator.ReadsP ? p : this.x[start..]);
            ref readonly var gradY = ref MemoryMarshal.GetReference(this.gradY[start..]);
            ref var gradX = ref MemoryMarshal.GetReference(this.gradX[start..]);
            ref var y = ref MemoryMarshal.GetReference(TValues.Wanted ? this.y[start..] : this.gradX[start..]);
            ref var sum = ref MemoryMarshal.GetReference(sums);
            var adds = !sums.IsEmpty;
            var done = 0;
            if (width >= VectorWidth.Bits512)
                done = Row<TOperator, Lanes16, TValues>(op, in x, in noise, in gain, in gradY, ref gradX, ref y, ref sum, adds, done, length);
            if (width >= VectorWidth.Bits256 && done < length)
                done = Row<TOperator, Lanes8, TValues>(op, in x, in noise, in gain, in gradY, ref gradX, ref y, ref sum, adds, done, length);
            if (width >= VectorWidth.Bits128 && done < length)
                done = Row<TOperator, Lanes4, TValues>(op, in x, in noise, in gain, in gradY, ref gradX, ref y, ref sum, adds, done, length);
            if (done < length) Row<TOperator, Lanes1, TValues>(op, in x, in noise, in gain, in gradY, ref gradX, ref y, ref sum, adds, done, length);
        }

        [SkipLocalsInit, MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static int Row<TOperator, V, TValues>(
            TOperator op, ref readonly float x, ref readonly float noise, ref readonly float p, ref readonly float gradY,
            ref float gradX, ref float y, ref float sum, bool adds, int done, int length)
            where TOperator : struct, INoisyOperator
            where V : struct, ILanes<V>
            where TValues : struct, IValues
        {
            var rest = stackalloc float[2 * Block * V.Count];
            var scale = rest + (Block * V.Count);
            while (done <= length - V.Count)
            {
                var inputs = Inputs<V>(in x, in noise, in p, done);
                var count = Math.Min(Block, (length - done) / V.Count);
                OperatorLoops.Begin<TOperator, V>(op, inputs, count, rest, scale, V.Count);
                for (nint i = 0; i < count; i++, done += V.Count, inputs.Next())
                {
                    var at = (nuint)done;
                    var e = OperatorLoops.End<TOperator, V>(rest + (i * V.Count), scale + (i * V.Count));
                    var slopes = op.Backward(inputs.PreActivation<V>(), inputs.Noise<TOperator, V>(), inputs.Gain<TOperator, V>(), e);
                    var grad = ChainRule.Passing<TOperator, V>(V.Load(in gradY, at), slopes.Dx);
                    (slopes.Dx * grad).Store(ref gradX, at);
                    if (TValues.Wanted) slopes.Value.Store(ref y, at);
                    if (TOperator.ReadsP && adds) V.MultiplyAdd(slopes.Dp, grad, V.Load(in sum, at)).Store(ref sum, at);
                }
            }

            return done;
        }
    }
}
