namespace Noisy.Core;

/// <summary>A place for a gradient.</summary>
internal unsafe struct GradientTarget
{
    /// <summary>First float; null if the gradient is not wanted.</summary>
    internal float* At;

    /// <summary>Whether the gradient is added to what is there.</summary>
    internal bool Add;

    /// <summary>The same place, some floats on.</summary>
    internal readonly GradientTarget From(int offset) => new() { At = At == null ? null : At + offset, Add = Add };

    /// <summary>Puts an element of the gradient there; nothing if it is not wanted.</summary>
    internal readonly void Put(int i, float value)
    {
        if (At != null) At[i] = Add ? At[i] + value : value;
    }
}
