namespace Noisy.FSharp

/// How a run of a sweep fares.
[<RequireQualifiedAccess>]
type RunState =
    /// Not begun, or queued again after an interruption, or done without a file that is asked for now.
    | Waiting
    | Running
    /// Stopped with a checkpoint: the sweep's command resumes it.
    | Interrupted
    | Done
    /// An error, a process that was killed, or a picture or file that could not be written: the sweep's command tries it again.
    | Failed
    /// Not tried again as long as its folder is there.
    | Diverged

/// A run of a sweep. In a session it prints in one line.
[<StructuredFormatDisplay("{Text}")>]
type SweepRun =
    { /// The name of its folder within the sweep's.
      Name: string
      State: RunState
      /// Updates done, as far as log or checkpoint tell.
      Updates: int64
      /// The update that it goes to; None before that is known.
      StopAt: int64 option
      /// Why it is not done; "" where there is nothing to say.
      Message: string
      /// The Slurm task that has or had it, such as "12_3"; "" for none.
      Job: string }

    member private this.Text =
        let message = if this.Message = "" then "" else ": " + this.Message
        $"{this.Name} {(string this.State).ToLowerInvariant()} at update {this.Updates}{message}"

/// What is known of the runs of a sweep, from their folders, their journals, processes and Slurm's queue.
module internal Statuses =
    open System
    open System.IO
    open System.Text.Json
    open Noisy.Experiments
    open Noisy.FSharp.Manifest
    open Noisy.FSharp.Journal

    /// What speaks for a run. Alive: whether the process of an open session is at work; None if that cannot be known from here.
    /// InQueue: the place in Slurm's queue; None if there is none.
    type Evidence = { IsDone: bool; HasFolder: bool; Last: Last; Alive: bool option; InQueue: SlurmArray.Place option; IsQueueKnown: bool }

    /// Why a process is over that has not told it.
    let private reason code =
        if code > 128 then $"its process was ended by signal {code - 128}: by hand, or because memory ran out"
        else $"its process ended with exit code {code}"

    /// The state of a run, with a message.
    let judge (e: Evidence) =
        match e.Last, e.InQueue with
        | Over(_, _, code, message), _ when e.IsDone -> RunState.Done, (if code = 0 then "" else message)
        | _ when e.IsDone -> RunState.Done, ""
        | Open _, _ when e.Alive = Some true -> RunState.Running, ""
        | Open session, _ when e.Alive.IsNone && (session.Job = "" || not e.IsQueueKnown) -> RunState.Running, $"on {session.Process.Host}, which cannot be asked from here"
        | _, Some(SlurmArray.Runs _) -> RunState.Running, ""
        | _, Some(SlurmArray.Waits _) -> RunState.Waiting, "in Slurm's queue"
        | Open _, None -> RunState.Failed, "its process is gone without a word: killed, or its machine went down"
        | Queued job, None when not e.IsQueueKnown -> RunState.Waiting, $"given to Slurm, job {job}; there is no squeue here"
        | Queued job, None -> RunState.Interrupted, $"job {job} has left Slurm's queue before the run began: cancelled, or its node could not write here"
        | Over(_, _, (130 | 143), _), None -> RunState.Interrupted, ""
        | Over(_, _, 4, message), None when e.HasFolder -> RunState.Diverged, message
        | Over(_, _, (0 | 4), _), None -> RunState.Waiting, ""
        | Over(_, _, code, ""), None -> RunState.Failed, reason code
        | Over(_, _, _, message), None -> RunState.Failed, message
        | Never, None -> RunState.Waiting, ""

    /// What the names of sessions begin with that no job of Slurm's is; those of others begin with their task.
    let local = "local-"

    /// The name of a run's newest checkpoint, which begins with its update; "" if there is none.
    let newestCheckpoint (runFolder: string) =
        let folder = Path.Combine(runFolder, "checkpoint")

        if not (Directory.Exists folder) then ""
        else
            [ for file in Directory.GetFiles(folder, "*.sha256") -> (Path.GetFileName file).Split('.')[0] ]
            |> List.fold (fun (newest: string) name -> if String.CompareOrdinal(name, newest) > 0 then name else newest) ""

    /// The last update in a log's last bytes: a long one is not worth reading for that.
    let private lastLogged (runFolder: string) =
        let file = Path.Combine(runFolder, "log.jsonl")

        if not (File.Exists file) then 0L
        else
            use stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite ||| FileShare.Delete)
            let length = int (min stream.Length 16384L)
            stream.Seek(-(int64 length), SeekOrigin.End) |> ignore
            let bytes = Array.zeroCreate<byte> length
            stream.ReadExactly(Span bytes)

            Text.Encoding.UTF8.GetString(bytes).Split '\n'
            |> Array.rev
            |> Array.tryPick (fun line -> match LogLine.Parse(ReadOnlySpan(Text.Encoding.UTF8.GetBytes line)) with null -> None | event -> Some event.Update)
            |> Option.defaultValue 0L

    let private updatesOf (runFolder: string) =
        match newestCheckpoint runFolder with
        | name when name.Length >= 9 -> max (int64 name[..8]) (lastLogged runFolder)
        | _ -> lastLogged runFolder

    /// The number that --max-updates names in a run's words.
    let private limit (words: string list) =
        match List.tryFindIndex ((=) "--max-updates") words with
        | Some at -> Some(int64 words[at + 1])
        | None -> None

    /// A run's summary, if the run has come as far as its words ask.
    let finished folder (entry: Entry) =
        match RunSummary.Read(Path.Combine(runFolder folder entry, "summary.json")) with
        | null -> None
        | summary when summary.Finished -> Some summary
        | summary ->
            match limit entry.Words with
            | Some limit when summary.Updates >= limit -> Some summary
            | _ -> None

    /// Whether a run is done and has what its words ask for: --onnx and --tensorboard may be given later, and what its process could not write is
    /// to be tried again.
    let isDone folder (entry: Entry) (last: Last) =
        let file name = Path.Combine(runFolder folder entry, name)
        let isSince (earlier: string) (later: string) = File.Exists later && File.GetLastWriteTimeUtc later >= File.GetLastWriteTimeUtc earlier
        let isOf weights = isSince (file weights)
        let events () = if Directory.Exists(file "tensorboard") then Directory.GetFiles(file "tensorboard", "events.out.tfevents.*") else [||]
        let has word (isThere: unit -> bool) = not (List.contains word entry.Words) || isThere ()

        // The experiment's own command may have finished what a session of the sweep could not.
        let isWhole = match last with Over(_, _, 2, _) -> isSince (journalFile folder entry) (file "summary.json") | _ -> true

        isWhole
        && (finished folder entry).IsSome
        && has "--onnx" (fun () -> isOf "weights.safetensors" (file "model.onnx"))
        && has "--tensorboard" (fun () -> Array.exists (isOf "weights.safetensors") (events ()))

    /// The last line that a run has printed; "" if there is none.
    let private lastPrinted folder (entry: Entry) =
        let file = logFile folder entry

        if not (File.Exists file) then ""
        else
            use stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)
            use reader = new StreamReader(stream)
            reader.ReadToEnd().Split('\n', StringSplitOptions.TrimEntries)
            |> Array.tryFindBack (fun line -> line <> "" && not (line.StartsWith "-- "))
            |> Option.defaultValue ""

    /// How a run fares.
    ///
    /// queue: Slurm's, as SlurmArray.queue gives it.
    let ofRun folder (queue: Map<int, SlurmArray.Place> option) (entry: Entry) =
        let runFolder = runFolder folder entry
        let last = Journal.last (Journal.read (journalFile folder entry))
        let summary = finished folder entry
        let place = queue |> Option.bind (Map.tryFind entry.Index)

        let state, message =
            judge
                { IsDone = isDone folder entry last
                  HasFolder = Directory.Exists runFolder
                  Last = last
                  Alive = (match last with Open session -> Processes.isAlive session.Process | _ -> None)
                  InQueue = place
                  IsQueueKnown = queue.IsSome }

        let known = match last with Open s -> s.StopAt | Over(_, stopAt, _, _) -> stopAt | _ -> 0L

        { Name = entry.Name
          State = state
          Updates = (match summary with Some found -> found.Updates | None -> updatesOf runFolder)
          StopAt = (match summary with Some found -> Some found.Updates | None when known > 0L -> Some known | None -> limit entry.Words)
          Message =
            match last with
            | Open _ | Over(_, _, _, "") when state = RunState.Failed ->
                match lastPrinted folder entry with
                | "" -> message
                | line -> $"{message}; the last that it printed: {line}"
            | _ when state = RunState.Waiting && summary.IsSome -> "trained; a file that is asked for is not there"
            | _ -> message
          Job =
            match place, last with
            | Some(SlurmArray.Waits job | SlurmArray.Runs job), _ -> job
            | None, Open session -> session.Job
            | None, Over(session, _, _, _) when not (session.StartsWith local) -> session.Split('.')[0]
            | _ -> "" }

    /// How the runs of a sweep fare.
    let all folder (manifest: Manifest) =
        let queue = SlurmArray.queue manifest
        [ for entry in manifest.Runs -> ofRun folder queue entry ]
