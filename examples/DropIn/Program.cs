// An existing TorchSharp model made noisy in one call.   dotnet run --project examples/DropIn
namespace Noisy.Examples.DropIn;

/// <summary>The program; the tour itself can be written anywhere.</summary>
public static class Program
{
    /// <summary>Takes the tour on the console.</summary>
    public static void Main() => DropInTour.Write(Console.Out);
}
