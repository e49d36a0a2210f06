/// Damage that knows the format it is done to, so that it reaches what lies behind the first check.
module Noisy.Reliability.Mutation

open System
open System.IO
open System.IO.Compression
open System.Text
open System.Text.RegularExpressions
open Noisy.Reliability.Choice
open Noisy.Reliability.Tree

/// What an input is made of.
type Format =
    | Bytes
    | Text
    | Json
    | JsonLines
    /// A length of 8 bytes, a header in JSON, data.
    | Safetensors
    /// Magic, a length of 2 bytes, a header in Python's manner, data.
    | Npy
    /// Compressed by gzip.
    | Gzip of Format

let private utf8 = UTF8Encoding false
let private longest = 1 <<< 20

// ---- Bytes ----------------------------------------------------------------------------------------------------------

let private concat (parts: byte[] list) = Array.concat parts

/// A place and a length within so many bytes; mostly short.
let private range (choose: Choices) length =
    let start = choose.Below(length + 1)
    let most = if choose.Once 3 then length - start else min 16 (length - start)
    start, choose.Below(most + 1)

let private bytes (choose: Choices) (other: byte[]) (input: byte[]) =
    let start, length = range choose input.Length
    let before, middle, after = input[.. start - 1], input[start .. start + length - 1], input[start + length ..]

    let over (piece: byte[]) =
        let result = Array.copy input
        Array.blit piece 0 result start (min piece.Length (input.Length - start))
        result

    match choose.Below 10 with
    | 0 | 1 when input.Length > 0 ->
        let result, at = Array.copy input, choose.Below input.Length
        result[at] <- result[at] ^^^ (1uy <<< choose.Below 8)
        result
    | 2 -> over [| byte (choose.Below 256) |]
    | 3 -> over (choose.Of Extremes.words)
    | 4 -> before
    | 5 -> concat [ before; after ]
    | 6 -> concat [ before; middle; middle; after ]
    | 7 -> concat [ before; Array.init (choose.Below 40) (fun _ -> byte (choose.Below 256)); after ]
    | 8 -> // the head of one and the tail of another
        let from = choose.Below(other.Length + 1)
        concat [ before; other[from..] ]
    | _ -> concat [ input; input[.. choose.Below(input.Length + 1) - 1] ]

// ---- Text -----------------------------------------------------------------------------------------------------------

let private number = Regex(@"-?\d+(\.\d+)?", RegexOptions.Compiled)

let private repeat (choose: Choices) (piece: string) =
    let times = if choose.Once 40 then 100_000 else choose.Of [ 1; 2; 3; 50; 1000 ]
    String.replicate (min times (longest / max 1 piece.Length)) piece

let private text (choose: Choices) (other: string) (input: string) =
    let start, length = range choose input.Length
    let before, middle, after = input.Substring(0, start), input.Substring(start, length), input.Substring(start + length)
    let lines = input.Split '\n'
    let joined (lines: string seq) = String.Join('\n', lines)

    match choose.Below 11 with
    | 0 | 1 | 2 ->
        match number.Matches input with
        | found when found.Count > 0 ->
            let it = found[choose.Below found.Count]
            input.Remove(it.Index, it.Length).Insert(it.Index, choose.Of Extremes.numbers)
        | _ -> before + choose.Of Extremes.numbers + after
    | 3 -> before + choose.Of Extremes.pieces + after
    | 4 -> choose.Of Extremes.pieces + input
    | 5 -> before + repeat choose (if middle = "" then choose.Of Extremes.pieces else middle) + after
    | 6 ->
        let at = choose.Below lines.Length
        joined (Array.insertAt at lines[at] lines)
    | 7 -> joined (Array.removeAt (choose.Below lines.Length) lines)
    | 8 ->
        let result, a, b = Array.copy lines, choose.Below lines.Length, choose.Below lines.Length
        result[a] <- lines[b]
        result[b] <- lines[a]
        joined result
    | 9 ->
        let at = choose.Below lines.Length
        joined (Array.updateAt at (choose.Of(other.Split '\n')) lines)
    | _ -> before + after

// ---- JSON -----------------------------------------------------------------------------------------------------------

let private deep (choose: Choices) =
    let depth = choose.Of [ 10; 63; 64; 65; 1000; 100_001 ]

    match choose.Below 3 with
    | 0 -> String.replicate depth "[" + String.replicate depth "]"
    | 1 -> String.replicate depth "[" // never closed
    | _ -> String.replicate depth "{\"a\":" + "1" + String.replicate depth "}"

