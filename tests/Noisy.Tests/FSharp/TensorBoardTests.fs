/// Event files: read back record by record, and compared with the log.
module Noisy.Tests.TensorBoardTests

open System
open System.IO
open System.Threading
open Expecto
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers

/// The CRC-32C of the format's definition, bit by bit.
let private crc (bytes: byte[]) =
    let step (value: uint32) (b: byte) =
        (value ^^^ uint32 b, [ 1..8 ]) ||> List.fold (fun v _ -> if v &&& 1u = 1u then (v >>> 1) ^^^ 0x82F63B78u else v >>> 1)
    let plain = ~~~(Array.fold step UInt32.MaxValue bytes)
    ((plain >>> 15) ||| (plain <<< 17)) + 0xA282EAD8u

/// The events of the one file in a run's folder tensorboard.
let private events (run: string) =
    let bytes = Directory.GetFiles(Path.Combine(run, "tensorboard")) |> Array.exactlyOne |> File.ReadAllBytes
    let number from = BitConverter.ToUInt32(bytes, from)

    let rec records from =
        if from = bytes.Length then
            []
        else
            let length = int (BitConverter.ToInt64(bytes, from))
            let data = bytes[from + 12 .. from + 11 + length]
            Expect.equal (number (from + 8)) (crc bytes[from .. from + 7]) "checksum of the length"
            Expect.equal (number (from + 12 + length)) (crc data) "checksum of the data"
            Tensorboard.Event.Parser.ParseFrom data :: records (from + 16 + length)

    records 0

/// What a log should become: update, tag and value of every number, in order.
let private expected (run: string) =
    [ for event in RunLog.Read(Path.Combine(run, "log.jsonl")) do
          let metrics place values = if isNull values then [] else [ for metric: Collections.Generic.KeyValuePair<string, float> in values -> $"{place}/{metric.Key}", metric.Value ]
          let optional name (value: float Nullable) = if value.HasValue then [ name, value.Value ] else []
          let update =
              if event.IsEvaluation then [] else
                  [ yield! optional "update/loss" event.Loss; yield! optional "update/gradientNorm" event.GradientNorm; "update/learningRate", event.LearningRate
                    yield! optional "update/scale" event.Scale; yield! optional "update/accuracy" event.Accuracy
                    if event.Stage.HasValue then "update/stage", float event.Stage.Value ]
          for tag, value in update @ metrics "training" event.Train @ metrics "validation" event.Valid do event.Update, tag, float32 value ]
    |> List.sort

let private found run =
    [ for event in events run do
          if not (isNull event.Summary) then
              for value in event.Summary.Value do if isNull value.Image then event.Step, value.Tag, value.SimpleValue ]
    |> List.sort

let private session run maxUpdates (notes: ResizeArray<string>) =
    use task = newTask config
    use board = new TensorBoard.Board(run, observer ignore notes.Add)
    let summary, _ = trainTask task config run maxUpdates board CancellationToken.None
    board.Finish(Path.Combine(run, "curves.png"))
    summary

let tests =
    testList "tensorboard" [
        test "event files have every number of the log once, over an interruption too" {
            use folder = new TempFolder()
            let notes = ResizeArray()
            session folder.Path (Nullable 3L) notes |> ignore
            let first = found folder.Path
            Expect.equal first (expected folder.Path) "to update 3"
            Expect.isNonEmpty first "numbers"
            let summary = session folder.Path (Nullable()) notes
            Expect.isTrue summary.Value.Finished "to the end"
            let all = found folder.Path
            Expect.equal all (expected folder.Path) "the whole log, once"
            Expect.equal (all |> List.filter (fun (_, tag, _) -> tag = "update/loss") |> List.map (fun (step, _, _) -> step)) [ 1L .. 10L ] "an update a number"
            for tag in [ "update/gradientNorm"; "update/learningRate"; "update/scale"; "training/perplexity"; "validation/perplexity" ] do
                Expect.isTrue (all |> List.exists (fun (_, name, _) -> name = tag)) tag
            let files = events folder.Path
            Expect.equal files.Head.FileVersion "brain.Event:2" "the format"
            Expect.isTrue (files |> List.forall (fun event -> abs (event.WallTime - float (DateTimeOffset.UtcNow.ToUnixTimeSeconds())) < 3600.0)) "seconds since 1970"
        }
        test "a run that is done gets its event files later, with the curves" {
            use folder = new TempFolder()
            use task = newTask config
            trainTask task config folder.Path (Nullable()) quiet CancellationToken.None |> ignore
            let figure: Plots.Figure =
                { Title = "t"; Columns = 1; Panels = [ { Title = "t"; Horizontal = "updates"; Vertical = "y"; Scale = Plots.Linear; Legend = None; Items = [ { Name = "n"; Colour = "#000000"; Mark = Plots.Line([| 1.0; 2.0 |], [| 0.0; 1.0 |]) } ] } ] }
            Plots.savePng (folder.In "curves.png") (320, 200) figure
            session folder.Path (Nullable()) (ResizeArray()) |> ignore
            Expect.equal (found folder.Path) (expected folder.Path) "the log"
            let event = List.last (events folder.Path)
            let image = event.Summary.Value[0].Image
            Expect.equal (event.Step, image.Width, image.Height) (10L, 320, 200) "the curves"
            Expect.equal (image.EncodedImageString.ToByteArray()) (File.ReadAllBytes(folder.In "curves.png")) "as they were drawn"
        }
        test "what cannot be written is told once and stops no training" {
            use folder = new TempFolder()
            File.WriteAllText(folder.In "tensorboard", "in the way")
            let notes = ResizeArray()
            let summary = session folder.Path (Nullable()) notes
            Expect.isTrue summary.Value.Finished "trained"
            Expect.equal (notes |> Seq.filter _.Contains("tensorboard") |> Seq.length) 1 (String.Join("\n", notes))
        }
    ]
