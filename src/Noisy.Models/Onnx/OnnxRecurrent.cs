using Noisy.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Recurrent layers and cells as ONNX: each layer and direction is a Scan over the cell's own step, since ONNX's LSTM and GRU know
/// neither leaks nor expectations.</summary>
internal static class OnnxRecurrent
{
    /// <summary>Adds all layers over a sequence.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="module">The module, whose recurrence is layers.</param>
    /// <param name="layers">Its layers.</param>
    /// <param name="noise">Its address.</param>
    /// <param name="input">[T, B, I], or [B, T, I] if batch first.</param>
    /// <param name="states">Initial states, each [layers × directions, B, H]; null starts from zeros.</param>
    /// <returns>The output, in the input's order, and the final states.</returns>
    internal static (OnnxValue Output, OnnxValue[] States) Layers(
        OnnxGraph graph, nn.Module module, RecurrentLayers layers, ModuleNoise noise, OnnxValue input, OnnxValue[]? states)
    {
        if (input.Axes.Count != 3)
        {
            var order = layers.Shape.BatchFirst ? "batch, time" : "time, batch";
            throw new UsageException(
                $"{graph.Describe(module)} takes sequences, [{order}, features], and gets [{string.Join(", ", input.Axes)}]: say so with axes");
        }

        var (shape, x, context) = (layers.Shape, layers.Shape.BatchFirst ? Turned(input) : input, graph.Noise(noise));
        string[] axes = [x.Axes[1], OnnxGraph.Axis(shape.HiddenSize)];
        var zero = states is null ? Zeros(graph, x, shape.HiddenSize) : null;
        var finals = Enumerable.Range(0, layers.Cell.Layout.States).Select(_ => new List<OnnxValue>()).ToArray();
        for (var layer = 0; layer < shape.NumLayers; layer++)
        {
            List<OnnxValue> outputs = [];
            for (var direction = 0; direction < shape.Directions; direction++)
            {
                var index = (layer * shape.Directions) + direction;
                var start = states?.Select(s => graph.Node("Gather", [s, One(index)], ("axis", 0)) with { Axes = axes }).ToArray()
                    ?? [.. Enumerable.Repeat(zero!, finals.Length)];
                var (output, end) = Direction(graph, layers, index, x, start, direction == 1, context);
                outputs.Add(output);
                for (var s = 0; s < end.Length; s++) finals[s].Add(end[s]);
            }

            x = outputs.Count == 1 ? outputs[0] : graph.Node("Concat", outputs, ("axis", -1)).WithLast(2 * shape.HiddenSize);
        }

        return (shape.BatchFirst ? Turned(x) : x, states is null ? [] : [.. finals.Select(Stack)]);

        OnnxValue Turned(OnnxValue v) =>
            graph.Node("Transpose", [v], ("perm", new long[] { 1, 0, 2 })) with { Axes = [v.Axes[1], v.Axes[0], v.Axes[2]] };

        OnnxValue One(long index)
        {
            using var number = tensor(index);
            return graph.Weight("index", number);
        }

        OnnxValue Stack(List<OnnxValue> parts)
        {
            OnnxValue[] rows = [.. parts.Select(p => graph.Node("Unsqueeze", [p, graph.Integers(0)]))];
            return graph.Node("Concat", rows, ("axis", 0)) with { Axes = [OnnxGraph.Axis(parts.Count), .. axes] };
        }
    }

    /// <summary>Adds a step of a cell.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="module">The module, whose recurrence is a cell's steps.</param>
    /// <param name="cell">Its cell.</param>
    /// <param name="noise">Its address.</param>
    /// <param name="input">[B, I].</param>
    /// <param name="states">States before it, each [B, H].</param>
    /// <returns>States after it.</returns>
    internal static OnnxValue[] Cell(OnnxGraph graph, nn.Module module, RecurrentCell cell, ModuleNoise noise, OnnxValue input, OnnxValue[] states)
    {
        var weights = RecurrentWeights.FromModule(module, cell, "");
        return Step(graph, cell, weights, "", Project(graph, cell, weights, "", input), states, graph.Noise(noise));
    }

    private static (OnnxValue Output, OnnxValue[] End) Direction(
        OnnxGraph graph, RecurrentLayers layers, int index, OnnxValue x, OnnxValue[] start, bool backwards, NoiseContext context)
    {
        var (cell, weights, suffix) = (layers.Cell, layers.Weights(index), layers.Suffix(index));
        var projected = Project(graph, cell, weights, suffix, x);
        var body = graph.Body();
        var states = start.Select(s => body.Input("before", OnnxGraph.Float, s.Axes)).ToArray();
        var input = body.Input("input", OnnxGraph.Float, projected.Axes[1], projected.Axes[2]);
        var next = Step(body, cell, weights, suffix, input, states, context);
        foreach (var state in next) body.Output("", state);
        body.Output("", body.Node("Identity", [next[0]])); // a name of its own, since it is a state and an element of the output

        long[] way = [backwards ? 1 : 0];
        var results = graph.Nodes(
            "Scan", start.Length + 1, [.. start, projected],
            ("body", body), ("num_scan_inputs", 1), ("scan_input_directions", way), ("scan_output_directions", way));
        return (results[^1] with { Axes = [x.Axes[0], .. start[0].Axes] }, results[..^1]);
    }

    /// <summary>The product with the input, for all time steps at once, with the biases that <see cref="RecurrentCell.InputBias"/> adds.</summary>
    private static OnnxValue Project(OnnxGraph graph, RecurrentCell cell, RecurrentWeights w, string suffix, OnnxValue x)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        return graph.Linear(x, "weight_ih" + suffix, w.WeightIh, "bias" + suffix, cell.InputBias(w));
    }

    private static OnnxValue[] Step(
        OnnxGraph graph, RecurrentCell cell, RecurrentWeights w, string suffix, OnnxValue input, OnnxValue[] states, NoiseContext context)
    {
        var recurrent = graph.Linear(states[0], "weight_hh" + suffix, w.WeightHh, "bias_hh" + suffix, cell.RecurrentBias(w));
        return OnnxCells.Step(graph, cell, input, recurrent, states, Activate);

        OnnxValue Activate(int site, OnnxValue pre)
        {
            using var gains = w.P?.detach().select(0, site);
            return OnnxActivation.Add(graph, cell.Sites[site], pre, gains, $"p{suffix}.{cell.SiteNames[site]}", context);
        }
    }

    /// <summary>A state [B, H] of zeros for a sequence [T, B, I].</summary>
    private static OnnxValue Zeros(OnnxGraph graph, OnnxValue x, long units)
    {
        var batch = graph.Node("Shape", [x], ("start", 1), ("end", 2));
        var size = graph.Node("Concat", [batch, graph.Integers(units)], ("axis", 0));
        return graph.Node("ConstantOfShape", [size]) with { Axes = [x.Axes[1], OnnxGraph.Axis(units)] };
    }
}
