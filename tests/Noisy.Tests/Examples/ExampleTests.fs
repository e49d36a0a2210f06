module Noisy.Tests.ExampleTests

open System.IO
open Expecto

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
                Expect.isLessThan (abs (row[1] - row[3])) 0.0015 $"mean at {row[0]}, five standard errors"
                Expect.isLessThan (abs (row[2] - row[4])) 0.0015 $"deviation at {row[0]}, five standard errors"
        }
    ]
