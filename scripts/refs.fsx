// What every script refers to, in the child that bootstrap.fsx starts. The build writes assemblies.g.fsx (Noisy's own
// assemblies, Argu and TorchSharp), refs.g.txt (all files behind them) and packages.g.fsx: load that one too in a script
// that itself uses Deedle, Plotly.NET, ScottPlot or Spectre.Console, at the price of a second or two at its start.
#load "assemblies.g.fsx"

Noisy.Scripts.References.register (System.IO.Path.Combine(__SOURCE_DIRECTORY__, "refs.g.txt"))

// fsi keeps the '--' that separates its own options from the script's.
if fsi.CommandLineArgs.Length > 1 && fsi.CommandLineArgs[1] = "--" then
    fsi.CommandLineArgs <- Array.append fsi.CommandLineArgs[..0] fsi.CommandLineArgs[2..]
