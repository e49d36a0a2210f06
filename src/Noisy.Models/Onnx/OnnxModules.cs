using System.Reflection;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Which module is what in ONNX.</summary>
internal static class OnnxModules
{
    private static readonly Assembly Torch = typeof(Linear).Assembly, Ours = typeof(OnnxModules).Assembly;

    /// <summary>Adds what a module makes of one tensor.</summary>
    /// <exception cref="UsageException">It has no ONNX form.</exception>
    internal static OnnxValue Apply(OnnxGraph graph, nn.Module module, OnnxValue x) => module switch
    {
        _ when ModuleHooks.Count(module) > 0 => throw Hooked(graph, module),
        IOnnxModule own => own.ToOnnx(graph, x),

        // A class of the user's may derive from one of those below and do something else.
        _ when module.GetType().Assembly is var home && home != Torch && home != Ours => throw Unknown(graph, module),
        NoisyActivation m => OnnxActivation.Add(graph, m.Spec, x, m.Gains, "p", graph.Noise(((INoisySites)m).Noise)),
        NoisyMlp m => Mlp(graph, m, x),
        NoisyLstm m => OnnxRecurrent.Layers(graph, m, (RecurrentLayers)m.Recurrence, m.Noise, x, null).Output,
        NoisyGru m => OnnxRecurrent.Layers(graph, m, (RecurrentLayers)m.Recurrence, m.Noise, x, null).Output,
        Sequential m => m.named_children().Aggregate(x, (value, child) => graph.Apply(child.module, value)),
        Linear m => graph.Linear(x, "weight", m.weight!, "bias", m.bias),
        Embedding m => Rows(graph, "weight", Looked(m), x),
        EmbeddingRows m => Rows(graph, "weight", m.Weight, x),
        LayerNorm m when m.normalized_shape.Length == 1 && m.weight is not null && m.bias is not null => graph.Node(
            "LayerNormalization", [x, graph.Weight("weight", m.weight), graph.Weight("bias", m.bias)], ("epsilon", m.eps)),
        Flatten { start_dim: 1, end_dim: -1 } when x.Axes.Count == 2 => x,
        Flatten { start_dim: 1, end_dim: -1 } => graph.Node("Flatten", [x], ("axis", 1)) with { Axes = [x.Axes[0], "features"] },
        Tanh => graph.Node("Tanh", [x]),
        Sigmoid => graph.Node("Sigmoid", [x]),
        ReLU => graph.Node("Relu", [x]),
        Softmax m => graph.Node("Softmax", [x], ("axis", m.dim)),
        Dropout or Identity => x,
        _ => throw Unknown(graph, module),
    };

    /// <summary>The inputs and outputs of a whole model, and what lies between them.</summary>
    /// <param name="graph">An empty graph.</param>
    /// <param name="model">The model.</param>
    /// <param name="axes">Axes of its input; null for those that it is known to take.</param>
    internal static void Export(OnnxGraph graph, nn.Module model, IReadOnlyList<string>? axes) => graph.Within(model, () =>
    {
        if (ModuleHooks.Count(model) > 0) throw Hooked(graph, model);
        switch (model)
        {
            case NoisyLstm m:
                Layers(graph, m, (RecurrentLayers)m.Recurrence, m.Noise, axes);
                break;
            case NoisyGru m:
                Layers(graph, m, (RecurrentLayers)m.Recurrence, m.Noise, axes);
                break;
            case NoisyLstmCell m:
                Cell(graph, m, (NoisyCell)m.Recurrence, m.Noise, axes);
                break;
            case NoisyGruCell m:
                Cell(graph, m, (NoisyCell)m.Recurrence, m.Noise, axes);
                break;
            case RecurrentLanguageModel m:
                LanguageModel(graph, m, axes);
                break;
            case MeanPoolClassifier m:
                Classifier(graph, m, axes);
                break;
            default:
                var (layers, tokens) = (Recurrent(model).FirstOrDefault(), First(model) is Embedding or EmbeddingRows);
                string[] sequences = layers is { BatchFirst: true } ? ["batch", "time"] : ["time", "batch"];
                string[] leading = tokens || layers is not null ? sequences : ["batch"];
                string[] known = tokens ? leading : [.. leading, Features(model)];
                var input = graph.Input("input", OnnxGraph.Float, axes ?? known); // whole numbers if an embedding takes it
                graph.Output("output", Apply(graph, model, input));
                break;
        }

        return true;
    });

