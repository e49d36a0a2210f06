// A trained language model without torch.   dotnet run --project examples/TextConsole -- score MODEL.safetensors TEXT
namespace Noisy.Examples;

/// <summary>The program; the work itself can write anywhere.</summary>
public static class Program
{
    /// <summary>Runs a command on the console.</summary>
    /// <param name="arguments">The command line.</param>
    /// <returns>0 done, 2 wrong usage, 3 a file is missing or damaged.</returns>
    public static int Main(string[] arguments) => TextTool.Run(arguments, Console.Out, Console.Error);
}