let rec private json (choose: Choices) tree =
    let change node =
        match node, choose.Below 8 with
        | Leaf raw, (0 | 1 | 2) when raw.Length > 2 && raw[0] = '"' && (raw.Contains '{' || raw.Contains '[') ->
            // JSON within a text of JSON.
            match parse (Text.Json.JsonSerializer.Deserialize<string> raw) with
            | Some inner -> Tree.text (render (json choose inner))
            | None -> Leaf(choose.Of Extremes.leaves)
        | Map fields, (0 | 1) when not fields.IsEmpty -> Map(fields @ [ choose.Of fields ]) // an equal key
        | Map fields, 2 when not fields.IsEmpty -> Map(List.removeAt (choose.Below fields.Length) fields)
        | Map fields, 3 when fields.Length > 1 ->
            let key, (at, value) = fst (choose.Of fields), (let at = choose.Below fields.Length in at, snd fields[at])
            Map(List.updateAt at (key, value) fields)
        | Map fields, 4 ->
            let key = choose.Of Extremes.leaves
            Map(((if key.StartsWith '"' then key else "\"x\""), Leaf(choose.Of Extremes.leaves)) :: fields)
        | List items, (0 | 1) when not items.IsEmpty -> List(choose.Of items :: items)
        | List items, 2 when not items.IsEmpty -> List(List.removeAt (choose.Below items.Length) items)
        | _, 5 when choose.Once 4 -> Leaf(deep choose)
        | Leaf raw, 6 when raw.StartsWith '"' -> Leaf(raw.Insert(1 + choose.Below(raw.Length - 1), choose.Of Extremes.pieces))
        | _ -> Leaf(choose.Of Extremes.leaves)

    replace (choose.Below(size tree)) change tree

let private jsonText (choose: Choices) (other: string) (input: string) =
    match parse input with
    | Some tree when not (choose.Once 8) -> render (json choose tree)
    | _ -> text choose other input

// ---- Formats --------------------------------------------------------------------------------------------------------

let private asText (work: string -> string -> string) (other: byte[]) (input: byte[]) = utf8.GetBytes(work (utf8.GetString other) (utf8.GetString input))

let gzip (content: byte[]) =
    use memory = new MemoryStream()

    using (new GZipStream(memory, CompressionLevel.Optimal)) (fun zip -> zip.Write(content, 0, content.Length))
    memory.ToArray()

let private gunzip (content: byte[]) =
    try
        use zip = new GZipStream(new MemoryStream(content), CompressionMode.Decompress)
        use memory = new MemoryStream()
        zip.CopyTo memory
        Some(memory.ToArray())
    with _ ->
        None

/// Changes a header that has its length before it, and puts the length right; seldom the data behind it. place: of the length.
let private headed (choose: Choices) change place lengthBytes other (input: byte[]) =
    let start = place + lengthBytes

    let length =
        if input.Length < start then -1L
        elif lengthBytes = 2 then int64 (BitConverter.ToUInt16(input, place))
        else BitConverter.ToInt64(input, place)

    if length < 0L || length > int64 (input.Length - start) then
        bytes choose other input
    else
        let header, data = input[start .. start + int length - 1], input[start + int length ..]

        if choose.Once 6 then
            concat [ input[.. start - 1]; header; bytes choose other data ]
        else
            let header = asText (change choose) [||] header
            concat [ input[.. place - 1]; (BitConverter.GetBytes(int64 header.Length))[.. lengthBytes - 1]; header; data ]

let rec mutate (choose: Choices) format (other: byte[]) (input: byte[]) : byte[] =
    if choose.Once 5 || input.Length > longest then
        bytes choose other input
    else
        match format with
        | Bytes -> bytes choose other input
        | Text -> asText (text choose) other input
        | Json -> asText (jsonText choose) other input
        | JsonLines ->
            let lines = (utf8.GetString input).Split '\n'
            let at = choose.Below lines.Length

            if choose.Once 3 then
                asText (text choose) other input
            else
                utf8.GetBytes(String.Join('\n', Array.updateAt at (jsonText choose lines[choose.Below lines.Length] lines[at]) lines))
        | Safetensors -> headed choose jsonText 0 8 other input
        | Npy -> headed choose text 8 2 other input
        | Gzip inner ->
            match gunzip input, gunzip other with
            | Some content, Some otherContent -> gzip (mutate choose inner otherContent content)
            | Some content, None -> gzip (mutate choose inner [||] content)
            | None, _ -> bytes choose other input
