namespace Noisy.Core;

/// <summary>From a spec to its operator: the one place where kinds, placements and scalings are told apart.</summary>
internal static class NoisyOperators
{
    /// <summary>Makes the operator of a spec and hands it to a visitor.</summary>
    /// <param name="spec">The activation; valid.</param>
    /// <param name="c">Noise scale; finite and ≥ 0.</param>
    /// <param name="visitor">Receives the operator under its own type.</param>
    internal static void Accept<TVisitor>(NoisyActivationSpec spec, double c, ref TVisitor visitor)
        where TVisitor : struct, IOperatorVisitor
    {
        switch (spec.UseSoft, spec.Noise, spec.Placement, spec.Scaling)
        {
            case (true, _, _, _) when spec.Unit.Soft == SoftFunction.Tanh:
                visitor.Visit(new TanhOperator());
                break;
            case (true, _, _, _):
                visitor.Visit(new SigmoidOperator());
                break;
            case (_, NoiseKind.None, _, _):
                Clipped(spec, new LeakyOperator(spec), ref visitor);
                break;
            case (_, _, NoisePlacement.Output, NoiseScaling.Gap):
                Clipped(spec, new OutputGapOperator(spec, c), ref visitor);
                break;
            case (_, _, NoisePlacement.Output, _):
                Clipped(spec, new OutputExcessOperator(spec, c), ref visitor);
                break;
            case (_, _, NoisePlacement.InputWhenSaturated, _):
                visitor.Visit(new InputWhenSaturatedOperator(spec, c));
                break;
            case (_, _, _, NoiseScaling.Constant):
                visitor.Visit(new InputOperator(spec, c));
                break;
            case (_, _, _, NoiseScaling.Gap):
                visitor.Visit(new InputGapOperator(spec, c));
                break;
            default:
                visitor.Visit(new InputRatioOperator(spec, c));
                break;
        }
    }

    /// <summary>Makes the operators of two specs and hands them to a visitor.</summary>
    /// <param name="first">An activation; valid.</param>
    /// <param name="second">Another one; valid.</param>
    /// <param name="scale">Noise scale of both; null takes each spec's own.</param>
    /// <param name="visitor">Receives the operators under their own types.</param>
    internal static void Accept<TVisitor>(NoisyActivationSpec first, NoisyActivationSpec second, double? scale, ref TVisitor visitor)
        where TVisitor : struct, IOperatorPairVisitor
    {
        var outer = new FirstVisitor<TVisitor>(second, scale ?? second.C, visitor);
        Accept(first, scale ?? first.C, ref outer);
        visitor = outer.Visitor;
    }

    private struct FirstVisitor<TVisitor>(NoisyActivationSpec second, double scale, TVisitor visitor) : IOperatorVisitor
        where TVisitor : struct, IOperatorPairVisitor
    {
        internal TVisitor Visitor = visitor;

        public void Visit<TFirst>(TFirst op)
            where TFirst : struct, INoisyOperator
        {
            var inner = new SecondVisitor<TFirst, TVisitor>(op, Visitor);
            Accept(second, scale, ref inner);
            Visitor = inner.Visitor;
        }
    }

    private struct SecondVisitor<TFirst, TVisitor>(TFirst first, TVisitor visitor) : IOperatorVisitor
        where TFirst : struct, INoisyOperator
        where TVisitor : struct, IOperatorPairVisitor
    {
        internal TVisitor Visitor = visitor;

        public void Visit<TSecond>(TSecond op)
            where TSecond : struct, INoisyOperator => Visitor.Visit(first, op);
    }

    private static void Clipped<TOperator, TVisitor>(NoisyActivationSpec spec, TOperator op, ref TVisitor visitor)
        where TOperator : struct, INoisyOperator
        where TVisitor : struct, IOperatorVisitor
    {
        if (spec.ClipOutput) visitor.Visit(new ClippedOperator<TOperator>(op, spec));
        else visitor.Visit(op);
    }
}
