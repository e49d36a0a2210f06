/// JSON as a tree that can hold what a JSON library would not write: equal keys, lone surrogates, any number.
module Noisy.Reliability.Tree

open System.Text
open System.Text.Encodings.Web
open System.Text.Json

type Tree =
    /// Null, a bool, a number or a text, as it stands in the file.
    | Leaf of string
    | List of Tree list
    | Map of (string * Tree) list

let private quoted (text: string) = "\"" + JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode text + "\""

/// A text as a leaf.
let text value = Leaf(quoted value)

let rec private ofElement (element: JsonElement) =
    match element.ValueKind with
    | JsonValueKind.Object -> Map [ for field in element.EnumerateObject() -> quoted field.Name, ofElement field.Value ]
    | JsonValueKind.Array -> List [ for item in element.EnumerateArray() -> ofElement item ]
    | _ -> Leaf(element.GetRawText())

/// The tree of a text; None if it is no JSON.
let parse (json: string) =
    try
        use document = JsonDocument.Parse json
        Some(ofElement document.RootElement)
    with _ ->
        None

let render tree =
    let out = StringBuilder()

    let between (first: char) (last: char) writeItem items =
        out.Append first |> ignore

        items
        |> List.iteri (fun i item ->
            if i > 0 then out.Append ',' |> ignore
            writeItem item)

        out.Append last |> ignore

    let rec write tree =
        match tree with
        | Leaf raw -> out.Append raw |> ignore
        | List items -> between '[' ']' write items
        | Map fields -> between '{' '}' writeField fields

    and writeField (key: string, value) =
        out.Append(key).Append(':') |> ignore
        write value

    write tree
    out.ToString()

let rec size tree =
    match tree with
    | Leaf _ -> 1
    | List items -> 1 + List.sumBy size items
    | Map fields -> 1 + List.sumBy (snd >> size) fields

/// The tree with its node of a number, counted from the root in order of reading, replaced by what change makes of it.
let replace number change tree =
    let mutable left = number

    let rec go tree =
        left <- left - 1

        if left = -1 then
            change tree
        else
            match tree with
            | Leaf _ -> tree
            | List items -> List(List.map go items)
            | Map fields -> Map [ for key, value in fields -> key, go value ]

    go tree
