module Noisy.Tests.StructureTests

open System.IO
open System.Reflection
open Expecto
open Noisy.Tests.SourceGraph

let private root = Repository.root

let private graphs =
    [ for name in [ "Noisy.Core"; "Noisy.Models"; "Noisy.Experiments"; "Noisy.FSharp" ] do
          name, lazy read (Path.Combine(root, "src", name)) (Assembly.Load name).Location ]

let private graph name = (List.find (fst >> (=) name) graphs |> snd).Value

/// Folders that use one another although they should not; each is to go.
let private knownCycles: (string * (string * string) list) list = []

let private known name = knownCycles |> List.tryFind (fst >> (=) name) |> Option.map snd |> Option.defaultValue []

/// Public types that lie in a file of another name; each is to go.
let private knownElsewhere: string list = []

/// As many as a reader can get to know.
let private limits = [ "Noisy.Core", 50; "Noisy.Models", 67 ]

let private without edges graph =
    { graph with Uses = graph.Uses |> List.filter (fun used -> not (List.contains (folderOf used.From, folderOf used.To) edges)) }

let private describe ((from: string, target: string), uses: Use list) =
    let shown = uses |> List.truncate 3 |> List.map (fun used -> $"{used.From} uses {used.Type} of {used.To}")
    sprintf "%s needs %s and is needed by it: %s" from target (String.concat "; " shown)

let tests =
    testList "structure" [
        for name, graph in graphs do
            test $"{name} has no cycle between folders" {
                match cycles (without (known name) graph.Value) with
                | [] -> ()
                | found -> failtest (found |> List.map describe |> String.concat "\n")
            }

            test $"{name}: the known cycles still exist" {
                for edge in known name do
                    let others = known name |> List.except [ edge ]
                    Expect.isNonEmpty (cycles (without others graph.Value)) $"{edge} is no longer in a cycle: take it off the list"
            }

        for name, graph in graphs |> List.filter (fun (name, _) -> name <> "Noisy.FSharp") do
            test $"{name}: a public type lies in the file of its name" {
                for fullName, files in graph.Value.PublicTypes do
                    let own = fullName.Substring(fullName.LastIndexOf '.' + 1).Split('`')[0]
                    match files, List.contains own knownElsewhere with
                    | [ file ], elsewhere when Path.GetFileNameWithoutExtension file = own ->
                        Expect.isFalse elsewhere $"{own} is in the file of its name: take it off the list"
                    | _, true -> ()
                    | _ -> failtest $"""{fullName} lies in {String.concat ", " files}"""
            }

        for name, limit in limits do
            test $"{name} has at most {limit} public types" { Expect.isLessThanOrEqual (graph name).PublicTypes.Length limit name }

        test "the graph sees a call, a field, a base class and a type argument" {
            let uses = (graph "Noisy.Core").Uses |> List.map (fun used -> Path.GetFileName used.From, used.Type) |> set
            for seen in
                [ "NoisyFunction.cs", "Noisy.Core.HardFunctions"
                  "NoisyActivationSpec.cs", "Noisy.Core.SaturatingUnit"
                  "ConstantSchedule.cs", "Noisy.Core.Schedule"
                  "Variants.cs", "Noisy.Core.ActivationPair" ] do
                Expect.isTrue (uses.Contains seen) $"{seen}"
        }

        test "a cycle through a third folder is found, and only the uses that make it up" {
            let made =
                { PublicTypes = []
                  Uses =
                    [ for from, target in [ "A/a.cs", "B/b.cs"; "B/b.cs", "C/c.cs"; "C/d.cs", "A/a.cs"; "D/d.cs", "A/a.cs"; "A/a.cs", "A/z.cs" ] do
                          { From = from; To = target; Type = "T" } ] }
            Expect.equal (cycles made |> List.map fst |> List.sort) [ "A", "B"; "B", "C"; "C", "A" ] "edges"
            Expect.isEmpty (cycles (without [ "B", "C" ] made)) "without one of them"
        }
    ]
