using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// Makes an existing TorchSharp model noisy: exchanges its tanh, sigmoid, LSTM and GRU modules and cells, keeping the weights.
/// </summary>
/// <remarks>
/// <para>What is exchanged is the module object, in every place from which the model reaches it: torch's registration, the
/// items of <c>Sequential</c>, <c>ModuleList</c> and <c>ModuleDict</c>, fields (private, read-only, of auto-properties), arrays,
/// collections, and what lambdas captured. A field must be able to hold the new module: declare it with torch's
/// general type, <c>nn.Module&lt;Tensor, Tensor&gt;</c> for an activation,
/// <c>nn.Module&lt;Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)&gt;</c> for an LSTM,
/// <c>nn.Module&lt;Tensor, Tensor, (Tensor, Tensor)&gt;</c> for a GRU,
/// <c>nn.Module&lt;Tensor, (Tensor, Tensor)?, (Tensor, Tensor)&gt;</c> and <c>nn.Module&lt;Tensor, Tensor, Tensor&gt;</c> for their cells,
/// whose calls within an update are time steps. A field of type <c>LSTM</c> cannot hold another class, and
/// its module is refused.</para>
/// <para>Calls of functions (<c>torch.tanh(x)</c>, <c>x.sigmoid()</c>) are no modules and stay as they are. So do references that the
/// caller holds outside the model.</para>
/// <para>Recurrent modules keep the very <c>Parameter</c> objects of the old ones, under the same names; the gap gains p are new
/// (<see cref="NoisifyReport.NewParameters"/>). So make the optimiser afterwards: one made before from a list of the parameters
/// goes on training the old ones only, one made from <c>model.parameters()</c> itself, which torch enumerates anew, fails at
/// its next step. A state dictionary saved before loads with <c>strict: false</c>.</para>
/// </remarks>
public static class Noisify
{
    /// <summary>Exchanges the saturating modules of a model; all or, if one that was asked for cannot be, none.</summary>
    /// <param name="root">The model.</param>
    /// <param name="activations">What replaces tanh and sigmoid, for example <see cref="Variants.Nah"/>; <see cref="Variants.Soft"/>
    /// changes no number.</param>
    /// <param name="clock">The model's clock; the training loop advances it once an update.</param>
    /// <param name="where">Which modules to replace, by dotted path and module; default all that have a noisy counterpart. A
    /// module that is registered twice is asked about once, under its first path.</param>
    /// <param name="specs">A spec for a module without parameters that maps a tensor to a tensor: for Hardtanh, ReLU6 or one's
    /// own, or another one for a certain tanh. Null leaves the rule: tanh and sigmoid by <paramref name="activations"/>,
    /// others not.</param>
    /// <param name="widths">Units H of an activation by its path, for a gap gain p [H] of each unit; asked only if the spec has
    /// one. An activation does not know its width, and parameters that came with the first input would be missed by an
    /// optimiser; so the default is 1: one gain that all units share.</param>
    /// <param name="dropouts">Dropout of a recurrent module by its path; null (default) measures it, to five decimals.</param>
    /// <param name="allowPartial">Whether to replace what can be and report the rest as refused, instead of throwing.</param>
    /// <returns>What was replaced, what was not, and why.</returns>
    /// <exception cref="UsageException">A module that was asked for cannot be replaced; the message names each with its reason and
    /// remedy, and nothing was changed. Not thrown if <paramref name="allowPartial"/>.</exception>
    /// <exception cref="InvalidSpecException">A spec or a dropout breaks a rule; nothing was changed.</exception>
    /// <example>
    /// <code>
    /// var clock = new NoiseClock(seed: 1);
    /// Console.WriteLine(Noisify.Replace(model, Variants.Nah, clock, where: (path, _) => !path.StartsWith("head")));
    /// </code>
    /// </example>
    public static NoisifyReport Replace(
        nn.Module root,
        ActivationPair activations,
        NoiseClock clock,
        Func<string, nn.Module, bool>? where = null,
        Func<string, nn.Module, NoisyActivationSpec?>? specs = null,
        Func<string, long>? widths = null,
        Func<string, double?>? dropouts = null,
        bool allowPartial = false)
    {
        ArgumentNullException.ThrowIfNull(root);
        activations.Tanh.Validate();
        activations.Sigmoid.Validate();
        var plans = Plan(root, new Counterparts(activations, clock, specs, widths, dropouts), where);
        Refuse(root, plans);
        var refused = plans.Where(p => p.Outcome == NoisifyOutcome.Refused).ToList();
        if (refused.Count > 0 && !allowPartial)
        {
            throw new UsageException(
                $"{refused.Count} of {plans.Count(p => p.Counterpart is not null)} modules cannot be replaced, "
                + "and nothing was changed:"
                + string.Concat(refused.Select(p => $"{Environment.NewLine}  {p.Entry()}"))
                + $"{Environment.NewLine}Mend them, leave them out with the argument where, "
                + "or allow a partial replacement with allowPartial.");
        }

        foreach (var plan in plans.Where(p => p.Outcome == NoisifyOutcome.Replaced)) plan.Made = plan.Preparation!.Build!();
        foreach (var plan in plans.Where(p => p.Made is not null))
            foreach (var place in plan.Places) place.Set(plan.Made!);
        return new NoisifyReport(plans.Select(p => p.Entry()).ToList());
    }

