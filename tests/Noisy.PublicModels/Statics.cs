using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.PublicModels;

/// <summary>An activation in a static field of its own type, which nobody can change.</summary>
public sealed class StaticReadOnly : nn.Module<Tensor, Tensor>
{
    private static readonly Tanh Act = nn.Tanh();
    private readonly Linear fc = nn.Linear(4, 4);

    public StaticReadOnly()
        : base(nameof(StaticReadOnly))
    {
        RegisterComponents();
        register_module("act", Act);
    }

    public override Tensor forward(Tensor input) => fc.call(Act.call(input));
}

/// <summary>An activation in a static field of torch's general type.</summary>
public sealed class StaticField : nn.Module<Tensor, Tensor>
{
    private static nn.Module<Tensor, Tensor> act = nn.Tanh();
    private readonly Linear fc = nn.Linear(4, 4);

    public StaticField()
        : base(nameof(StaticField))
    {
        RegisterComponents();
        act = nn.Tanh();
        register_module("act", act);
    }

    public override Tensor forward(Tensor input) => fc.call(act.call(input));
}

/// <summary>A class that is no part of any model, and holds an activation for one.</summary>
internal static class Elsewhere
{
    internal static readonly nn.Module<Tensor, Tensor> Act = nn.Tanh();
}

/// <summary>A model that takes its activation from there.</summary>
public sealed class StaticElsewhere : nn.Module<Tensor, Tensor>
{
    private readonly Linear fc = nn.Linear(4, 4);

    public StaticElsewhere()
        : base(nameof(StaticElsewhere))
    {
        RegisterComponents();
        register_module("act", Elsewhere.Act);
    }

    public override Tensor forward(Tensor input) => fc.call(Elsewhere.Act.call(input));
}
