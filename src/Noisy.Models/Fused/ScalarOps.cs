using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Operations of a tensor with a number.</summary>
/// <remarks>
/// TorchSharp 0.107 makes a native scalar of the number, hands its address to libtorch and holds nothing that keeps it
/// alive: a garbage collection at that moment frees it during the call, and the result is wrong or the call fails. Here the
/// scalar is disposed after the call and so outlives it. This library uses these and not the operators.
/// </remarks>
internal static class ScalarOps
{
    public static Tensor Times(this Tensor tensor, double value)
    {
        using var scalar = value.ToScalar();
        return tensor.mul(scalar);
    }

    public static Tensor Plus(this Tensor tensor, double value)
    {
        using var scalar = value.ToScalar();
        using var one = 1.0.ToScalar();
        return tensor.add(scalar, one);
    }

    /// <summary>tensor + other: the operator has a number in it too, the factor 1.</summary>
    public static Tensor Plus(this Tensor tensor, Tensor other) => tensor.PlusTimes(other, 1);

    /// <summary>tensor + factor · other.</summary>
    public static Tensor PlusTimes(this Tensor tensor, Tensor other, double factor)
    {
        using var scalar = factor.ToScalar();
        return tensor.add(other, scalar);
    }

    /// <summary>tensor ← tensor + factor · other.</summary>
    public static void AddInPlace(this Tensor tensor, Tensor other, double factor)
    {
        using var scalar = factor.ToScalar();
        tensor.add_(other, scalar);
    }

    /// <summary>tensor + left · right.</summary>
    public static Tensor PlusProduct(this Tensor tensor, Tensor left, Tensor right)
    {
        using var one = 1.0.ToScalar();
        return tensor.addcmul(left, right, one);
    }

    public static Tensor Between(this Tensor tensor, double lower, double upper)
    {
        using var low = lower.ToScalar();
        using var high = upper.ToScalar();
        return tensor.clamp(low, high);
    }

    public static Tensor AtLeastZero(this Tensor tensor)
    {
        using var zero = 0.0.ToScalar();
        return tensor.clamp_min(zero);
    }

    public static Tensor IsAbove(this Tensor tensor, double value)
    {
        using var scalar = value.ToScalar();
        return tensor.gt(scalar);
    }

    public static Tensor IsBelow(this Tensor tensor, double value)
    {
        using var scalar = value.ToScalar();
        return tensor.lt(scalar);
    }

    public static Tensor IsAtMost(this Tensor tensor, double value)
    {
        using var scalar = value.ToScalar();
        return tensor.le(scalar);
    }

    public static Tensor IsAtLeast(this Tensor tensor, double value)
    {
        using var scalar = value.ToScalar();
        return tensor.ge(scalar);
    }

    /// <summary>The largest number in the place of an infinity, whose product with 0 would be NaN; of slope 0 there.</summary>
    public static Tensor Bounded(this Tensor tensor) => tensor.Between(float.MinValue, float.MaxValue);

    public static Tensor Squared(this Tensor tensor) => tensor * tensor;

    /// <summary>log(1 + exp(x)).</summary>
    public static Tensor Softplus(this Tensor tensor)
    {
        using var zero = zeros_like(tensor);
        return tensor.logaddexp(zero);
    }
}
