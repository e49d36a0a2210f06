module Noisy.Tests.DataCacheTests

open System
open System.IO
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

let private find data cache = DataCache(settings data cache).Find toySet

let private from data variables =
    let known = Map.ofList variables
    DataCacheSettings.From(Option.toObj data, Func<string, string>(fun name -> Map.tryFind name known |> Option.toObj))

let private settingsTests =
    testList "settings" [
        test "the option goes before NOISY_DATA, an empty variable counts as none" {
            let both = from (Some "there") [ "NOISY_DATA", "elsewhere" ]
            Expect.equal (both.Data, both.Origin) ("there", "--data") "option"
            let variable = from None [ "NOISY_DATA", "elsewhere" ]
            Expect.equal (variable.Data, variable.Origin) ("elsewhere", "NOISY_DATA") "variable"
            Expect.isNull (from None [ "NOISY_DATA", "" ]).Data "empty"
        }

        test "the cache follows the XDG rules" {
            if OperatingSystem.IsWindows() then skiptest "Windows has a rule of its own"
            let cache variables = (from None variables).CacheFolder
            Expect.equal (cache [ "HOME", "/home/a"; "XDG_CACHE_HOME", "/var/c" ]) "/var/c/noisy" "named"
            Expect.equal (cache [ "HOME", "/home/a" ]) "/home/a/.cache/noisy" "default"
            Expect.equal (cache [ "HOME", "/home/a"; "XDG_CACHE_HOME", "c" ]) "/home/a/.cache/noisy" "a relative one is ignored"
            Expect.isNull (cache []) "no home, no cache"
        }
    ]

let private findTests =
    testList "finding" [
        test "a named folder may be the one above the set's or the set's own, with plain or compressed files" {
            use folder = new TempFolder()
            folder.Write("toy/toy.txt.gz", gzip toyContent)
            Expect.equal (find (Some folder.Path) "/nowhere") (folder.At "toy") "above"
            Expect.equal (find (Some(folder.At "toy")) "/nowhere") (folder.At "toy") "own"
        }

        test "NOISY_DATA is obeyed like --data, and named in the message" {
            use folder = new TempFolder()
            let cache = DataCache(from None [ "NOISY_DATA", folder.Path ])
            refused<DataException> [ "NOISY_DATA"; "'toy.txt'" ] (fun () -> cache.Find toySet |> ignore)
            folder.Write("toy/toy.txt", toyContent)
            Expect.equal (cache.Find toySet) (folder.At "toy") "found"
        }

        test "a named folder without the files is refused, whatever the cache holds" {
            use folder = new TempFolder()
            use cache = new TempFolder()
            cache.Write("toy/toy.txt", toyContent)

            refused<DataException>
                [ "--data"; "the toy set"; "'toy.txt'"; "'toy.txt.gz'"; $"'{folder.Path}'"; "into '" + folder.At "toy" + "' by hand"; "--data built-in" ]
                (fun () -> find (Some folder.Path) cache.Path |> ignore)
        }

        test "a folder that is not there, and a file in its place, are refused" {
            use folder = new TempFolder()
            folder.Write("file", [| 1uy |])
            refused<DataException> [ folder.At "none"; "is not there"; "by hand"; "built-in" ] (fun () ->
                find (Some(folder.At "none")) "/nowhere" |> ignore)
            refused<DataException> [ folder.At "file"; "is a file, not a folder"; "by hand"; "built-in" ] (fun () ->
                find (Some(folder.At "file")) "/nowhere" |> ignore)
        }

        test "a folder in the place of a file is refused" {
            use folder = new TempFolder()
            Directory.CreateDirectory(folder.At "toy/toy.txt") |> ignore
            refused<DataException> [ folder.At "toy/toy.txt"; "is a folder, not a file" ] (fun () ->
                find (Some folder.Path) "/nowhere" |> ignore)
        }

        test "without a name the cache counts if the set is whole there, else the caller's built-in data" {
            use cache = new TempFolder()
            Expect.isNull (find None cache.Path) "empty cache"
            Expect.isNull (find None (cache.At "none")) "no cache"
            Expect.isNull (find None null) "no home"
            cache.Write("toy/toy.txt", toyContent)
            Expect.equal (find None cache.Path) (cache.At "toy") "whole"
            Expect.isNull (DataCache(settings None cache.Path).Find(DataSet("toy", "toy", [| toySet.Files[0]; DataSource("more.txt", "", "", 1L) |]))) "a part"
        }

        test "built-in data can be requested by name" {
            use cache = new TempFolder()
            cache.Write("toy/toy.txt", toyContent)
            Expect.isNull (find (Some "built-in") cache.Path) "despite the cache"
        }
    ]

