// Noisy.Core by itself: no torch, no other package.   dotnet run --project examples/CoreConsole
namespace Noisy.Examples;

/// <summary>The program; the tour itself can be written anywhere.</summary>
public static class Program
{
    /// <summary>Takes the tour on the console.</summary>
    public static void Main() => CoreTour.Write(Console.Out);
}
