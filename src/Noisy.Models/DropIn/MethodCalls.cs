using System.Reflection;
using System.Reflection.Emit;

namespace Noisy.Models;

/// <summary>Which methods a method calls or takes the address of, read from its compiled code.</summary>
internal static class MethodCalls
{
    private static readonly Dictionary<short, OpCode> Codes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(f => (OpCode)f.GetValue(null)!).ToDictionary(c => c.Value);

    /// <summary>The methods, in the order of the code; empty for a method without code of its own.</summary>
    public static IEnumerable<MethodBase> From(MethodBase method)
    {
        var code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        for (var at = 0; at < code.Length;)
        {
            var op = Codes[code[at] == 0xFE ? (short)((code[at++] << 8) | code[at++]) : code[at++]];
            if (op.OperandType == OperandType.InlineMethod && Resolve(method, BitConverter.ToInt32(code, at)) is { } called) yield return called;
            at += op.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(code, at)),
                _ => 4,
            };
        }
    }

    private static MethodBase? Resolve(MethodBase caller, int token)
    {
        var ofType = caller.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        return caller.Module.ResolveMethod(token, ofType, caller.IsGenericMethod ? caller.GetGenericArguments() : null);
    }
}
