namespace Noisy.Core;

/// <summary>Receives the operators of two specs under their own types.</summary>
internal interface IOperatorPairVisitor
{
    /// <summary>Called once.</summary>
    void Visit<TFirst, TSecond>(TFirst first, TSecond second)
        where TFirst : struct, INoisyOperator
        where TSecond : struct, INoisyOperator;
}
