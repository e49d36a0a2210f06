/// The log of a run: what it says, and what becomes of one that was cut, lost or changed.
module Noisy.Tests.LogTests

open System
open System.IO
open System.Threading
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers

let private update n = LogEvent("update", n, 1 + int ((n - 1L) / 4L), 1.0, Nullable 0.5, Loss = Nullable(1.0 / float n))
let private check n = LogEvent("check", n, 1, 1.0, Nullable(), Valid = Collections.Generic.Dictionary(dict [ "nll", 0.5 ]))

/// Updates 1 to n, with an evaluation after every second.
let private events n = [ for i in 1L .. n do update i; if i % 2L = 0L then check i ]
let private position updates evaluated = LogPosition(updates, evaluated, 2L, 4L)
let private write path (events: LogEvent list) = File.WriteAllLines(path, [ for e in events -> LogLine.Format e ])
let private shown (events: LogEvent seq) = [ for e in events -> e.Event, (if e.From.HasValue then e.From.Value else e.Update), e.Update ]

/// The events after a resume, and what was said.
let private resumed path position =
    let said = ResizeArray<string>()
    (RunLog.Resume(path, position, (fun m -> said.Add m))).Dispose()
    shown (RunLog.Read path), List.ofSeq said

let private lines =
    [ test "a log comes back as it was written, and a cut last line is ignored" {
          use folder = new TempFolder()
          let path = folder.In "log.jsonl"
          let events =
              [ LogEvent("update", 1L, 1, 1.0, Nullable 0.5, Loss = Nullable 5.25, GradientNorm = Nullable 3.0)
                LogEvent("update", 2L, 1, 1.0, Nullable(), Loss = Nullable nan, GradientNorm = Nullable infinity) ]
          do
              use log = RunLog.Resume(path, position 0L 0L, fun _ -> failtest "a warning")
              for e in events do log.Write e
          Expect.equal (List.ofSeq (RunLog.Read path)) events "events"
          let line = Array.head (File.ReadAllLines path)
          Expect.stringStarts line """{"event":"update","update":1,"epoch":1,"learningRate":1,"scale":0.5,"loss":5.25,"gradientNorm":3,"sum":""" "line"
          File.AppendAllText(path, "{\"event\":\"upd")
          Expect.equal (RunLog.Read path).Count 2 "cut line"
          Expect.isEmpty (RunLog.Read(folder.In "none")) "no file"
      }

      test "a log of nothing but line ends takes little memory" {
          use folder = new TempFolder()
          let path = folder.In "log.jsonl"
          File.WriteAllText(path, String('\n', 200_000))
          let before = GC.GetAllocatedBytesForCurrentThread()
          Expect.throwsT<UsageException> (fun () -> RunLog.Read path |> ignore) "refused"
          let taken = GC.GetAllocatedBytesForCurrentThread() - before
          Tol.below taken (64L <<< 20) "bytes; an exception a line would take 200 MB"
      }

      test "a byte changed anywhere in a log is noticed, and its line named" {
          use folder = new TempFolder()
          let path = folder.In "log.jsonl"
          write path (events 3L)
          let sound = File.ReadAllBytes path
          let mutable line = 1
          for i in 0 .. sound.Length - 2 do
              for change in [ 1uy; 4uy; 0x80uy ] do
                  let bytes = Array.copy sound
                  bytes[i] <- bytes[i] ^^^ change
                  File.WriteAllBytes(path, bytes)
                  let message = try RunLog.Read path |> ignore; "" with :? UsageException as e -> e.Message
                  Expect.stringContains message $"{path}, line {line}" $"byte {i}"
              if sound[i] = byte '\n' then line <- line + 1
          File.WriteAllText(path, "null\n")
          Expect.throwsT<UsageException> (fun () -> RunLog.Read path |> ignore) "null"
      }

      test "changed lines are left out where somebody is told, and missing ones told of" {
          use folder = new TempFolder()
          let path = folder.In "log.jsonl"
          write path (events 6L)
          let all = File.ReadAllLines path
          File.WriteAllLines(path, [ yield! all[..1]; all[2].Replace("0.5", "0.6"); all[3]; yield! all[5..] ])
          let said = ResizeArray<string>()
          Expect.equal (RunLog.Read(path, (fun m -> said.Add m))).Count 7 "events"
          Expect.sequenceEqual said [ $"{path}, line 3 was changed: it is left out"; $"{path}, line 6: update 5 follows update 3; lines are missing" ] "said"
      }

      test "lines without a checksum, as older versions wrote them, are read" {
          use folder = new TempFolder()
          let path = folder.In "log.jsonl"
          File.WriteAllText(path, "{\"event\":\"update\",\"update\":1,\"epoch\":1,\"learningRate\":1,\"scale\":null,\"loss\":5.25,\"gradientNorm\":3}\n")
          File.AppendAllText(path, LogLine.Format(update 2L) + "\n")
          Expect.equal [ for e in RunLog.Read path -> e.Update ] [ 1L; 2L ] "events"
      } ]

