/// A TorchSharp model written in F#, made noisy in one call and trained for a moment.
module Noisy.Examples.DropIn.FSharp.Tour

open System
open Noisy.Core
open Noisy.Models
open TorchSharp

type Tensor = torch.Tensor

/// What an LSTM is to its user: a field of this type takes nn.LSTM and NoisyLstm alike.
type Recurrent = torch.nn.Module<Tensor, Nullable<struct (Tensor * Tensor)>, struct (Tensor * Tensor * Tensor)>

/// Some model that knows nothing of noise.
type Classifier(tokens: int64, width: int64, classes: int64) as this =
    inherit torch.nn.Module<Tensor, Tensor>("classifier")
    let embedding = torch.nn.Embedding(tokens, width)
    let lstm: Recurrent = torch.nn.LSTM(width, width, batchFirst = true)
    let head = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.Tanh(), torch.nn.Linear(width, classes))
    do this.RegisterComponents()

    override _.forward input =
        use scope = torch.NewDisposeScope()
        let struct (output, _, _) = lstm.call (embedding.call input, Nullable())
        head.call(output.select (1L, -1L)).MoveToOuterDisposeScope()

let private tokens, length, batch = 10, 8, 32

/// Token sequences; the class is 1 if the tokens are large on average.
let private newBatch (random: Random) =
    let sequences = Array.init batch (fun _ -> Array.init length (fun _ -> int64 (random.Next tokens)))
    let target = sequences |> Array.map (fun s -> if Array.sum s > int64 (length * (tokens - 1) / 2) then 1L else 0L)
    torch.tensor (array2D sequences), torch.tensor target

/// Loss on fresh examples in eval(), where the noise is replaced by its expectation.
let private lossOf (model: Classifier) random =
    use _ = torch.NewDisposeScope()
    use _ = torch.no_grad ()
    model.eval ()
    let input, target = newBatch random
    let loss = torch.nn.functional.cross_entropy(model.call input, target).item<float32> ()
    model.train ()
    loss

/// The tour, line by line.
let lines updates =
    TorchNative.EnsureLoaded()
    use _ = torch.NewDisposeScope()
    let model = new Classifier(tokens, 16L, 2L)
    let clock = NoiseClock 1L
    // The call. Only what lies in the head and the LSTM; a predicate sees path and module.
    let wanted path = path = "lstm" || (path: string).StartsWith "head"
    let report = Noisify.Replace(model, Variants.Nan, clock, where = fun path _ -> wanted path)
    let optimizer = torch.optim.Adam(model.parameters (), 0.01)
    let random = Random 1
    let before = lossOf model random

    for update in 0 .. updates - 1 do
        use _ = torch.NewDisposeScope()
        clock.Advance(int64 update) // the one line more
        let input, target = newBatch random
        optimizer.zero_grad ()
        let loss = torch.nn.functional.cross_entropy (model.call input, target)
        loss.backward ()
        optimizer.step () |> ignore

    [ yield! report.Entries |> Seq.map string
      sprintf "loss on other data: %.3f before, %.3f after %d updates" before (lossOf model random) updates ]
