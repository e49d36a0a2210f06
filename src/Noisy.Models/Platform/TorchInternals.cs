using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What libtorch knows and TorchSharp does not tell: which backward pass is running, how often a tensor was changed, and who
/// else holds it.</summary>
/// <remarks>
/// Everything here only makes the engine faster or stricter; without it results are the same, but for a backward pass in parts
/// (<see cref="SharedOverSteps"/>). So each answer is tried out once, on tensors whose answer is known, before it is believed
/// (<see cref="Verified"/>): where libtorch is another version, lacks a symbol or lays its objects out in another way, gradients take
/// torch's own way through <c>AccumulateGrad</c>.
/// </remarks>
internal static unsafe partial class TorchInternals
{
    // Of the libtorch that this TorchSharp was made for; offsets in bytes.
    private const string Version210 = "2.10.";
    private const int ExecCount = 24, References = 8, Storage = 16, VersionNumber = 16;

    /// <summary>What there is to say of a tensor that cannot be changed.</summary>
    internal const string MadeInInference =
        "a tensor that was made in inference_mode cannot be changed outside it: make the model outside inference_mode, or clone its tensors";

    private static readonly Lazy<bool> Tried = new(Try);

    /// <summary>Whether the answers can be had here. The first call runs small backward passes.</summary>
    internal static bool Verified => Tried.Value;

    /// <summary>Whether the backward pass that runs now on this thread adds to the <c>grad</c> of every leaf, as <c>backward()</c> does;
    /// <c>autograd.grad</c> and <c>backward(inputs)</c> do not.</summary>
    internal static bool AccumulatesIntoLeaves => Verified && Accumulates();

    /// <summary>Whether the graph of the running backward pass is kept for another one; true where that is not known.</summary>
    internal static bool KeepsGraph => !Verified || CurrentKeepsGraph() != 0;

    /// <summary>The number of the backward pass that runs now on this thread; −1 where that is not known.</summary>
    internal static int CurrentPass => Verified ? CurrentTask() : -1;

    /// <summary>Whether a tensor was made in inference mode: torch does not count its changes, allows none outside that mode, and keeps it
    /// for no backward pass. False where that is not known.</summary>
    internal static bool IsInference(Tensor tensor) => Verified && Count(tensor) is null;

    /// <summary>How often torch has changed a tensor in place; null where that is not known, and of a tensor made in inference mode.</summary>
    internal static uint? Version(Tensor tensor) => Verified ? Count(tensor) : null;

    /// <summary>Tells torch that a tensor's values were changed, so that a backward pass that needs the old ones throws.</summary>
    /// <exception cref="InvalidOperationException">It was made in inference mode, and this is outside.</exception>
    internal static void Changed(Tensor tensor)
    {
        if (Verified)
        {
            // torch would throw through the call into it, which ends the process.
            if (Count(tensor) is not null) BumpVersion(tensor.Handle);
            else if (!is_inference_mode_enabled()) throw new InvalidOperationException(MadeInInference);
            return;
        }

        using var _ = no_grad();
        using var none = tensor.detach().reshape(-1).narrow(0, 0, 0);
        none.zero_();
    }

    /// <summary>Whether anyone but the caller holds a tensor or a view of it; true where that is not known.</summary>
    internal static bool IsShared(Tensor tensor) => !Verified || HasOthers(tensor);

    private static bool Accumulates()
    {
        var nodes = CurrentNodes();
        return nodes != 0 && *(long*)(nodes + ExecCount) == 0;
    }

    private static uint? Count(Tensor tensor)
    {
        var counter = *(nint*)VersionOf(tensor.Handle);
        return counter == 0 ? null : *(uint*)(counter + VersionNumber);
    }

    private static bool HasOthers(Tensor tensor)
    {
        var body = *(nint*)tensor.Handle;
        return *(uint*)(body + References) != 1 || *(uint*)(*(nint*)(body + Storage) + References) != 1;
    }

    private static bool Try()
    {
        if (!__version__.StartsWith(Version210, StringComparison.Ordinal) || IntPtr.Size != 8) return false;
        try
        {
            using var scope = NewDisposeScope();
            using var outside = inference_mode(false); // the first caller may be within it, where there is no graph to ask about
            using var recording = enable_grad();
            return GraphsAreTold() && ChangesAreTold() && InferenceIsTold() && HoldersAreTold();
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or BadImageFormatException)
        {
            return false;
        }
    }

    private static bool GraphsAreTold()
    {
        var leaf = ones(2).requires_grad_();
        HashSet<int> passes = [];
        (bool Accumulates, bool Keeps, bool IsNew) Pass(Action<Tensor> run)
        {
            run(Probe.apply(leaf)[0].sum());
            var (accumulates, keeps, pass) = Probe.Seen;
            return (accumulates, keeps, pass >= 0 && passes.Add(pass));
        }

        return CurrentNodes() == 0 && CurrentTask() == -1
            && Pass(loss => loss.backward()) == (true, false, true)
            && Pass(loss => autograd.backward(loss, (IList<Tensor>?)null, retain_graph: true)) == (true, true, true)
            && Pass(loss => autograd.grad([loss], [leaf])) == (false, false, true);
    }

    private static bool ChangesAreTold()
    {
        var tensor = zeros(3);
        var before = Count(tensor);
        tensor.zero_();
        var changed = Count(tensor) == before + 1;
        BumpVersion(tensor.Handle);
        return changed && Count(tensor) == before + 2;
    }

    private static bool InferenceIsTold()
    {
        using var _ = inference_mode();
        return Count(zeros(1)) is null;
    }

    private static bool HoldersAreTold()
    {
        var tensor = zeros(3);
        if (HasOthers(tensor)) return false;
        using (tensor.alias())
        {
            if (!HasOthers(tensor)) return false;
        }

        using (tensor.narrow(0, 0, 1))
        {
            if (!HasOthers(tensor)) return false;
        }

        return !HasOthers(tensor);
    }

    [LibraryImport("torch_cpu", EntryPoint = "_ZN5torch8autograd32get_current_graph_task_exec_infoEv")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint CurrentNodes();

    [LibraryImport("torch_cpu", EntryPoint = "_ZN5torch8autograd33get_current_graph_task_keep_graphEv")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial byte CurrentKeepsGraph();

    [LibraryImport("torch_cpu", EntryPoint = "_ZN5torch8autograd25get_current_graph_task_idEv")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int CurrentTask();

    [LibraryImport("torch_cpu", EntryPoint = "_ZN5torch8autograd4impl12bump_versionERKN2at6TensorE")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial void BumpVersion(nint tensor);

    [LibraryImport("torch_cpu", EntryPoint = "_ZN5torch8autograd4impl15version_counterERKN2at6TensorE")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint VersionOf(nint tensor);

    /// <summary>The identity, which notes what the backward pass that it is in says of itself.</summary>
    private sealed class Probe : autograd.MultiTensorFunction<Probe>
    {
        [ThreadStatic]
        private static (bool, bool, int) seen;

        internal static (bool Accumulates, bool Keeps, int Pass) Seen => seen;

        public override string Name => nameof(Probe);

        public override List<Tensor> forward(autograd.AutogradContext ctx, params object[] vars) => [((Tensor)vars[0]).clone()];

        public override List<Tensor> backward(autograd.AutogradContext ctx, List<Tensor> grad_outputs)
        {
            seen = (TorchInternals.Accumulates(), CurrentKeepsGraph() != 0, CurrentTask());
            return [grad_outputs[0].clone()];
        }
    }
}
