namespace Noisy.Models;

/// <summary>Where tests make a function fail.</summary>
internal static class FunctionFaults
{
    /// <summary>Called on the way through every function with its name and "forward" or "backward"; null outside tests.</summary>
    internal static Action<string, string>? Inject { get; set; }

    internal static void Reach(string function, string pass) => Inject?.Invoke(function, pass);
}
