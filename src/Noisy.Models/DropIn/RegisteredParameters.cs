using System.Reflection;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>The table of parameters that torch keeps in a module.</summary>
internal static class RegisteredParameters
{
    // register_parameter registers no name twice, so the table itself is requested; its type names it.
    private static readonly FieldInfo Table = typeof(nn.Module)
        .GetFields(BindingFlags.Instance | BindingFlags.NonPublic)
        .Single(f => f.FieldType == typeof(OrderedDict<string, Parameter>));

    /// <summary>A module's table.</summary>
    public static OrderedDict<string, Parameter> Of(nn.Module module) => (OrderedDict<string, Parameter>)Table.GetValue(module)!;

    /// <summary>Gives a module the very table of another: the same parameters, whatever becomes of them.</summary>
    public static void Share(nn.Module from, nn.Module to) => Table.SetValue(to, Table.GetValue(from));
}
