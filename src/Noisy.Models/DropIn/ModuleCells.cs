using System.Reflection;
using System.Runtime.CompilerServices;

namespace Noisy.Models;

/// <summary>What .NET has to hold one object, or some, by another name than a field of one's own.</summary>
internal static class ModuleCells
{
    // The object hangs on a field of these.
    private static readonly HashSet<Type> ByField =
    [
        typeof(Tuple<>), typeof(Tuple<,>), typeof(Tuple<,,>), typeof(Tuple<,,,>), typeof(Tuple<,,,,>), typeof(Tuple<,,,,,>), typeof(Tuple<,,,,,,>),
        typeof(Tuple<,,,,,,,>), typeof(Nullable<>), typeof(Lazy<>), typeof(Lazy<,>), typeof(ArraySegment<>), typeof(Memory<>),
        typeof(ReadOnlyMemory<>), typeof(StrongBox<>), typeof(Task<>), typeof(ValueTask<>),
    ];

    // Not of these: it is asked for.
    private static readonly HashSet<Type> ByProperty = [typeof(ThreadLocal<>), typeof(AsyncLocal<>)];

    /// <summary>Whether a type is one.</summary>
    public static bool IsOne(Type type)
    {
        if (typeof(ITuple).IsAssignableFrom(type) && type.IsValueType) return true;
        if (type == typeof(WeakReference)) return true;
        if (!type.IsGenericType) return false;
        var open = type.GetGenericTypeDefinition();
        return ByField.Contains(open) || ByProperty.Contains(open) || open == typeof(WeakReference<>);
    }

    /// <summary>What a holder holds that no field of it leads to: for this thread, in this context.</summary>
    public static IEnumerable<(object? Value, Type Declared, Action<object> Set)> Of(object holder)
    {
        if (holder is WeakReference weak)
        {
            yield return (weak.Target, typeof(object), v => weak.Target = v);
            yield break;
        }

        if (!holder.GetType().IsGenericType) yield break;
        var (type, open) = (holder.GetType(), holder.GetType().GetGenericTypeDefinition());
        var declared = type.GetGenericArguments()[0];
        if (open == typeof(WeakReference<>))
        {
            object?[] target = [null];
            Method("TryGetTarget").Invoke(holder, target);
            yield return (target[0], declared, v => Method("SetTarget").Invoke(holder, [v]));
        }
        else if (ByProperty.Contains(open))
        {
            // Asking a ThreadLocal for what it has not made yet would make it.
            if (type.GetProperty("IsValueCreated")?.GetValue(holder) is false) yield break;
            var value = type.GetProperty("Value")!;
            yield return (value.GetValue(holder), declared, v => value.SetValue(holder, v));
        }

        MethodInfo Method(string name) => type.GetMethod(name)!;
    }
}
