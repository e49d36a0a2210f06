using Noisy.Core;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Gradients as segments of memory, for <see cref="OptimizerKernel"/>.</summary>
internal static unsafe class GradientSegments
{
    /// <summary>Has a parameter lie in huge pages, where the system grants it.</summary>
    internal static void InHugePages(Parameter parameter) =>
        HugePages.Collapse(FusedEngine.Pointer(parameter), (nuint)parameter.numel() * sizeof(float));

    /// <summary>Adds a parameter's segments.</summary>
    /// <param name="to">Where they are added.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="gradient">Its gradient; <see cref="FusedEngine.TakesInPlace"/> both.</param>
    /// <param name="sparse">Whether rows whose gradient is 0 may be left out.</param>
    /// <param name="trusted">Whether nobody but the engine wrote into the gradient.</param>
    /// <param name="first">Running values of the parameter's size; null for none.</param>
    /// <param name="second">Further ones.</param>
    /// <param name="third">Further ones.</param>
    internal static void Add(
        List<WeightSegment> to, Parameter parameter, Tensor gradient, bool sparse, bool trusted,
        Tensor? first = null, Tensor? second = null, Tensor? third = null)
    {
        var whole = new WeightSegment
        {
            Weight = FusedEngine.Pointer(parameter),
            Gradient = FusedEngine.Pointer(gradient),
            First = FusedEngine.Pointer(first),
            Second = FusedEngine.Pointer(second),
            Third = FusedEngine.Pointer(third),
            Length = parameter.numel(),
        };
        if (sparse && GradientMemory.For(parameter).RowsOf(gradient, trusted) is { } rows)
        {
            var width = whole.Length / parameter.shape[0];
            to.AddRange(rows.Select(row => whole.Part(row * width, width)));
        }
        else
        {
            to.Add(whole);
        }
    }
}
