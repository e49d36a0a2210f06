/// The parts of a sweep that need no process: its manifest, words, journal, states, options.
module Noisy.Tests.SweepPartTests

open System
open System.IO
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Journal
open Noisy.FSharp.Statuses
open Noisy.Tests.TorchHelpers

let private ptb = PaperExperiments.ByName "ptb"

let private request (words: string list) =
    match SweepOptions.read ptb words with
    | Some request -> request
    | None -> failtest "taken for --help"

let private entry index name : Manifest.Entry = { Index = index; Name = name; Words = [ name; "old" ] }

let private manifestTests =
    testList "manifest" [
        test "known runs keep their index and get the new words; new ones come after the last, whatever gaps there are" {
            let known = [ entry 0 "a"; entry 3 "c" ]
            let merged = Manifest.merge known [ "b", [ "b" ]; "c", [ "new" ] ]
            Expect.equal merged [ entry 0 "a"; { entry 3 "c" with Words = [ "new" ] }; { entry 4 "b" with Words = [ "b" ] } ] "merged"
            Expect.equal (Manifest.merge merged [ "b", [ "b" ]; "c", [ "new" ] ]) merged "again"
            Expect.equal [ for entry in Manifest.merge [] [ "x", []; "y", [] ] -> entry.Index ] [ 0; 1 ] "first"
        }
        test "is read as it was written, whatever signs its words have; a damaged one is refused with what to do" {
            use folder = new TempFolder()
            let manifest: Manifest.Manifest =
                { Id = "1a2b"; Experiment = "ptb"; Preset = "tiny"; Program = [ "/a b/dotnet"; "ü\"'\\"; "" ]; OnSlurm = true; Runs = [ { entry 7 "a" with Words = [ "--set"; "schedule=linear(1, 0.1, 100)" ] } ] }
            Manifest.write folder.Path manifest
            Expect.equal (Manifest.read folder.Path) manifest "round trip"
            let text = File.ReadAllText(folder.In "sweep.json")
            for damage in [ text[..40]; "{}"; text.Replace("\"index\": 7", "\"index\": \"x\""); text.Replace("\"words\"", "\"words2\"") ] do
                File.WriteAllText(folder.In "sweep.json", damage)
                Expect.throwsC (fun () -> Manifest.read folder.Path |> ignore) (fun error ->
                    Expect.isTrue (error :? UsageException) (string error)
                    Expect.stringContains error.Message "give the sweep's command again" "what to do")
            Expect.throwsT<UsageException> (fun () -> Manifest.read (folder.In "none") |> ignore) "no sweep"
        }
        test "the words of each run ask for that run alone, into the same folder" {
            for words in
                [ [ "--row"; "soft,nah,nan-frozen"; "--seed"; "1,-2"; "--set"; "hidden=12,16"; "dropout=0.2" ]
                  [ "--activation"; "nah"; "--set"; "schedule=paper,linear(1, 0.1, 100) | clampMin(0.2)"; "--set"; "c=0.5,1.0,1" ]
                  [ "--row"; "soft,nah"; "--set"; "c=0.25"; "--max-updates"; "7"; "--backend"; "composed"; "--data"; "built-in"; "--device"; "cpu" ] ] do
                let request = request words
                let whole = Runs.plan ptb request.Options |> fst
                let named, _ = SweepOptions.runs ptb request
                Expect.equal (List.map fst named) [ for run in whole -> Path.GetFileName run.Folder ] "names"
                for run, (name, words) in List.zip whole named do
                    let options, alone = SweepTask.planned ptb request.Options.Out 3 { Index = 0; Name = name; Words = words }
                    Expect.equal (alone.Folder, alone.Config, alone.Row) (run.Folder, run.Config, run.Row) name
                    Expect.equal (options.MaxUpdates, options.Backend, options.Data, options.Threads) (request.Options.MaxUpdates, request.Options.Backend, request.Options.Data, 3) "beside"
        }
        test "a run that its script calls otherwise by now is refused" {
            let _, (name, words) = (), List.head (fst (SweepOptions.runs ptb (request [ "--row"; "nah" ])))
            Expect.throwsT<UsageException> (fun () -> SweepTask.planned ptb "x" 1 { Index = 0; Name = name + "x"; Words = words } |> ignore) name
        }
    ]

