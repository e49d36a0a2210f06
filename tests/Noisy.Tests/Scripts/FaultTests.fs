/// What may fail around a run without stopping it, and how a script says so.
module Noisy.Tests.FaultTests

open System
open System.IO
open System.Net.Sockets
open System.Text.Json
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open System.Threading.Tasks
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A writer under which the disk is full after so many letters.
type private Full(letters: int) =
    inherit StringWriter()
    override this.Write(letter: char) = (if this.GetStringBuilder().Length >= letters then raise (IOException "No space left on device")); base.Write letter
    override this.Write(text: string) = for letter in text do this.Write letter
    override this.Write(text: char[], index: int, count: int) = for letter in text[index .. index + count - 1] do this.Write letter

/// A short command of two rows: exit code, output, errors.
let private gmm (folder: string) more =
    TorchNative.EnsureLoaded()
    use output = new StringWriter()
    use errors = new StringWriter()
    let words = Array.append [| "--max-updates"; "4"; "--threads"; "1"; "--set"; "hidden=4"; "validPoints=40"; "testPoints=40"; "--out"; folder |] more
    let code = withStreams output errors (fun () -> Drawings.main "gmm" words)
    code, output.ToString(), errors.ToString()

let private settings = "validPoints=40", "testPoints=40", "hidden=4"

/// The folder of a row's run with the command's settings.
let private folderOf row seed = (let a, b, c = settings in $"tiny-{row}-{a}-{b}-{c}-s{seed}")

/// What tables call it.
let private label row = (let a, b, c = settings in $"{row} {a} {b} {c}")

let private runs = [ folderOf "soft" 1; folderOf "noisy-tanh" 1 ]

let private pictures =
    testList "pictures and tables never decide about training" [
        for file in [ runs[0] + "/curves.png"; runs[0] + "/units.html"; runs[1] + "/curves.html"; "results.csv" ] do
            testCase $"{file} that cannot be written is told, all rows are trained, the table is printed, and the exit code is 2" (fun () ->
                use folder = new TempFolder()
                Directory.CreateDirectory(folder.In(file.Split '/')) |> ignore // a folder in its place
                let code, output, errors = gmm folder.Path [||]
                Expect.equal code 2 "exit code"
                Expect.stringContains errors "could not write " "told"
                Expect.stringContains errors (if file.StartsWith "tiny" then Path.GetDirectoryName file else file) "what"
                Expect.stringContains errors "not all of their pictures and tables could be written" "at the end"
                Expect.stringContains output "| row " "table"
                for run in runs do Expect.isTrue (File.Exists(folder.In(run, "summary.json"))) run
                Expect.isEmpty (Directory.GetFiles(folder.Path, "*.tmp", SearchOption.AllDirectories)) "no halves")

        testCase "pictures that a killed command never drew are drawn by the next one, as they would have been" (fun () ->
            use folder = new TempFolder()
            gmm folder.Path [| "--row"; "soft" |] |> ignore
            let picture = folder.In(runs[0], "units.html")
            let expected = File.ReadAllText picture
            File.Delete picture
            File.WriteAllText(picture + ".0123456789abcdef.tmp", "half a picture")
            let code, output, _ = gmm folder.Path [| "--row"; "soft" |]
            Expect.equal code 0 "exit code"
            Expect.stringContains output "not repeated" "nothing was trained"
            Expect.equal (File.ReadAllText picture) expected "the weights that were tested"
            Expect.isEmpty (Directory.GetFiles(folder.In runs[0], "*.tmp")) "what the killed command was writing")

        testCase "a finished run whose log was cut says so" (fun () ->
            use folder = new TempFolder()
            gmm folder.Path [| "--row"; "soft" |] |> ignore
            let log = folder.In(runs[0], "log.jsonl")
            File.WriteAllLines(log, File.ReadAllLines log |> Array.take 2)
            let code, output, errors = gmm folder.Path [| "--row"; "soft" |]
            Expect.equal code 0 "exit code"
            Expect.stringContains (output + errors) "log.jsonl ends at update 2 of 4" "told")

        test "any failure of a picture is told with its cause, and the work resumes" {
            let told = ResizeArray<string>()
            let extras = Extras.Extras told.Add
            let mutable made = false
            extras.Try("the first", fun () -> invalidOp "boom")
            extras.Try("the second", fun () -> made <- true)
            Expect.isTrue (made && extras.Failed) "both were tried"
            Expect.stringStarts (Seq.exactlyOne told) "could not write the first: unexpected error: InvalidOperationException: boom" "cause"
        }
    ]