    private static UsageException Unknown(OnnxGraph graph, nn.Module module)
    {
        var home = module.GetType().Assembly;
        var remedy = home == Ours ? "export the modules that it is made of, each by itself"
            : home == Torch ? $"put it into a class of your own with the interface {nameof(IOnnxModule)}"
            : $"give its class the interface {nameof(IOnnxModule)}, or export its parts, each by itself";
        return new($"{graph.Describe(module)} cannot be exported to ONNX: {remedy}");
    }

    private static UsageException Hooked(OnnxGraph graph, nn.Module module) => new(
        $"{graph.Describe(module)} has hooks, and ONNX would have the module without them: remove them first; if {nameof(Noisify)} put one there, "
        + "declare the field by torch's general type, which takes the noisy module itself");

    /// <summary>The axes of an input, which has as many as those that it is known to have.</summary>
    private static IReadOnlyList<string> Given(OnnxGraph graph, nn.Module model, IReadOnlyList<string>? axes, params string[] known) =>
        axes is null || axes.Count == known.Length ? axes ?? known : throw new UsageException(
            $"{graph.Describe(model)} takes an input of the axes [{string.Join(", ", known)}], and axes says [{string.Join(", ", axes)}]: name {known.Length}");

    /// <summary>The module that sees the model's input first.</summary>
    private static nn.Module First(nn.Module model) =>
        model is Sequential sequence && sequence.named_children().Select(c => c.module).FirstOrDefault() is { } first ? First(first) : model;

    /// <summary>The recurrent layers in a model.</summary>
    private static IEnumerable<RecurrentShape> Recurrent(nn.Module model) =>
        model.named_modules().Select(m => m.module switch { NoisyLstm l => l.Shape, NoisyGru g => g.Shape, _ => null }).OfType<RecurrentShape>();

    /// <summary>Width of the input's last axis, where it is known.</summary>
    private static string Features(nn.Module model) => First(model) switch
    {
        Linear m => OnnxGraph.Axis(m.in_features),
        NoisyMlp m => OnnxGraph.Axis(m.Widths[0]),
        NoisyActivation { Units: > 1 } m => OnnxGraph.Axis(m.Units),
        _ => "features",
    };

    /// <summary>The rows that an embedding gives, which with <c>max_norm</c> are not its weights: torch shortens a row when it is first looked up. The
    /// model's own are put back.</summary>
    private static Tensor Looked(Embedding module)
    {
        var weight = module.weight!;
        if (weight.dtype != ScalarType.Float32 || weight.numel() == 0) return weight; // to be refused by name
        var before = weight.detach().clone();
        using var all = tensor(Enumerable.Range(0, checked((int)weight.shape[0])).Select(row => (long)row).ToArray(), device: weight.device);
        var rows = module.forward(all);
        if (!weight.eq(before).all().item<bool>()) weight.copy_(before);
        return rows;
    }

    private static OnnxValue Rows(OnnxGraph graph, string name, Tensor weight, OnnxValue tokens) =>
        graph.Node("Gather", [graph.Weight(name, weight), graph.Tokens(tokens)], ("axis", 0)) with
        {
            Axes = [.. tokens.Axes, OnnxGraph.Axis(weight.shape[1])],
        };

    private static OnnxValue Mlp(OnnxGraph graph, NoisyMlp m, OnnxValue x)
    {
        for (var layer = 0; layer < m.Widths.Count - 1; layer++)
        {
            x = graph.Linear(x, $"weight_{layer}", m.get_parameter($"weight_{layer}")!, $"bias_{layer}", m.get_parameter($"bias_{layer}"));
            if (layer < m.Activations.Count) x = graph.Apply(m.Activations[layer], x);
        }

        return x;
    }

