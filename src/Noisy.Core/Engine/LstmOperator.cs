using System.Runtime.CompilerServices;
using static System.Runtime.CompilerServices.MethodImplOptions;

namespace Noisy.Core;

/// <summary>LSTM: blocks and gates input, forget, candidate, output; sites the same, then the cell output.</summary>
internal readonly unsafe struct LstmOperator<TSigmoid, TTanh>(TSigmoid sigmoid, TTanh tanh) : ICell
    where TSigmoid : struct, INoisyOperator
    where TTanh : struct, INoisyOperator
{
    private readonly TSigmoid _sigmoid = sigmoid;
    private readonly TTanh _tanh = tanh;

    public static int Gates => 4;

    public static int Sites => 5;

    public static bool HasCell => true;

    public static ReadOnlySpan<byte> InputBlocks => [0, 1, 2, 3];

    public static ReadOnlySpan<byte> RecurrentBlocks => [0, 1, 2, 3];

    public static bool ReadsNoise => TSigmoid.ReadsNoise || TTanh.ReadsNoise;

    public static bool ReadsP => TSigmoid.ReadsP || TTanh.ReadsP;

    [MethodImpl(AggressiveInlining)]
    public void Forward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        var input = CellSite.Value(_sigmoid, at, 0, V.Load(in *at.Gates, 0));
        var forget = CellSite.Value(_sigmoid, at, 1, V.Load(in *(at.Gates + at.Block), 0));
        var candidate = CellSite.Value(_tanh, at, 2, V.Load(in *(at.Gates + (2 * at.Block)), 0));
        var output = CellSite.Value(_sigmoid, at, 3, V.Load(in *(at.Gates + (3 * at.Block)), 0));
        var cell = V.MultiplyAdd(forget, V.Load(in *at.CellBefore, 0), input * candidate);
        cell.Store(ref *at.Cell, 0);
        (output * CellSite.Value(_tanh, at, 4, cell)).Store(ref *at.Hidden, 0);
    }

    [MethodImpl(AggressiveInlining)]
    public void Backward<V>(in CellPlace at) where V : struct, ILanes<V>
    {
        var gradHidden = V.Load(in *at.GradHidden, 0);
        var output = CellSite.Slopes(_sigmoid, at, 3, V.Load(in *(at.Gates + (3 * at.Block)), 0));
        var squashed = CellSite.Slopes(_tanh, at, 4, V.Load(in *at.Cell, 0));
        Descend<TSigmoid, V>(at, 3, gradHidden * squashed.Value, output);
        var gradSquashed = gradHidden * output.Value;
        CellSite.AddGain<TTanh, V>(at, 4, gradSquashed, squashed);
        var gradCell = V.MultiplyAdd(gradSquashed, squashed.Dx, V.Load(in *at.Carry, 0));

        var input = CellSite.Slopes(_sigmoid, at, 0, V.Load(in *at.Gates, 0));
        var candidate = CellSite.Slopes(_tanh, at, 2, V.Load(in *(at.Gates + (2 * at.Block)), 0));
        Descend<TSigmoid, V>(at, 0, gradCell * candidate.Value, input);
        Descend<TTanh, V>(at, 2, gradCell * input.Value, candidate);
        var forget = CellSite.Slopes(_sigmoid, at, 1, V.Load(in *(at.Gates + at.Block), 0));
        Descend<TSigmoid, V>(at, 1, gradCell * V.Load(in *at.CellBefore, 0), forget);
        (gradCell * forget.Value).Store(ref *at.Carry, 0);
    }

    /// <summary>Site and block have the same number here.</summary>
    [MethodImpl(AggressiveInlining)]
    private static void Descend<TOperator, V>(in CellPlace at, int site, V grad, Slopes<V> slopes)
        where TOperator : struct, INoisyOperator
        where V : struct, ILanes<V>
    {
        (grad * slopes.Dx).Store(ref *(at.GradGates + (site * at.Block)), 0);
        CellSite.AddGain<TOperator, V>(at, site, grad, slopes);
    }
}
