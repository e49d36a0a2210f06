/// The trials of docs/reliability.md: each in small, and whether its instruments can see a failure at all.
module Noisy.Tests.ReliabilityTests

open System
open System.IO
open System.Text
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Reliability
open Noisy.Reliability.Program
open Noisy.Tests.TorchHelpers

/// Runs a trial as build.fsx does; fails with what it printed.
let private passes (command: string list) =
    use child = new Child(command)
    let ended = child.End 300.0
    Expect.equal ended.Code 0 (ended.Output + ended.Errors)
    ended.Output

let private utf8 (text: string) = Encoding.UTF8.GetBytes text

/// A reader of numbers that breaks its word in every way that the fuzzer looks for.
let private careless: Readers.Reader =
    { Name = "careless"
      Format = Mutation.Text
      Seeds = [ utf8 "12"; utf8 "13" ]
      Sound = 2
      Refusals = [ typeof<DataException> ]
      Read =
        fun input ->
            match Encoding.UTF8.GetString input with
            | "refused" -> raise (DataException "not a number")
            | "silent" -> raise (DataException "")
            | "raised" -> raise (OverflowException "too large")
            | "memory" -> GC.KeepAlive(Array.zeroCreate<byte> (100 <<< 20))
            | "wrong" -> raise (Readers.WrongContent "13 for 12")
            | _ -> () }

let private fuzzTests =
    testList "fuzz" [
        for text, sound, expected in
            [ "12", true, None
              "refused", false, None
              "refused", true, Some "a sound input is refused"
              "silent", false, Some "a refusal without a message"
              "raised", false, Some "OverflowException"
              "memory", false, Some "too much memory"
              "wrong", false, Some "accepted: 13 for 12" ] do
            test $"an input '{text}' of a careless reader is judged as it should be, sound {sound}" {
                let where = Trial.attempt careless sound (utf8 text) |> Option.map _.Where
                match expected with
                | None -> Expect.isNone where "no failure"
                | Some start -> Expect.stringStarts (defaultArg where "") start "failure"
            }

        test "the same seed and number make the same input, other ones another" {
            let input seed number = Trial.input seed number [| careless |] |> snd
            let inputs seed = [ for number in 0L .. 200L -> input seed number ]
            Expect.equal (inputs 1L) (inputs 1L) "again"
            Expect.notEqual (inputs 1L) (inputs 2L) "seed"
            Tol.above (List.distinct (inputs 1L)).Length 100 "variety"
            Expect.equal (List.truncate 2 (inputs 1L)) careless.Seeds "seeds first"
        }

        test "mutations keep to the format: most JSON stays JSON, most gzip can be unpacked, most headers fit" {
            let share format seed isWhole =
                let made = [ for i in 0L .. 399L -> Mutation.mutate (Choice.at 1L i) format seed seed ]
                float (made |> List.filter isWhole |> List.length) / 400.0

            let isJson (bytes: byte[]) = (Tree.parse (Encoding.UTF8.GetString bytes)).IsSome
            let isGzip (bytes: byte[]) = bytes.Length > 18 && bytes[0] = 31uy && bytes[1] = 139uy
            let fits (bytes: byte[]) = bytes.Length >= 8 && BitConverter.ToInt64(bytes, 0) >= 0L && BitConverter.ToInt64(bytes, 0) <= int64 (bytes.Length - 8)
            Tol.above (share Mutation.Json (utf8 """{"a":[1,2,{"b":null}],"c":"d"}""") isJson) 0.4 "JSON"
            Tol.above (share (Mutation.Gzip Mutation.Text) (Mutation.gzip (utf8 "some\ntext")) isGzip) 0.8 "gzip"
            Tol.above (share Mutation.Safetensors Seeds.oddTensors.Head fits) 0.8 "safetensors"
        }

        test "equal keys and lone surrogates can be made, so they can be tried" {
            let made = [ for i in 0L .. 999L -> Mutation.mutate (Choice.at 2L i) Mutation.Json [||] (utf8 """{"a":1,"b":"c"}""") |> Encoding.UTF8.GetString ]
            Expect.exists made (fun text -> text.Split("\"a\":").Length > 2) "equal keys"
            Expect.exists made (fun text -> text.Contains "\\ud800") "surrogate"
            Expect.exists made (fun text -> text.StartsWith "[[[[[[[[[[" || text.Contains ":[[[[[[[[[[") "depth"
        }

        test "a failing input is kept under its reader's name, and found again by it" {
            use folder = new TempFolder()
            let readers = [| { careless with Name = "careless.gz" }; careless |]
            for reader in readers do
                let file = Trial.save folder.Path 7L 12L reader (utf8 "raised")
                Expect.equal ((Trial.readerOf file readers) |> Option.map _.Name) (Some reader.Name) file
                Expect.equal (File.ReadAllText file) "raised" "content"
        }

        test "thousands of mutated inputs are read or refused as documented" {
            use folder = new TempFolder()
            let output = passes [ "fuzz"; "--inputs"; "3000"; "--jobs"; "1"; "--seed"; "17"; "--folder"; folder.Path ]
            Expect.stringContains output "3000 inputs" "all were read"
        }
    ]

