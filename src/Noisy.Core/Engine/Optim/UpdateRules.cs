using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>The step of one method on registers; formulas in <see cref="OptimizerSpec"/>.</summary>
internal interface IUpdateRule
{
    /// <summary>The weight after the step; running values are read and written in place.</summary>
    unsafe V Step<V>(V weight, V gradient, float* first, float* second, float* third) where V : struct, ILanes<V>;
}

/// <summary>The gradient, which was scaled, in the weight's place.</summary>
internal readonly unsafe struct ScaleRule : IUpdateRule
{
    [MethodImpl(AggressiveInlining)]
    public V Step<V>(V weight, V gradient, float* first, float* second, float* third) where V : struct, ILanes<V> => gradient;
}

/// <summary>w ← w − η g.</summary>
internal readonly unsafe struct SgdRule(double rate) : IUpdateRule
{
    private readonly float minusRate = (float)-rate;

    [MethodImpl(AggressiveInlining)]
    public V Step<V>(V weight, V gradient, float* first, float* second, float* third) where V : struct, ILanes<V> =>
        V.MultiplyAdd(gradient, minusRate, weight);
}

/// <summary>Gradient descent with momentum.</summary>
internal readonly unsafe struct MomentumRule(OptimizerSpec spec, double rate) : IUpdateRule
{
    private readonly float minusRate = (float)-rate;
    private readonly float momentum = (float)spec.Momentum;

    [MethodImpl(AggressiveInlining)]
    public V Step<V>(V weight, V gradient, float* first, float* second, float* third) where V : struct, ILanes<V>
    {
        var velocity = V.MultiplyAdd(V.Load(in *first, 0), momentum, gradient);
        velocity.Store(ref *first, 0);
        return V.MultiplyAdd(velocity, minusRate, weight);
    }
}

/// <summary>RMSProp.</summary>
internal readonly unsafe struct RmsPropRule(OptimizerSpec spec, double rate) : IUpdateRule
{
    private readonly float minusRate = (float)-rate;
    private readonly float decay = (float)spec.Decay, rest = (float)(1 - spec.Decay), epsilon = (float)spec.Epsilon;

    [MethodImpl(AggressiveInlining)]
    public V Step<V>(V weight, V gradient, float* first, float* second, float* third) where V : struct, ILanes<V>
    {
        var square = V.MultiplyAdd(V.Load(in *first, 0), decay, gradient * gradient * rest);
        square.Store(ref *first, 0);
        return V.MultiplyAdd(gradient / (V.Sqrt(square) + epsilon), minusRate, weight);
    }
}

/// <summary>Graves' RMSProp.</summary>
internal readonly unsafe struct GravesRule(OptimizerSpec spec, double rate) : IUpdateRule
{
    private readonly float minusRate = (float)-rate, momentum = (float)spec.Momentum;
    private readonly float decay = (float)spec.Decay, rest = (float)(1 - spec.Decay), epsilon = (float)spec.Epsilon;

    [MethodImpl(AggressiveInlining)]
    public V Step<V>(V weight, V gradient, float* first, float* second, float* third) where V : struct, ILanes<V>
    {
        var square = V.MultiplyAdd(V.Load(in *first, 0), decay, gradient * gradient * rest);
        var mean = V.MultiplyAdd(V.Load(in *second, 0), decay, gradient * rest);

        // Negative by rounding alone, which for large gradients may exceed ε.
        var variance = square - (mean * mean);
        var spread = V.Sqrt(V.Without(variance < 0f, variance) + epsilon);
        var velocity = V.MultiplyAdd(V.Load(in *third, 0), momentum, gradient / spread * minusRate);
        square.Store(ref *first, 0);
        mean.Store(ref *second, 0);
        velocity.Store(ref *third, 0);
        return weight + velocity;
    }
}

/// <summary>Adam.</summary>
internal readonly unsafe struct AdamRule(OptimizerSpec spec, double rate, long step) : IUpdateRule
{
    private readonly float beta1 = (float)spec.Beta1, rest1 = (float)(1 - spec.Beta1);
    private readonly float beta2 = (float)spec.Beta2, rest2 = (float)(1 - spec.Beta2), epsilon = (float)spec.Epsilon;
    private readonly float minusRate = (float)(-rate / (1 - Math.Pow(spec.Beta1, step)));
    private readonly float correction = (float)(1 / (1 - Math.Pow(spec.Beta2, step)));

    [MethodImpl(AggressiveInlining)]
    public V Step<V>(V weight, V gradient, float* first, float* second, float* third) where V : struct, ILanes<V>
    {
        var mean = V.MultiplyAdd(V.Load(in *first, 0), beta1, gradient * rest1);
        var square = V.MultiplyAdd(V.Load(in *second, 0), beta2, gradient * gradient * rest2);
        mean.Store(ref *first, 0);
        square.Store(ref *second, 0);
        return V.MultiplyAdd(mean / (V.Sqrt(square * correction) + epsilon), minusRate, weight);
    }
}

/// <summary>Adadelta.</summary>
internal readonly unsafe struct AdadeltaRule(OptimizerSpec spec, double rate) : IUpdateRule
{
    private readonly float minusRate = (float)-rate;
    private readonly float decay = (float)spec.Decay, rest = (float)(1 - spec.Decay), epsilon = (float)spec.Epsilon;

    [MethodImpl(AggressiveInlining)]
    public V Step<V>(V weight, V gradient, float* first, float* second, float* third) where V : struct, ILanes<V>
    {
        var square = V.MultiplyAdd(V.Load(in *first, 0), decay, gradient * gradient * rest);
        var steps = V.Load(in *second, 0);
        var delta = V.Sqrt(steps + epsilon) / V.Sqrt(square + epsilon) * gradient;
        square.Store(ref *first, 0);
        V.MultiplyAdd(steps, decay, delta * delta * rest).Store(ref *second, 0);
        return V.MultiplyAdd(delta, minusRate, weight);
    }
}
