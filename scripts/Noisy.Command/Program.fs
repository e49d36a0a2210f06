/// The scripts as one program:  noisy ptb --preset tiny
module Noisy.Command.Program

open Noisy.Experiments
open Noisy.Scripts

let private tools =
    [ "activations", Activations.main
      "bench", Bench.main
      "captions", CaptionScript.main
      "tables", Tables.main ]

let private commands =
    tools @ [ for experiment in PaperExperiments.All do if experiment.Name <> "captions" then experiment.Name, Drawings.main experiment.Name ]

let private usage =
    let names = String.concat ", " (List.map fst commands |> List.sort)
    $"noisy COMMAND [OPTIONS]\n\nCOMMAND is one of {names}; each is the script of that name. Its options: noisy COMMAND --help"

[<EntryPoint>]
let main words =
    match List.ofArray words with
    | [] | ("--help" | "-h" | "help") :: _ ->
        printfn "%s" usage
        0
    | name :: rest ->
        match List.tryFind (fun (known, _) -> known = name) commands with
        | Some(_, run) -> run (Array.ofList rest)
        | None ->
            eprintfn "there is no command '%s': noisy --help lists them" name
            2
