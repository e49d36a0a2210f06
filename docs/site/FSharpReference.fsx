/// Pages of the F# reference from the signatures that the compiler writes (--sig), which have the documentation in them.
module FSharpReference

open System
open System.IO
open System.Text.RegularExpressions

/// A type or a module with its documentation, attributes and signature; lines are without the indentation that all share.
type private Item = { Name: string; Kind: string; Docs: string list; Lines: string list }

let private indentation (line: string) = line.Length - line.TrimStart().Length

let private dedented (lines: string list) =
    match lines |> List.filter (fun line -> line.Trim() <> "") with
    | [] -> []
    | some ->
        let margin = some |> List.map indentation |> List.min
        lines |> List.map (fun line -> if line.Length >= margin then line[margin..] else "")

/// Parts that begin at the margin, each with the comments and attributes before it.
let private parts (lines: string list) =
    let rec go (docs: string list) (current: string list) found (rest: string list) =
        let close () = if current.IsEmpty then found else (docs, List.rev current) :: found
        match rest with
        | [] -> List.rev (close ())
        | line :: more when line.StartsWith "///" || line.StartsWith "[<" ->
            let block = rest |> List.takeWhile (fun line -> line.StartsWith "///" || line.StartsWith "[<")
            go block [] (close ()) (List.skip block.Length rest)
        | line :: more when indentation line = 0 && line.Trim() <> "" ->
            match current with
            | [] -> go docs [ line ] found more
            | _ -> go [] [ line ] (close ()) more
        | line :: more -> go docs (if current.IsEmpty then [] else line :: current) found more
    go [] [] [] lines

let private comments (block: string list) =
    block |> List.filter (fun line -> line.StartsWith "///") |> List.map (fun line -> line.Substring(3).Trim())

let private isHidden (signature: string) = Regex.IsMatch(signature, @"^(val|type|module|exception)\s+(inline\s+)?(private|internal)\b")

/// Names of namespaces and classes that a reader of F# does not need.
let private plain (text: string) =
    Regex.Replace(text, @"\b(Noisy\.(Core|Models|Experiments|FSharp)|System\.Collections\.Generic|System|TorchSharp)\.(?=[A-Za-z])", "")

let private prose (docs: string list) = String.Join("\n", docs).Replace("<", "&lt;").Trim()

let private fenced (lines: string list) = "```fsharp\n" + (plain (String.Join("\n", lines))).TrimEnd() + "\n```"

/// The members of a record or class that are not public.
let private visible (lines: string list) =
    let rec go (rest: string list) =
        match rest with
        | [] -> []
        | line :: more when Regex.IsMatch(line.Trim(), @"^(member|val|new|abstract|static member|override|interface)?\s*(private|internal)\b") ->
            go (more |> List.skipWhile (fun next -> next.Trim() <> "" && indentation next > indentation line))
        | line :: more -> line :: go more
    go lines

let private items (lines: string list) =
    [ for block, body in parts lines do
          let head = List.head body
          if not (isHidden head) then
              let m = Regex.Match(head, @"^(type|module|exception|and)\s+([A-Za-z]+)")
              if m.Success then
                  let attributes = block |> List.filter (fun line -> line.StartsWith "[<")
                  let kind = m.Groups[1].Value
                  { Name = m.Groups[2].Value; Kind = kind; Docs = comments block; Lines = (if kind = "module" then body else attributes @ body) } ]

let private ofModule (item: Item) =
    [ if not item.Docs.IsEmpty then prose item.Docs
      for block, body in parts (dedented (List.tail item.Lines)) do
          let head = List.head body
          if not (isHidden head) then
              let name = Regex.Match(head, @"^(?:val|type)\s+(?:inline\s+)?(\([^)]*\)|``[^`]*``|[A-Za-z0-9_']+)").Groups[1].Value
              $"## {name.Trim('`')}"
              if not (comments block).IsEmpty then prose (comments block)
              fenced (visible body) ]

/// Writes a page for each name, and their table of contents.
///
/// signatures: the compiler's file; folder: where the pages go. Only what is public in the namespace Noisy.FSharp counts.
let write (signatures: string) (folder: string) =
    let lines = File.ReadAllLines signatures |> List.ofArray
    let rec blocks (rest: string list) =
        match List.skipWhile (fun (line: string) -> not (line.StartsWith "namespace ")) rest with
        | [] -> []
        | head :: more ->
            let body = more |> List.takeWhile (fun line -> line = "" || line.StartsWith ' ')
            (if head = "namespace Noisy.FSharp" then [ dedented body ] else []) @ blocks more

    let found = blocks lines |> List.collect items
    if found.IsEmpty then failwith $"no public signature was found in {signatures}"
    Directory.CreateDirectory folder |> ignore
    let names = found |> List.map _.Name |> List.distinct

    let first (item: Item) = (String.Join(" ", item.Docs).Split(". ")[0]).TrimEnd('.') + "."

    for name in names do
        let own = found |> List.filter (fun item -> item.Name = name)
        let types, modules = own |> List.partition (fun item -> item.Kind <> "module")
        File.WriteAllText(
            Path.Combine(folder, name + ".md"),
            String.Join(
                "\n\n",
                [ $"# {name}"
                  for item in types do
                      if not item.Docs.IsEmpty then prose item.Docs
                      fenced (visible item.Lines)
                  for item in modules do yield! ofModule item ]
            ) + "\n")

    let row name = $"| [{name}]({name}.md) | {found |> List.find (fun item -> item.Name = name) |> first} |"

    let index =
        [ "# F# reference"
          String.Join(
              " ",
              [ "What `open Noisy.FSharp` gives, in the package of that name."
                "[An experiment of your own](../docs/own-experiment.md) shows it at work."
                "Types that are not here are in the [C# reference](xref:Noisy.Core)." ])
          String.Join("\n", "| | |" :: "|---|---|" :: List.map row names) ]

    File.WriteAllText(Path.Combine(folder, "index.md"), String.Join("\n\n", index) + "\n")
    File.WriteAllText(Path.Combine(folder, "toc.yml"), String.Join("\n", [ "- href: index.md"; for name in names -> $"- href: {name}.md" ]) + "\n")
