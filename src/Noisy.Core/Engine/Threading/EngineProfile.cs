using System.Diagnostics;

namespace Noisy.Core;

/// <summary>Parts of the engine's work, as the benchmark lists them.</summary>
internal enum EngineStage
{
    Pack,
    Project,
    Noise,
    RecurrentProduct,
    Gates,
    RecurrentProductBack,
    GatesBack,
    NtmController,
    NtmHeads,
    NtmAddressing,
    NtmMemory,
    NtmOutput,
    NtmMemoryBack,
    NtmAddressingBack,
    GradInput,
    GradWeights,
    Logits,
    Softmax,
    SoftmaxGradInput,
    SoftmaxGradWeights,
    Norm,
    Update,
    Wait,
}

/// <summary>How long the first member of the team spent on each part; off unless a benchmark asks.</summary>
internal static class EngineProfile
{
    private static readonly long[] Ticks = new long[Enum.GetValues<EngineStage>().Length];
    private static long last;

    /// <summary>Whether parts are timed.</summary>
    internal static bool IsOn { get; set; }

    /// <summary>Begins a part.</summary>
    internal static void Start(TeamMember member)
    {
        if (IsOn && member.Index == 0) last = Stopwatch.GetTimestamp();
    }

    /// <summary>Ends a part and begins the next.</summary>
    internal static void Mark(TeamMember member, EngineStage stage)
    {
        if (!IsOn || member.Index != 0) return;
        var now = Stopwatch.GetTimestamp();
        Ticks[(int)stage] += now - last;
        last = now;
    }

    /// <summary>Seconds by part since the last call.</summary>
    internal static IReadOnlyDictionary<EngineStage, double> Take()
    {
        var seconds = Enum.GetValues<EngineStage>().ToDictionary(s => s, s => (double)Ticks[(int)s] / Stopwatch.Frequency);
        Array.Clear(Ticks);
        return seconds;
    }
}