let private session id job from : Session = { Id = id; Process = { Host = "h"; Pid = 1; Since = "s" }; Job = job; From = from; StopAt = 0L }
let private a = session "a" "" ""

let private journalTests =
    testList "journal" [
        for name, events, expected in
            [ "nothing", [], Never
              "submitted", [ Submitted "12" ], Queued "12"
              "withdrawn", [ Submitted "12"; Withdrawn ], Never
              "begun", [ Submitted "12"; Begun a ], Open a
              "training", [ Begun a; Trains("a", 40L) ], Open { a with StopAt = 40L }
              "done", [ Begun a; Trains("a", 40L); Ended("a", 0, ""); Exited("a", 0) ], Over("a", 40L, 0, "")
              "diverged", [ Begun a; Ended("a", 4, "m"); Exited("a", 4) ], Over("a", 0L, 4, "m")
              "killed", [ Begun a; Trains("a", 40L); Exited("a", 137) ], Over("a", 40L, 137, "")
              "never up", [ Exited("a", 1) ], Over("a", 0L, 1, "")
              "never up, submitted", [ Submitted "12"; Exited("a", 1) ], Over("a", 0L, 1, "")
              "found it taken", [ Begun a; Exited("b", 0) ], Open a
              "another fails while it is taken", [ Begun a; Exited("b", 1) ], Open a
              "found it taken, just over", [ Begun a; Ended("a", 130, ""); Exited("b", 0) ], Over("a", 0L, 130, "")
              "begun again after a kill without a word", [ Begun a; Begun { a with Id = "b" } ], Open { a with Id = "b" }
              "a late word of the one before", [ Begun a; Begun { a with Id = "b" }; Ended("a", 130, "") ], Open { a with Id = "b" }
              "a task that was faster than its submission", [ Begun { a with Id = "12_3.0" }; Submitted "12" ], Open { a with Id = "12_3.0" }
              "and is over by then", [ Begun { a with Id = "12_3.0" }; Ended("12_3.0", 4, "m"); Submitted "12" ], Over("12_3.0", 0L, 4, "m")
              "submitted again", [ Begun a; Ended("a", 1, "m"); Submitted "13" ], Queued "13"
              "begun, then withdrawn by a late cancel", [ Submitted "12"; Begun a; Withdrawn ], Open a ] do
            test $"state after: {name}" { Expect.equal (last events) expected name }

        test "events come back from the file as they were, past a line that was cut off" {
            use folder = new TempFolder()
            let file = folder.In "j"
            let events = [ Submitted "12"; Withdrawn; Begun(session "a" "12_3" "000000040-00001"); Trains("a", 9L); Ended("a", 2, "m \"q\"\nü"); Exited("a", 2) ]
            for event in events[..2] do append file event
            File.AppendAllText(file, "{\"event\":\"trai")
            for event in events[3..] do append file event
            Expect.equal (read file) events "events"
            Expect.isEmpty (read (folder.In "none")) "no file"
        }
        test "starts in vain are those of one task from one checkpoint, in a row" {
            let starts (list: (string * string) list) = inVain [ for job, from in list do yield! [ Begun(session "s" job from); Ended("s", 130, "") ] ]
            Expect.equal (starts [ "1_0", "" ]) 0 "first"
            Expect.equal (starts [ "1_0", ""; "1_0", ""; "1_0", ""; "1_0", "" ]) 3 "three before"
            Expect.equal (starts [ "1_0", ""; "1_0", "x"; "1_0", "x" ]) 1 "it came further once"
            Expect.equal (starts [ "1_0", ""; "1_0", ""; "2_0", "" ]) 0 "another job"
            Expect.equal (starts [ "", ""; "", ""; "", "" ]) 0 "stopped by hand on this machine"
        }
    ]

