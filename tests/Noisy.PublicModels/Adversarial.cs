using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.PublicModels;

/// <summary>A generator: a Sequential in a field, tanh at its end and within.</summary>
public sealed class Generator : nn.Module<Tensor, Tensor>
{
    private readonly Sequential model = nn.Sequential(
        nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 9), nn.Tanh());

    public Generator()
        : base(nameof(Generator)) => RegisterComponents();

    public override Tensor forward(Tensor input) => model.forward(input).view(-1, 1, 3, 3);
}

/// <summary>A discriminator, which is a Sequential itself.</summary>
public sealed class Discriminator : Sequential
{
    public Discriminator()
        : base(
            ("flat", nn.Flatten()), ("in", nn.Linear(9, 8)), ("act", nn.Tanh()), ("out", nn.Linear(8, 1)), ("prob", nn.Sigmoid()))
    {
    }
}

/// <summary>A perceptron with its functions in fields of their own types, the last one by itself.</summary>
public sealed class Perceptron : nn.Module<Tensor, Tensor>
{
    private readonly Linear fc1 = nn.Linear(4, 8), fc2 = nn.Linear(8, 1);
    private readonly Tanh tanh = nn.Tanh();
    private readonly Sigmoid sigmoid = nn.Sigmoid();

    public Perceptron()
        : base(nameof(Perceptron)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        var x = fc1.call(input);
        x = tanh.call(x);
        x = fc2.call(x);
        return sigmoid.call(x);
    }
}
