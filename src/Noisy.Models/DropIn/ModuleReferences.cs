using System.Reflection;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A place that holds a module: a field, an element of a collection, a variable that a lambda captured.</summary>
/// <param name="Where">The place, as its owner would name it.</param>
/// <param name="Declared">Type of the place; null if what it holds can never be exchanged.</param>
/// <param name="Set">Puts another object there.</param>
/// <param name="ByForward">Whether the place is a delegate of the module's <c>forward</c>.</param>
internal sealed record ModuleReference(string Where, Type? Declared, Action<object> Set, bool ByForward = false)
{
    /// <summary>The place and why nothing else fits there.</summary>
    public string Kind => Declared is null ? $"{Where} holds it for good" : $"{Where} is declared as {TypeNames.Readable(Declared)}";

    /// <summary>Whether the place can hold a module of a type.</summary>
    public bool Accepts(Type type) => Declared is not null && Declared.IsAssignableFrom(type);
}

/// <summary>
/// Finds every place from which a model reaches some of its modules. Replacing what torch has registered is not enough:
/// a model's <c>forward</c> uses its own fields.
/// </summary>
/// <remarks>
/// Walks the objects that hang on the root: fields of all classes of its hierarchy (private, read-only and those of
/// auto-properties too), arrays, collections, tuples, F# lists and options, and what lambdas captured. Registration in torch
/// and the items of Sequential, ModuleList and ModuleDict are such fields and need no rule of their own. Not seen:
/// static fields, and what the caller holds outside the model.
/// </remarks>
internal sealed class ModuleReferences
{
    private const BindingFlags Own =
        BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private readonly Dictionary<nn.Module, List<ModuleReference>> found;
    private readonly HashSet<object> seen = new(ReferenceEqualityComparer.Instance);
    private readonly Stack<(object Holder, string Name)> open = new();

    private ModuleReferences(IEnumerable<nn.Module> wanted) =>
        found = new(wanted.Select(m => KeyValuePair.Create(m, new List<ModuleReference>())), ReferenceEqualityComparer.Instance);

    /// <summary>Finds the places that hold some modules.</summary>
    /// <param name="root">The model.</param>
    /// <param name="wanted">The modules; they are not walked into.</param>
    /// <returns>The places of each module.</returns>
    public static IReadOnlyDictionary<nn.Module, List<ModuleReference>> Find(nn.Module root, IEnumerable<nn.Module> wanted)
    {
        var walk = new ModuleReferences(wanted);
        walk.Push(root, "");
        while (walk.open.TryPop(out var next)) walk.Look(next.Holder, next.Name);
        return walk.found;
    }

    private void Push(object holder, string name)
    {
        if (Walkable(holder) && seen.Add(holder)) open.Push((holder, name));
    }

    private void Look(object holder, string name)
    {
        switch (holder)
        {
            case Array array:
                if (array.Rank != 1 || !MayHoldReferences(array.GetType().GetElementType()!)) return;
                for (var i = 0; i < array.Length; i++)
                {
                    var at = i;
                    Visit(array.GetValue(i), array.GetType().GetElementType(), $"{name}[{i}]", v => array.SetValue(v, at));
                }

                break;
            case Delegate lambda:
                // A method bound to a module belongs to its type, so the module there cannot be exchanged.
                foreach (var one in lambda.GetInvocationList())
                    if (one.Target is { } target) Visit(target, null, name + " (a delegate)", _ => { }, one.Method.Name == "forward");
                break;
            default:
                foreach (var field in Fields(holder.GetType()))
                    Visit(field.GetValue(holder), field.FieldType, Named(holder, name, field), v => field.SetValue(holder, v));
                break;
        }
    }

    private void Visit(object? value, Type? declared, string name, Action<object> set, bool byForward = false)
    {
        if (value is null) return;
        if (value is nn.Module module && found.TryGetValue(module, out var places))
        {
            places.Add(new ModuleReference(name, declared, set, byForward));
        }
        else if (!value.GetType().IsValueType)
        {
            Push(value, name);
        }
        else if (MayHoldReferences(value.GetType()))
        {
            // A struct was copied out of its place: change the copy, then put it back.
            foreach (var field in Fields(value.GetType()))
            {
                Visit(field.GetValue(value), IsKey(field) ? null : field.FieldType, name, v =>
                {
                    field.SetValue(value, v);
                    set(value);
                });
            }
        }
    }

    private static string Named(object holder, string name, FieldInfo field)
    {
        if (IsCollection(holder.GetType())) return name; // an index will say which element
        if (IsTorch(field.DeclaringType!)) return IsTorch(holder.GetType()) && name.Length > 0 ? name : TypeNames.Readable(holder.GetType());

        // The compilers' own names: <Name>k__BackingField in C#, Name@ and name@line in F#.
        var member = field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>')] : field.Name.Split('@')[0];
        return $"{TypeNames.Readable(field.DeclaringType!)}.{member}";
    }

    private static IEnumerable<FieldInfo> Fields(Type type)
    {
        for (var t = type; t is not null && t != typeof(object); t = t.BaseType)
            foreach (var field in t.GetFields(Own))
                if (MayHoldReferences(field.FieldType)) yield return field;
    }

    private static bool MayHoldReferences(Type type)
    {
        if (type.IsPointer || type.IsPrimitive || type.IsEnum || type == typeof(string)) return false;
        return !type.IsValueType
            || (IsOpen(type) && type.GetFields(Own).Any(f => f.FieldType != type && MayHoldReferences(f.FieldType)));
    }

    private static bool Walkable(object value) => value is Array or Delegate or nn.Module || IsOpen(value.GetType());

    /// <summary>Whether a type may lead to modules: the user's own, and the collections; not what is inside torch.</summary>
    private static bool IsOpen(Type type)
    {
        if (type.Assembly == typeof(ModuleReferences).Assembly) return false;
        var space = type.Namespace ?? "";
        if (IsTorch(type)) return IsCollection(type);
        if (space == "System") return type.Name.Split('`')[0] is "ValueTuple" or "Tuple" or "Nullable" or "Lazy";
        return !space.StartsWith("System.", StringComparison.Ordinal) || IsCollection(type);
    }

    private static bool IsTorch(Type type) => type.Assembly == typeof(nn.Module).Assembly;

    private static bool IsCollection(Type type) =>
        type.Namespace is { } space
        && (space == "System.Collections"
            || space.StartsWith("System.Collections.", StringComparison.Ordinal)
            || (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(OrderedDict<,>)));

    /// <summary>Keys of hash tables keep the place that their hash code gave them.</summary>
    private static bool IsKey(FieldInfo field) =>
        field.DeclaringType!.FullName is { } name
        && ((name.StartsWith("System.Collections.Generic.Dictionary`2+Entry", StringComparison.Ordinal) && field.Name == "key")
            || name.StartsWith("System.Collections.Generic.HashSet`1+Entry", StringComparison.Ordinal));
}
