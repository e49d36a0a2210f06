/// Where a Neural Turing Machine attends in an episode of associative recall, what it writes and what it answers.
module internal Noisy.Scripts.Recall

open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Plots
open TorchSharp

// More items would make columns too narrow to be seen.
let private mostItems = 8

// An attention from which a row is drawn.
let private seenFrom = 0.1

/// A matrix of a tensor, row by row.
let private matrix (t: torch.Tensor) =
    use flat = t.``to``(torch.ScalarType.Float32).contiguous ()
    flat.data<float32>().ToArray() |> Array.map float |> Array.chunkBySize (int t.shape[1])

let private heat title vertical rows range values =
    { Title = title
      Horizontal = "time step"
      Vertical = vertical
      Scale = Linear
      Legend = None
      Items = [ { Name = ""; Colour = palette[0]; Mark = Heat { Columns = [||]; Rows = rows; Values = values; Range = range } } ] }

/// The panels of an episode.
let panels (found: RecallTrace) (shape: NtmShape) =
    let episode, trace = found.Episode, found.Trace
    let steps = AssociativeRecall.Steps episode.Items
    let answer = steps - AssociativeRecall.Vectors
    let columns (values: int -> int -> float) rows = [| for r in 0 .. rows - 1 -> [| for t in 0 .. steps - 1 -> values r t |] |]
    let channels = [| for bit in 1 .. AssociativeRecall.Bits -> $"bit {bit}" |]
    let input r t = float episode.Input[t * AssociativeRecall.Inputs + r]
    let target r t = if t < answer then nan else float episode.Target[(t - answer) * AssociativeRecall.Bits + r]
    let logits = matrix (trace.Logits.squeeze 1L)
    let probability r t = if t < answer then nan else 1.0 / (1.0 + exp (-(logits[t][r])))
    let bits = Some(0.0, 1.0)

    // Rows of the memory that no head ever attends to would fill the picture.
    let attention = [| for head in 0 .. shape.Heads - 1 -> matrix (trace.Attention.select(1, 0L).select (1, int64 head)) |]
    let seen = [| for row in 0 .. shape.MemoryRows - 1 do if attention |> Array.exists (Array.exists (fun step -> step[row] >= seenFrom)) then row |]
    let numbers = seen |> Array.map string

    [ heat "input: items, each after a marker; the query; then nothing" "channel" (Array.append channels [| "item marker"; "query marker" |]) bits (columns input AssociativeRecall.Inputs)
      heat "what is to be answered" "" channels bits (columns target AssociativeRecall.Bits)
      heat "what the machine answers: probability of a 1" "" channels bits (columns probability AssociativeRecall.Bits)
      for head in 0 .. shape.Heads - 1 do
          let writes = head >= shape.ReadHeads
          let number = if writes then head - shape.ReadHeads + 1 else head + 1
          let name = if writes then "write" else "read"
          heat $"where {name} head {number} attends" "row of the memory" numbers bits (columns (fun i t -> attention.[head].[t].[seen[i]]) seen.Length)
      let last = matrix (trace.Memory.select(1, 0L).select (0, -1L))
      { heat "these rows of the memory after the episode" "row" numbers None [| for row in seen -> last[row] |] with Horizontal = "column" } ]

/// Draws episode.html and episode.png into a run's folder: an episode of the test.
let draw folder (task: ITrainingTask) (config: RunConfig) =
    match task, config.Settings, Pages.summary folder with
    | (:? NtmRecallTask as recall), (:? NtmRecallSettings as own), Some summary ->
        use found = recall.Trace(0L, min own.MaxItems mostItems, Pages.tested config summary)
        let figure = { Title = Pages.title config summary; Columns = 1; Panels = panels found recall.Shape }
        Pages.saveFigure folder "episode" (1000, 320) figure
    | _ -> ()
