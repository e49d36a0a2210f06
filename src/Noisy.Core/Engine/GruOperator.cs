using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>
/// GRU in torch's form: gates and sites reset, update, candidate; blocks reset, update, the candidate's recurrent part and the
/// candidate's input part, which stay apart because the reset gate multiplies only the first of the two.
/// </summary>
internal readonly unsafe struct GruOperator<TSigmoid, TTanh>(TSigmoid sigmoid, TTanh tanh) : ICell
    where TSigmoid : struct, INoisyOperator
    where TTanh : struct, INoisyOperator
{
    private readonly TSigmoid _sigmoid = sigmoid;
    private readonly TTanh _tanh = tanh;

    public static int Gates => 3;

    public static int Sites => 3;

    public static bool HasCell => false;

    public static ReadOnlySpan<byte> InputBlocks => [0, 1, 3];

    public static ReadOnlySpan<byte> RecurrentBlocks => [0, 1, 2];

    public static bool ReadsNoise => TSigmoid.ReadsNoise || TTanh.ReadsNoise;

    public static bool ReadsP => TSigmoid.ReadsP || TTanh.ReadsP;

    [MethodImpl(AggressiveInlining)]
    public void Forward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        var before = V.Load(in *at.HiddenBefore, 0);
        var reset = CellSite.Value(_sigmoid, at, 0, V.Load(in *at.Gates, 0));
        var update = CellSite.Value(_sigmoid, at, 1, V.Load(in *(at.Gates + at.Block), 0));
        var candidate = CellSite.Value(_tanh, at, 2, Candidate(at, reset));
        V.MultiplyAdd(update, before - candidate, candidate).Store(ref *at.Hidden, 0);
    }

    [MethodImpl(AggressiveInlining)]
    public void Backward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        var before = V.Load(in *at.HiddenBefore, 0);
        var grad = V.Load(in *at.GradHidden, 0) + V.Load(in *at.Carry, 0);
        var reset = CellSite.Slopes(_sigmoid, at, 0, V.Load(in *at.Gates, 0));
        var update = CellSite.Slopes(_sigmoid, at, 1, V.Load(in *(at.Gates + at.Block), 0));
        var candidate = CellSite.Slopes(_tanh, at, 2, Candidate(at, reset.Value));

        var gradCandidate = grad * (1f - update.Value);
        CellSite.AddGain<TTanh, V>(at, 2, gradCandidate, candidate);
        var gradInside = gradCandidate * candidate.Dx;
        gradInside.Store(ref *(at.GradGates + (3 * at.Block)), 0);
        (gradInside * reset.Value).Store(ref *(at.GradGates + (2 * at.Block)), 0);

        var gradUpdate = grad * (before - candidate.Value);
        CellSite.AddGain<TSigmoid, V>(at, 1, gradUpdate, update);
        (gradUpdate * update.Dx).Store(ref *(at.GradGates + at.Block), 0);

        var gradReset = gradInside * V.Load(in *(at.Gates + (2 * at.Block)), 0);
        CellSite.AddGain<TSigmoid, V>(at, 0, gradReset, reset);
        (gradReset * reset.Dx).Store(ref *at.GradGates, 0);
        (grad * update.Value).Store(ref *at.Carry, 0);
    }

    [MethodImpl(AggressiveInlining)]
    private static V Candidate<V>(in CellPlace at, V reset)
        where V : struct, ILanes<V> =>
        V.MultiplyAdd(reset, V.Load(in *(at.Gates + (2 * at.Block)), 0), V.Load(in *(at.Gates + (3 * at.Block)), 0));
}
