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

/// As many as a reader can get to know.
let private limits = [ "Noisy.Core", 50; "Noisy.Models", 67 ]

let private describe ((from: string, target: string), uses: Use list) =
    let shown = uses |> List.truncate 3 |> List.map (fun used -> $"{used.From} uses {used.Type} of {used.To}")
    sprintf "%s needs %s and is needed by it: %s" from target (String.concat "; " shown)

let tests =
    testList "structure" [
        for name, graph in graphs do
            test $"{name} has no cycle between folders" {
                match cycles graph.Value with
                | [] -> ()
                | found -> failtest (found |> List.map describe |> String.concat "\n")
            }

        for name, graph in graphs |> List.filter (fun (name, _) -> name <> "Noisy.FSharp") do
            test $"{name}: a public type lies in the file of its name" {
                for fullName, files in graph.Value.PublicTypes do
                    let own = fullName.Substring(fullName.LastIndexOf '.' + 1).Split('`')[0]
                    match files with
                    | [ file ] when Path.GetFileNameWithoutExtension file = own -> ()
                    | _ -> failtest $"""{fullName} lies in {String.concat ", " files}"""
            }

        for name, limit in limits do
            test $"{name} has at most {limit} public types" { Tol.atMost (graph name).PublicTypes.Length limit name }

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
            let without = { made with Uses = made.Uses |> List.filter (fun used -> used.From <> "B/b.cs") }
            Expect.isEmpty (cycles without) "without one of them"
        }

        test "tests compare by Tol.below and its like: Expecto's own let NaN pass" {
            for file in Directory.GetFiles(Path.Combine(root, "tests"), "*.fs", SearchOption.AllDirectories) do
                let text = File.ReadAllText file
                for own in [ "Less"; "Greater" ] do Expect.isFalse (text.Contains("Expect.is" + own)) file
        }
    ]
