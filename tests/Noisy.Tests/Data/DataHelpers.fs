module Noisy.Tests.DataHelpers

open System
open System.IO
open System.IO.Compression
open System.Net
open System.Net.Sockets
open System.Text
open System.Threading
open Expecto
open Noisy.Models
open Noisy.Experiments

/// A new folder, removed with all it holds when the test is over.
type TempFolder() =
    let path = Directory.CreateTempSubdirectory("noisy-test-").FullName
    member _.Path = path
    member _.At(name: string) = Path.Combine(path, name)

    member this.Write(name: string, content: byte[]) =
        Directory.CreateDirectory(Path.GetDirectoryName(this.At name)) |> ignore
        File.WriteAllBytes(this.At name, content)

    interface IDisposable with
        member _.Dispose() = Directory.Delete(path, true)

let utf8 (text: string) = Encoding.UTF8.GetBytes text

let gzip (content: byte[]) =
    use memory = new MemoryStream()

    (use zip = new GZipStream(memory, CompressionMode.Compress, true)
     zip.Write(content, 0, content.Length))

    memory.ToArray()

let unzip (stored: byte[]) =
    use memory = new MemoryStream()
    use zip = new GZipStream(new MemoryStream(stored), CompressionMode.Decompress)
    zip.CopyTo memory
    memory.ToArray()

/// The message of the exception that an action throws; it must be exactly of that type.
let messageOf<'e when 'e :> exn> (action: unit -> unit) =
    match (try action (); None with e -> Some e) with
    | Some e when e.GetType() = typeof<'e> -> e.Message
    | Some e -> failtestf "expected %s, thrown was %s: %s" typeof<'e>.Name (e.GetType().Name) e.Message
    | None -> failtestf "nothing was thrown; expected %s" typeof<'e>.Name

/// Fails unless an action throws such an exception with all of these parts in its message.
let refused<'e when 'e :> exn> (parts: string list) (action: unit -> unit) =
    let message = messageOf<'e> action

    for part in parts do
        Expect.stringContains message part "the message"

/// A set of one small file; its usual address answers nobody.
let toyContent = utf8 (String.replicate 1000 "a line of the toy set\n")

let toySet =
    DataSet("toy", "the toy set", [| DataSource("toy.txt", "http://127.0.0.1:9/toy.txt", DataFile.Sha256(toyContent), toyContent.LongLength) |])

/// Settings that look nowhere but into the given cache.
let settings (data: string option) cache =
    let nothing = Func<string, string>(fun _ -> null)

    DataCacheSettings
        .From(Option.toObj data, nothing)
        .WithCacheFolder(cache)
        .WithTimeouts(TimeSpan.FromSeconds 5.0, TimeSpan.FromSeconds 5.0, TimeSpan.FromSeconds 20.0)

/// A server on this machine that answers every request by one function of the requested path; null keeps silent.
type Server(answer: string -> byte[]) =
    let listener = new TcpListener(IPAddress.Loopback, 0)
    let over = new CancellationTokenSource()
    let mutable requests = 0

    let serve (client: TcpClient) =
        task {
            use _ = client
            use stream = client.GetStream()
            use reader = new StreamReader(stream, Encoding.ASCII)
            let! first = reader.ReadLineAsync over.Token
            let mutable header = first

            while not (String.IsNullOrEmpty header) do
                let! next = reader.ReadLineAsync over.Token
                header <- next

            Interlocked.Increment &requests |> ignore

            match answer (first.Split(' ')[1]) with
            | null -> do! Tasks.Task.Delay(Timeout.Infinite, over.Token)
            | bytes -> do! stream.WriteAsync(ReadOnlyMemory bytes, over.Token)
        }

    do
        listener.Start()

        task {
            while not over.IsCancellationRequested do
                let! client = listener.AcceptTcpClientAsync over.Token
                serve client |> ignore
        }
        |> ignore

    member _.Address = $"http://{listener.LocalEndpoint}"
    member _.Requests = requests

    interface IDisposable with
        member _.Dispose() =
            over.Cancel()
            listener.Stop()

/// An answer in full: status line, announced length, then the bytes, which may be fewer.
let answer status (announced: int) (body: byte[]) =
    Array.append (utf8 $"HTTP/1.1 {status}\r\nContent-Length: {announced}\r\nConnection: close\r\n\r\n") body