let private stateTests =
    let none: Evidence = { IsDone = false; HasFolder = true; Last = Never; Alive = None; InQueue = None; IsQueueKnown = true }
    let over code message = Over("a", 0L, code, message)
    let waits, runs = Some(SlurmArray.Waits "1_0"), Some(SlurmArray.Runs "1_0")

    testList "states" [
        for name, evidence, expected in
            [ "nothing", none, RunState.Waiting
              "a summary alone, of a plain command", { none with IsDone = true }, RunState.Done
              "a summary, whatever the journal says", { none with IsDone = true; Last = Open a; Alive = Some false }, RunState.Done
              "trains here", { none with Last = Open a; Alive = Some true }, RunState.Running
              "trains here, while Slurm has it too", { none with Last = Open a; Alive = Some true; InQueue = waits }, RunState.Running
              "gone here", { none with Last = Open a; Alive = Some false }, RunState.Failed
              "trains on another machine", { none with Last = Open a }, RunState.Running
              "trains in a task", { none with Last = Open(session "1_0.0" "1_0" ""); InQueue = runs }, RunState.Running
              "a task that is gone", { none with Last = Open(session "1_0.0" "1_0" "") }, RunState.Failed
              "a task, and no squeue to ask", { none with Last = Open(session "1_0.0" "1_0" ""); IsQueueKnown = false }, RunState.Running
              "in the queue", { none with Last = Queued "1"; InQueue = waits }, RunState.Waiting
              "a task that has not come to the run yet", { none with Last = Queued "1"; InQueue = runs }, RunState.Running
              "queued again", { none with Last = over 130 ""; InQueue = waits }, RunState.Waiting
              "left the queue without having begun", { none with Last = Queued "1" }, RunState.Interrupted
              "interrupted", { none with Last = over 130 "" }, RunState.Interrupted
              "stopped before it could listen", { none with Last = over 143 "" }, RunState.Interrupted
              "diverged", { none with Last = over 4 "m" }, RunState.Diverged
              "diverged, and its folder was deleted", { none with Last = over 4 "m"; HasFolder = false }, RunState.Waiting
              "done once, but more updates are asked for", { none with Last = over 0 "" }, RunState.Waiting
              "failed", { none with Last = over 3 "m" }, RunState.Failed
              "killed", { none with Last = over 137 "" }, RunState.Failed ] do
            test $"{name}: {expected}" { Expect.equal (fst (judge evidence)) expected name }

        test "a failure always has a message, and a signal is told as one" {
            for last in [ over 137 ""; over 1 ""; Open a ] do Expect.isNonEmpty (snd (judge { none with Last = last; Alive = Some false })) $"{last}"
            Expect.stringContains (snd (judge { none with Last = over 137 "" })) "signal 9" "SIGKILL"
        }
        test "exit codes" {
            let run state code = { Name = ""; State = state; Updates = 0L; StopAt = None; Message = ""; Job = "" }, code
            for runs, expected in
                [ [ run RunState.Done 0 ], 0
                  [ run RunState.Done 0; run RunState.Failed 3; run RunState.Failed 2 ], 3
                  [ run RunState.Failed 137 ], 1
                  [ run RunState.Failed 0 ], 1
                  [ run RunState.Failed 2; run RunState.Diverged 4 ], 4
                  [ run RunState.Interrupted 130; run RunState.Done 0 ], 130
                  [ run RunState.Running 0; run RunState.Waiting 0 ], 0 ] do
                Expect.equal (Sweeps.exitCode runs) expected $"{runs}"
        }
        test "the newest checkpoint is the one with a checksum" {
            use folder = new TempFolder()
            Directory.CreateDirectory(folder.In "checkpoint") |> ignore
            Expect.equal (newestCheckpoint folder.Path) "" "none"
            for name in [ "000000009-00000.safetensors.sha256"; "000000010-00001.safetensors.sha256"; "000000011-00001.safetensors" ] do
                File.WriteAllText(folder.In("checkpoint", name), "")
            Expect.equal (newestCheckpoint folder.Path) "000000010-00001" "newest"
        }
    ]

