using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Finds out what an <c>nn.LSTM</c> or <c>nn.GRU</c> was built with; TorchSharp keeps none of it in public.</summary>
/// <remarks>
/// Sizes, layers and directions follow from names and shapes of the parameters. Whether the batch comes first shows in the
/// shape of the final state. Dropout shows in a gradient: with one time step and one example, the gradient of a later layer's
/// input weights is the outer product of some δ with the layer's input, that of its recurrent weights the outer product of
/// the same δ with its initial state. Their quotient is the input as dropout left it; divided by what the layer below put out,
/// each element is 0 or 1 / (1 − dropout).
/// </remarks>
internal sealed class RecurrentProbe
{
    private const int Tries = 4_000;
    private const double Digits = 1e5;

    private readonly nn.Module module;
    private readonly Func<Tensor, Tensor?, (Tensor Output, Tensor Hidden)> run;

    /// <summary>Looks at an LSTM.</summary>
    public RecurrentProbe(LSTM lstm)
        : this(lstm, 4, (x, state) =>
        {
            var (output, hidden, cell) = lstm.forward(x, state is null ? null : (state, state));
            cell.Dispose();
            return (output, hidden);
        })
    {
    }

    /// <summary>Looks at a GRU.</summary>
    public RecurrentProbe(GRU gru)
        : this(gru, 3, (x, state) => gru.forward(x, state))
    {
    }

    private RecurrentProbe(nn.Module module, int gates, Func<Tensor, Tensor?, (Tensor, Tensor)> run)
    {
        this.module = module;
        this.run = run;
        var names = module.named_parameters().Select(n => n.name).ToHashSet();
        Layers = names.Count(n => n.StartsWith("weight_ih_l", StringComparison.Ordinal)
            && !n.EndsWith("_reverse", StringComparison.Ordinal));
        Bidirectional = names.Contains("weight_ih_l0_reverse");
        HasBias = names.Contains("bias_ih_l0");
        var input = module.get_parameter("weight_ih_l0")!;
        (HiddenSize, InputSize) = (input.shape[0] / gates, input.shape[1]);
        Problem = names.Any(n => n.StartsWith("weight_hr", StringComparison.Ordinal))
            ? "it projects its hidden state (proj_size), which the noisy LSTM cannot"
            : Unsupported(input);
    }

    public int Layers { get; }

    public bool Bidirectional { get; }

    public bool HasBias { get; }

    public long HiddenSize { get; }

    public long InputSize { get; }

    /// <summary>Why it has no noisy counterpart; null if it has one.</summary>
    public string? Problem { get; }

    /// <summary>Why weights of their type have no noisy counterpart; null if they have one.</summary>
    public static string? Unsupported(Tensor weight) => weight.dtype is ScalarType.Float32 or ScalarType.Float64
        ? null
        : $"its weights are {weight.dtype}: only Float32 and Float64 can be replaced; convert the model afterwards, not before";

    private int Directions => Bidirectional ? 2 : 1;

    /// <summary>Whether input and output are [B, T, ·].</summary>
    public bool BatchFirst()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return InMode(false, () => run(New(2, 3, InputSize), null).Hidden.shape[1] == 2);
    }

    /// <summary>Dropout between the layers, to five decimals; null if it cannot be measured.</summary>
    public double? Dropout()
    {
        if (Layers == 1) return 0; // there is nothing between layers
        using var scope = NewDisposeScope();
        using var _ = enable_grad();
        Parameter[] weights = [module.get_parameter("weight_ih_l1")!, module.get_parameter("weight_hh_l1")!];
        if (weights.Any(TorchInternals.IsInference)) return null; // they have no gradient
        var frozen = weights.Where(w => !w.requires_grad).ToList();
        frozen.ForEach(w => w.requires_grad = true);
        var generator = get_rng_state();
        try
        {
            return InMode(true, () => Enumerable.Range(0, Tries).Select(_ => Measure(weights)).FirstOrDefault(d => d is not null));
        }
        finally
        {
#pragma warning disable RS0030 // puts back what the passes above have moved: nothing is drawn from it here
            set_rng_state(generator);
#pragma warning restore RS0030
            frozen.ForEach(w => w.requires_grad = false);
        }
    }

    /// <summary>One pass; null if every element was dropped or the gradient is too small to divide by.</summary>
    private double? Measure(Parameter[] weights)
    {
        using var scope = NewDisposeScope();
        var (output, hidden) = run(New(1, 1, InputSize), New(Layers * Directions, 1, HiddenSize));
        var sum = output.sum();
        if (!sum.requires_grad) return null; // autograd.grad would end the process
        var gradients = autograd.grad([sum], weights, allow_unused: false);
        var below = Values(hidden.narrow(0, 0, Directions));
        var (byInput, byState) = (Values(gradients[0]), Values(gradients[1]));

        // Rows of the first two gates: their δ is that of both products in the LSTM and in the GRU.
        var row = Enumerable.Range(0, (int)(2 * HiddenSize)).MaxBy(r => Math.Abs(byState[r * HiddenSize]));
        var delta = byState[row * HiddenSize]; // the initial state is all ones
        var unit = Enumerable.Range(0, below.Length).Where(j => byInput[(row * below.Length) + j] != 0)
            .OrderByDescending(j => Math.Abs(below[j])).FirstOrDefault(-1);
        if (unit < 0 || Math.Abs(delta) < 1e-20) return null;
        var factor = byInput[(row * below.Length) + unit] / delta / below[unit];
        var dropout = (Math.Round((1 - (1 / factor)) * Digits) / Digits) + 0.0; // + 0.0 makes −0 a 0
        return dropout is >= 0 and < 1 ? dropout : null;
    }

    private T InMode<T>(bool training, Func<T> work)
    {
        var before = module.training;
        module.train(training);
        try
        {
            return work();
        }
        finally
        {
            module.train(before);
        }
    }

    private Tensor New(params long[] size)
    {
        var like = module.get_parameter("weight_ih_l0")!;
        return ones(size, dtype: like.dtype, device: like.device);
    }

    private static double[] Values(Tensor tensor) =>
        tensor.detach().cpu().to_type(ScalarType.Float64).contiguous().data<double>().ToArray();
}
