using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A noisy activation as a module: drop it in where a model has a tanh, sigmoid or ReLU module.</summary>
/// <remarks>
/// Parameter <c>p</c> [units] if the spec has a gap gain (a buffer if it is frozen); one unit stands for any number that
/// share their gain. <c>forward(x)</c> is torch's plain face
/// and asks the clock; <see cref="forward(Tensor, NoiseContext)"/> is the pure one. On the CPU in single precision it is one
/// node of torch's graph. Source: paper, Algorithm 1, Section 5.
/// </remarks>
public sealed class NoisyActivation : nn.Module<Tensor, Tensor>, INoisySites, IReached
{
    private readonly ModuleNoise noise;
    private bool reached;

    /// <summary>Creates the module.</summary>
    /// <param name="spec">The activation.</param>
    /// <param name="units">Width H of the last dimension of x: the number of gap gains. 1 takes x of any shape, with one gain
    /// that all its units share.</param>
    /// <param name="clock">The model's clock; source of key, update and scale.</param>
    /// <param name="name">Name of the module, for torch.</param>
    /// <exception cref="InvalidSpecException">The spec breaks a rule.</exception>
    public NoisyActivation(NoisyActivationSpec spec, long units, NoiseClock clock, string name = nameof(NoisyActivation))
        : base(name)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentOutOfRangeException.ThrowIfLessThan(units, 1);
        Spec = spec.Validate();
        Units = units;
        noise = new ModuleNoise(clock);
        if (!spec.UsesP) return;
        var initial = GapGain.Initial(spec, units, noise.Init);
        var p = spec.LearnP ? new Parameter(initial) : initial;
        p.DetachFromDisposeScope(); // the module owns it, whatever scope it is built in
        if (p is Parameter learned) register_parameter("p", learned);
        else register_buffer("p", p);
    }

    /// <summary>The activation.</summary>
    public NoisyActivationSpec Spec { get; }

    /// <summary>Width H of the last dimension; 1 fits any.</summary>
    public long Units { get; }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend { get; set; } = FusedEngine.Default;

    /// <summary>Which implementation the last pass ran on, by the name that summaries use.</summary>
    public string LastBackend { get; internal set; } = FusedEngine.ComposedName;

    /// <summary>Gap gains; null if the activation has none. By name: moving the module replaces them.</summary>
    internal Tensor? Gains => !Spec.UsesP ? null : Spec.LearnP ? get_parameter("p") : get_buffer("p");

    /// <summary>A pass as the activation draws in it.</summary>
    internal NoiseContext Own(NoiseContext context) => noise.Own(context);

    /// <summary>Applies the activation in the module's mode.</summary>
    /// <param name="x">Pre-activation [.., H], of a floating-point type: that of the gap gains, if there are any.</param>
    /// <returns>φ(x, ξ), of x's type, in training, its value with the noise at its expectation in <c>eval()</c>; owned by the caller.</returns>
    /// <exception cref="ArgumentException">x is of another type, or its last dimension is not H and H is not 1.</exception>
    public override Tensor forward(Tensor x)
    {
        Check(x);
        return forward(x, noise.Next(training));
    }

    /// <summary>Applies the activation as the context says, whatever the module's mode.</summary>
    /// <param name="x">Pre-activation [.., H].</param>
    /// <param name="context">Mode, key, update, time step and scale.</param>
    /// <returns>φ; owned by the caller.</returns>
    /// <exception cref="ArgumentException">x is of another type, or its last dimension is not H and H is not 1.</exception>
    public Tensor forward(Tensor x, NoiseContext context)
    {
        Check(x);
        reached = true;
        context = noise.Own(context);
        var p = Gains;
        LastBackend = SiteActivation.Fuses(Spec, x, p, context, Backend) ? FusedEngine.FusedName : FusedEngine.ComposedName;
        return SiteActivation.Apply(Spec, x, p, context, Backend, new SiteAddress(noise));
    }

    bool IReached.Reached => reached;

    ModuleNoise INoisySites.Noise => noise;

    string INoisySites.SiteName(SiteAddress site) => "";

    private void Check(Tensor x)
    {
        Operand.Floating(x, nameof(x));
        if (Gains is { } p) Operand.Like(p, x, nameof(x));
        if (Units != 1 && (x.dim() == 0 || x.shape[^1] != Units))
            throw new ArgumentException($"the last dimension of x is {(x.dim() == 0 ? "missing" : x.shape[^1])}: must be {Units}", nameof(x));
    }
}
