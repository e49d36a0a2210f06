namespace Noisy.Core;

/// <summary>What an operator says of its cell, whatever the activations.</summary>
/// <param name="Gates">Blocks of H rows in either weight.</param>
/// <param name="Sites">Noisy sites.</param>
/// <param name="States">States that are carried in time: 1 or 2.</param>
/// <param name="IsRecurrent">Whether the cell reads its last output.</param>
/// <param name="SharesBlocks">Whether the two products of each gate add up in the same block.</param>
internal readonly record struct CellLayout(int Gates, int Sites, int States, bool IsRecurrent, bool SharesBlocks)
{
    /// <summary>Reads the layout off a cell's operator.</summary>
    /// <exception cref="ArgumentException">The operator breaks a rule of <see cref="ICell"/>; the message says which.</exception>
    internal static CellLayout FromCell(ICellSource cell)
    {
        var reader = default(Reader);
        cell.Accept(null, ref reader);
        return reader.Layout;
    }

    private struct Reader : ICellVisitor
    {
        internal CellLayout Layout { get; private set; }

        public void Visit<TCell>(TCell cell)
            where TCell : struct, ICell
        {
            var input = TCell.InputBlocks;
            var recurrent = TCell.RecurrentBlocks;
            if (input.Length != TCell.Gates || (recurrent.Length != 0 && recurrent.Length != TCell.Gates))
                throw new ArgumentException($"{typeof(TCell).Name} names {input.Length} and {recurrent.Length} blocks: must be one for each of {TCell.Gates} gates");
            foreach (var block in (ReadOnlySpan<byte>)[.. input, .. recurrent])
            {
                if (block >= RecurrentTape.Blocks)
                    throw new ArgumentException($"{typeof(TCell).Name} names block {block}: there are {RecurrentTape.Blocks}, from 0");
            }

            Layout = new(TCell.Gates, TCell.Sites, TCell.HasCell ? 2 : 1, recurrent.Length > 0, recurrent.Length == 0 || input.SequenceEqual(recurrent));
        }
    }
}
