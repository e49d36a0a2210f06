namespace Noisy.Core;

/// <summary>Receives a cell's operator under its own type, so that the code after it is compiled for that cell.</summary>
internal interface ICellVisitor
{
    /// <summary>Called once.</summary>
    void Visit<TCell>(TCell cell) where TCell : struct, ICell;
}