let private resume =
    [ test "a sound log is cut back to where the run stands, and not touched before that" {
          use folder = new TempFolder()
          let path = folder.In "log.jsonl"
          for updates, evaluated, kept in [ 6L, 6L, 9; 4L, 4L, 6; 4L, 2L, 5; 3L, 2L, 4; 0L, 0L, 0 ] do
              write path (events 6L)
              File.AppendAllText(path, "{\"event\":\"upd")
              let before = File.ReadAllText path
              let _, said = resumed path (position updates evaluated)
              Expect.isEmpty said "nothing to say"
              let after = File.ReadAllText path
              Expect.stringStarts before after "the beginning"
              Expect.equal (after.Split('\n').Length - 1) kept $"lines of {updates} and {evaluated}"
      }

      test "what is missing becomes a gap" {
          use folder = new TempFolder()
          let path = folder.In "log.jsonl"
          let without (lines: int list) = events 6L |> List.indexed |> List.filter (fun (i, _) -> not (List.contains i lines)) |> List.map snd
          let all = shown (events 6L)
          for name, lines, expected, lost in
              [ "the end", [ 5 .. 8 ], all[..4] @ [ "gap", 4L, 6L ], "4 to 6"
                "the beginning", [ 0..2 ], [ "gap", 1L, 2L ] @ all[3..], "1 to 2"
                "an update in the middle", [ 3 ], all[..2] @ [ "gap", 3L, 3L ] @ all[4..], "3"
                "an evaluation in the middle", [ 2 ], all[..1] @ [ "gap", 2L, 2L ] @ all[3..], "2"
                "the last evaluation", [ 8 ], all[..7] @ [ "gap", 6L, 6L ], "6"
                "all", [ 0..8 ], [ "gap", 1L, 6L ], "1 to 6"
                "two places", [ 0; 5 ], [ "gap", 1L, 1L ] @ all[1..4] @ [ "gap", 4L, 4L ] @ all[6..], "1, 4" ] do
              write path (without lines)
              let found, said = resumed path (position 6L 6L)
              Expect.equal found expected name
              Expect.equal said [ $"{path} was cut or lost: it lacks updates {lost}, and notes the gap. The run resumes from its checkpoint all the same" ] name
              Expect.equal (resumed path (position 6L 6L)) (expected, []) $"{name}: said once"
      }

      test "a changed line becomes a gap, and a line of another's is left out" {
          use folder = new TempFolder()
          let path = folder.In "log.jsonl"
          write path (events 4L)
          File.WriteAllText(path, (File.ReadAllText path).Replace("\"update\":3,", "\"update\":8,"))
          let found, said = resumed path (position 4L 4L)
          Expect.equal found (shown (events 2L) @ [ "gap", 3L, 3L ] @ (shown (events 4L))[4..]) "gap"
          Expect.stringStarts (List.exactlyOne said) $"{path}, line 4 was changed: it lacks updates 3, and notes the gap" "said"
          write path (events 4L)
          File.WriteAllLines(path, Array.insertAt 2 "rubbish" (File.ReadAllLines path))
          let found, said = resumed path (position 4L 4L)
          Expect.equal found (shown (events 4L)) "whole"
          Expect.stringStarts (List.exactlyOne said) $"{path}, line 3 was changed: that line is left out" "said"
      }

      test "a last line without its end loses nothing" {
          use folder = new TempFolder()
          let path = folder.In "log.jsonl"
          write path (events 2L)
          File.WriteAllText(path, (File.ReadAllText path).TrimEnd())
          Expect.equal (resumed path (position 2L 2L)) (shown (events 2L), []) "events"
          Expect.isTrue ((File.ReadAllText path).EndsWith '\n') "its end"
      }

      torchTest "a run whose log was cut, lost or changed resumes, ends with the same weights, and its log notes the gap" (fun () ->
          let expected = whole languageModel
          for name, damage, gaps in
              [ "cut", (fun path -> File.WriteAllBytes(path, (File.ReadAllBytes path)[..400])), 1
                "emptied", (fun path -> File.WriteAllBytes(path, [||])), 1
                "lost", File.Delete, 1
                "changed", (fun path -> File.WriteAllText(path, (File.ReadAllText path).Replace("\"update\":2,", "\"update\":7,"))), 1
                "untouched", ignore, 0 ] do
              use folder = new TempFolder()
              languageModel.InterruptAt(folder.Path, 7L) |> ignore
              damage (folder.In "log.jsonl")
              let said = ResizeArray<string>()
              let summary, hash = languageModel.Train(folder.Path, Nullable(), observer ignore said.Add, CancellationToken.None)
              Expect.equal hash expected.Hash name
              Expect.isTrue summary.Value.Finished name
              Expect.equal (File.ReadAllBytes(folder.In "weights.safetensors")) expected.Weights name
              let log = RunLog.Read(folder.In "log.jsonl")
              Expect.equal (log |> Seq.filter (fun e -> e.Event = "gap") |> Seq.length) gaps name
              Expect.equal (said |> Seq.filter _.Contains("notes the gap") |> Seq.length) gaps name
              if gaps = 0 then Expect.equal (File.ReadAllText(folder.In "log.jsonl")) expected.Log name
              Expect.equal (Seq.last log).Update 10L $"{name}: to the end") ]

let tests = testSequenced <| testList "log" [ testList "lines" lines; testList "resume" resume ]
