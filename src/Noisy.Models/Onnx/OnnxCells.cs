namespace Noisy.Models;

/// <summary>One step of a recurrent cell as ONNX nodes: the formulas of <see cref="RecurrentCell.Step"/>.</summary>
internal static class OnnxCells
{
    /// <summary>Adds a step.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="cell">The cell.</param>
    /// <param name="input">The product with the input, [B, G H], as <see cref="RecurrentCell.Project"/> gives it.</param>
    /// <param name="recurrent">The product with the state, [B, G H].</param>
    /// <param name="state">States [B, H] before the step.</param>
    /// <param name="activate">Applies the activation of a site.</param>
    /// <returns>States after the step.</returns>
    /// <exception cref="UsageException">The cell has no form here.</exception>
    internal static OnnxValue[] Step(
        OnnxGraph graph, RecurrentCell cell, OnnxValue input, OnnxValue recurrent, OnnxValue[] state, Func<int, OnnxValue, OnnxValue> activate)
    {
        switch (cell)
        {
            case LstmCell:
            {
                var gates = Gates(Plus(input, recurrent), 4);
                var next = Plus(Times(activate(1, gates[1]), state[1]), Times(activate(0, gates[0]), activate(2, gates[2])));
                return [Times(activate(3, gates[3]), activate(4, next)), next];
            }

            case GruCell:
            {
                var (x, u) = (Gates(input, 3), Gates(recurrent, 3));
                var (reset, update) = (activate(0, Plus(x[0], u[0])), activate(1, Plus(x[1], u[1])));
                var candidate = activate(2, Plus(x[2], Times(reset, u[2])));
                return [Plus(candidate, Times(update, graph.Node("Sub", [state[0], candidate])))];
            }

            default:
                throw new UsageException($"{cell.GetType().Name} has no ONNX form: give it a case in {nameof(OnnxCells)}");
        }

        OnnxValue[] Gates(OnnxValue value, int count) =>
            [.. graph.Nodes("Split", count, [value], ("axis", -1)).Select(v => v with { Axes = state[0].Axes })];
        OnnxValue Plus(OnnxValue a, OnnxValue b) => graph.Node("Add", [a, b]);
        OnnxValue Times(OnnxValue a, OnnxValue b) => graph.Node("Mul", [a, b]);
    }
}