let private csv (folder: TempFolder) = File.ReadAllLines(folder.In "results.csv") |> List.ofArray |> List.tail |> List.map (fun line -> line.Split(',')[0..3] |> Array.map _.Trim('"'))

let private shared =
    testList "results.csv" [
        testCase "holds all runs of the folder, whichever commands trained them" (fun () ->
            use folder = new TempFolder()
            for more in [ [| "--row"; "soft" |]; [| "--row"; "noisy-tanh" |]; [| "--row"; "soft"; "--seed"; "2" |] ] do
                let code, _, errors = gmm folder.Path more
                Expect.equal (code, errors) (0, "") "a command"
            Expect.equal (csv folder) [ [| label "noisy-tanh"; "tiny"; "nan"; "1" |]; [| label "soft"; "tiny"; "soft"; "1" |]; [| label "soft"; "tiny"; "soft"; "2" |] ] "rows")

        testCase "of commands that end at once, none loses the runs of another" (fun () ->
            use folder = new TempFolder()
            gmm folder.Path [| "--row"; "soft" |] |> ignore
            let summary = Regex.Replace(File.ReadAllText(folder.In(runs[0], "summary.json")), ",\\s*\"sum\": \"[0-9a-f]+\"", "") // as an older version wrote it
            let count = 8
            let finish seed =
                Directory.CreateDirectory(folder.In(folderOf "soft" seed)) |> ignore
                AtomicFile.Write(folder.In(folderOf "soft" seed, "summary.json"), summary.Replace("\"seed\": 1,", $"\"seed\": {seed},"))
                ResultsFile.update folder.Path "nll"
            Parallel.For(2, count + 1, finish) |> ignore
            Expect.equal (csv folder) [ for seed in 1..count -> [| label "soft"; "tiny"; "soft"; string seed |] ] "rows")

        testCase "has a column a setting of any of the runs, empty where a run has none of it" (fun () ->
            use folder = new TempFolder()
            gmm folder.Path [| "--row"; "soft" |] |> ignore
            let copy (seed: int) (change: JsonObject -> unit) =
                let summary = JsonNode.Parse(File.ReadAllText(folder.In(runs[0], "summary.json"))).AsObject()
                summary.Remove "sum" |> ignore
                summary["seed"] <- JsonValue.Create seed
                change (summary["config"].AsObject())
                Directory.CreateDirectory(folder.In(folderOf "soft" seed)) |> ignore
                AtomicFile.Write(folder.In(folderOf "soft" seed, "summary.json"), summary.ToJsonString())
            copy 2 (fun config -> config["colour"] <- JsonValue.Create "red")
            copy 3 (fun config -> config["colour"] <- null; config["wide"] <- JsonValue.Create true; config.Remove "hidden" |> ignore)
            ResultsFile.update folder.Path "nll"
            let cells = [ for line in File.ReadAllLines(folder.In "results.csv") -> [ for cell in line.Split ',' -> cell.Trim '"' ] ]
            let column name = let at = List.findIndex ((=) name) cells.Head in [ for run in cells.Tail -> run[at] ]
            Expect.equal (column "colour", column "wide", column "hidden") ([ ""; "red"; "" ], [ ""; ""; "true" ], [ "4"; "4"; "" ]) "columns"
            Expect.isFalse (List.contains "clip" cells.Head) "a setting of the training")
    ]

let private leftovers =
    test "writing a file removes what a killed process left of it, and nothing that another process is writing" {
        use folder = new TempFolder()
        let temporary name = folder.In $"{name}.{Guid.NewGuid():N}.tmp"
        let create path =
            File.WriteAllText(path, "half")
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddMinutes -1.0)
            path
        let left, other, own = create (temporary "a.csv"), create (temporary "b.csv"), create (folder.In "a.csv.mine.tmp")
        AtomicFile.Write(folder.In "a.csv", fun stream ->
            stream.Write(ReadOnlySpan "first"B)
            for file in Directory.GetFiles(folder.Path, "a.csv.*.tmp") do
                if file <> own then File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddMinutes -1.0)
            AtomicFile.Write(folder.In "a.csv", "second"))
        Expect.equal (File.ReadAllText(folder.In "a.csv")) "first" "the one that ended last"
        Expect.equal (File.Exists left, File.Exists other, File.Exists own) (false, true, true) "leftover, another file's, a user's"
        Expect.equal (Directory.GetFiles(folder.Path).Length) 3 "nothing else"
    }

