module Noisy.Tests.OptionsTests

open System
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts
open Noisy.FSharp.Options

let private ptb = PaperExperiments.ByName "ptb"

let private parsed (words: string list) =
    match Options.ofExperiment ptb (Array.ofList words) with
    | Some options -> options
    | None -> failtest "taken for --help"

let private plan options = Runs.plan ptb options |> fst

/// The message and exit code of a command line that must be refused.
let private refused (words: string list) =
    try
        parsed words |> plan |> ignore
        failtestf "%A was accepted" words
    with
    | :? NoisyException
    | :? Noisy.Core.InvalidSpecException as error -> Host.describe error

let private refusal (words: string list) (parts: string list) =
    test $"""'{String.Join(" ", words)}' is refused""" {
        let code, message = refused words
        Expect.equal code 2 "exit code"
        for part in parts do
            Expect.stringContains message part "message"
    }

let tests =
    testList "options of the experiment scripts" [
        test "without options everything has its default" {
            let options = parsed []
            Expect.equal options.Preset "tiny" "preset"
            Expect.equal options.Rows [ "soft"; "nan"; "nah" ] "rows"
            Expect.equal options.Seeds [ 1L ] "seeds"
            Expect.equal options.Threads Environment.ProcessorCount "threads"
            Expect.equal options.Out "runs/ptb" "folder"
            Expect.isNone options.MaxUpdates "limit"
        }
        test "lists may have commas, spaces and repetitions, and names any case" {
            let options = parsed [ "--activation"; "NAN,nah"; "soft"; "--seed"; "3, 1"; "-2"; "--seed"; "3" ]
            Expect.equal options.Rows [ "nan"; "nah"; "soft" ] "activations"
            Expect.equal options.Seeds [ 3L; 1L; -2L ] "seeds"
        }
        test "--set keeps what follows the first equals sign" {
            let options = parsed [ "--set"; "schedule=a=b"; "c = 2"; "--set"; "p=-0.7" ]
            Expect.equal options.Set [ "schedule", [ "a=b" ]; "c", [ "2" ]; "p", [ "-0.7" ] ] "assignments"
        }
        test "--name=value is the same as --name value" {
            let options = parsed [ "--preset=small"; "--activation=nan,nah"; "--seed=-2"; "--set=schedule=a=b"; "hidden=3"; "--max-updates=7" ]
            Expect.equal (options.Preset, options.Rows, options.Seeds, options.MaxUpdates) ("small", [ "nan"; "nah" ], [ -2L ], Some 7L) "values"
            Expect.equal options.Set [ "schedule", [ "a=b" ]; "hidden", [ "3" ] ] "only the first equals sign counts"
            let table = Activations.table [| "--table"; "--function=tanh"; "--activation=nan"; "--x=2"; "--xi=1.2" |]
            Expect.equal table (Activations.table [| "--table"; "--function"; "tanh"; "--activation"; "nan"; "--x"; "2"; "--xi"; "1.2" |]) "the calculator"
        }
        test "a plan has a run for each activation and seed, named by both" {
            let runs = parsed [ "--activation"; "nan,soft"; "--seed"; "1,2"; "--set"; "hidden=32" ] |> plan
            let names = runs |> List.map (fun run -> IO.Path.GetFileName run.Folder)
            Expect.equal names [ for row in [ "nan"; "soft" ] do for seed in 1..2 -> $"tiny-{row}-hidden=32-s{seed}" ] "folders"
            Expect.equal (runs |> List.map _.Config.Seed) [ 1L; 2L; 1L; 2L ] "seeds"
            Expect.all runs (fun run -> run.Config.SettingsAs<LanguageModelSettings>().Hidden = 32) "override"
        }
        test "rows have their own settings and folders, and names of activations are rows too" {
            let runs = parsed [ "--row"; "NAH-no-noise,soft"; "nan-frozen" ] |> plan
            Expect.equal (runs |> List.map (fun run -> IO.Path.GetFileName run.Folder)) [ "tiny-nah-no-noise-s1"; "tiny-soft-s1"; "tiny-nan-frozen-s1" ] "folders"
            Expect.equal [ for run in runs -> run.Config.Activation.Name, run.Config.Training.C, run.Config.Training.LearnP ] [ "nah", Nullable 0.0, true; "soft", Nullable(), true; "nan", Nullable 5.0, false ] "settings"
            let overridden = parsed [ "--row"; "nan-frozen"; "--set"; "c=2" ] |> plan
            Expect.equal (List.exactlyOne overridden).Config.Training.C (Nullable 2.0) "--set comes last"
        }
        test "every combination of the values that --set lists is a run of its own, whose folder and row say what differs" {
            let runs = parsed [ "--activation"; "nah"; "--seed"; "1,2"; "--set"; "c=0.25,0.5"; "hidden=16,32" ] |> plan
            Expect.equal (runs |> List.map (fun run -> IO.Path.GetFileName run.Folder))
                [ for c in [ "0.25"; "0.5" ] do for hidden in [ 16; 32 ] do for seed in 1..2 -> $"tiny-nah-c={c}-hidden={hidden}-s{seed}" ] "folders"
            Expect.equal (runs |> List.map _.Row |> List.distinct |> List.head) "nah c=0.25 hidden=16" "row"
            let schedules = parsed [ "--activation"; "nah"; "--set"; "schedule=paper,linear(1, 0.1, 100) | clampMin(0.2)" ] |> plan
            Expect.equal [ for run in schedules -> string run.Config.Training.Schedule ] [ string Noisy.Core.Schedule.Paper; "linear(1, 0.1, 100) | clampMin(0.2)" ] "commas in brackets separate nothing"
            Expect.all schedules (fun run -> IO.Path.GetFileName(run.Folder).Length < 60 && not (run.Folder.Contains ' ')) "short names"
            Expect.hasLength (parsed [ "--activation"; "nah"; "--set"; "c=1,1,1.0" ] |> plan) 1 "the same run once"
        }
        test "a setting that a row does not take leaves the row alone, and says so" {
            let runs, notes = parsed [ "--activation"; "soft,nah,nani"; "--set"; "c=0.25,0.5"; "alpha=1.2" ] |> Runs.plan ptb
            Expect.equal (runs |> List.map _.Row) [ "soft"; "nah alpha=1.2 c=0.25"; "nah alpha=1.2 c=0.5"; "nani c=0.25"; "nani c=0.5" ] "rows"
            Expect.equal (runs.Head.Config, IO.Path.GetFileName runs.Head.Folder) (ptb.RowConfig("tiny", "soft"), "tiny-soft-s1") "soft as it is"
            Expect.exists notes (fun note -> note.Contains "c=0.25 does not apply to 'soft', which has no noise") "soft"
            Expect.exists notes (fun note -> note.Contains "alpha=1.2 does not apply to 'nani', whose noise enters at the input") "nani"
        }
        testSequenced <| test "the help of an experiment that takes data says which" {
            let help name =
                use output = new IO.StringWriter()
                TorchHelpers.withStreams output output (fun () -> Options.ofExperiment (PaperExperiments.ByName name) [| "--help" |] |> ignore)
                string output

            Expect.stringContains (help "nmt") "DATA: --data names a folder of the data sets (ptb, charlm: or a text file;" "nmt"
            Expect.stringContains (help "gmm") "DATA: the experiment's own;" "gmm"
        }
        testList "wrong usage names the culprit and the remedy" [
            refusal [ "--presett"; "tiny" ] [ "--presett"; "Did you mean --preset?" ]
            refusal [ "--colour"; "red" ] [ "--colour"; "Known are"; "--max-updates" ]
            refusal [ "tiny" ] [ "'tiny'" ]
            refusal [ "--preset" ] [ "--preset" ]
            refusal [ "--preset"; "huge" ] [ "huge"; "tiny, small, paper, medium, large" ]
            refusal [ "--activation" ] [ "--activation needs at least one value" ]
            refusal [ "--out"; "" ] [ "--out is empty" ]
            refusal [ "--out= " ] [ "--out is empty" ]
            refusal [ "--preset"; "tiny"; "--data"; "" ] [ "--data is empty" ]
            refusal [ "--presett=tiny" ] [ "--presett"; "Did you mean --preset?" ]
            refusal [ "--activation"; "," ] [ "--activation needs at least one value" ]
            refusal [ "--activation"; "nan,foo,bar" ] [ "'foo'"; "'bar'"; "nanis" ]
            refusal [ "--row"; "soft,nope" ] [ "--row: ptb has no row 'nope'"; "rows nah-no-noise, nan-frozen"; "activations soft, hard" ]
            refusal [ "--row"; "soft"; "--activation"; "nan" ] [ "--activation and --row exclude each other" ]
            refusal [ "--set"; "curriculum=fast" ] [ "curriculum 'fast': must be none, naive, mix or combined" ]
            refusal [ "--seed"; "1,x" ] [ "--seed is 'x': must be an integer" ]
            refusal [ "--threads"; "0" ] [ "--threads is 0: must be at least 1" ]
            refusal [ "--threads"; "1.5" ] [ "--threads is '1.5': must be an integer" ]
            refusal [ "--max-updates"; "0" ] [ "--max-updates is 0: must be at least 1" ]
            refusal [ "--device"; "tpu" ] [ "'tpu'"; "cpu or cuda" ]
            refusal [ "--set" ] [ "--set needs name=value" ]
            refusal [ "--set"; "hidden" ] [ "name=value" ]
            refusal [ "--set"; "hiden=3" ] [ "hiden"; "hidden" ]
            refusal [ "--set"; "seed=3" ] [ "--seed" ]
            refusal [ "--set"; "hidden=abc" ] [ "hidden=abc"; "integer" ]
            refusal [ "--set"; "hidden=0"; "clip=-1" ] [ "hidden is 0"; "clip is -1" ]
        ]
        test "any error is one message, and an unknown one has exit code 1" {
            let code, message = Host.describe (InvalidOperationException "boom")
            Expect.equal code 1 "exit code"
            Expect.stringContains message "unexpected error: " "message"
            Expect.isFalse (message.Contains '\n') "one line"
            let native = InvalidOperationException "shapes differ\nException raised from meta at x.cpp:1 (most recent call first):\nframe #0: c10::Error"
            Expect.equal (snd (Host.describe native)) "unexpected error: InvalidOperationException: shapes differ (NOISY_DEBUG=1 shows where)" "libtorch's stack"
            Expect.equal (fst (Host.describe (DataException "x"))) 3 "data"
            Expect.equal (fst (Host.describe (OperationCanceledException()))) 130 "interrupted"
        }
    ]
