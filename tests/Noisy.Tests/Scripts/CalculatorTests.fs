module Noisy.Tests.CalculatorTests

open System
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Scripts

/// The one row that a command line gives, by column.
let private row (words: string list) =
    match Activations.table (Array.ofList ("--table" :: words)) with
    | Some [ header; line ] -> Array.zip (header.Split ',') (line.Split ',') |> Map.ofArray
    | other -> failtestf "expected a header and a row, found %A" other

/// Compares columns with what the paper's tables print.
let private agrees (words: string list) (expected: (string * string) list) =
    let found = row words
    for column, text in expected do
        Tol.printed text (PaperTables.number found[column]) $"""{column} of {String.Join(" ", words)}"""

let private functionOf name = if name = "tanh" then "tanh" else "sigmoid"

let tests =
    testList "calculator of the activations" [
        test "columns and digits are those of the contract" {
            let lines = Activations.table [| "--table"; "--x"; "-2,0.5"; "--xi"; "1.2"; "--p"; "-0.7" |]
            let lines = Option.get lines
            Expect.equal lines.Head "x,xi,h,u,delta,sigma,phi,dphi_dx,dphi_dp,mean,variance,mean_dx" "header"
            Expect.equal lines.Length 3 "rows"
            Expect.stringStarts lines[1] "-2,1.2,-1,-2,1,0.0141" "first row"
            for cell in lines[1].Split ',' do
                Expect.equal (Calculator.digits (float cell)) cell "reads back exactly"
        }
        test "output noise agrees with every printed digit, normal and half-normal" {
            for r in PaperTables.output do
                let common = [ "--function"; functionOf r[0]; "--x"; r[1]; "--p"; r[2]; "--alpha"; r[3]; "--c"; r[4]; "--xi"; r[5] ]
                agrees ("--activation" :: "nan" :: common)
                    [ "delta", r[6]; "sigma", r[7]; "phi", r[10]; "dphi_dx", r[11]; "dphi_dp", r[12]; "mean", r[13]; "variance", r[14] ]
                agrees ("--activation" :: "nah" :: common)
                    [ "delta", r[6]; "sigma", r[7]; "phi", r[10]; "dphi_dx", r[11]; "dphi_dp", r[12]; "mean", r[15]; "variance", r[16] ]
        }
        test "input noise of fixed deviation agrees with every printed digit" {
            for r in PaperTables.fixedInput do
                agrees [ "--activation"; "nani"; "--function"; functionOf r[0]; "--x"; r[1]; "--c"; r[2] ]
                    [ "sigma", r[2]; "h", r[3]; "mean", r[4]; "variance", r[5]; "mean_dx", r[6] ]
        }
        test "input noise of learned deviation agrees with every printed digit" {
            for r in PaperTables.gapInput do
                agrees [ "--activation"; "nanil"; "--function"; functionOf r[0]; "--x"; r[1]; "--p"; r[2]; "--c"; r[3] ]
                    [ "sigma", r[4]; "mean", r[5]; "mean_dx", r[6] ]
        }
        test "the released NANIL agrees with every printed digit" {
            for r in PaperTables.ratioInput do
                let words = [ "--activation"; "nanil-released"; "--function"; functionOf r[0]; "--x"; r[1]; "--p"; r[2]; "--c"; r[3]; "--xi"; "0.8" ]
                agrees words [ "phi", r[5]; "mean", r[6] ]
                let found = row words |> Map.map (fun _ cell -> PaperTables.number cell)
                Tol.printed r[4] (found["x"] + found["sigma"] * found["xi"]) "shifted input"
        }
        test "clipped output, half-normal input and the law without p agree with every printed digit" {
            for r in PaperTables.clipped do
                let words = [ "--function"; functionOf r[0]; "--x"; r[1]; "--p"; r[2]; "--alpha"; r[3]; "--c"; r[4]; "--clip" ]
                agrees ("--activation" :: "nan" :: words) [ "sigma", r[6]; "mean", r[7] ]
                agrees ("--activation" :: "nah" :: words) [ "sigma", r[6]; "mean", r[8] ]
            for r in PaperTables.halfNormalInput |> List.filter (fun r -> not (r[2].StartsWith '-')) do
                agrees [ "--activation"; "nani"; "--noise"; "half-normal"; "--function"; functionOf r[0]; "--x"; r[1]; "--c"; r[2] ] [ "mean", r[3] ]
            for r in PaperTables.excess do
                let words = [ "--scaling"; "excess"; "--x"; r[0]; "--alpha"; "1.05"; "--c"; "0.5" ]
                agrees ("--activation" :: "nah" :: words) [ "sigma", r[1]; "mean", r[2] ]
                agrees ("--activation" :: "nan" :: words) [ "mean", r[3] ]
        }
        test "a list of one serves all of the other; lists of other lengths are refused" {
            Expect.equal (Calculator.pair [ 1.0; 2.0 ] [ 3.0 ]) [ 1.0, 3.0; 2.0, 3.0 ] "one xi"
            Expect.equal (Calculator.pair [ 1.0; 2.0 ] [ 3.0; 4.0 ]) [ 1.0, 3.0; 2.0, 4.0 ] "pairs"
            Expect.throwsT<UsageException> (fun () -> Calculator.pair [ 1.0; 2.0 ] [ 1.0; 2.0; 3.0 ] |> ignore) "lengths"
        }
        test "what is no number, no variant or no possible spec is refused" {
            let refused words = Expect.throws (fun () -> row words |> ignore) (String.Join(" ", (words: string list)))
            refused [ "--x"; "1,b" ]
            refused []
            refused [ "--x"; "1"; "--activation"; "foo" ]
            refused [ "--x"; "1"; "--c"; "-1" ]
            refused [ "--x"; "1"; "--function"; "relu" ]
            refused [ "--x"; "1"; "--activation"; "nani"; "--scaling"; "excess" ]
        }
    ]