/// Settings for a download from an address into a cache, with so many seconds of patience.
let private patient (seconds: float) address cache =
    DataCacheSettings
        .From("download", Func<string, string>(fun name -> if name = "NOISY_DATA_URL" then address else null))
        .WithCacheFolder(cache)
        .WithTimeouts(TimeSpan.FromSeconds 30.0, TimeSpan.FromSeconds seconds, TimeSpan.FromSeconds 60.0)

// Long enough for a busy machine; only the servers that never answer are waited for.
let private downloading (server: Server) cache = patient 30.0 server.Address cache
let private impatient address cache = patient 0.5 address cache

let private whole: byte[] = answer "200 OK" toyContent.Length toyContent
let private filesIn folder = if Directory.Exists folder then Directory.GetFiles(folder, "*", SearchOption.AllDirectories) else [||]

/// A download that must fail, leaving nothing behind, with a message that has these parts and all that helps the user.
let private fails name parts (reply: byte[]) =
    test name {
        use cache = new TempFolder()
        use server = new Server(fun _ -> reply)
        let settings = (if isNull reply then impatient else patient 30.0) server.Address cache.Path

        refused<DataException>
            (parts @ [ "'toy.txt'"; $"{server.Address}/toy/toy.txt"; "into '" + cache.At "toy" + "' by hand"; "--data built-in" ])
            (fun () -> DataCache(settings).Find toySet |> ignore)

        Tol.above server.Requests 0 "the server was asked"
        Expect.isEmpty (filesIn cache.Path) "nothing is left in the cache"
        Expect.isNull (find None cache.Path) "and nothing is found there later"
    }

