module Noisy.Tests.ExampleTests

open System.IO
open System.Text.RegularExpressions
open Expecto
open Noisy.Tests.TorchHelpers

/// Updates of a drop-in example: enough that the loss falls by 0.3 to 0.6, whichever weights torch draws.
let private updates = 20

/// The last line of a drop-in example. Of two classes, a model that knows nothing has a loss near log 2.
let private trained (line: string) =
    let found = Regex.Match(line, $@"^loss on other data: (\d\.\d+) before, (\d\.\d+) after {updates} updates\r?$")
    Expect.isTrue found.Success line
    let before, after = float found.Groups[1].Value, float found.Groups[2].Value
    Expect.isTrue (before > 0.5 && before < 0.9) $"{before} before"
    Tol.below after (before - 0.1) "loss"

let tests =
    testList "Examples" [
        test "the C# tour of the core prints what it promises" {
            use writer = new StringWriter()
            Noisy.Examples.CoreTour.Write writer
            let text = writer.ToString()
            Expect.stringContains text "   3.0  0.7578     0.0437" "the exact moments of NAH at x = 3"
            Expect.stringContains text "        0: c = 30.000" "the paper's schedule at its start"
            Expect.stringContains text "the same: True" "noise drawn again at its address"
        }
        test "the F# tour of the core agrees with its own simulation" {
            // Columns: x, exact mean and deviation, then both from 20,000 draws, whose standard error is below 0.0003.
            let rows =
                Noisy.Examples.FSharp.Tour.lines ()
                |> Seq.skip 1
                |> Seq.map (fun line -> line.Split(' ', System.StringSplitOptions.RemoveEmptyEntries))
                |> Seq.takeWhile (fun words -> words.Length = 5)
                |> Seq.map (Array.map float)
                |> List.ofSeq

            Expect.equal rows.Length 7 "seven points"

            for row in rows do
                Tol.below (abs (row[1] - row[3])) 0.0015 $"mean at {row[0]}, five standard errors"
                Tol.below (abs (row[2] - row[4])) 0.0015 $"deviation at {row[0]}, five standard errors"
        }
        torchTest "the C# model made noisy says what was replaced, and trains" (fun () ->
            use writer = new StringWriter()
            Noisy.Examples.DropIn.DropInTour.Write(writer, updates)
            let lines = writer.ToString().Split('\n')
            Expect.equal lines[0] "lstm: LSTM -> NoisyLstm (16 -> 16, 2 layers, dropout 0.1, batch first)" "LSTM"
            Expect.equal lines[1] "head.1: Tanh -> NoisyActivation (16 gap gains)" "tanh"
            Expect.stringStarts lines[2] "3 new parameters: make the optimiser now" "gains"
            trained lines[3])
        torchTest "the F# model made noisy says what was replaced, and trains" (fun () ->
            let lines = Noisy.Examples.DropIn.FSharp.Tour.lines updates
            Expect.equal lines[0] "lstm: LSTM -> NoisyLstm (16 -> 16, batch first)" "LSTM"
            Expect.equal lines[1] "head.1: Tanh -> NoisyActivation (one gap gain for all units)" "tanh"
            trained lines[2])
    ]
