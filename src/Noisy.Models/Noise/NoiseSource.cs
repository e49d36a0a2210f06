using System.Runtime.InteropServices;
using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Draws of Core's samplers as tensors: the same bits on every device. The only file of this library that makes random tensors.</summary>
public static class NoiseSource
{
    /// <summary>Raw noise ξ ~ N(0, 1) for several time steps.</summary>
    /// <param name="key">Key of the site.</param>
    /// <param name="update">Optimiser update, ≥ 0.</param>
    /// <param name="firstTimeStep">Time step of the first slice, ≥ 0.</param>
    /// <param name="shape">[T, …]; slice t holds the draws of time step first + t, numbered from 0 in row order.</param>
    /// <param name="device">Where the tensor goes.</param>
    /// <returns>A float tensor that the caller owns.</returns>
    /// <exception cref="ArgumentException">The shape has no time steps.</exception>
    public static Tensor Normal(NoiseKey key, long update, int firstTimeStep, long[] shape, Device device) =>
        Normal(key, update, firstTimeStep, shape, device, TensorBytes.Most);

    /// <summary>The same, filled by pieces of so many bytes at most; no number depends on it.</summary>
    internal static Tensor Normal(NoiseKey key, long update, int firstTimeStep, long[] shape, Device device, long most) =>
        BySteps(shape, device, (step, first, values) => NoiseSampler.Normal(key.At(update, firstTimeStep + step), first, values), most);

    /// <summary>Uniform numbers, for initial weights and dropout masks.</summary>
    /// <param name="stream">Key, update and time step.</param>
    /// <param name="shape">Shape of the tensor; elements are numbered from 0 in row order.</param>
    /// <param name="low">Lower end of the interval.</param>
    /// <param name="high">Upper end of the interval; not below <paramref name="low"/>.</param>
    /// <param name="device">Where the tensor goes.</param>
    /// <returns>A float tensor that the caller owns.</returns>
    public static Tensor Uniform(NoiseStream stream, long[] shape, float low, float high, Device device) =>
        Create(shape, device, (first, values) =>
        {
            NoiseSampler.Uniform(stream, first, values);
            foreach (ref var v in values) v = low + ((high - low) * v);
        });

    /// <summary>A dropout mask: 0 with the given probability, else 1 / (1 − probability).</summary>
    /// <param name="key">Key of the site.</param>
    /// <param name="update">Optimiser update, ≥ 0.</param>
    /// <param name="firstTimeStep">Time step of the first slice, ≥ 0.</param>
    /// <param name="shape">[T, …]; slice t belongs to time step first + t, its elements numbered from 0 in row order.</param>
    /// <param name="probability">Probability of dropping an element, in [0, 1).</param>
    /// <param name="device">Where the tensor goes.</param>
    /// <returns>A float tensor that the caller owns.</returns>
    /// <exception cref="ArgumentException">The shape has no time steps.</exception>
    public static Tensor DropoutMask(NoiseKey key, long update, int firstTimeStep, long[] shape, double probability, Device device) =>
        BySteps(shape, device, (step, first, values) => NoiseSampler.Mask(key.At(update, firstTimeStep + step), first, probability, values));

    private delegate void Filler(long first, Span<float> values);

    private delegate void StepFiller(int step, long first, Span<float> values);

    /// <summary>A tensor whose slices are time steps, each of which numbers its elements from 0.</summary>
    private static Tensor BySteps(long[] shape, Device device, StepFiller fill, long most = TensorBytes.Most)
    {
        ArgumentNullException.ThrowIfNull(shape);
        if (shape.Length == 0) throw new ArgumentException("shape is []: must be [T, ..], T being the time steps", nameof(shape));
        var slice = shape.Skip(1).Aggregate(1L, (product, size) => product * size);
        return Create(shape, device, (first, values) => Steps(slice, first, values, fill), most);
    }

    /// <summary>Cuts a piece of such a tensor where a time step ends.</summary>
    private static void Steps(long slice, long first, Span<float> values, StepFiller fill)
    {
        while (!values.IsEmpty)
        {
            var (step, at) = Math.DivRem(first, slice);
            var length = (int)Math.Min(slice - at, values.Length);
            fill((int)step, at, values[..length]);
            values = values[length..];
            first += length;
        }
    }

    private static Tensor Create(long[] shape, Device device, Filler fill, long most = TensorBytes.Most)
    {
        ArgumentNullException.ThrowIfNull(shape);
        var cpu = empty(shape, dtype: ScalarType.Float32, device: CPU);
        TensorBytes.Each(cpu, (first, bytes) => fill(first, MemoryMarshal.Cast<byte, float>(bytes)), most);
        if (device.type == DeviceType.CPU) return cpu;
        using (cpu) return cpu.to(device);
    }
}
