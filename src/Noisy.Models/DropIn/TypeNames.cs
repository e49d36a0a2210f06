using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>Type names as a user would write them.</summary>
internal static class TypeNames
{
    /// <summary>Names a type in C#, without namespaces.</summary>
    public static string Readable(Type type)
    {
        if (Nullable.GetUnderlyingType(type) is { } value) return Readable(value) + "?";
        if (type.IsArray) return Readable(type.GetElementType()!) + "[]";
        if (!type.IsGenericType) return type == typeof(object) ? "object" : type.Name;
        var arguments = string.Join(", ", type.GetGenericArguments().Select(Readable));
        if (type.FullName!.StartsWith("System.ValueTuple`", StringComparison.Ordinal)) return $"({arguments})";
        return $"{type.Name.Split('`')[0]}<{arguments}>";
    }

    /// <summary>The type of a field that can hold a module and its noisy counterpart: torch's, of the same signature.</summary>
    public static Type Signature(nn.Module module)
    {
        for (var type = module.GetType(); type != typeof(nn.Module); type = type.BaseType!)
            if (type.IsGenericType && type.DeclaringType == typeof(nn)) return type;
        return typeof(nn.Module);
    }
}
