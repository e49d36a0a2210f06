namespace Noisy.Core;

/// <summary>Scores texts side by side, each of which leaves when it ends.</summary>
internal static unsafe class TextScorer
{
    // Rows of a task: their logits of a piece stay in a second-level cache.
    private const int MostRows = 96;

    internal static TextScore[] Score(LanguageModel model, int[][] texts, RecurrentState? state, NoiseContext context, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        if (texts.Length == 0) throw new ArgumentException("there is no text to score", nameof(texts));
        foreach (var text in texts)
        {
            ArgumentNullException.ThrowIfNull(text, nameof(texts));
            if (text.Length < 2) throw new ArgumentException($"a text of {text.Length} tokens cannot be scored: at least two are needed", nameof(texts));
            foreach (var token in text) model.Check(token);
        }

        using var pass = model.Layers.Start(texts.Length, texts.Max(t => t.Length) - 1, context);
        if (state is not null)
        {
            model.Layers.Check(state);
            if (state.Batch != texts.Length) throw new ArgumentException($"the state is that of {state.Batch} texts, and there are {texts.Length}", nameof(state));
            pass.Load(state);
        }

        // A task has some rows and some classes: their logits stay in a second-level cache until they are added up.
        var (panels, ofPieces) = (LogSumExp.Piece / model.Decoder.PanelUnits, LogSumExp.Pieces(model.Vocabulary));
        var rowLogits = Math.Min(LogSumExp.Piece, model.Decoder.Padded);
        var most = Math.Min(pass.Steps * texts.Length, Math.Min(MostRows, MatrixProduct.BlockRows(model.Decoder.Depth)));
        var logits = BufferPool.Rent((long)threads * most * rowLogits);
        var sums = new ExponentialSum[pass.Steps * texts.Length * ofPieces];
        var (targetLogits, losses) = (new float[pass.Steps * texts.Length], new double[pass.Steps * texts.Length]);
        var (nats, scores) = (new double[texts.Length], new TextScore[texts.Length]);
        var active = Enumerable.Range(0, texts.Length).ToArray();
        for (var done = 0; active.Length > 0;)
        {
            var steps = Math.Min(pass.Steps, active.Min(i => texts[i].Length) - 1 - done);
            var rows = steps * active.Length;
            var (columns, from, blocks) = (active, done, (rows + most - 1) / most);
            var tasks = new TaskQueue(blocks * ofPieces);
            ThreadTeam.Shared.Run(threads, member =>
            {
                var (firstRow, endRow) = member.Share(rows);
                for (var row = firstRow; row < endRow; row++)
                    model.Embed(texts[columns[row % columns.Length]][from + (row / columns.Length)], pass.Input + ((nint)row * model.Layers.InputSize));
                member.Barrier();
                pass.Run(member, steps);
                var own = logits.Start + ((nint)member.Index * most * rowLogits);
                while (tasks.Take(out var task))
                {
                    // All rows pass the weights of a piece before the next piece: it comes from memory once, and then from a last-level cache.
                    var (piece, block) = (task / blocks, task % blocks);
                    var (first, end) = (MatrixProduct.FirstRow(rows, block, blocks), MatrixProduct.FirstRow(rows, block + 1, blocks));
                    var v = piece * LogSumExp.Piece;
                    var classes = Math.Min(LogSumExp.Piece, model.Vocabulary - v);
                    model.Logits(
                        pass.Top + ((nint)first * pass.RowTop), pass.RowTop, end - first, own - v, rowLogits,
                        piece * panels, Math.Min((piece + 1) * panels, model.Decoder.Panels));
                    for (var row = first; row < end; row++)
                    {
                        var at = own + ((nint)(row - first) * rowLogits);
                        sums[(row * ofPieces) + piece] = LogSumExp.OfPiece(at, classes, model.Width);
                        var target = texts[columns[row % columns.Length]][from + (row / columns.Length) + 1] - v;
                        if ((uint)target < (uint)classes) targetLogits[row] = at[target];
                    }
                }

                member.Barrier();
                for (var row = firstRow; row < endRow; row++) losses[row] = LogSumExp.Of(sums.AsSpan(row * ofPieces, ofPieces)) - targetLogits[row];
            });
            for (var row = 0; row < rows; row++) nats[active[row % active.Length]] += losses[row];
            pass.Advance(steps);
            done += steps;
            var kept = new List<int>();
            for (var i = 0; i < active.Length; i++)
            {
                var text = active[i];
                if (texts[text].Length - 1 > done) kept.Add(i);
                else scores[text] = new TextScore(nats[text], done, pass.Save(i, 1));
            }

            if (kept.Count == active.Length) continue;
            pass.Keep([.. kept]);
            active = [.. kept.Select(i => active[i])];
        }

        BufferPool.Return(logits);
        return scores;
    }
}