/// A sweep of one short run, which this process trains.
let private doing =
    testCase "a run that is done is done again for a file that is asked for later, and until that can be written" (fun () ->
        TorchNative.EnsureLoaded()
        use folder = new TempFolder()
        let gmm = PaperExperiments.ByName "gmm"
        let model = ref ""

        // The run of a command, after that has entered it.
        let enter more =
            let words = [ "--row"; "soft"; "--set"; "hidden=4"; "validPoints=40"; "testPoints=40"; "--max-updates"; "3"; "--device"; "cpu"; "--out"; folder.Path ]
            let request = (SweepOptions.read gmm (words @ more)).Value
            let runs = Manifest.merge [] (fst (SweepOptions.runs gmm request))
            Manifest.createFolders folder.Path
            let manifest: Manifest.Manifest = { Id = "1a2b"; Experiment = "gmm"; Preset = "tiny"; Program = []; OnSlurm = false; Runs = runs }
            Manifest.write folder.Path manifest
            model.Value <- folder.In(runs.Head.Name, "model.onnx")
            runs.Head

        let train (entry: Manifest.Entry) session =
            use output = new StringWriter()
            withStreams output output (fun () -> SweepTask.work gmm folder.Path entry.Name (local + session) 1 Threading.CancellationToken.None)

        let state () = (List.exactlyOne (Sweeps.status folder.Path)).State
        let entry = enter []
        Expect.equal (train entry "a", state ()) (0, RunState.Done) "trained"
        let entry = enter [ "--onnx" ]
        Expect.equal (state ()) RunState.Waiting "asked for"
        Directory.CreateDirectory model.Value |> ignore // a folder in its place
        Expect.equal (train entry "b", state ()) (2, RunState.Failed) "cannot be written"
        Expect.equal (Sweeps.exitCode [ List.exactlyOne (Sweeps.status folder.Path), 2 ]) 2 "the sweep's"
        Directory.Delete model.Value
        Expect.equal (train entry "c", state ()) (0, RunState.Done) "written"
        Expect.isTrue (File.Exists model.Value) "the model")

