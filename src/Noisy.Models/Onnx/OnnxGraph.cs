using System.Globalization;
using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>An ONNX graph that is being written: nodes, weights, inputs and outputs. Names of values are unique in it, loops included.</summary>
/// <remarks>Operators are those of opset 17, the newest that version 1.12 of ONNX knows. Source: onnx.proto of IR version 8.</remarks>
public sealed class OnnxGraph
{
    private readonly OnnxGraph? outer;
    private readonly HashSet<string> names;
    private readonly Dictionary<nn.Module, string> paths;
    private readonly NoiseContext? noise;
    private readonly ProtoMessage nodes = new();
    private readonly ProtoMessage weights = new();
    private readonly List<(OnnxValue Value, int Type)> inputs = [];
    private readonly ProtoMessage outputs = new();
    private string prefix = "";
    private long weightBytes;

    /// <summary>An empty graph.</summary>
    /// <param name="root">The module that is exported, whose parts are named in messages by their paths.</param>
    /// <param name="noise">What is done with noise; null does what each module does in <c>eval()</c>.</param>
    internal OnnxGraph(nn.Module root, NoiseContext? noise)
    {
        (this.noise, names) = (noise, new(StringComparer.Ordinal));
        paths = new(ReferenceEqualityComparer.Instance) { [root] = "" };
        foreach (var (path, module) in root.named_modules()) paths.TryAdd(module, path);
    }

    private OnnxGraph(OnnxGraph outer) => (this.outer, names, paths, noise, prefix) = (outer, outer.names, outer.paths, outer.noise, outer.prefix);

    /// <summary>Adds a node with one output.</summary>
    /// <param name="op">An operator of opset 17, such as "MatMul".</param>
    /// <param name="inputs">Its inputs; null where an optional one is left out.</param>
    /// <param name="attributes">Its attributes: an integer, a float or double, a text, or an array of long each.</param>
    /// <returns>The output, with the axes of the input that has most; say <c>with { Axes = … }</c> where the operator changes them.</returns>
    /// <exception cref="ArgumentException">An attribute is of another type.</exception>
    public OnnxValue Node(string op, IReadOnlyList<OnnxValue?> inputs, params (string Name, object Value)[] attributes) =>
        Nodes(op, 1, inputs, attributes)[0];

    /// <summary>Adds a constant tensor.</summary>
    /// <param name="name">What to call it; a number is added to a name that is taken.</param>
    /// <param name="tensor">Its values, of type Float32 or Int64; copied.</param>
    /// <returns>The constant.</returns>
    /// <exception cref="UsageException">The tensor is of another type, or all tensors together are too large for a file.</exception>
    public OnnxValue Weight(string name, Tensor tensor)
    {
        if (outer is not null) return outer.Weight(name, tensor); // a loop sees what lies around it
        var type = tensor.dtype switch
        {
            ScalarType.Float32 => Float,
            ScalarType.Int64 => Int64,
            _ => throw new UsageException(
                $"'{name}' is {tensor.dtype}: models are exported in single precision; convert the model first, model.to(ScalarType.Float32)"),
        };
        weightBytes += tensor.numel() * tensor.element_size();
        if (weightBytes > MaxBytes)
            throw new UsageException($"the model's weights are larger than 2 GB, the most that an ONNX file can hold: '{name}' does not fit");
        using var scope = NewDisposeScope();
        var cpu = tensor.detach().cpu().contiguous();
        var unique = Unique(prefix + name);
        var message = new ProtoMessage().AddAll(tensor.shape, (m, size) => m.Add(1, size)).Add(2, type).Add(8, unique);
        weights.Add(5, cpu.numel() == 0 ? message : message.Add(9, cpu.bytes));
        return new(unique, [.. tensor.shape.Select(Axis)]);
    }

    /// <summary>Adds what a module computes at test time: one of this library's or of torch's that has an ONNX form, or an
    /// <see cref="IOnnxModule"/>. Recurrent layers start from zeros and give their output.</summary>
    /// <param name="module">The module.</param>
    /// <param name="input">Its input.</param>
    /// <returns>Its output.</returns>
    /// <exception cref="UsageException">It has no ONNX form; the message names it.</exception>
    public OnnxValue Apply(nn.Module module, OnnxValue input) => Within(module, () => OnnxModules.Apply(this, module, input));

    /// <summary>Tensor types, as ONNX numbers them.</summary>
    internal const int Float = 1, Int64 = 7;

    private const long MaxBytes = int.MaxValue - (1 << 20);

    /// <summary>A fixed axis.</summary>
    internal static string Axis(long size) => size.ToString(CultureInfo.InvariantCulture);

    /// <summary>A graph for the body of a loop; it sees the values of this one.</summary>
    internal OnnxGraph Body() => new(this);

    /// <summary>Does something under the name of a module.</summary>
    internal T Within<T>(nn.Module module, Func<T> work)
    {
        var before = prefix;
        prefix = paths.GetValueOrDefault(module) switch { null => before + module.GetName() + ".", "" => "", var path => path + "." };
        var result = work();
        prefix = before;
        return result;
    }

