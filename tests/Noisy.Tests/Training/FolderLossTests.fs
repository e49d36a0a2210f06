/// A run's folder that is deleted, moved or taken while it is in use.
module Noisy.Tests.FolderLossTests

open System
open System.IO
open System.Net.Sockets
open System.Threading
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers

/// Trains in `run`, does something to it after an update, and gives what came of it.
let private trainedWhile (run: string) (at: int64) (spoil: unit -> unit) =
    let updates = ResizeArray<int64>()
    let watcher = observer (fun update -> updates.Add update; (if update = at then spoil ())) ignore

    let message =
        try
            languageModel.Train(run, Nullable(), watcher, CancellationToken.None) |> ignore
            "success"
        with :? UsageException as e ->
            e.Message

    message, List.ofSeq updates

let private spoilings =
    [ "the folder deleted", (fun (run: string) -> Directory.Delete(run, true)), "it is gone"
      "the folder moved", (fun run -> Directory.Move(run, run + "-moved")), "it is gone"
      "the folder made anew", (fun run -> Directory.Delete(run, true); Directory.CreateDirectory run |> ignore), "its lock is gone"
      "another file in the lock's place", (fun run -> File.Delete(Path.Combine(run, ".lock")); File.WriteAllText(Path.Combine(run, ".lock"), "")), "its lock is gone"
      "its lock deleted", (fun run -> File.Delete(Path.Combine(run, ".lock"))), "its lock is gone"
      "its config deleted", (fun run -> File.Delete(Path.Combine(run, "config.json"))), "its config is gone"
      "its log deleted", (fun run -> File.Delete(Path.Combine(run, "log.jsonl"))), "its log is gone" ]

let private lockTests =
    [ test "a lock is held by one at a time, and by nobody once it is disposed" {
          use folder = new TempFolder()
          let file = folder.In ".lock"
          let take () = FileLock.Take(file, TimeSpan.Zero, ignore)
          use first = take ()
          Expect.isTrue first.IsHeld "held"
          Expect.isNull (take ()) "taken"
          first.Dispose()
          use second = take ()
          Expect.isTrue second.IsHeld "free again"
      }
      test "a lock in a folder that was made anew is lost by the first and free for the second" {
          use folder = new TempFolder()
          let place = folder.In "run"
          let take () =
              Directory.CreateDirectory place |> ignore
              FileLock.Take(Path.Combine(place, ".lock"), TimeSpan.Zero, ignore)
          use first = take ()
          Directory.Delete(place, true)
          Expect.isFalse first.IsHeld "nobody would find it"
          use second = take ()
          Expect.isTrue second.IsHeld "the second has it"
          Expect.isFalse first.IsHeld "and the first still has not"
      }
      test "a lock file that cannot be written is an error at once, and nobody waits for it" {
          use folder = new TempFolder()
          let file = folder.In ".lock"
          // A socket, like a file on a read-only disk, exists and cannot be opened.
          use socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
          socket.Bind(UnixDomainSocketEndPoint file)
          Expect.throws (fun () -> FileLock.Take(file, TimeSpan.FromMinutes 1.0, (fun () -> failtest "it waits")) |> ignore) "an error"
          let message = try languageModel.ToEnd folder.Path |> ignore; "" with :? UsageException as e -> e.Message
          Expect.stringStarts message $"cannot write to {folder.Path}: " "a run says so"
      } ]

let tests =
    testSequenced
    <| testList "folders that are lost" [
        for name, spoil, reason in spoilings do
            torchTest $"{name} while it trains ends the run at the next update, and nothing is written there any more" (fun () ->
                use folder = new TempFolder()
                let run = folder.In "run"
                let contents place =
                    if not (Directory.Exists place) then []
                    else
                        [ for file in Directory.GetFiles(place, "*", SearchOption.AllDirectories) |> Array.sort do
                              if Path.GetFileName file <> ".lock" then Path.GetRelativePath(place, file), File.ReadAllBytes file ]
                let left = folder.In "left"
                let message, updates = trainedWhile run 3L (fun () -> spoil run; (if Directory.Exists run then copyFolder run left))
                Expect.stringStarts message $"the run's folder {run} was deleted, moved or changed while the run was training ({reason})" "message"
                Expect.equal updates [ 1L; 2L; 3L ] "no further update is reported"
                Expect.isFalse (File.Exists(Path.Combine(run, "summary.json"))) "no success"
                Expect.equal (contents run) (contents left) "what is there is what was left")
        yield! lockTests
    ]
