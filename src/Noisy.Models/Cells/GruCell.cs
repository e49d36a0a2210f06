using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>GRU in torch's form: gates reset, update, candidate; n = tanh(W x + b + r (U h + b)), h = (1 − z) n + z h.</summary>
internal sealed class GruCell(ActivationPair activations) : RecurrentCell(GruOperator.Sites(activations))
{
    public override IReadOnlyList<string> SiteNames => ["reset", "update", "candidate"];

    public override void Accept<TVisitor>(double? scale, ref TVisitor visitor) => GruOperator.Accept(activations, scale, ref visitor);

    public override Tensor[] Step(Tensor input, Func<Tensor, Tensor> recurrent, Tensor[] state, Func<int, Tensor, Tensor> activate)
    {
        var h = state[0];
        var x = input.chunk(3, 1);
        var u = recurrent(h).chunk(3, 1);
        var reset = activate(0, x[0].Plus(u[0]));
        var update = activate(1, x[1].Plus(u[1]));
        var candidate = activate(2, x[2].PlusProduct(reset, u[2]));
        return [candidate.PlusProduct(update, h - candidate)];
    }
}
