using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>LSTM: gates input, forget, candidate, output; sites in the same order, then the cell output.</summary>
internal sealed class LstmCell(ActivationPair activations) : RecurrentCell(LstmOperator.Sites(activations))
{
    public override IReadOnlyList<string> SiteNames => ["input", "forget", "candidate", "output", "cell"];

    public override void Accept<TVisitor>(double? scale, ref TVisitor visitor) => LstmOperator.Accept(activations, scale, ref visitor);

    public override Tensor[] Step(Tensor input, Func<Tensor, Tensor> recurrent, Tensor[] state, Func<int, Tensor, Tensor> activate)
    {
        var gates = input.Plus(recurrent(state[0])).chunk(4, 1);
        var keep = activate(1, gates[1]) * state[1];
        var cell = keep.PlusProduct(activate(0, gates[0]), activate(2, gates[2]));
        var hidden = activate(3, gates[3]) * activate(4, cell);
        return [hidden, cell];
    }
}
