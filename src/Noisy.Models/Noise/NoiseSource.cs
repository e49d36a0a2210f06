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
    public static Tensor Normal(NoiseKey key, long update, int firstTimeStep, long[] shape, Device device) =>
        Create(shape, device, values =>
        {
            var slice = shape[0] == 0 ? 0 : values.Length / (int)shape[0];
            for (var t = 0; t < shape[0]; t++)
                NoiseSampler.Normal(key.At(update, firstTimeStep + t), 0, values.Slice(t * slice, slice));
        });

    /// <summary>Uniform numbers, for initial weights and dropout masks.</summary>
    /// <param name="stream">Key, update and time step.</param>
    /// <param name="shape">Shape of the tensor; elements are numbered from 0 in row order.</param>
    /// <param name="low">Lower end of the interval.</param>
    /// <param name="high">Upper end of the interval; not below <paramref name="low"/>.</param>
    /// <param name="device">Where the tensor goes.</param>
    /// <returns>A float tensor that the caller owns.</returns>
    public static Tensor Uniform(NoiseStream stream, long[] shape, float low, float high, Device device) =>
        Create(shape, device, values =>
        {
            NoiseSampler.Uniform(stream, 0, values);
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
    public static Tensor DropoutMask(NoiseKey key, long update, int firstTimeStep, long[] shape, double probability, Device device) =>
        Create(shape, device, values =>
        {
            var slice = values.Length / (int)shape[0];
            for (var t = 0; t < shape[0]; t++)
                NoiseSampler.Mask(key.At(update, firstTimeStep + t), 0, probability, values.Slice(t * slice, slice));
        });

    private delegate void Filler(Span<float> values);

    private static Tensor Create(long[] shape, Device device, Filler fill)
    {
        var cpu = empty(shape, dtype: ScalarType.Float32, device: CPU);
        if (cpu.numel() > 0) fill(MemoryMarshal.Cast<byte, float>(cpu.bytes));
        if (device.type == DeviceType.CPU) return cpu;
        using (cpu) return cpu.to(device);
    }
}
