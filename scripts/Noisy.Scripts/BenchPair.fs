/// The same work in two builds of this library, in turn, in one process.
module Noisy.Scripts.BenchPair

open System
open System.IO
open System.Reflection
open System.Runtime.Loader
open Noisy.FSharp.Options
open Noisy.Scripts.BenchSuites
open Noisy.Scripts.BenchWork

/// Where a clone has the assemblies of its scripts once it is built.
let private assemblies = Path.Combine("scripts", "Noisy.Scripts", "bin", "Release", "net10.0")

/// This library's assemblies of one folder, apart from those that run; all others, libtorch's too, are shared.
type private Build(folder: string) =
    inherit AssemblyLoadContext("the other build")

    override this.Load name =
        match Path.Combine(folder, name.Name + ".dll") with
        | file when name.Name.StartsWith "Noisy." && File.Exists file -> this.LoadFromAssemblyPath file
        | _ -> null

let private get name (from: obj) = from.GetType().GetProperty(name, BindingFlags.Public ||| BindingFlags.NonPublic ||| BindingFlags.Instance).GetValue from

/// Calls a function of a module.
let private call (assembly: Assembly) moduleName name (values: obj[]) =
    assembly.GetType($"Noisy.Scripts.{moduleName}", throwOnError = true).GetMethod(name).Invoke(null, values)

/// What a piece of the other build gives, or why it cannot be paired.
let private asking (folder: string) (question: unit -> 'a) =
    try
        question ()
    with
    | :? TargetInvocationException as error -> refuse $"--pair: the build in {folder} fails: {error.InnerException.Message}"
    | :? IOException
    | :? BadImageFormatException
    | :? InvalidCastException
    | :? TargetParameterCountException
    | :? NullReferenceException
    | :? ArgumentException
    | :? TypeLoadException -> refuse $"--pair: the build in {folder} has another benchmark than this one: name one of a version nearer to this"

/// Our side of a measurement of the other build.
let private work folder (measurement: obj) () : Work =
    asking folder (fun () ->
        let make = get "Ours" measurement
        let made = make.GetType().GetMethod("Invoke", [| typeof<unit> |]).Invoke(make, [| null |])

        { Run = get "Run" made :?> (unit -> unit)
          Path = get "Path" made :?> (unit -> string)
          Free = get "Free" made :?> (unit -> unit) })

/// The measurements of the build whose assemblies lie in a folder.
///
/// words: options of the benchmark that choose suites, sizes and threads; presets: of the suites of experiments.
let private planned (folder: string) (words: string[]) count (presets: string list) : obj list =
    asking folder (fun () ->
        let scripts = Build(folder).LoadFromAssemblyPath(Path.Combine(folder, "Noisy.Scripts.dll"))
        let options = get "Value" (call scripts "BenchOptions" "read" [| words |])
        let measurements = call scripts "BenchSuites" "plan" [| get "Suites" options; get "Sizes" options; get "Threads" options; count; presets |]
        measurements :?> Collections.IEnumerable |> Seq.cast<obj> |> List.ofSeq)

/// The folder of a clone's assemblies. Raises UsageException where there is none.
let folderOf (clone: string) =
    let folder = Path.GetFullPath(Path.Combine(clone, assemblies))
    if File.Exists(Path.Combine(folder, "Noisy.Scripts.dll")) then folder
    else refuse $"--pair: {clone} has no built scripts: name a clone of this library in which a script has run"

/// Every item with how many equal keys came before its own.
let private numbered key items =
    let seen = Collections.Generic.Dictionary()

    [ for item in items do
          let name: string = key item
          let number = match seen.TryGetValue name with | true, before -> before + 1 | _ -> 0
          seen[name] <- number
          (name, number), item ]

/// The measurements with the same work of another build as their baseline; rows of one name are matched in their order. Those which the other build
/// lacks are left out, and told.
let against (folder: string) (words: string[]) count presets (tell: string -> unit) (plan: Measurement list) =
    let others =
        planned folder words count presets
        |> numbered (fun m -> String.Join(" ", [ for name in [ "Suite"; "Config"; "What"; "Activation"; "Baseline" ] -> string (get name m) ]))
        |> dict

    [ for key, m in plan |> numbered (fun m -> $"{m.Suite} {m.Config} {m.What} {m.Activation} {m.Baseline}") do
          match others.TryGetValue key with
          | true, other -> { m with Baseline = "the other build"; Theirs = work folder other }
          | _ -> tell $"{m.Suite} {m.Config} {m.What} {m.Activation}: the other build has no such row" ]
