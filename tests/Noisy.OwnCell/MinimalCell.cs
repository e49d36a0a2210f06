using Noisy.Core;
using Noisy.Models;
using static TorchSharp.torch;

namespace Noisy.OwnCell;

/// <summary>A minimal gated unit: gate f = σ(W x + U h + b), candidate n = tanh(W x + b + f (U h + b)), h ← h + f (n − h). Sites f, n.</summary>
/// <remarks>Source: Zhou, Wu, Zhang, Zhou, "Minimal gated unit for recurrent neural networks", 2016; the gate multiplies the product,
/// as in torch's GRU, so that one product serves both rows of blocks.</remarks>
internal sealed class MinimalCell(ActivationPair activations) : RecurrentCell([activations.Sigmoid, activations.Tanh])
{
    public override void Accept<TVisitor>(double? scale, ref TVisitor visitor)
    {
        var operators = new Operators<TVisitor>(visitor);
        NoisyOperators.Accept(activations.Sigmoid, activations.Tanh, scale, ref operators);
        visitor = operators.Visitor;
    }

    public override Tensor[] Step(Tensor input, Func<Tensor, Tensor> recurrent, Tensor[] state, Func<int, Tensor, Tensor> activate)
    {
        var h = state[0];
        var x = input.chunk(2, 1);
        var u = recurrent(h).chunk(2, 1);
        var gate = activate(0, x[0].Plus(u[0]));
        var candidate = activate(1, x[1].PlusProduct(gate, u[1]));
        return [h.PlusProduct(gate, candidate - h)];
    }

    private struct Operators<TVisitor>(TVisitor visitor) : IOperatorPairVisitor
        where TVisitor : struct, ICellVisitor
    {
        internal TVisitor Visitor = visitor;

        public void Visit<TSigmoid, TTanh>(TSigmoid sigmoid, TTanh tanh)
            where TSigmoid : struct, INoisyOperator
            where TTanh : struct, INoisyOperator => Visitor.Visit(new MinimalOperator<TSigmoid, TTanh>(sigmoid, tanh));
    }
}
