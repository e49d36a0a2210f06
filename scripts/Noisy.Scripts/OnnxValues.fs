/// The values of a network in the ONNX format: their names, and a network that gives some of them out. Only its frame is read; ONNX
/// Runtime reads the rest.
module internal Noisy.Scripts.OnnxValues

open System
open System.IO
open System.Text

// Fields of ModelProto, GraphProto, NodeProto and ValueInfoProto (onnx.proto).
let private graph, private node, private nodeOutput, private graphOutput, private name = 7, 1, 2, 12, 1

/// A number of seven bits a byte, and where the next thing begins.
let rec private varint (bytes: byte[]) at shift =
    if at >= bytes.Length || shift > 63 then raise (InvalidDataException "it is cut short or damaged")
    let value = uint64 (bytes[at] &&& 0x7Fuy) <<< shift

    if bytes[at] < 0x80uy then
        value, at + 1
    else
        let rest, next = varint bytes (at + 1) (shift + 7)
        value ||| rest, next

/// The fields of a message that have a length: their numbers, and where they begin and end.
let private fields (bytes: byte[]) (from: int, upTo: int) =
    let found = ResizeArray()
    let mutable at = from

    while at < upTo do
        let key, next = varint bytes at 0

        at <-
            match key &&& 7UL with
            | 0UL -> snd (varint bytes next 0)
            | 1UL -> next + 8
            | 5UL -> next + 4
            | 2UL ->
                let length, start = varint bytes next 0
                if start > upTo || length > uint64 (upTo - start) then raise (InvalidDataException "it is cut short or damaged")
                found.Add(int (key >>> 3), (start, start + int length))
                start + int length
            | _ -> raise (InvalidDataException "its bytes have another form")

    List.ofSeq found

let private parts bytes number place = [ for field, place in fields bytes place do if field = number then place ]

/// The names of what the network's operations give, in their order.
let ofNetwork (bytes: byte[]) =
    [ for graph in parts bytes graph (0, bytes.Length) do
          for node in parts bytes node graph do
              for from, upTo in parts bytes nodeOutput node do
                  if upTo > from then Encoding.UTF8.GetString(bytes, from, upTo - from) ]

/// A field with a length.
let private field number (content: byte[]) =
    let rec count (value: int) = if value < 0x80 then [ byte value ] else byte (value &&& 0x7F ||| 0x80) :: count (value >>> 7)
    Array.concat [ Array.ofList (count (number <<< 3 ||| 2)); Array.ofList (count content.Length); content ]

/// The network with further values among its outputs. In this encoding, what is appended is merged with what is there.
let givingOut (names: string list) (bytes: byte[]) =
    let outputs = names |> List.map (fun value -> field graphOutput (field name (Encoding.UTF8.GetBytes value)))
    Array.append bytes (field graph (Array.concat outputs))
