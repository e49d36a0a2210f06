using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>A recurrent cell, defined once: its noisy sites, its operator in the fused engine, and one step as tensor operations.</summary>
/// <remarks>Every backend reads this definition: the layers, single steps, and the controller of a machine, composed or fused. A new cell is
/// a class like <see cref="GruCell"/> and an <see cref="ICell"/>, which names gates, states and where products add up.</remarks>
/// <param name="sites">The activation at each nonlinearity, in the order of the rows of p and of the noise keys.</param>
internal abstract class RecurrentCell(IReadOnlyList<NoisyActivationSpec> sites) : ICellSource
{
    private CellLayout? layout;

    /// <summary>The activation at each nonlinearity, in the order of the rows of p and of the noise keys.</summary>
    public IReadOnlyList<NoisyActivationSpec> Sites { get; } = sites;

    /// <summary>Names of the sites, in their order.</summary>
    public virtual IReadOnlyList<string> SiteNames => [.. Sites.Select((_, i) => $"site{i}")];

    /// <summary>Gates, states, and how products add up, as the cell's operator names them.</summary>
    /// <exception cref="ArgumentException">The operator has another number of sites, or breaks a rule of its own.</exception>
    public CellLayout Layout
    {
        get
        {
            if (layout is { } known) return known;
            var read = CellLayout.FromCell(this);
            if (read.Sites != Sites.Count) throw new ArgumentException($"{GetType().Name} has {Sites.Count} sites, its operator {read.Sites}");
            return (layout = read).Value;
        }
    }

    /// <inheritdoc/>
    public abstract void Accept<TVisitor>(double? scale, ref TVisitor visitor) where TVisitor : struct, ICellVisitor;

    /// <summary>Whether any site has a gap gain, and whether any of those is learned.</summary>
    public bool UsesP => Sites.Any(s => s.UsesP);

    /// <inheritdoc cref="UsesP"/>
    public bool LearnsP => Sites.Any(s => s.UsesP && s.LearnP);

    /// <summary>Which rows of p are learned.</summary>
    public bool[] LearnedGains() => [.. Sites.Select(s => s.UsesP && s.LearnP)];

    /// <summary>Where the engine takes ξ from in a pass.</summary>
    public RecurrentNoise Noise(NoiseContext context) => new(
        context.Key, context.Update, context.TimeStep,
        context.Mode == NoiseMode.Sample ? null : [.. Sites.Select(s => NoiseModes.Constant(s, context.Mode))]);

    /// <summary>Gap gains as a pass takes them: without a gradient if they have no part in it.</summary>
    public Tensor? Gains(Tensor? p, NoiseContext context) =>
        p is not { requires_grad: true } || Sites.Any(s => GapGain.Counts(s, context)) ? p : p.detach();

    /// <summary>A site's row of the gap gains, without a gradient if it is not learned; null if the site has none.</summary>
    /// <param name="p">[sites, H].</param>
    /// <param name="site">The site.</param>
    public Tensor? GainsOf(Tensor? p, int site)
    {
        var spec = Sites[site];
        return !spec.UsesP ? null : spec.LearnP ? p!.select(0, site) : p!.select(0, site).detach();
    }

    /// <summary>Checks how many states a pass begins with.</summary>
    /// <param name="states">The states; null stands for zeros.</param>
    /// <param name="name">The caller's argument.</param>
    /// <exception cref="ArgumentException">There are more or fewer than the cell has.</exception>
    public void CheckCount(Tensor[]? states, string name)
    {
        if (states is not null && states.Length != Layout.States)
            throw new ArgumentException($"the number of states is {states.Length}: must be {Layout.States}", name);
    }

    /// <summary>One layer in one direction over a sequence.</summary>
    /// <param name="w">The layer's weights.</param>
    /// <param name="x">[T, B, I].</param>
    /// <param name="start">Initial states, each [B, H].</param>
    /// <param name="backwards">Whether time runs from T − 1 down to 0.</param>
    /// <param name="context">The layer's context.</param>
    /// <param name="layer">Which layer it is, for who observes the pass; null for none.</param>
    /// <returns>Output [T, B, H] and final states, each [B, H], moved out of the inner scopes.</returns>
    public (Tensor Output, Tensor[] End) Run(RecurrentWeights w, Tensor x, Tensor[] start, bool backwards, NoiseContext context, SiteAddress? layer = null)
    {
        using var scope = NewDisposeScope();
        var steps = (int)x.shape[0];
        var sites = new SiteNoise(Sites, w.P, [x.shape[0], x.shape[1], w.WeightHh.shape[1]], x.device, context, layer);
        var inputs = Project(w, x).unbind(0);
        var recurrent = new StepLinear(w.WeightHh, RecurrentBias(w), Backend.Composed);
        var outputs = new Tensor[steps];
        var state = start;
        for (var i = 0; i < steps; i++)
        {
            using var inner = NewDisposeScope();
            var t = backwards ? steps - 1 - i : i;
            state = Step(inputs[t], recurrent.Apply, state, (site, pre) => sites.Apply(site, t, pre));
            foreach (var s in state) s.MoveToOuterDisposeScope();
            outputs[t] = state[0];
        }

        return (stack(outputs).MoveToOuterDisposeScope(), state.Select(s => s.MoveToOuterDisposeScope()).ToArray());
    }

    /// <summary>The part of the gate pre-activations that does not depend on the state, for all time steps in one product.</summary>
    public Tensor Project(RecurrentWeights w, Tensor x) => F.linear(x, w.WeightIh, InputBias(w));

    /// <summary>What is added to the product with the input: both biases, where the two products add up anyway; null for nothing.</summary>
    public Tensor? InputBias(RecurrentWeights w) => w.BiasIh is { } input && Layout.SharesBlocks ? input.Plus(w.BiasHh!) : w.BiasIh;

    /// <summary>What is added to the product with the state; null for nothing.</summary>
    public Tensor? RecurrentBias(RecurrentWeights w) => Layout.SharesBlocks ? null : w.BiasHh;

    /// <summary>One time step.</summary>
    /// <param name="input">This step's slice of <see cref="Project"/>.</param>
    /// <param name="recurrent">The product with the state, [B, H] to [B, G H], <see cref="RecurrentBias"/> added.</param>
    /// <param name="state">States [B, H] before the step.</param>
    /// <param name="activate">Applies the activation of a site to its pre-activation.</param>
    /// <returns>States after the step, new tensors.</returns>
    public abstract Tensor[] Step(Tensor input, Func<Tensor, Tensor> recurrent, Tensor[] state, Func<int, Tensor, Tensor> activate);
}
