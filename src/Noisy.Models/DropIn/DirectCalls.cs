using System.Reflection;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// Where a model's code reaches its modules by another way than <c>call</c>: a hook would not see it, and the module would stay as it
/// is without a word.
/// </summary>
/// <remarks>
/// Looks through the classes of the model's modules, with their bases and nested classes, and all that these call or create in the
/// same assemblies. It goes by signatures, not by objects: <c>fc.forward(x)</c> of a linear layer counts for a tanh too, since
/// compiled code names both the same. Code outside the model is not seen; the report counts calls for that.
/// </remarks>
internal sealed class DirectCalls
{
    private const BindingFlags All =
        BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private readonly HashSet<Assembly> assemblies;
    private readonly HashSet<Type> types = [];
    private readonly HashSet<MethodBase> seen = [];
    private readonly Queue<MethodBase> open = new();
    private readonly List<(MethodBase By, MethodBase Called)> found = [];

    /// <summary>Reads a model's code.</summary>
    /// <param name="root">The model.</param>
    public DirectCalls(nn.Module root)
    {
        var own = root.named_modules().Select(m => m.module.GetType()).Append(root.GetType()).Where(IsUsers).ToHashSet();
        assemblies = [.. own.Select(t => t.Assembly)];
        foreach (var type in own)
            for (var t = type; t is not null && IsUsers(t); t = t.BaseType) Add(t);
        while (open.TryDequeue(out var method)) Read(method);
    }

    /// <summary>Where a module may be reached by another way than its <c>call</c>; null if nowhere.</summary>
    public string? Find(nn.Module module)
    {
        var (type, signature) = (module.GetType(), TypeNames.Signature(module));
        foreach (var (by, called) in found)
        {
            var declaring = called.DeclaringType!;
            var open = declaring.ContainsGenericParameters && signature.IsGenericType
                && declaring.GetGenericTypeDefinition() == signature.GetGenericTypeDefinition();
            // F# prefers the extension method that takes one argument, even on a field of type LSTM.
            var extension = declaring == typeof(RecurrentCalls) && called.GetParameters()[0].ParameterType == signature;
            if (declaring != type && declaring != signature && !open && !extension) continue;
            return called.Name == "forward"
                ? $"{Named(by)} calls forward, which no hook sees (write call instead)"
                : $"{Named(by)} calls it with a packed sequence, which no hook sees";
        }

        return null;
    }

    private void Add(Type type)
    {
        if (type.IsGenericType && !type.IsGenericTypeDefinition) type = type.GetGenericTypeDefinition();
        if (!types.Add(type)) return;
        foreach (var method in type.GetMethods(All).Cast<MethodBase>().Concat(type.GetConstructors(All))) Add(method);
        foreach (var nested in type.GetNestedTypes(All)) Add(nested);
    }

    private void Add(MethodBase method)
    {
        if (seen.Add(method)) open.Enqueue(method);
    }

    private void Read(MethodBase method)
    {
        foreach (var called in MethodCalls.From(method))
        {
            if (called.DeclaringType is not { } type) continue;
            var packed = called.Name == "call" && called.GetParameters() is [var first, ..] && first.ParameterType == typeof(nn.utils.rnn.PackedSequence);
            if (called.Name == "forward" || packed) found.Add((method, called));
            if (!assemblies.Contains(type.Assembly)) continue;
            Add(called);
            if (called.IsConstructor) Add(type); // a closure's code is called through its base class
        }
    }

    private static bool IsUsers(Type type) =>
        type.Assembly != typeof(nn.Module).Assembly && type.Assembly != typeof(DirectCalls).Assembly && typeof(nn.Module).IsAssignableFrom(type);

    /// <summary>A method as its author knows it: of what a compiler made of a lambda, the class around.</summary>
    private static string Named(MethodBase method)
    {
        var type = method.DeclaringType!;
        while (type.DeclaringType is { } outer && type.Name.Contains('<')) type = outer;
        return method.Name.Contains('<') || type != method.DeclaringType ? TypeNames.Readable(type) : $"{TypeNames.Readable(type)}.{method.Name}";
    }
}