let private optionTests =
    testList "options" [
        test "cores are shared out" {
            for (cores, runs, jobs, threads), expected in
                [ (8, 20, None, None), (8, 1)
                  (8, 3, None, None), (3, 2)
                  (8, 20, Some 2, None), (2, 4)
                  (8, 20, None, Some 3), (2, 3)
                  (2, 20, None, Some 3), (1, 3)
                  (2, 20, Some 5, None), (5, 1)
                  (2, 20, Some 5, Some 4), (5, 4) ] do
                Expect.equal (LocalSweep.share cores runs jobs threads) expected $"{cores} {runs} {jobs} {threads}"
        }
        test "places, and what belongs to each" {
            Expect.equal (request []).On (Local None) "default"
            Expect.equal (request [ "--jobs=3"; "--threads"; "2" ]).On (Local(Some 3)) "local"
            let slurm = request [ "--on"; "slurm"; "--time"; "90"; "--row"; "soft"; "nah"; "--jobs"; "4"; "--partition"; "p"; "--sbatch"; "--account=x --mem=4G"; "--sbatch=--qos=q" ]
            Expect.equal slurm.On (Slurm { Minutes = 90; Jobs = Some 4; Partition = "p"; Options = [ "--account=x"; "--mem=4G"; "--qos=q" ] }) "slurm"
            let quoted = request [ "--on"; "slurm"; "--sbatch"; "--comment='a b'  --mem=4G --exclude=\"c d\"" ]
            Expect.equal quoted.On (Slurm { Minutes = 60; Jobs = None; Partition = ""; Options = [ "--comment=a b"; "--mem=4G"; "--exclude=c d" ] }) "blanks within quotes"
            Expect.equal slurm.Options.Rows [ "soft"; "nah" ] "the experiment's own"
            Expect.equal (request [ "--out"; "x" ]).Options.Out (Path.GetFullPath "x") "whole"
        }
        test "a value is a command line" {
            let sweep =
                { Sweep.defaults with
                    Preset = "tiny"; Rows = [ "soft"; "nah" ]; Seeds = [ 1L; -2L ]; Set = [ "c", [ "0.25"; "0.5" ] ]; Updates = Some 7L; Out = "o"; Threads = Some 2; Monitor = Some 5L; TensorBoard = true; Onnx = true
                    On = Slurm { Sweep.slurm with Jobs = Some 3; Options = [ "--mem=4G"; "--comment=a b"; "--exclude=it's" ] } }
            let asked = request (Sweep.words sweep)
            Expect.equal (asked.On, asked.Threads) (sweep.On, sweep.Threads) "place"
            Expect.equal (asked.Options.Rows, asked.Options.Seeds, asked.Options.Set, asked.Options.MaxUpdates) (sweep.Rows, sweep.Seeds, sweep.Set, sweep.Updates) "runs"
            Expect.equal (asked.Options.Monitor, asked.Options.TensorBoard, asked.Options.Onnx) (sweep.Monitor, true, true) "what runs leave"
            for text in [ "a,b"; " a" ] do
                Expect.throwsT<UsageException> (fun () -> Sweep.words { sweep with Set = [ "note", [ text ] ] } |> ignore) text
            Expect.equal (request (Sweep.words Sweep.defaults)).On (Local None) "defaults"
        }
        for words, part in
            [ [ "--on"; "mars" ], "must be local or slurm"
              [ "--time"; "5" ], "--time is for --on slurm"
              [ "--on"; "slurm"; "--time"; "0" ], "--time is 0: must be at least 1"
              [ "--on"; "slurm"; "--sbatch"; "--array=1-2" ], "the sweep gives sbatch this option itself"
              [ "--on"; "slurm"; "--sbatch"; "--comment=it's" ], "a quote is not closed"
              [ "--jobs"; "0" ], "--jobs is 0"
              [ "--job"; "2" ], "Did you mean --jobs?"
              [ "--row"; "nope" ], "has no row 'nope'"
              [ "--out"; "" ], "--out is empty" ] do
            test $"""'{String.Join(" ", words)}' is refused""" {
                Expect.throwsC (fun () -> request words |> ignore) (fun error ->
                    Expect.isTrue (error :? UsageException) (string error)
                    Expect.stringContains error.Message part "message")
            }
        test "ranges as sbatch takes them, and squeue's lines" {
            Expect.equal [ for list in [ [ 3 ]; [ 0; 1; 2; 7 ]; [ 9; 4; 5 ] ] -> SlurmArray.ranges list ] [ "3"; "0-2,7"; "4-5,9" ] "ranges"
            let queue = SlurmArray.parseQueue "12_0|RUNNING\n12_3|PENDING\n13_4|COMPLETING\n12_5|REQUEUE_HOLD\nnonsense\n"
            Expect.equal queue (Map [ 0, SlurmArray.Runs "12_0"; 3, SlurmArray.Waits "12_3"; 4, SlurmArray.Runs "13_4"; 5, SlurmArray.Waits "12_5" ]) "queue"
        }
        test "the signal to stop leaves time for a checkpoint, and time for the run" {
            for minutes in [ 1; 2; 3; 4; 5; 1000 ] do
                Expect.isTrue (SlurmArray.lead minutes >= 15 && SlurmArray.lead minutes <= 60 && 4 * SlurmArray.lead minutes <= 60 * minutes) $"{minutes}"
        }
    ]

let tests = [ manifestTests; journalTests; stateTests; doing; optionTests ]
