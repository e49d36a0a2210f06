using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>What arrives at an activation on the way from the loss to its pre-activation.</summary>
internal static class ChainRule
{
    /// <summary>The gradient to multiply the slopes with: nothing passes a unit that is stuck, whatever arrives, not even NaN, as in
    /// torch's hardtanh.</summary>
    /// <param name="grad">Gradient in the activation.</param>
    /// <param name="dx">Its slope in x.</param>
    [MethodImpl(AggressiveInlining)]
    internal static V Passing<TOperator, V>(V grad, V dx)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V> => TOperator.Sticks ? V.Select(V.Equal(dx, 0f), 0f, grad) : grad;
}
