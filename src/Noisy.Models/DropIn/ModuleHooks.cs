using System.Collections;
using System.Reflection;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The tables of hooks that torch keeps in a module: they run around <c>call</c>, not around <c>forward</c>.</summary>
internal static class ModuleHooks
{
    /// <summary>Gives a module the hooks of another of the same signature: the very tables, so that anyone who can remove a hook there
    /// still can.</summary>
    public static void Share(nn.Module from, nn.Module to)
    {
        foreach (var table in Tables(from)) table.SetValue(to, table.GetValue(from));
    }

    /// <summary>Gives a module empty tables of its own.</summary>
    public static void Clear(nn.Module module)
    {
        foreach (var table in Tables(module)) table.SetValue(module, Activator.CreateInstance(table.FieldType));
    }

    /// <summary>How many hooks a module has.</summary>
    public static int Count(nn.Module module) => Tables(module).Sum(t => ((IDictionary)t.GetValue(module)!).Count);

    private static IEnumerable<FieldInfo> Tables(nn.Module module)
    {
        for (var type = TypeNames.Signature(module); type is not null && type != typeof(nn.Module); type = type.BaseType)
            foreach (var field in type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)) yield return field;
    }
}
