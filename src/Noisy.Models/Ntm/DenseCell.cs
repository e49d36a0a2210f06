using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A layer without a state, as the controller of a machine: one site in the place of a tanh.</summary>
internal sealed class DenseCell(NoisyActivationSpec tanh) : RecurrentCell([tanh])
{
    public override IReadOnlyList<string> SiteNames => ["hidden"];

    public override void Accept<TVisitor>(double? scale, ref TVisitor visitor) => DenseOperator.Accept(tanh, scale, ref visitor);

    public override Tensor[] Step(Tensor input, Func<Tensor, Tensor> recurrent, Tensor[] state, Func<int, Tensor, Tensor> activate) =>
        [activate(0, input)];
}
