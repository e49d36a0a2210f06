namespace Noisy.Core;

/// <summary>The memory of a backward pass.</summary>
internal sealed unsafe partial class RecurrentKernel<V, TCell>
{
    /// <summary>Memory of one backward pass.</summary>
    private sealed class Workspace : IDisposable
    {
        private const int EdgeLength = MatrixProduct.MostBlockRows * Most * Padding.Lanes;

        private static readonly int Own = EdgeLength + CellSite.ScratchLength<TCell>();

        private readonly NativeBuffer buffer;
        private readonly float* own;

        internal Workspace(RecurrentDimensions size, int threads)
        {
            long padded = size.Padded;
            RowHidden = RowLength(size.Hidden);
            long wide = (long)Most * V.Count, panelsIh = (size.Inputs + wide - 1) / wide, panelsHh = (size.Hidden + wide - 1) / wide;
            WeightPanelHh = StepPanelBack(size.Hidden);
            WeightPanelIh = (nint)(TCell.Gates * size.Hidden * wide);
            ValuePanel = size.Rows * wide;
            TileSize = ((nint)size.Rows * MatrixTile.MaxRowsOfThree) + Slack;
            long gates = size.Rows * RecurrentTape.Blocks * padded, tiles = (long)RecurrentTape.Blocks * UnitTiles(size.Hidden);
            long hidden = size.Batch * RowHidden, carry = size.Batch * padded, gains = TCell.ReadsP ? size.Batch * TCell.Sites * padded : 0;
            buffer = BufferPool.Rent(
                gates + Slack + (tiles * (TileSize + Padding.Lanes)) + hidden + carry + gains
                + (Pairs(size.Hidden) * WeightPanelHh) + (panelsIh * WeightPanelIh) + ((panelsHh + panelsIh) * ValuePanel) + (threads * Own) + Slack);
            var parts = new BufferParts(buffer.Start);
            Gates = parts.Take(gates + Slack);
            Interleaved = parts.Take(tiles * TileSize);
            Sums = parts.Take(tiles * Padding.Lanes);
            GradHidden = parts.Take(hidden);
            Carry = parts.Take(carry);
            Gains = parts.Take(gains);
            WeightHh = parts.Take(Pairs(size.Hidden) * WeightPanelHh);
            WeightIh = parts.Take(panelsIh * WeightPanelIh);
            States = parts.Take(panelsHh * ValuePanel);
            Inputs = parts.Take(panelsIh * ValuePanel);
            own = parts.Take((long)threads * Own);
            new Span<float>(GradHidden, checked((int)(hidden + carry + gains))).Clear();
        }

        /// <summary>Gradients in the pre-activations [T B, blocks, padded H].</summary>
        internal float* Gates { get; }

        /// <summary>The same by tiles of units, interleaved; and its sums over the rows.</summary>
        internal float* Interleaved { get; }

        internal float* Sums { get; }

        /// <summary>Gradient in the last output [B, row].</summary>
        internal float* GradHidden { get; }

        internal float* Carry { get; }

        /// <summary>Gradients in the gains [B, sites, padded H].</summary>
        internal float* Gains { get; }

        /// <summary>Panels of the weights.</summary>
        internal float* WeightHh { get; }

        internal float* WeightIh { get; }

        /// <summary>Panels of the outputs before each step, and of the inputs.</summary>
        internal float* States { get; }

        internal float* Inputs { get; }

        internal nint RowHidden { get; }

        internal nint WeightPanelHh { get; }

        internal nint WeightPanelIh { get; }

        internal long ValuePanel { get; }

        internal nint TileSize { get; }

        internal GradientFlow Flow => new()
        {
            Gates = Gates, Hidden = GradHidden, Carry = Carry, Gains = Gains, RowHidden = RowHidden, WeightHh = WeightHh, WeightPanelHh = WeightPanelHh,
        };

        public void Dispose() => BufferPool.Return(buffer);

        /// <summary>A member's own room for a block of a matrix that is not whole, and for gate arithmetic.</summary>
        internal float* Edge(int member) => own + (member * Own);

        internal float* Scratch(int member) => Edge(member) + EdgeLength;

        internal float Sum(int block, int tiles, int unit) =>
            Sums[(((block * tiles) + (unit / MatrixTile.MaxRowsOfThree)) * Padding.Lanes) + (unit % MatrixTile.MaxRowsOfThree)];
    }
}