    /// <summary>The module that is being exported, as messages name it.</summary>
    internal string Describe(nn.Module module) =>
        paths.GetValueOrDefault(module) is { Length: > 0 } path ? $"'{path}' ({module.GetType().Name})" : module.GetType().Name;

    /// <summary>Mode and scale of a module's noise.</summary>
    internal NoiseContext Noise(ModuleNoise module) => noise ?? new NoiseContext(module.Clock.TestMode, Scale: module.Clock.Scale);

    /// <summary>Adds a node with several outputs, all with the axes of the input that has most, as broadcasting gives them.</summary>
    internal OnnxValue[] Nodes(string op, int count, IReadOnlyList<OnnxValue?> inputs, params (string Name, object Value)[] attributes)
    {
        string[] results = [.. Enumerable.Range(0, count).Select(_ => Unique(prefix + op))];
        nodes.Add(1, new ProtoMessage().AddAll(inputs, (m, value) => m.Add(1, value?.Name ?? "")).AddAll(results, (m, name) => m.Add(2, name))
            .Add(3, results[0]).Add(4, op).AddAll(attributes, (m, a) => m.Add(5, Attribute(a.Name, a.Value))));
        var axes = inputs.MaxBy(value => value?.Axes.Count ?? 0)?.Axes ?? [];
        return [.. results.Select(name => new OnnxValue(name, axes))];
    }

    /// <summary>Adds a constant number.</summary>
    internal OnnxValue Number(double value)
    {
        using var constant = tensor((float)value);
        return Weight("constant", constant);
    }

    /// <summary>Adds a constant list of integers.</summary>
    internal OnnxValue Integers(params long[] values)
    {
        using var constant = tensor(values);
        return Weight("constant", constant);
    }

    /// <summary>Adds x Wᵀ + b.</summary>
    /// <param name="x">[.., in].</param>
    /// <param name="name">Name of W.</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="biasName">Name of b.</param>
    /// <param name="bias">[out]; null for none.</param>
    internal OnnxValue Linear(OnnxValue x, string name, Tensor weight, string biasName, Tensor? bias)
    {
        using var transposed = weight.detach().t();
        var product = new OnnxValue(Node("MatMul", [x, Weight(name, transposed)]).Name, x.Axes).WithLast(weight.shape[0]);
        return bias is null ? product : Node("Add", [product, Weight(biasName, bias)]);
    }

    /// <summary>Declares an input.</summary>
    internal OnnxValue Input(string name, int type, params IReadOnlyList<string> axes)
    {
        var value = new OnnxValue(Unique(name), axes);
        inputs.Add((value, type));
        return value;
    }

    /// <summary>A value as row numbers of a table: an input is declared as whole numbers by that, anything else is converted.</summary>
    internal OnnxValue Tokens(OnnxValue value)
    {
        var at = inputs.FindIndex(input => input.Value.Name == value.Name);
        if (at < 0) return Node("Cast", [value], ("to", Int64));
        inputs[at] = (inputs[at].Value, Int64);
        return value;
    }

    /// <summary>Declares an output of single precision; within a loop, under whatever name the value has.</summary>
    internal void Output(string name, OnnxValue value)
    {
        if (outer is null)
        {
            var named = new OnnxValue(Unique(name), value.Axes);
            nodes.Add(1, new ProtoMessage().Add(1, value.Name).Add(2, named.Name).Add(3, named.Name).Add(4, "Identity"));
            value = named;
        }

        outputs.Add(12, Declaration(value, Float));
    }

    /// <summary>The message of the graph.</summary>
    internal ProtoMessage ToMessage(string name) => new ProtoMessage().Append(nodes).Add(2, name).Append(weights)
        .AddAll(inputs, (m, input) => m.Add(11, Declaration(input.Value, input.Type))).Append(outputs);

    private static ProtoMessage Declaration(OnnxValue value, int type)
    {
        static ProtoMessage Dimension(string axis) =>
            long.TryParse(axis, NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? new ProtoMessage().Add(1, size) : new ProtoMessage().Add(2, axis);
        var shape = new ProtoMessage().AddAll(value.Axes, (m, axis) => m.Add(1, Dimension(axis)));
        return new ProtoMessage().Add(1, value.Name).Add(2, new ProtoMessage().Add(1, new ProtoMessage().Add(1, type).Add(2, shape)));
    }

    private static ProtoMessage Attribute(string name, object value)
    {
        var message = new ProtoMessage().Add(1, name);
        return value switch
        {
            float number => message.Add(2, number).Add(20, 1),
            double number => message.Add(2, (float)number).Add(20, 1),
            int number => message.Add(3, number).Add(20, 2),
            long number => message.Add(3, number).Add(20, 2),
            string text => message.Add(4, text).Add(20, 3),
            OnnxGraph body => message.Add(6, body.ToMessage(name)).Add(20, 5),
            long[] numbers => message.AddAll(numbers, (m, n) => m.Add(8, n)).Add(20, 7),
            _ => throw new ArgumentException(
                $"the attribute '{name}' is of type {value?.GetType().Name ?? "null"}: must be an integer, a number, a text or an array of long", nameof(value)),
        };
    }

    private string Unique(string name)
    {
        var unique = name;
        for (var i = 1; !names.Add(unique); i++) unique = $"{name}_{i}";
        return unique;
    }
}