    /// <summary>Layers by themselves: input and states in, output and states out.</summary>
    private static void Layers(OnnxGraph graph, nn.Module module, RecurrentLayers layers, ModuleNoise noise, IReadOnlyList<string>? axes)
    {
        var shape = layers.Shape;
        var (first, second) = shape.BatchFirst ? ("batch", "time") : ("time", "batch");
        var input = graph.Input("input", OnnxGraph.Float, Given(graph, module, axes, first, second, OnnxGraph.Axis(shape.InputSize)));
        var states = States(graph, layers, input.Axes[shape.BatchFirst ? 0 : 1]);
        var (output, final) = OnnxRecurrent.Layers(graph, module, layers, noise, input, states);
        graph.Output("output", output);
        Output(graph, final);
    }

    private static void Cell(OnnxGraph graph, nn.Module module, NoisyCell cell, ModuleNoise noise, IReadOnlyList<string>? axes)
    {
        var input = graph.Input("input", OnnxGraph.Float, Given(graph, module, axes, "batch", OnnxGraph.Axis(cell.InputSize)));
        var states = States(graph, cell.Cell, input.Axes[0], OnnxGraph.Axis(cell.HiddenSize));
        Output(graph, OnnxRecurrent.Cell(graph, module, cell.Cell, noise, input, states));
    }

    private static void LanguageModel(OnnxGraph graph, RecurrentLanguageModel model, IReadOnlyList<string>? axes)
    {
        var tokens = graph.Input("tokens", OnnxGraph.Int64, Given(graph, model, axes, "time", "batch"));
        var (child, layers, noise) = model.named_children().Select(c => c.module).Single() switch
        {
            NoisyLstm m => ((nn.Module)m, (RecurrentLayers)m.Recurrence, m.Noise),
            NoisyGru m => (m, (RecurrentLayers)m.Recurrence, m.Noise),
            var other => throw Unknown(graph, other),
        };
        var states = States(graph, layers, tokens.Axes[1]);
        var x = Rows(graph, "encoder", model.get_parameter("encoder")!, tokens);
        var (top, final) = graph.Within(child, () => OnnxRecurrent.Layers(graph, child, layers, noise, x, states));
        var logits = graph.Linear(top, "decoder_weight", model.get_parameter("decoder_weight")!, "decoder_bias", model.get_parameter("decoder_bias"));
        graph.Output("logits", logits);
        Output(graph, final);
    }

    private static void Classifier(OnnxGraph graph, MeanPoolClassifier model, IReadOnlyList<string>? axes)
    {
        var elements = graph.Input("elements", OnnxGraph.Int64, Given(graph, model, axes, "time", "batch"));
        var x = Rows(graph, "encoder", model.get_parameter("encoder")!, elements);
        x = graph.Apply(model.named_children().Single().module, x);
        x = graph.Node("ReduceMean", [x], ("axes", new long[] { 0 }), ("keepdims", 0)) with { Axes = [.. x.Axes.Skip(1)] };
        x = graph.Node("Relu", [Linear("hidden", x)]);
        graph.Output("logits", Linear("output", x));

        OnnxValue Linear(string name, OnnxValue value) =>
            graph.Linear(value, name + "_weight", model.get_parameter(name + "_weight")!, name + "_bias", model.get_parameter(name + "_bias"));
    }

    private static readonly string[] StateNames = ["hidden", "cell"];

    private static OnnxValue[] States(OnnxGraph graph, RecurrentLayers layers, string batch) =>
        States(graph, layers.Cell, OnnxGraph.Axis(layers.Shape.NumLayers * layers.Shape.Directions), batch, OnnxGraph.Axis(layers.Shape.HiddenSize));

    private static OnnxValue[] States(OnnxGraph graph, RecurrentCell cell, params string[] axes) =>
        [.. StateNames.Take(cell.Layout.States).Select(name => graph.Input(name, OnnxGraph.Float, axes))];

    private static void Output(OnnxGraph graph, OnnxValue[] states)
    {
        for (var s = 0; s < states.Length; s++) graph.Output("new_" + StateNames[s], states[s]);
    }
}
