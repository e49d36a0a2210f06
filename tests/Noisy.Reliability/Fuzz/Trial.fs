/// One input of the fuzzer, and what a reader makes of it.
module Noisy.Reliability.Trial

open System
open System.IO
open System.Text.RegularExpressions
open Noisy.Reliability.Mutation
open Noisy.Reliability.Readers

/// How a reader failed. Where: the kind of failure and the first place in our code, so that equal failures count as one.
type Failure = { Reader: string; Where: string; Message: string }

/// The longest that a reader may take, in time of the processor, so that a busy machine makes none slow.
let private seconds = 5.0

/// What a reader may allocate: so many bytes, and besides them so many for each byte of the input.
let private spare, private share = 64L <<< 20, 256L

/// The input of a number: all seeds as they are, then mutations of them.
let input (seed: int64) (number: int64) (readers: Reader[]) =
    let reader = readers[int (number % readers.LongLength)]
    let turn = number / readers.LongLength
    let seeds = Array.ofList reader.Seeds

    if turn < seeds.LongLength then
        reader, seeds[int turn]
    else
        let choose = Choice.at seed number
        // Large seeds are known tricks; they say all they have to say unmutated. A gzip bomb has to be large here too, 64 MB of zeros
        // are not: unpacking it for each mutation would take most of the fuzzer's time.
        let small = seeds |> Array.filter (fun s -> s.Length < (1 <<< 16))
        let mutable made = choose.Of small
        for _ in 0 .. choose.Below 4 do made <- mutate choose reader.Format (choose.Of small) made
        reader, made

/// The first line of a stack trace that lies in our code, else its first line.
let private place (error: exn) =
    let frames = (if isNull error.StackTrace then "" else error.StackTrace).Split '\n' |> Array.map _.Trim()
    let ours = frames |> Array.tryFind (fun frame -> frame.Contains "Noisy." && not (frame.Contains "Noisy.Reliability"))
    let line = ours |> Option.orElse (Array.tryHead frames) |> Option.defaultValue ""
    Regex.Replace(line, @"\(.*", "").Replace("at ", "")

/// Lets a reader read. sound: whether it must accept the input.
let attempt (reader: Reader) (sound: bool) (input: byte[]) =
    let fail where message = Some { Reader = reader.Name; Where = where; Message = message }
    let start, before = Environment.CpuUsage.TotalTime, GC.GetAllocatedBytesForCurrentThread()

    let raised =
        try
            reader.Read input
            None
        with error ->
            Some error

    let took, allocated = Environment.CpuUsage.TotalTime - start, GC.GetAllocatedBytesForCurrentThread() - before

    match raised with
    | Some(WrongContent what) -> fail $"accepted: {what}" what
    | Some error when not (List.contains (error.GetType()) reader.Refusals) -> fail $"{error.GetType().Name} in {place error}" error.Message
    | Some error when sound -> fail "a sound input is refused" error.Message
    | Some error when String.IsNullOrWhiteSpace error.Message -> fail "a refusal without a message" ""
    | _ when took.TotalSeconds > seconds -> fail "slow" $"{took.TotalSeconds:F1} s for {input.Length:N0} bytes"
    | _ when allocated > spare + share * input.LongLength -> fail "too much memory" $"{allocated:N0} bytes allocated for an input of {input.Length:N0}"
    | _ -> None

/// Whether the input of a number is one that its reader must accept.
let isSound (number: int64) (readers: Reader[]) =
    number / readers.LongLength < int64 readers[int (number % readers.LongLength)].Sound

// ---- Files of failing inputs ----------------------------------------------------------------------------------------

let private spelled (name: string) = Regex.Replace(name, "[^a-z.]+", "-")

/// Writes an input where it can be replayed from; the file.
let save (folder: string) (seed: int64) (number: int64) (reader: Reader) (input: byte[]) =
    Directory.CreateDirectory folder |> ignore
    let path = Path.Combine(folder, $"{spelled reader.Name}.s{seed}.n{number}.input")
    File.WriteAllBytes(path, input)
    path

/// The reader that a saved input is for, by the file's name.
let readerOf (path: string) (readers: Reader[]) =
    let name = Path.GetFileName path
    readers |> Array.sortByDescending (fun r -> r.Name.Length) |> Array.tryFind (fun r -> name.StartsWith(spelled r.Name + "."))
