/// The journal of a run of a sweep, states/RUN.jsonl: a line for each thing that happens to it, whoever notices.
module internal Noisy.FSharp.Journal

open System
open System.Globalization
open System.IO
open System.Text
open System.Text.Json
open System.Text.Json.Nodes
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp.Processes

/// A process that trains the run, from its start to its end.
type Session =
    { Id: string
      Process: Identity
      /// The Slurm task that it is, such as "12_3"; "" for none.
      Job: string
      /// How far the run was: its newest checkpoint.
      From: string
      /// The update that it goes to; 0 until it is known.
      StopAt: int64 }

/// What happens to a run.
type Event =
    /// Handed to Slurm as a task of a job.
    | Submitted of job: string
    /// Taken back by the user before it began.
    | Withdrawn
    | Begun of Session
    | Trains of session: string * stopAt: int64
    /// The session tells its end itself.
    | Ended of session: string * code: int * message: string
    /// Its process is over, as the one tells that has waited for it.
    | Exited of session: string * code: int

/// What is known of a run by its journal.
type Last =
    | Never
    | Queued of job: string
    | Open of Session
    /// Message: "" where it is over without having told why.
    | Over of session: string * stopAt: int64 * code: int * message: string

/// Whether a session is a task of a job.
let private isOf (job: string) (session: string) = session.StartsWith(job + "_")

/// What is known after one more event.
let next (last: Last) (event: Event) =
    match last, event with
    | Open session, Submitted job when isOf job session.Id -> last // the task was faster than the command that gave it
    | Over(session, _, _, _), Submitted job when isOf job session -> last
    | _, Submitted job -> Queued job
    | Queued _, Withdrawn -> Never
    | _, Begun session -> Open session
    | Open session, Trains(id, stopAt) when id = session.Id -> Open { session with StopAt = stopAt }
    | Open session, Ended(id, code, message) when id = session.Id -> Over(id, session.StopAt, code, message)
    | Open session, Exited(id, code) when id = session.Id -> Over(id, session.StopAt, code, "")
    | Open _, Exited _ -> last // a process that found the run taken
    | Over(id, _, _, _), Exited(again, _) when id = again -> last
    | (Never | Queued _ | Over _), Exited(id, code) when code <> 0 -> Over(id, 0L, code, "")
    | _ -> last

let last (events: Event list) = List.fold next Never events

let private text (event: Event) =
    let line (name: string) (fields: (string * obj) list) =
        let at = DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture)
        let json = JsonObject()
        for name, value in [ "event", box name; "at", at ] @ fields do json[name] <- JsonSerializer.SerializeToNode(value, ConfigJson.Line)
        json.ToJsonString ConfigJson.Line

    match event with
    | Submitted job -> line "submitted" [ "job", job ]
    | Withdrawn -> line "withdrawn" []
    | Begun s ->
        line "begun" [ "session", s.Id; "host", s.Process.Host; "pid", s.Process.Pid; "since", s.Process.Since; "job", s.Job; "from", s.From ]
    | Trains(session, stopAt) -> line "trains" [ "session", session; "stopAt", stopAt ]
    | Ended(session, code, message) -> line "ended" [ "session", session; "code", code; "message", message ]
    | Exited(session, code) -> line "exited" [ "session", session; "code", code ]

/// The event of a line; None for a line that a killed process has cut off.
let parse (line: string) =
    try
        let json = (JsonNode.Parse line).AsObject()
        let text (name: string) = json[name].GetValue<string>()
        let number (name: string) = json[name].GetValue<int>()

        match text "event" with
        | "submitted" -> Some(Submitted(text "job"))
        | "withdrawn" -> Some Withdrawn
        | "begun" ->
            let id = { Host = text "host"; Pid = number "pid"; Since = text "since" }
            Some(Begun { Id = text "session"; Process = id; Job = text "job"; From = text "from"; StopAt = 0L })
        | "trains" -> Some(Trains(text "session", json["stopAt"].GetValue<int64>()))
        | "ended" -> Some(Ended(text "session", number "code", text "message"))
        | "exited" -> Some(Exited(text "session", number "code"))
        | _ -> None
    with :? JsonException | :? InvalidOperationException | :? NullReferenceException | :? FormatException ->
        None

/// Opens a journal as soon as nobody who appends to it is in the way, which takes milliseconds.
let private opened (file: string) mode access share =
    let stream = ref null
    SharedFile.Patiently((fun () -> stream.Value <- new FileStream(file, mode, access, share)), TimeSpan.FromSeconds 2.0)
    stream.Value

let read (file: string) =
    if not (File.Exists file) then []
    else
        use stream = opened file FileMode.Open FileAccess.Read (FileShare.ReadWrite ||| FileShare.Delete)
        use reader = new StreamReader(stream)
        reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries) |> Array.choose parse |> List.ofArray

/// Adds an event. The line begins with a line end, so that it does not hang on one that was cut off.
let append (file: string) (event: Event) =
    let line = Encoding.UTF8.GetBytes("\n" + text event + "\n")
    use stream = opened file FileMode.Append FileAccess.Write FileShare.None // alone, since two that append at once would write to one place
    stream.Write line

/// Starts in a row, of one Slurm task, that found the run where it was at the start before: the newest, of which the last event may be the
/// begin. A run that needs more than its task's time to come to a checkpoint would be queued again for ever.
let inVain (events: Event list) =
    let starts = events |> List.choose (function Begun session -> Some session | _ -> None) |> List.rev

    match starts with
    | [] -> 0
    | newest :: before -> before |> List.takeWhile (fun s -> s.Job <> "" && s.Job = newest.Job && s.From = newest.From) |> List.length