let private left: SmallRuns.Left = { Log = "1\n2\n"; Summary = "s"; Weights = "w"; Names = set [ "a"; "b" ] }

let private runTests =
    testList "runs" [
        test "a run that differs in anything is told from the uninterrupted one" {
            let differs change = SmallRuns.differences left (change left)
            Expect.isEmpty (differs id) "equal"
            Expect.equal (differs (fun l -> { l with Log = "1\n" })) [ "another log" ] "log"
            Expect.equal (differs (fun l -> { l with Summary = "t" })) [ "another summary" ] "summary"
            Expect.equal (differs (fun l -> { l with Weights = "v" })) [ "other weights" ] "weights"
            Expect.equal (differs (fun l -> { l with Names = set [ "a"; "c" ] })) [ "missing: b"; "left over: c" ] "files"
        }

        test "success with wrong content, an unexpected error, a crash and a silent refusal break every promise" {
            use folder = new TempFolder()
            let small = SmallRuns.all.Head
            let whole: SmallRuns.Whole = { Small = small; Left = left; Seconds = 1.0; Bytes = 1L }
            let judged code errors = Promise.judge whole folder.Path { Code = code; Output = ""; Errors = errors; Seconds = 1.0 }
            Expect.isError (judged 0 "") "wrong content"
            Expect.isError (judged 1 "unexpected error") "exit code"
            Expect.isError (judged 134 "") "crash"
            Expect.isError (judged 2 "") "silent"
            Expect.isError (judged 2 $"unexpected error: {folder.Path}") "unexpected"
            Expect.isError (judged Int32.MaxValue "") "hangs"
            Expect.equal (judged 2 $"cannot write to {folder.Path}") (Ok Promise.Refused) "refused"
        }

        test "every experiment has a small run" {
            let names = [ for experiment in PaperExperiments.All -> experiment.Name ]
            Expect.equal (List.sort [ for small in SmallRuns.all -> small.Experiment ]) (List.sort names) "experiments"
        }

        test "a run that is killed and resumed is the uninterrupted one" {
            passes [ "kill"; "--kills"; "1"; "--jobs"; "1"; "--experiments"; "mnist"; "--seed"; "3" ] |> ignore
        }

        test "files of a run are damaged, and nothing wrong comes of it" {
            passes [ "faults"; "--points"; "3"; "--jobs"; "1"; "--kinds"; "file"; "--experiments"; "mnist" ] |> ignore
        }
    ]

let private soakTests =
    let steady: Soak.Point list = [ for i in 1L .. 20L -> { Update = i; Megabytes = 200.0; Tensors = 40L; Kept = 40L } ]
    let climbing change = Soak.climbs [ for point in steady -> change point ]

    testList "soak" [
        test "memory or tensors that climb are noticed, and a high start is not" {
            Expect.isEmpty (Soak.climbs steady) "steady"
            Expect.isEmpty (climbing (fun p -> { p with Megabytes = if p.Update < 3L then 900.0 else 200.0 })) "a high start"
            Expect.isNonEmpty (climbing (fun p -> { p with Megabytes = 200.0 + 5.0 * float p.Update })) "memory"
            Expect.isNonEmpty (climbing (fun p -> { p with Tensors = 40L + p.Update; Kept = 40L + p.Update })) "a tensor an update that is kept"
            Expect.isNonEmpty (climbing (fun p -> { p with Tensors = 40L + 100L * p.Update })) "tensors left to the collector"
        }

        test "a training loop of ours keeps its memory and its tensors" {
            passes [ "soak"; "--updates"; "40"; "--config"; "S"; "--loops"; "ours" ] |> ignore
        }
    ]

let tests = testList "reliability" [ fuzzTests; runTests; soakTests ]
