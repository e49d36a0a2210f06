module Noisy.Reliability.Main
[<EntryPoint>]
let main words =
    match List.ofArray words with
    | "fuzz-worker" :: rest -> FuzzWorker.work rest
    | [ "fuzz"; seed; inputs; minutes; jobs; folder ] ->
        Noisy.Models.TorchNative.EnsureLoaded()
        Fuzz.run (eprintfn "%s") { Seed = int64 seed; Inputs = int64 inputs; Minutes = float minutes; Jobs = int jobs; Folder = folder } |> Fuzz.print
    | [ "replay"; file ] -> Fuzz.replay file
    | _ -> 2
