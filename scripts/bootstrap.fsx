// First stage of every script, on nothing but the .NET SDK. A script begins with
//
//     #if !NOISY_BUILT && !EDITING
//     #load "bootstrap.fsx"
//     #else
//     #load "refs.fsx"
//     ...
//     #endif
//
// because fsi resolves what a script refers to before it runs a line of it, and on a fresh clone there is nothing to
// refer to. This stage has the library built if it is stale, then runs the same script again as a child, with
// NOISY_BUILT defined; the child's exit code becomes this process's. (Editors define EDITING.)
//
// fsi takes its time over each line here, so the work is elsewhere: building in build-library.fsx, which only a stale
// tree needs, and the child with its signals in the library (Launcher.fs), found by name because this file must
// compile without it. A library too old to have that, or too broken, counts as stale.
#if NOISY_BUILT
// Already the child: without this, a script that loads this file always would have children without end.
let private here = __SOURCE_DIRECTORY__.Replace('\\', '/')
eprintfn "%s/bootstrap.fsx is for the first stage alone. A script begins so (examples/adding.fsx is one):\n" here
eprintfn "#if !NOISY_BUILT && !EDITING\n#load \"%s/bootstrap.fsx\"\n#else\n#load \"%s/refs.fsx\"\n...\n#endif" here here
exit 1
#endif

open System
open System.Diagnostics
open System.IO
open System.Reflection

let private library = Path.Combine(__SOURCE_DIRECTORY__, "Noisy.Scripts", "bin", "Release", "net10.0", "Noisy.Scripts.dll")

/// Runs the script; its exit code, or None when the library must be built first.
let private launch () =
    let words = Environment.GetCommandLineArgs() // words[0] is fsi itself
    // From memory, so that the file can be replaced and then read anew.
    let launcher = Assembly.Load(File.ReadAllBytes library).GetType "Noisy.Scripts.Launcher"
    launcher.GetMethod("run").Invoke(null, [| __SOURCE_DIRECTORY__; fsi.CommandLineArgs[0]; words |]) :?> int option

let private build () =
    let script = Path.Combine(__SOURCE_DIRECTORY__, "build-library.fsx")
    let fsiItself = Environment.GetCommandLineArgs()[0]
    use child = Process.Start(ProcessStartInfo(Environment.ProcessPath, [ fsiItself; "--quiet"; "--nologo"; script ]))
    child.WaitForExit()
    if child.ExitCode <> 0 then exit child.ExitCode

match (try launch () with _ -> None) with
| Some code -> exit code
| None ->
    build ()
    exit (launch () |> Option.defaultValue 1)