let private streams =
    testList "streams" [
        test "text is passed on until that fails, then the work resumes in silence, and the cause is kept" {
            use inner = new Full(5)
            let output = new Streams.Output(inner)
            for line in [ "abc"; "defg"; "hij" ] do output.WriteLine line
            output.Flush()
            Expect.equal (inner.ToString()) "abc\nd" "passed on"
            Expect.equal output.Failure.Message "No space left on device" "cause"
        }
        test "output that is lost ends in exit code 2 and a message, after the work was done" {
            use errors = new StringWriter()
            let mutable finished = false
            let work _ =
                printfn "one line, and another"
                finished <- true
                0
            let code = withStreams (new Full(8)) errors (fun () -> Host.run work)
            Expect.equal (code, finished) (2, true) "exit code"
            Expect.stringStarts (errors.ToString()) "standard output could not be written (No space left on device)" "message"
            let code = withStreams (new StringWriter()) (new Full(0)) (fun () -> Host.run (fun _ -> eprintfn "lost"; 0))
            Expect.equal code 0 "lost warnings change nothing"
        }
        test "a stream that was closed is known by who else has its number" {
            use folder = new TempFolder()
            use own = File.Create(folder.In "file")
            Expect.isTrue (Terminal.IsGiven 1 && Terminal.IsGiven 2) "those of this process"
            if not (OperatingSystem.IsWindows()) then
                Expect.isFalse (Terminal.IsGiven (int (own.SafeFileHandle.DangerousGetHandle()))) "a file of this program's own"
                Expect.isFalse (Terminal.IsGiven 987_654) "nobody"
        }
    ]

let private messages =
    testList "messages" [
        torchTest "a model too large for the memory says how much it took, and has exit code 2" (fun () ->
            let error = try torch.zeros([| 10_000_000L; 1_000_000L |]) |> ignore; null with e -> e
            let code, message = Host.describe error
            Expect.equal code 2 "exit code"
            Expect.stringStarts message "not enough memory: the run tried to allocate 40,000 GB at once" "message"
            Expect.isFalse (message.Contains '\n') "one line"
            Expect.equal (fst (Host.describe (OutOfMemoryException()))) 2 ".NET's own"
            Expect.equal (fst (Host.describe (ArgumentException "Span only supports up to int.MaxValue elements."))) 2 "more numbers than TorchSharp reaches"
            Expect.stringContains (snd (Host.describe (InvalidOperationException "CUDA out of memory. Tried to allocate 20.00 GiB (GPU 0)"))) "allocate 20.00 GiB at once" "CUDA")

        test "a file that cannot be written is no unexpected error" {
            let code, message = Host.describe (IOException "No space left on device : '/x'")
            Expect.equal (code, message) (2, "cannot read or write a file: No space left on device : '/x'") "full"
            Expect.equal (fst (Host.describe (FileNotFoundException "an assembly"))) 1 "a part of the program that is missing is"
        }
        test "a clone that cannot be written is told at once, and nobody waits for its lock" {
            use folder = new TempFolder()
            // A socket, like a file on a read-only disk, exists and cannot be opened.
            use socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            socket.Bind(UnixDomainSocketEndPoint(folder.In ".build.lock"))
            Expect.isTrue (match BuildLock.tryTake folder.Path with BuildLock.Impossible _ -> true | _ -> false) "impossible"
            socket.Dispose()
            File.Delete(folder.In ".build.lock")
            match BuildLock.tryTake folder.Path with
            | BuildLock.Taken stream ->
                Expect.isTrue (BuildLock.tryTake folder.Path).IsHeld "held by the first"
                stream.Dispose()
            | other -> failtest $"{other}"
        }
    ]

let tests = testSequenced <| testList "faults around a run" [ pictures; shared; leftovers; streams; messages ]
