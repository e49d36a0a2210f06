namespace Noisy.Core;

/// <summary>φ, ∂φ/∂x and ∂φ/∂p of several elements.</summary>
internal readonly struct Slopes<V>(V value, V dx, V dp)
    where V : struct, ILanes<V>
{
    internal readonly V Value = value;
    internal readonly V Dx = dx;
    internal readonly V Dp = dp;
}

/// <summary>
/// One activation on registers, its constants carried by the instance: what <see cref="SpanKernels"/> runs over spans, and
/// what a recurrent engine calls inside a larger loop.
/// </summary>
internal interface INoisyOperator
{
    /// <summary>Whether ξ is read.</summary>
    static abstract bool ReadsNoise { get; }

    /// <summary>Whether p is read.</summary>
    static abstract bool ReadsP { get; }

    /// <summary>Whether a slope of 0 in x is that of a stuck unit, which <see cref="ChainRule"/> lets nothing pass; else a factor like any
    /// other.</summary>
    static abstract bool Sticks { get; }

    /// <summary>Whether φ contains an exponential.</summary>
    static abstract bool TakesExp { get; }

    /// <summary>What the exponential in φ is taken of, at most 0.</summary>
    V Exponent<V>(V x, V xi, V p) where V : struct, ILanes<V>;

    /// <summary>φ(x, ξ), given the exponential of <see cref="Exponent"/>; anything if it takes none.</summary>
    V Forward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>;

    /// <summary>φ with the bits that <see cref="Forward"/> gives, and its slopes at fixed ξ; the one in p is 0 where p is not read.</summary>
    Slopes<V> Backward<V>(V x, V xi, V p, Exponential<V> e) where V : struct, ILanes<V>;
}

/// <summary>Receives the operator of a spec under its own type, so that the code after it is compiled for that operator.</summary>
internal interface IOperatorVisitor
{
    /// <summary>Called once.</summary>
    void Visit<TOperator>(TOperator op) where TOperator : struct, INoisyOperator;
}
