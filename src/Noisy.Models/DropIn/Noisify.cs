using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// Makes an existing TorchSharp model noisy: exchanges its tanh, sigmoid, LSTM and GRU modules and cells, and its embeddings if asked, keeping
/// the weights.
/// </summary>
/// <remarks>
/// <para>What is exchanged is the module object, in the places from which the model reaches it: torch's registration, the
/// items of <c>Sequential</c>, <c>ModuleList</c> and <c>ModuleDict</c>, fields (private, read-only, of auto-properties, static ones of the
/// model's classes), arrays, collections, what lambdas captured, <c>Lazy</c>, <c>Memory</c>, weak references and the like. What still calls
/// the old module, from a static field of another class for example, shows in <see cref="NoisifyReport.NotCalled"/>.</para>
/// <para>A field of torch's general type can hold the new module: <c>nn.Module&lt;Tensor, Tensor&gt;</c>
/// for an activation, <c>nn.Module&lt;Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)&gt;</c> for an LSTM,
/// <c>nn.Module&lt;Tensor, Tensor, (Tensor, Tensor)&gt;</c> for a GRU,
/// <c>nn.Module&lt;Tensor, (Tensor, Tensor)?, (Tensor, Tensor)&gt;</c> and <c>nn.Module&lt;Tensor, Tensor, Tensor&gt;</c> for their cells,
/// whose calls within an update are time steps.</para>
/// <para>A field of type <c>LSTM</c> or <c>Tanh</c> cannot hold another class. There the old module stays, and a hook on its <c>call</c>
/// gives what the new one computes; torch's registration has the new one, so parameters, state, <c>to</c>, <c>train</c> and
/// <c>eval</c> of the model are those of a full replacement. A hook does not see <c>forward</c> called directly, nor packed sequences. So the
/// code of the model's classes is searched for such calls, and their modules are refused with the remedy; calls from elsewhere show in
/// <see cref="NoisifyReport.NotCalled"/>.</para>
/// <para>An activation whose output is the model's stays as it is, since the loss may take it for a probability, and with a leak
/// (α ≠ 1) or noise it leaves [0, 1] or [−1, 1]. It is one for certain if it ends a <c>Sequential</c> that is the model,
/// or if a pass over an example shows it (argument <c>example</c>); one of which nothing is known is replaced, and its entry says how far it can go.</para>
/// <para>Calls of functions (<c>torch.tanh(x)</c>, <c>x.sigmoid()</c>) are no modules and stay as they are. So do references that the
/// caller holds outside the model.</para>
/// <para>Recurrent modules keep the very <c>Parameter</c> objects of the old ones, under the same names; the gap gains p are new
/// (<see cref="NoisifyReport.NewParameters"/>). So make the optimiser afterwards. One made before from a list of the parameters
/// keeps training the old ones only. One made from <c>model.parameters()</c> itself, as in a model's constructor, has torch enumerate
/// them anew, and its next step throws <c>KeyNotFoundException</c> with a number for a key. If it cannot be made later, freeze the
/// gains: <c>Variants.Nah.Map(s => s.WithLearnP(false))</c> has no new parameters.</para>
/// <para>Weights saved before the replacement have no gains: <see cref="Load"/> reads them and names what keeps its initial value;
/// torch's own <c>load</c> and <c>load_state_dict</c> need <c>strict: false</c>.</para>
/// </remarks>
public static class Noisify
{
    /// <summary>Exchanges the saturating modules of a model; all or, if one that was requested cannot be, none.</summary>
    /// <param name="root">The model.</param>
    /// <param name="activations">What replaces tanh and sigmoid, for example <see cref="Variants.Nah"/>; <see cref="Variants.Soft"/>
    /// changes no number but by rounding.</param>
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
    /// <param name="outputs">Whether to replace an activation whose output is the model's too.</param>
    /// <param name="example">A pass of the model, <c>() => model.call(x)</c>, that gives its output: a tensor, a tuple or a sequence of them. It is
    /// run once, before the replacement, in <c>eval()</c> without gradients, to see which activations give the model's output.</param>
    /// <param name="embeddings">Whether to replace <c>nn.Embedding</c> too, by a lookup of the same rows whose gradient costs only the rows that
    /// were looked up; <see cref="FusedOptim"/> leaves out the others. One with <c>padding_idx</c>, <c>max_norm</c>, <c>scale_grad_by_freq</c> or
    /// <c>sparse</c> stays, and its entry says so; a pass forward and back over all its rows finds that out.</param>
    /// <returns>What was replaced, what was not, and why.</returns>
    /// <exception cref="UsageException">A module that was requested cannot be replaced; the message names each with its reason and
    /// remedy, and nothing was changed. Not thrown if <paramref name="allowPartial"/>.</exception>
    /// <exception cref="InvalidSpecException">A spec or a dropout breaks a rule; nothing was changed.</exception>
    /// <exception cref="ArgumentException">The example gives no number; nothing was changed.</exception>
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
        bool allowPartial = false,
        bool outputs = false,
        Func<object>? example = null,
        bool embeddings = false)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(activations);
        ArgumentNullException.ThrowIfNull(clock);
        using var outside = is_inference_mode_enabled() ? inference_mode(false) : null; // gains that are made there could not be trained
        activations.Tanh.Validate();
        activations.Sigmoid.Validate();
        var plans = Plan(root, new Counterparts(activations, clock, specs, widths, dropouts, embeddings), where);
        var unclear = plans.Where(p => p is { Role: OutputRole.Unknown, Preparation: not null, Counterpart.Spec: not null }).ToList();
        if (example is not null && unclear.Count > 0) OutputProbe.Settle(root, unclear, example);
        if (!outputs) LeaveOutputs(plans);
        Refuse(root, plans);
        var refused = plans.Where(p => p.Outcome == NoisifyOutcome.Refused).ToList();
        if (refused.Count > 0 && !allowPartial)
        {
            throw new UsageException(
                $"{refused.Count} of {plans.Count(p => p.Preparation is not null)} modules cannot be replaced, "
                + "and nothing was changed:"
                + string.Concat(refused.Select(p => $"{Environment.NewLine}  {p.Entry()}"))
                + $"{Environment.NewLine}Change them, leave them out with the argument where, "
                + "or allow a partial replacement with allowPartial.");
        }

        var wanted = plans.Where(p => p.Outcome == NoisifyOutcome.Replaced).ToList();
        wanted.ForEach(p => p.Build());
        wanted.ForEach(p => p.Install());
        return new NoisifyReport(plans.Select(p => p.Entry()).ToList());
    }

    /// <summary>Loads weights of the model as it is or as it was before the replacement.</summary>
    /// <param name="root">The model: replaced, or made of noisy modules from the start.</param>
    /// <param name="path">The file: what TorchSharp's <c>save</c> wrote, what PyTorch's <c>torch.save(model.state_dict(), path)</c> wrote, or
    /// safetensors; the contents tell which.</param>
    /// <returns>Names of what keeps its initial value: gap gains. Empty if the file has all.</returns>
    /// <remarks>The file is read and checked before anything is changed. A type of numbers may be a wider one in the model, single precision in a double
    /// model say; all else is refused, in every format. If a run of this library wrote the file, it names the noise of its test, on which the
    /// expectation of half-normal noise depends: a clock without a scale takes the file's, and a clock in mode <see cref="NoiseMode.Mean"/> its
    /// mode. A scale that the clock has stays.</remarks>
    /// <exception cref="UsageException">The file lacks something else, has something else, other shapes or types with numbers that the model's do not
    /// have; or it is damaged; or it is PyTorch's, but no state dict of contiguous tensors; or a tensor of the model was made
    /// in inference mode; or of the model's clocks one has a scale other than the file's and one has none. The message names it, and nothing was
    /// loaded.</exception>
    /// <exception cref="InvalidDataException">The file is safetensors and damaged; nothing was loaded.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public static IReadOnlyList<string> Load(nn.Module root, string path)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(path);
        return SavedWeights.Load(root, path);
    }

    /// <summary>Lists the modules that saturate, each with its counterpart.</summary>
    private static List<Replacement> Plan(nn.Module root, Counterparts counterparts, Func<string, nn.Module, bool>? where)
    {
        List<Replacement> plans = [];
        Dictionary<nn.Module, Replacement?> known = new(ReferenceEqualityComparer.Instance);
        HashSet<nn.Module> above = new(ReferenceEqualityComparer.Instance); // the module that is visited, and what contains it
        Visit("", root, (CPU, ScalarType.Float32), false, OutputRole.Output);
        return plans;

        void Visit(string path, nn.Module module, (Device, ScalarType) home, bool frozen, OutputRole role)
        {
            var isKnown = known.TryGetValue(module, out var before);
            if (before is not null)
            {
                before.OtherPaths.Add(path);
                before.Role = (OutputRole)Math.Max((int)before.Role, (int)role);
                return;
            }

            if (!above.Add(module)) return;
            home = Home(module) ?? home;
            frozen = IsFrozen(module) ?? frozen;
            if (!isKnown && Plan(path, module, home, role) is { } plan)
            {
                plan.Frozen = frozen;
                plans.Add(plan);
                known[module] = plan;
            }
            else
            {
                known[module] = null; // met again, its children may have another role here
            }

            var children = module.named_children().ToList();
            var chain = IsChain(module);
            for (var i = 0; i < children.Count; i++)
            {
                var (name, child) = children[i];
                var isLast = i == children.Count - 1;

                // What follows without weights, a Flatten say, may leave the values as they are.
                var isInner = role == OutputRole.Inner || (chain && children.Skip(i + 1).Any(c => c.module.parameters().Any()));
                var its = isInner ? OutputRole.Inner : chain && isLast ? role : OutputRole.Unknown;
                Visit(path.Length == 0 ? name : $"{path}.{name}", child, home, frozen, its);
            }

            above.Remove(module);
        }

        Replacement? Plan(string path, nn.Module module, (Device, ScalarType) home, OutputRole role)
        {
            if (module is IRecurrence or NoisyActivation || CallHook.Has(module)) return null;
            if (counterparts.For(path, module, home) is { } counterpart)
            {
                if (!(where?.Invoke(path, module) ?? true))
                    return new(path, module) { Outcome = NoisifyOutcome.LeftOut, Note = "the argument where leaves it out" };
                var preparation = WithoutNumbers(module) ?? counterpart.Prepare();
                return preparation.Stays
                    ? new(path, module) { Outcome = NoisifyOutcome.LeftOut, Note = preparation.Note }
                    : new(path, module) { Counterpart = counterpart, Preparation = preparation, Role = role };
            }

            return Counterparts.Unserved(module) is { } reason
                ? new(path, module) { Outcome = NoisifyOutcome.LeftOut, Note = reason }
                : null;
        }
    }

    /// <summary>Whether a module gives what its last child gives: a Sequential that has torch's own <c>forward</c>.</summary>
    private static bool IsChain(nn.Module module) =>
        module is Sequential && module.GetType().GetMethod("forward", [typeof(Tensor)])?.DeclaringType == typeof(Sequential);

    /// <summary>What the model gives keeps its meaning, a probability say, which no activation with a leak or noise has.</summary>
    private static void LeaveOutputs(List<Replacement> plans)
    {
        foreach (var plan in plans.Where(p => p is { Role: OutputRole.Output, Preparation: not null, Counterpart.Spec: not null }))
        {
            plan.Preparation = null;
            plan.Outcome = NoisifyOutcome.LeftOut;
            plan.Note = "its output is the model's (the argument outputs takes it too)";
        }
    }

    /// <summary>Device and type of a module's first floating-point parameter: where a new one beside it belongs.</summary>
    private static (Device, ScalarType)? Home(nn.Module module) =>
        module.parameters().FirstOrDefault(p => p.is_floating_point()) is { } first ? (first.device, first.dtype) : null;

    /// <summary>Whether no parameter of a module is trained; null if it has none.</summary>
    private static bool? IsFrozen(nn.Module module) => module.parameters().ToList() is { Count: > 0 } own ? own.TrueForAll(p => !p.requires_grad) : null;

    /// <summary>What a recurrent module or an embedding was built with is found out by passes over its numbers; meta tensors have none.</summary>
    private static Preparation? WithoutNumbers(nn.Module module) =>
        module is LSTM or GRU or Embedding && module.parameters().Any(p => p.device.type == DeviceType.META)
            ? new(null, "its weights are on the meta device and have no numbers: give the model its weights first", Stays: module is Embedding)
            : null;

    /// <summary>Marks what cannot be replaced, and gives the rest its places.</summary>
    private static void Refuse(nn.Module root, List<Replacement> plans)
    {
        var wanted = plans.Where(p => p.Preparation is not null).ToList();
        var places = ModuleReferences.Find(root, wanted.Select(p => p.Module));
        Lazy<DirectCalls> code = new(() => new DirectCalls(root));
        foreach (var plan in wanted)
        {
            plan.Places = places[plan.Module];
            List<string> reasons = [];
            if (plan.Preparation!.Build is null) reasons.Add(plan.Preparation.Note);
            if (ReferenceEquals(plan.Module, root))
                reasons.Add($"it is the model itself, which the caller holds: build a {plan.Counterpart!.Type.Name} instead");
            var closed = plan.Closed.ToList();
            if (closed.Count > 0 && HookProblem(plan.Module, closed, code) is { } problem)
                reasons.Add($"{string.Join(" and ", closed.Select(p => p.Kind))}, and {problem}; {Remedy(plan.Module, closed)}");
            if (reasons.Count > 0)
            {
                plan.Outcome = NoisifyOutcome.Refused;
                plan.Note = string.Join("; ", reasons);
                continue;
            }

            List<string> notes = [plan.Preparation.Note];
            if (closed.Count > 0) notes.Add($"by a hook on its call, since {string.Join(" and ", closed.Select(p => p.Kind))}");
            if (plan.Role != OutputRole.Inner && plan.Counterpart!.Spec is { } spec && OutputRange.Left(spec) is { } left)
                notes.Add($"{(plan.Role == OutputRole.Output ? "as the model's output it" : "if its output is the model's, that")} {left}");
            plan.Note = string.Join("; ", notes.Where(n => n.Length > 0));
        }
    }

    /// <summary>Why a hook cannot stand for the new module; null if it can.</summary>
    private static string? HookProblem(nn.Module module, List<ModuleReference> closed, Lazy<DirectCalls> code)
    {
        if (closed.FirstOrDefault(p => p.ByForward) is { } place) return $"{place.Where} is its forward, which no hook sees";
        if (ModuleHooks.Count(module) > 0) return "it has hooks of its own, which would see the wrong values";
        try
        {
            return code.Value.Find(module);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException or InvalidOperationException or BadImageFormatException)
        {
            return "the model's code, which might call forward unseen by a hook, cannot be read";
        }
    }

    private static string Remedy(nn.Module module, List<ModuleReference> closed)
    {
        var type = $"nn.{TypeNames.Readable(TypeNames.Signature(module))}";
        var declared = closed.Where(p => p.Declared is not null)
            .Select(p => p.Where.EndsWith(']') ? $"the elements of {p.Where[..p.Where.LastIndexOf('[')]}" : p.Where).Distinct().ToList();
        return declared.Count == 0 && closed.TrueForAll(p => p.IsDelegate) ? "keep the module there, not one of its methods"
            : declared.Count == 0 ? $"or keep it in a field that can change, of type {type}"
            : $"or declare {string.Join(" and ", declared)} as {type}: with using Noisy.Models its calls compile as they are";
    }
}
