// An existing TorchSharp model made noisy in one call.   dotnet run --project examples/DropInFSharp
module Noisy.Examples.DropIn.FSharp.Program

[<EntryPoint>]
let main _ =
    Tour.lines 60 |> Seq.iter (printfn "%s")
    0
