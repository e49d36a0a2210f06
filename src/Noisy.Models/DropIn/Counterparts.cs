using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The noisy module that stands for one of torch's: how to build it, and what to say about it.</summary>
/// <param name="Type">Its class.</param>
/// <param name="Prepare">Finds out what building it takes; changes nothing.</param>
/// <param name="Spec">What an activation becomes; null for recurrent modules.</param>
internal sealed record Counterpart(Type Type, Func<Preparation> Prepare, NoisyActivationSpec? Spec = null);

/// <summary>What building a counterpart takes.</summary>
/// <param name="Build">Builds it, with the weights of the old one; null if it cannot be built.</param>
/// <param name="Note">What there is to know about it, or why it cannot be built.</param>
/// <param name="Stays">Whether a module that has none simply stays as it is: nothing is lost but time.</param>
internal sealed record Preparation(Func<nn.Module>? Build, string Note, bool Stays = false);

/// <summary>Which module of torch has which noisy counterpart.</summary>
/// <param name="activations">What replaces tanh and sigmoid.</param>
/// <param name="clock">The model's clock.</param>
/// <param name="specs">Specs by path and module; null leaves the rule.</param>
/// <param name="widths">Units H of an activation by path; null is one gain for all units.</param>
/// <param name="dropouts">Dropout of a recurrent module by path; null measures it.</param>
/// <param name="embeddings">Whether embeddings have a counterpart.</param>
internal sealed class Counterparts(
    ActivationPair activations,
    NoiseClock clock,
    Func<string, nn.Module, NoisyActivationSpec?>? specs,
    Func<string, long>? widths,
    Func<string, double?>? dropouts,
    bool embeddings)
{
    /// <summary>The counterpart of a module; null if it has none.</summary>
    /// <param name="path">Dotted path.</param>
    /// <param name="module">The module.</param>
    /// <param name="home">Device and type of the numbers around it.</param>
    public Counterpart? For(string path, nn.Module module, (Device Device, ScalarType Type) home) => module switch
    {
        LSTM lstm => new(
            typeof(NoisyLstm),
            () => Recurrent(path, lstm, new RecurrentProbe(lstm), shape => new NoisyLstm(shape, activations, clock))),
        GRU gru => new(
            typeof(NoisyGru),
            () => Recurrent(path, gru, new RecurrentProbe(gru), shape => new NoisyGru(shape, activations, clock))),
        LSTMCell cell => new(typeof(NoisyLstmCell), () => Cell(cell, 4, (inputs, units, bias) => new NoisyLstmCell(inputs, units, activations, clock, bias))),
        GRUCell cell => new(typeof(NoisyGruCell), () => Cell(cell, 3, (inputs, units, bias) => new NoisyGruCell(inputs, units, activations, clock, bias))),
        Embedding embedding => embeddings ? new(typeof(EmbeddingRows), () => Rows(embedding)) : null,
        nn.Module<Tensor, Tensor> leaf when IsActivation(leaf) =>
            Spec(path, leaf) is { } spec ? new(typeof(NoisyActivation), () => Activation(path, leaf, spec, home), spec) : null,
        _ => null,
    };

    /// <summary>Whether a module saturates and has no counterpart, so that a report should name it; null if not.</summary>
    public static string? Unserved(nn.Module module) => module switch
    {
        Hardtanh or Hardsigmoid or ReLU6 or ReLU => "give it a spec (argument specs) to make it noisy",
        RNN or RNNCell => "there is no noisy module with its signature",
        _ => null,
    };

    /// <summary>Without parameters, buffers and children: all that it does is to map numbers.</summary>
    private static bool IsActivation(nn.Module<Tensor, Tensor> module) =>
        module is not (NoisyActivation or Sequential)
        && !module.named_children().Any() && !module.parameters().Any() && !module.buffers().Any();

    private NoisyActivationSpec? Spec(string path, nn.Module module) => specs?.Invoke(path, module) ?? module switch
    {
        Tanh => activations.Tanh,
        Sigmoid => activations.Sigmoid,
        _ => null,
    };

    private Preparation Activation(
        string path, nn.Module<Tensor, Tensor> old, NoisyActivationSpec spec, (Device Device, ScalarType Type) home)
    {
        spec.Validate();
        var units = spec.UsesP ? widths?.Invoke(path) ?? 1 : 1;
        if (units < 1) return new(null, $"the argument widths says {units}: a width must be >= 1");
        return new(
            () =>
            {
                var made = new NoisyActivation(spec, units, clock);
                Settle(made, old, home);
                return made;
            },
            !spec.UsesP ? "" : units == 1 ? "one gap gain for all units" : $"{units} gap gains");
    }

    private Preparation Recurrent(string path, nn.Module old, RecurrentProbe probe, Func<RecurrentShape, nn.Module> create)
    {
        if (probe.Problem is { } problem) return new(null, problem);
        if ((dropouts?.Invoke(path) ?? probe.Dropout()) is not { } dropout)
            return new(null, "its dropout cannot be measured: say it with the argument dropouts, in [0, 1)");
        if (dropout == 1) return new(null, "its dropout is 1, which lets nothing through and no noisy module has: build it with less");
        var shape = new RecurrentShape(
            probe.InputSize, probe.HiddenSize, probe.Layers, probe.HasBias, probe.BatchFirst(), dropout, probe.Bidirectional).Validate();
        return new(
            () =>
            {
                var made = create(shape);
                TakeOver(made, old, old.get_parameter("weight_ih_l0")!);
                return made;
            },
            Describe(shape));
    }

    private static Preparation Rows(Embedding old)
    {
        if (EmbeddingProbe.Problem(old) is { } problem) return new(null, problem, Stays: true);
        var weight = old.get_parameter("weight")!;
        return new(
            () =>
            {
                var made = new EmbeddingRows();
                TakeOver(made, old, weight);
                return made;
            },
            $"{weight.shape[0]} rows of {weight.shape[1]}");
    }

    private static Preparation Cell(nn.Module old, int gates, Func<long, long, bool, nn.Module> create)
    {
        var weight = old.get_parameter("weight_ih")!;
        if (RecurrentProbe.Unsupported(weight) is { } problem) return new(null, problem);
        var (inputs, units, bias) = (weight.shape[1], weight.shape[0] / gates, old.get_parameter("bias_ih") is not null);
        return new(
            () =>
            {
                var made = create(inputs, units, bias);
                TakeOver(made, old, weight);
                return made;
            },
            $"{inputs} -> {units}" + (bias ? "" : ", no biases"));
    }

    /// <summary>The very parameters of the old module under their names, so that whatever holds them still does; then all else that
    /// <see cref="Settle"/> hands on. One of the weights tells device and type of numbers.</summary>
    private static void TakeOver(nn.Module made, nn.Module old, Parameter like)
    {
        var registered = RegisteredParameters.Of(made);
        foreach (var (name, own) in made.named_parameters().Where(n => !NoisifyReport.IsGain(n.name)).ToList())
        {
            registered[name] = old.get_parameter(name)!;
            own.Dispose();
        }

        Settle(made, old, (like.device, like.dtype));
    }

    /// <summary>Same device, type of numbers, mode and hooks as the old module.</summary>
    private static void Settle(nn.Module made, nn.Module old, (Device Device, ScalarType Type) home)
    {
        made.to(home.Device, home.Type);
        foreach (var tensor in made.parameters().Concat(made.buffers())) tensor.DetachFromDisposeScope(); // the module owns them
        made.train(old.training);
        ModuleHooks.Share(old, made);
    }

    private static string Describe(RecurrentShape s)
    {
        var text = $"{s.InputSize} -> {s.HiddenSize}";
        if (s.NumLayers > 1) text += FormattableString.Invariant($", {s.NumLayers} layers, dropout {s.Dropout}");
        if (!s.Bias) text += ", no biases";
        return text + (s.BatchFirst ? ", batch first" : "") + (s.Bidirectional ? ", bidirectional" : "");
    }
}
