module Noisy.Reliability.Main
[<EntryPoint>]
let main words =
    match List.ofArray words with
    | "fuzz-worker" :: rest -> FuzzWorker.work rest
    | [ "fuzz"; seed; inputs; minutes; jobs; folder ] ->
        Noisy.Models.TorchNative.EnsureLoaded()
        Fuzz.run (eprintfn "%s") { Seed = int64 seed; Inputs = int64 inputs; Minutes = float minutes; Jobs = int jobs; Folder = folder } |> Fuzz.print
    | "run" :: name :: rest -> Noisy.Scripts.Runs.main name (Array.ofList rest)
    | [ "kill"; seed; kills; minutes; jobs; experiments ] ->
        Kill.run (eprintfn "%s") { Seed = int64 seed; Kills = int kills; Minutes = float minutes; Jobs = int jobs; Experiments = List.ofArray (experiments.Split ',') } |> Kill.print
    | [ "replay"; file ] -> Fuzz.replay file
    | _ -> 2
