using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Plain stochastic gradient descent with a threshold on the gradient's global norm, as Zaremba's code does it.</summary>
public static class Sgd
{
    /// <summary>Global norm of all gradients.</summary>
    /// <param name="parameters">Parameters; those without a gradient count as 0.</param>
    /// <returns>The Euclidean norm; NaN or infinite if a gradient is.</returns>
    public static double GradientNorm(IEnumerable<Parameter> parameters)
    {
        using var scope = NewDisposeScope();
        var norms = parameters.Where(p => p.grad is not null).Select(p => p.grad!.norm()).ToArray();
        return norms.Length == 0 ? 0 : stack(norms).norm().item<float>();
    }

    /// <summary>Subtracts the gradient times the learning rate, shrunk to the threshold if its norm is above, and clears it.</summary>
    /// <param name="parameters">Parameters; those without a gradient stay.</param>
    /// <param name="norm">The gradient's global norm.</param>
    /// <param name="learningRate">Learning rate, &gt; 0.</param>
    /// <param name="clip">Threshold of the norm, &gt; 0.</param>
    public static void Step(IEnumerable<Parameter> parameters, double norm, double learningRate, double clip)
    {
        var rate = norm > clip ? learningRate * clip / norm : learningRate;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        foreach (var p in parameters)
        {
            if (p.grad is not { } gradient) continue;
            p.AddInPlace(gradient, -rate);
            p.grad = null;
        }
    }
}