    /// <summary>Lists the modules that saturate, each with its counterpart.</summary>
    private static List<Replacement> Plan(nn.Module root, Counterparts counterparts, Func<string, nn.Module, bool>? where)
    {
        List<Replacement> plans = [];
        Dictionary<nn.Module, Replacement?> known = new(ReferenceEqualityComparer.Instance);
        Visit("", root, (CPU, ScalarType.Float32));
        return plans;

        void Visit(string path, nn.Module module, (Device, ScalarType) home)
        {
            if (known.TryGetValue(module, out var before))
            {
                before?.OtherPaths.Add(path);
                return;
            }

            home = Home(module) ?? home;
            known[module] = null;
            if (Of(path, module, home) is { } plan)
            {
                plans.Add(plan);
                known[module] = plan;
            }

            foreach (var (name, child) in module.named_children().ToList())
                Visit(path.Length == 0 ? name : $"{path}.{name}", child, home);
        }

        Replacement? Of(string path, nn.Module module, (Device, ScalarType) home)
        {
            if (module is NoisyLstm or NoisyGru or NoisyLstmCell or NoisyGruCell or NoisyActivation) return null;
            if (counterparts.Of(path, module, home) is { } counterpart)
            {
                return where?.Invoke(path, module) ?? true
                    ? new(path, module) { Counterpart = counterpart, Preparation = counterpart.Prepare() }
                    : new(path, module) { Outcome = NoisifyOutcome.LeftOut, Note = "the argument where leaves it out" };
            }

            return Counterparts.Unserved(module) is { } reason
                ? new(path, module) { Outcome = NoisifyOutcome.LeftOut, Note = reason }
                : null;
        }
    }

    /// <summary>Device and type of a module's first floating-point parameter: where a new one beside it belongs.</summary>
    private static (Device, ScalarType)? Home(nn.Module module) =>
        module.parameters().FirstOrDefault(p => p.is_floating_point()) is { } first ? (first.device, first.dtype) : null;

    /// <summary>Marks what cannot be replaced, and gives the rest its places.</summary>
    private static void Refuse(nn.Module root, List<Replacement> plans)
    {
        var wanted = plans.Where(p => p.Counterpart is not null).ToList();
        var places = ModuleReferences.Find(root, wanted.Select(p => p.Module));
        foreach (var plan in wanted)
        {
            plan.Places = places[plan.Module];
            var type = plan.Counterpart!.Type;
            List<string> reasons = [];
            if (plan.Preparation!.Build is null) reasons.Add(plan.Preparation.Note);
            if (ReferenceEquals(plan.Module, root))
                reasons.Add($"it is the model itself, which the caller holds: build a {type.Name} instead");
            foreach (var place in plan.Places.Where(p => !p.Accepts(type)).DistinctBy(p => p.Where))
            {
                reasons.Add(place.Declared is null
                    ? $"{place.Where} holds it in a way that cannot be changed"
                    : $"{place.Where} is declared as {TypeNames.Of(place.Declared)}, which cannot hold a {type.Name}: "
                        + $"declare it as nn.{TypeNames.Of(TypeNames.Signature(plan.Module))}");
            }

            if (reasons.Count > 0) plan.Outcome = NoisifyOutcome.Refused;
            plan.Note = reasons.Count > 0 ? string.Join("; ", reasons) : plan.Preparation.Note;
        }
    }

    /// <summary>One module on its way.</summary>
    private sealed class Replacement(string path, nn.Module module)
    {
        public nn.Module Module => module;

        public Counterpart? Counterpart { get; init; }

        public Preparation? Preparation { get; init; }

        public nn.Module? Made { get; set; }

        public List<string> OtherPaths { get; } = [];

        public IReadOnlyList<ModuleReference> Places { get; set; } = [];

        public NoisifyOutcome Outcome { get; set; }

        public string Note { get; set; } = "";

        public NoisifyEntry Entry()
        {
            string[] notes = [Note, OtherPaths.Count == 0 ? "" : $"also at {string.Join(", ", OtherPaths)}"];
            return new(path, module.GetType(), Made ?? module, Outcome, string.Join("; ", notes.Where(n => n.Length > 0)));
        }
    }
}