let private downloadTests =
    testList "downloading" [
        test "a whole file is kept, reported, and not fetched again" {
            use cache = new TempFolder()
            use server = new Server(fun path -> if path = "/toy/toy.txt" then whole else answer "404 Not Found" 0 [||])
            let lines = ResizeArray<string>()
            let folder = DataCache(downloading server cache.Path, Action<string>(lines.Add)).Find toySet
            Expect.equal folder (cache.At "toy") "folder"
            Expect.equal (File.ReadAllBytes(cache.At "toy/toy.txt")) toyContent "content"
            Expect.hasLength (filesIn cache.Path) 1 "nothing else is left"
            Expect.hasLength lines 1 "one line a file"
            Expect.stringContains lines[0] server.Address "the report names the address"
            Expect.equal (DataCache(downloading server cache.Path).Find toySet) folder "again"
            Expect.equal server.Requests 1 "one request"
            Expect.equal (find None cache.Path) folder "found in the cache from now on"
        }

        test "a damaged file in the cache is fetched anew, a good compressed one is kept" {
            use cache = new TempFolder()
            use server = new Server(fun _ -> whole)
            cache.Write("toy/toy.txt", utf8 "rubbish")
            DataCache(downloading server cache.Path).Find toySet |> ignore
            Expect.equal (File.ReadAllBytes(cache.At "toy/toy.txt")) toyContent "content"
            File.Delete(cache.At "toy/toy.txt")
            cache.Write("toy/toy.txt.gz", gzip toyContent)
            DataCache(downloading server cache.Path).Find toySet |> ignore
            Expect.equal server.Requests 1 "one request"
        }

        fails "an answer cut short is refused" [] (answer "200 OK" toyContent.Length toyContent[..5000])
        fails "a shorter file is refused" [ "22,000 bytes expected"; "only 5,000" ] (answer "200 OK" 5000 toyContent[..4999])
        fails "a longer file is refused" [ "22,000 bytes expected, more received" ] (answer "200 OK" 22001 (Array.append toyContent [| 0uy |]))
        fails "other bytes are refused" [ "other ones"; "SHA-256"; toySet.Files[0].Sha256 ] (answer "200 OK" 22000 (Array.zeroCreate 22000))
        fails "an answer 404 is refused" [ "404"; "NotFound" ] (answer "404 Not Found" 4 (utf8 "none"))
        fails "an answer 500 is refused" [ "500" ] (answer "500 Internal Server Error" 0 [||])
        fails "an answer that is no HTTP is refused" [] (utf8 "hello\r\n\r\n")
        fails "a server that keeps silent is given up" [ "no answer for 0.5 s" ] null

        test "a server that stops half way is given up" {
            use cache = new TempFolder()
            use finish = new Threading.ManualResetEventSlim()

            // Announces the file and sends a part, then keeps the connection open.
            use listener = new Net.Sockets.TcpListener(Net.IPAddress.Loopback, 0)
            listener.Start()

            let serving =
                Threading.Tasks.Task.Run(fun () ->
                    use client = listener.AcceptTcpClient()
                    let part = answer "200 OK" toyContent.Length toyContent[..5000]
                    client.GetStream().Write(part, 0, part.Length)
                    finish.Wait(TimeSpan.FromSeconds 60.0) |> ignore)

            let stalled = { new IDisposable with member _.Dispose() = finish.Set(); serving.Wait() }
            use _ = stalled
            let url = $"http://{listener.LocalEndpoint}"

            refused<DataException> [ "'toy.txt'"; url; "no answer for 0.5 s"; "by hand"; "built-in" ] (fun () ->
                DataCache(impatient url cache.Path).Find toySet |> ignore)
            Expect.isEmpty (filesIn cache.Path) "nothing is left"
        }

        test "a closed port is refused at once" {
            use cache = new TempFolder()
            let address = (let server = new Server(fun _ -> null) in (server :> IDisposable).Dispose(); server.Address)
            Expect.stringContains address "127.0.0.1" "an address that was in use"

            refused<DataException> [ "'toy.txt'"; address; "by hand"; "built-in" ] (fun () -> DataCache(patient 30.0 address cache.Path).Find toySet |> ignore)
        }

        test "downloads at the same time all end with the whole file" {
            use cache = new TempFolder()
            use server = new Server(fun _ -> whole)

            let folders =
                [| 1..6 |] |> Array.Parallel.map (fun _ -> DataCache(downloading server cache.Path).Find toySet)

            Expect.allEqual folders (cache.At "toy") "folders"
            Expect.equal (File.ReadAllBytes(cache.At "toy/toy.txt")) toyContent "content"
            Expect.hasLength (filesIn cache.Path) 1 "nothing else is left"
        }

        test "a cache that cannot be written is refused" {
            use folder = new TempFolder()
            use server = new Server(fun _ -> whole)
            folder.Write("file", [| 1uy |])
            refused<DataException> [ "'toy.txt'"; "cannot be written"; "XDG_CACHE_HOME" ] (fun () ->
                DataCache(downloading server (folder.At "file")).Find toySet |> ignore)
        }

        test "a download without a home folder is refused" {
            refused<DataException> [ "no folder to download"; "--data DIR"; "built-in" ] (fun () ->
                DataCache(settings (Some "download") null).Find toySet |> ignore)
        }

        test "an address that is no http address is wrong usage" {
            use cache = new TempFolder()

            for address in [ "ftp://example.org"; "nonsense" ] do
                let settings = from (Some "download") [ "NOISY_DATA_URL", address ]
                refused<UsageException> [ "NOISY_DATA_URL"; address ] (fun () ->
                    DataCache(settings.WithCacheFolder cache.Path).Find toySet |> ignore)
        }
    ]

let tests = testList "DataCache" [ settingsTests; findTests; downloadTests ]
