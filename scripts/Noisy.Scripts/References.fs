/// Lets fsi find at run time what a script uses only through the library, so that it need not be told at compile time:
/// each #r costs it a tenth of a second.
module Noisy.Scripts.References

open System
open System.IO
open System.Runtime.CompilerServices
open System.Runtime.InteropServices
open System.Runtime.Loader

/// Registers the assemblies and natives of the list that the build wrote (refs.g.txt).
let register (list: string) =
    let files = File.ReadAllLines list
    let named (names: string list) = files |> Array.tryFind (fun path -> List.contains (Path.GetFileName path) names)
    let context = AssemblyLoadContext.Default

    context.add_Resolving (fun _ name ->
        named [ name.Name + ".dll" ] |> Option.map context.LoadFromAssemblyPath |> Option.toObj)

    context.add_ResolvingUnmanagedDll (fun _ name ->
        named [ name; name + ".so"; $"lib{name}.so"; $"lib{name}.dylib"; name + ".dll" ]
        |> Option.map NativeLibrary.Load
        |> Option.defaultValue 0n)

    // A script may use TorchSharp before it uses this library, without which TorchSharp would search for libtorch in vain, at length.
    AppDomain.CurrentDomain.add_AssemblyLoad (fun _ loaded ->
        if loaded.LoadedAssembly.GetName().Name = "TorchSharp" then
            RuntimeHelpers.RunModuleConstructor typeof<Noisy.Models.NoiseClock>.Module.ModuleHandle)
