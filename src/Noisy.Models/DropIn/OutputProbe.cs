using System.Collections;
using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Finds out by one pass over an example which activations give the model's output.</summary>
/// <remarks>An activation does if one of the model's outputs consists of its values, in whatever shape and order. One that no hook sees, since
/// the model calls its <c>forward</c>, stays unknown.</remarks>
internal static class OutputProbe
{
    /// <summary>Settles the roles of some activations.</summary>
    /// <param name="root">The model, as it was before.</param>
    /// <param name="unclear">The activations.</param>
    /// <param name="example">A pass; gives the model's output: a tensor, a tuple or a sequence of them.</param>
    /// <exception cref="ArgumentException">The pass gives no number.</exception>
    public static void Settle(nn.Module root, List<Replacement> unclear, Func<object> example)
    {
        var values = unclear.ToDictionary(p => p, _ => new HashSet<double>());
        var modes = root.named_modules().Select(m => (m.module, m.module.training)).Prepend((root, root.training)).ToList();
        var hooks = unclear.Select(p => ((nn.Module<Tensor, Tensor>)p.Module).register_forward_hook((_, _, output) =>
        {
            values[p].UnionWith(Numbers(output));
            return output;
        })).ToList();
        try
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            root.eval();
            var outputs = Tensors(example()).Select(t => Numbers(t).ToHashSet()).Where(numbers => numbers.Count > 0).ToList();
            if (outputs.Count == 0)
                throw new ArgumentException("the example gives no number: it must give the model's output, a tensor or a tuple or sequence of them", nameof(example));
            if (outputs.Exists(numbers => numbers.Count > 1)) outputs.RemoveAll(numbers => numbers.Count == 1); // a loss or a mask, which any activation may have
            foreach (var plan in unclear.Where(p => values[p].Count > 0))
                plan.Role = outputs.Exists(numbers => numbers.IsSubsetOf(values[plan])) ? OutputRole.Output : OutputRole.Inner;
        }
        finally
        {
            foreach (var hook in hooks) hook.remove();
            foreach (var (module, training) in modes) module.train(training); // a module comes before its children
        }
    }

    private static double[] Numbers(Tensor tensor)
    {
        using var numbers = tensor.detach().cpu().to_type(ScalarType.Float64).contiguous();
        return numbers.data<double>().ToArray();
    }

    private static IEnumerable<Tensor> Tensors(object? output) => output switch
    {
        Tensor tensor => [tensor],
        ITuple tuple => Enumerable.Range(0, tuple.Length).SelectMany(i => Tensors(tuple[i])),
        IEnumerable many => many.Cast<object?>().SelectMany(Tensors),
        _ => [],
    };
}
