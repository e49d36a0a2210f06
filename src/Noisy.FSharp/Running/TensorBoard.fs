/// A run's log as event files for TensorBoard.
///
/// The messages are TorchSharp's. Its writer is not used: it opens the file anew for every number, and its times are no Unix seconds.
module internal Noisy.FSharp.TensorBoard

open System
open System.Diagnostics
open System.IO
open System.Numerics
open System.Text.Json
open System.Text.Json.Nodes
open Google.Protobuf
open Noisy.Experiments

/// The CRC of a record, rotated and shifted as the format wants it.
let internal masked (bytes: ReadOnlySpan<byte>) =
    let mutable crc = UInt32.MaxValue
    for b in bytes do crc <- BitOperations.Crc32C(crc, b)
    BitOperations.RotateRight(~~~crc, 15) + 0xA282EAD8u

/// The numbers of an event of the log, each with its tag: update/loss, training/perplexity, validation/perplexity and so on; of a monitored
/// nonlinearity site/<name>/<quantity>. A gap has none.
let scalars (event: LogEvent) : (string * float) list =
    let rec numbers prefix (node: JsonNode) =
        match node with
        | :? JsonObject as fields -> [ for field in fields do yield! numbers $"{prefix}/{field.Key}" field.Value ]
        | :? JsonValue as value -> (match value.TryGetValue<float>() with | true, number when Double.IsFinite number -> [ prefix, number ] | _ -> [])
        | _ -> []

    [ for field in JsonSerializer.SerializeToNode(event, ConfigJson.Line).AsObject() do
          match field.Key with
          | "event" | "update" | "epoch" | "from" -> ()
          | "train" -> yield! numbers "training" field.Value
          | "valid" -> yield! numbers "validation" field.Value
          | "sites" -> yield! numbers "site" field.Value
          | other when event.Event = "update" -> yield! numbers $"update/{other}" field.Value
          | _ -> () ]

/// Follows a run's log, which has a line before an observer hears of it, into the folder tensorboard of the run. Each session writes the
/// whole log anew, so that no event is there twice, and none is lost, however a session before it ended. What cannot be written is one note, and
/// stops nothing. Times are those of writing, since the log has none.
///
/// inner: another observer, which is told everything.
[<AllowNullLiteral>]
type Board(folder: string, inner: ITrainingObserver) =
    let place = Path.Combine(folder, "tensorboard")
    let mutable stream: FileStream = null
    let mutable failed = false
    let mutable read = 0L
    let mutable step = 0L
    let mutable followed = 0L

    let write (event: Tensorboard.Event) =
        event.WallTime <- float (DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()) / 1000.0
        let data = event.ToByteArray()
        let length = BitConverter.GetBytes data.LongLength
        stream.Write(ReadOnlySpan length)
        stream.Write(ReadOnlySpan(BitConverter.GetBytes(masked (ReadOnlySpan length))))
        stream.Write(ReadOnlySpan data)
        stream.Write(ReadOnlySpan(BitConverter.GetBytes(masked (ReadOnlySpan data))))

    let start () =
        Directory.CreateDirectory place |> ignore
        for old in Directory.GetFiles(place, "events.out.tfevents.*") do File.Delete old
        let now = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()
        let name = $"events.out.tfevents.%010d{now / 1000L}.noisy.%03d{now % 1000L}"
        stream <- new FileStream(Path.Combine(place, name), FileMode.CreateNew, FileAccess.Write, FileShare.Read)
        write (Tensorboard.Event(FileVersion = "brain.Event:2"))

    /// The bytes of whole lines that the log has got since it was read last.
    let newLines () =
        let path = Path.Combine(folder, "log.jsonl")

        if not (File.Exists path) then
            [||]
        else
            use log = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite ||| FileShare.Delete)
            let bytes = Array.zeroCreate<byte> (int (max 0L (log.Length - read)))
            log.Position <- read
            log.ReadExactly(bytes, 0, bytes.Length)
            let whole = Array.truncate (Array.LastIndexOf(bytes, byte '\n') + 1) bytes
            read <- read + whole.LongLength
            whole

    let follow () =
        let lines = newLines ()
        let mutable from = 0

        while from < lines.Length do
            let upTo = Array.IndexOf(lines, byte '\n', from)

            match LogLine.Parse(ReadOnlySpan(lines, from, upTo - from)) with
            | null -> ()
            | event ->
                step <- max step event.Update
                let summary = Tensorboard.Summary()
                for tag, value in scalars event do summary.Value.Add(Tensorboard.Summary.Types.Value(Tag = tag, SimpleValue = float32 value))
                if summary.Value.Count > 0 then write (Tensorboard.Event(Step = event.Update, Summary = summary))

            from <- upTo + 1

        stream.Flush()
        followed <- Stopwatch.GetTimestamp()

    let safely (work: unit -> unit) =
        if not failed then
            try
                work ()
            with error ->
                failed <- true
                inner.Note $"{place} cannot be written, the run goes on without it: {snd (Host.describe error)}"

    /// Writes what is still to be written, and a picture of the curves if there is one.
    member _.Finish(curves: string) =
        safely (fun () ->
            if isNull stream then start ()
            follow ()

            if File.Exists curves then
                let size = SkiaSharp.SKBitmap.DecodeBounds curves
                let picture = ByteString.CopyFrom(File.ReadAllBytes curves)
                let image = Tensorboard.Summary.Types.Image(Width = size.Width, Height = size.Height, Colorspace = 3, EncodedImageString = picture)
                let summary = Tensorboard.Summary()
                summary.Value.Add(Tensorboard.Summary.Types.Value(Tag = "curves", Image = image))
                write (Tensorboard.Event(Step = step, Summary = summary))
                stream.Flush())

    /// Whether something could not be written; it has been told.
    member _.HasFailed = failed

    interface ITrainingObserver with
        member _.Started(folder, config, data, update, stopAt) =
            inner.Started(folder, config, data, update, stopAt)
            safely (fun () -> start (); follow ())

        member _.Updated progress =
            inner.Updated progress
            if Stopwatch.GetElapsedTime followed >= TimeSpan.FromSeconds 2.0 then safely follow

        member _.Evaluated evaluation =
            inner.Evaluated evaluation
            safely follow

        member _.Note message = inner.Note message

    interface IDisposable with
        member _.Dispose() = if not (isNull stream) then (try stream.Dispose() with _ -> ())
