// Noisy.Core from F#: no torch, no other package.   dotnet run --project examples/CoreFSharp
module Noisy.Examples.FSharp.Program

[<EntryPoint>]
let main _ =
    Tour.lines () |> Seq.iter (printfn "%s")
    0
