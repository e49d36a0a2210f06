using System.Reflection;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A place that holds a module: a field, an element of a collection, a variable that a lambda captured.</summary>
/// <param name="Where">The place, as its owner would name it.</param>
/// <param name="Declared">Type of the place; null if what it holds can never be exchanged.</param>
/// <param name="Set">Puts another object there.</param>
/// <param name="IsDelegate">Whether the place is a delegate of one of the module's methods.</param>
/// <param name="ByForward">Whether that is its <c>forward</c>.</param>
internal sealed record ModuleReference(string Where, Type? Declared, Action<object> Set, bool IsDelegate = false, bool ByForward = false)
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
/// auto-properties too, static ones of the same classes), arrays, collections, tuples, F# lists and options, what lambdas captured, and
/// <see cref="ModuleCells"/>. Registration in torch and the items of Sequential, ModuleList and ModuleDict are such fields and need no rule
/// of their own. Not seen: static fields of other classes, other threads' values of a ThreadLocal, and what the caller holds outside the
/// model; there <see cref="NoisifyReport.NotCalled"/> tells.
/// </remarks>
internal sealed class ModuleReferences
{
    private const BindingFlags Own =
        BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private readonly Dictionary<nn.Module, List<ModuleReference>> found;
    private readonly HashSet<object> seen = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Type> classes = [];
    private readonly Stack<(object Holder, string Name)> open = new();

    private readonly HashSet<Assembly> assemblies; // of the model's own classes

    private ModuleReferences(nn.Module root, IEnumerable<nn.Module> wanted)
    {
        found = new(wanted.Select(m => KeyValuePair.Create(m, new List<ModuleReference>())), ReferenceEqualityComparer.Instance);
        assemblies = [.. root.named_modules().Select(m => m.module).Append(root).SelectMany(m => Classes(m.GetType())).Select(t => t.Assembly)];
        assemblies.ExceptWith([typeof(nn.Module).Assembly, typeof(ModuleReferences).Assembly, typeof(object).Assembly]);
    }

    /// <summary>Finds the places that hold some modules.</summary>
    /// <param name="root">The model.</param>
    /// <param name="wanted">The modules; they are not walked into.</param>
    /// <returns>The places of each module.</returns>
    public static IReadOnlyDictionary<nn.Module, List<ModuleReference>> Find(nn.Module root, IEnumerable<nn.Module> wanted)
    {
        var walk = new ModuleReferences(root, wanted);
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
                var element = array.GetType().GetElementType()!;
                if (!MayHoldReferences(element)) return;
                foreach (var at in Indices(array))
                    Visit(array.GetValue(at), element, $"{name}[{string.Join(", ", at)}]", v => array.SetValue(v, at));
                break;
            case Delegate lambda:
                // A method bound to a module belongs to its type, so the module there cannot be exchanged.
                foreach (var one in lambda.GetInvocationList())
                    if (one.Target is { } target) Visit(target, null, name + " (a delegate)", _ => { }, true, one.Method.Name == "forward");
                break;
            default:
                foreach (var cell in ModuleCells.Of(holder)) Visit(cell.Value, cell.Declared, name, cell.Set);
                foreach (var field in Fields(holder.GetType()))
                    Visit(field.GetValue(holder), field.FieldType, Named(holder, name, field), v => field.SetValue(holder, v));
                foreach (var field in Classes(holder.GetType()).Where(t => assemblies.Contains(t.Assembly) && classes.Add(t)).SelectMany(Statics))
                    LookStatic(field, Named(holder, name, field));
                break;
        }
    }

    private void LookStatic(FieldInfo field, string name)
    {
        object? value;
        try
        {
            value = field.GetValue(null);
        }
        catch (TypeInitializationException)
        {
            return; // then the class holds nothing
        }

        // .NET lets nobody change a static field that is read-only.
        Visit(value, field.IsInitOnly ? null : field.FieldType, name, v => field.SetValue(null, v));
    }

    private void Visit(object? value, Type? declared, string name, Action<object> set, bool isDelegate = false, bool byForward = false)
    {
        if (value is null) return;
        if (value is nn.Module module && found.TryGetValue(module, out var places))
        {
            places.Add(new ModuleReference(name, declared, set, isDelegate, byForward));
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
                Visit(field.GetValue(value), declared is null || IsKey(field) ? null : field.FieldType, name, v =>
                {
                    field.SetValue(value, v);
                    set(value);
                });
            }
        }
    }

    private static string Named(object holder, string name, FieldInfo field)
    {
        if (IsSystems(holder.GetType())) return name; // a list, a Lazy: where that is says enough, and an index which element
        if (IsTorch(field.DeclaringType!)) return IsTorch(holder.GetType()) && name.Length > 0 ? name : TypeNames.Readable(holder.GetType());

        // The compilers' own names: <Name>k__BackingField in C#, Name@ and name@line in F#.
        var member = field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>')] : field.Name.Split('@')[0];
        return $"{TypeNames.Readable(field.DeclaringType!)}.{member}";
    }

    /// <summary>The indices of an array's elements.</summary>
    private static IEnumerable<int[]> Indices(Array array)
    {
        if (array.Length == 0) yield break;
        var at = Enumerable.Range(0, array.Rank).Select(array.GetLowerBound).ToArray();
        while (true)
        {
            yield return [.. at];
            var dimension = array.Rank - 1;
            for (; dimension >= 0 && ++at[dimension] > array.GetUpperBound(dimension); dimension--) at[dimension] = array.GetLowerBound(dimension);
            if (dimension < 0) yield break;
        }
    }

    private static IEnumerable<FieldInfo> Statics(Type type) =>
        type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            .Where(f => !f.IsLiteral && !f.FieldType.IsByRefLike && MayHoldReferences(f.FieldType));

    private static IEnumerable<FieldInfo> Fields(Type type)
    {
        foreach (var t in Classes(type))
            foreach (var field in t.GetFields(Own))
                if (MayHoldReferences(field.FieldType)) yield return field;
    }

    private static IEnumerable<Type> Classes(Type type)
    {
        for (var t = type; t is not null && t != typeof(object); t = t.BaseType) yield return t;
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
        if (IsTorch(type)) return IsCollection(type);
        if (ModuleCells.IsOne(type)) return true;
        return !IsSystems(type) || IsCollection(type);
    }

    /// <summary>Whether a type is .NET's.</summary>
    private static bool IsSystems(Type type) =>
        type.Namespace is { } space && (space == "System" || space.StartsWith("System.", StringComparison.Ordinal));

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
