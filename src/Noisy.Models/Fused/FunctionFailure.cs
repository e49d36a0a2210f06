using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Noisy.Models;

/// <summary>Hands an exception through torch's native frames, which no exception may cross: out of a function's backward pass, to the
/// call of TorchSharp's that runs it.</summary>
/// <remarks>
/// <para>A callback that fails gives gradients that are not numbers, and leaves an error in the place where TorchSharp's native
/// library keeps the last one. The call that runs the backward pass looks there when it is done, and throws. Torch itself is never
/// made to throw in between: TorchSharp's <c>autograd.grad</c> does not catch that, and the process would end.</para>
/// <para>The native library knows only a text. While its exception is being thrown, the cause becomes the inner exception and its
/// message the message.</para>
/// </remarks>
internal static partial class FunctionFailure
{
    [ThreadStatic]
    private static Exception? pending;

    /// <summary>Whether a callback of the backward pass that runs on this thread has failed.</summary>
    internal static bool IsPending => pending is not null;

    /// <summary>Takes the native error away for as long as a callback calls torch, which would throw it too early.</summary>
    internal static void Suspend()
    {
        if (IsPending) LastError();
    }

    /// <summary>Leaves an error for the caller of the backward pass. The last thing that a callback does.</summary>
    /// <param name="cause">What went wrong; the first of several is told.</param>
    internal static void Leave(Exception? cause)
    {
        if (pending is null && cause is not null)
        {
            pending = cause;
            AppDomain.CurrentDomain.FirstChanceException += Attach;
        }

        // The only way to leave an error is to make one: there is no such file.
        if (pending is { } e) LoadTensor($"/no/such/file: {e.Message}");
    }

    private static void Attach(object? sender, FirstChanceExceptionEventArgs thrown)
    {
        if (pending is not { } cause || thrown.Exception is not ExternalException outer) return;
        pending = null;
        AppDomain.CurrentDomain.FirstChanceException -= Attach;
        Inner(outer) = cause;
        Message(outer) = cause.Message;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_innerException")]
    private static extern ref Exception? Inner(Exception e);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_message")]
    private static extern ref string? Message(Exception e);

    [LibraryImport("LibTorchSharp", EntryPoint = "THSTorch_get_and_reset_last_err")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint LastError();

    [LibraryImport("LibTorchSharp", EntryPoint = "THSTensor_load", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint LoadTensor(string location);
}
