/// Tries what docs/reliability.md promises:  dotnet fsi build.fsx -t Fuzz -- --inputs 100000
module Noisy.Reliability.Main

open Noisy.FSharp
open Noisy.Scripts

[<EntryPoint>]
let main words =
    match List.ofArray words with
    | "run" :: experiment :: rest -> Drawings.main experiment (Array.ofList rest) // a child of Kill and Faults: a script's own work
    | words -> Host.run (fun stop -> Commands.run stop words)
