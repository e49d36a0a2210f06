/// scripts/features.fsx: features of a folder of pictures, for captions.
module Noisy.Scripts.Features

open System
open System.Diagnostics
open System.Globalization
open System.IO
open System.Threading
open Argu
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Options
open Noisy.Scripts.Backbone

[<RequireQualifiedAccess>]
type internal Argument =
    | [<Unique>] Pictures of folder: string
    | [<Unique>] Model of file: string
    | [<Unique>] Out of folder: string
    | [<Unique>] Layer of name: string
    | [<Unique>] Size of pixels: string
    | [<Unique>] Mean of numbers: string
    | [<Unique>] Std of numbers: string
    | [<Unique>] Order of channels: string
    | [<Unique>] Threads of number: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Pictures _ -> "folder of the pictures"
            | Model _ -> "the network that sees them, in the ONNX format"
            | Out _ -> "folder of the features; put the captions there too"
            | Layer _ -> "name of the network's value that is taken (default: the last with places in the picture)"
            | Size _ -> "rows and columns of the square in the middle of each picture that the network sees (default: what it is made for, or 224)"
            | Mean _ -> "three numbers that are subtracted from the channels, whose values are 0 to 1 (default: ImageNet's, 0.485,0.456,0.406)"
            | Std _ ->
                "three numbers by which the channels are divided then (default: ImageNet's, 0.229,0.224,0.225); 0.0039216 is 1/255, for networks that "
                + "take 0 to 255"
            | Order _ -> "rgb or bgr: order of the channels (default: rgb)"
            | Threads _ -> $"CPU threads (default: all, here {Environment.ProcessorCount})"

let private help () =
    """Writes features.npy, numbers [pictures, channels, rows, columns] in half precision, and features.json, which tells how they were made and
of which pictures; captions.fsx --data takes the folder once it has captions too. docs/captions.md is the whole way with commands.
The same command resumes where it was stopped.

EXIT CODES: 0 done; 2 wrong usage or output that cannot be written; 3 a picture or the network is damaged; 130 interrupted."""

let private three option (text: string) =
    match Calculator.reals option [ text ] with
    | [ _; _; _ ] as numbers when numbers |> List.forall Double.IsFinite -> List.map float32 numbers
    | _ -> refuse $"{option} is '{text}': must be three numbers, by commas"

/// The names of the pictures in a folder, in ordinal order.
let private picturesIn (folder: string) =
    if not (Directory.Exists folder) then
        raise (DataException $"""--pictures {folder} is {(if File.Exists folder then "a file" else "not there")}: name the folder of the pictures.""")

    let names =
        Directory.GetFiles folder
        |> Array.map Path.GetFileName
        |> Array.filter (fun name -> List.contains (Path.GetExtension(name).ToLowerInvariant()) Photo.extensions)
        |> Array.sortWith (fun a b -> String.CompareOrdinal(a, b))

    if names.Length = 0 then
        let list = String.Join(", ", Photo.extensions)
        raise (DataException $"--pictures {folder} holds no picture ({list}); folders within it do not count: name the one that holds the files.")

    names

/// Whether the features of these pictures are there already; what else the folder holds is not overwritten.
let private areThere (out: string) (recipe: FeatureRecipe) (names: string[]) =
    File.Exists(Path.Combine(out, FeatureList.FileName))
    && (let list = FeatureList.Read out
        let line value = Text.Json.JsonSerializer.Serialize(value, ConfigJson.Line)

        if line list.Recipe <> line recipe then
            refuse (
                $"--out {out} holds features that were made in another way, by '{list.Recipe.Backbone}', '{list.Recipe.Layer}': name another "
                + "folder"
            )

        if set list.Names <> set names then
            refuse (
                $"--out {out} holds features of {list.Names.Count} pictures, not of the {names.Length} there are now: name another folder, or "
                + $"delete {FeatureList.FileName} there to have all made again"
            )

        list.ReadArray out |> ignore
        true)

let private work (words: string[]) (stop: CancellationToken) =
    match parse<Argument> "features" help words with
    | None -> 0
    | Some found ->
        let needed option (value: string option) = value |> Option.defaultWith (fun () -> refuse $"{option} is missing; --help tells what it is")
        let pictures = needed "--pictures" (found.TryGetResult Argument.Pictures)
        let model = needed "--model" (found.TryGetResult Argument.Model)
        let out = needed "--out" (found.TryGetResult Argument.Out)
        let deviation = found.TryGetResult Argument.Std |> Option.map (three "--std") |> Option.defaultValue imageNetDeviation
        if List.contains 0f deviation then refuse "--std has a 0, by which nothing can be divided"

        let wanted =
            { File = model
              Layer = found.TryGetResult Argument.Layer
              Size = found.TryGetResult Argument.Size |> Option.map (integer "--size" 8L >> min 4096L >> int)
              Mean = found.TryGetResult Argument.Mean |> Option.map (three "--mean") |> Option.defaultValue imageNetMean
              Deviation = deviation
              Order = found.GetResult(Argument.Order, "rgb") |> Calculator.choice "--order" [ "rgb", "rgb"; "bgr", "bgr" ]
              Threads =
                found.TryGetResult Argument.Threads
                |> Option.map (integer "--threads" 1L >> min 1024L >> int)
                |> Option.defaultValue Environment.ProcessorCount }

        let names = picturesIn pictures
        use backbone = new Backbone(wanted)
        let recipe = backbone.Recipe

        if areThere out recipe names then
            printfn "the features of all %d pictures are in %s" names.Length out
            0
        else
            let sizes, first = backbone.Features(Path.Combine(pictures, names[0]))
            let count = int64 names.Length * int64 first.Length

            if count > int64 Array.MaxLength then
                refuse (
                    $"{names.Length} pictures with {first.Length} numbers each are more than one array holds: name another --layer, or fewer "
                    + "pictures"
                )

            writing "--out" out (fun () -> Directory.CreateDirectory out |> ignore)
            let entry name : FeatureWriter.Entry = { Name = name; Bytes = FileInfo(Path.Combine(pictures, name)).Length }
            use writer = new FeatureWriter.Writer(out, recipe, sizes)
            let all = Array.map entry names
            let known = set writer.Entries

            if not (Set.isSubset known (set all)) then
                refuse (
                    $"pictures in {pictures} were changed or taken away since their features were begun in {out}: name another folder, or "
                    + $"delete {FeatureList.FileName}.part there"
                )

            printfn "%s, '%s': %d channels at %d x %d places, of the %d x %d pixels in the middle of each picture"
                recipe.Backbone recipe.Layer sizes[0] sizes[1] sizes[2] recipe.Size recipe.Size
            if known.Count > 0 then printfn "resumes after %d of %d pictures" known.Count all.Length
            let terminal = Progress.isTerminal ()
            let start = Stopwatch.GetTimestamp()
            let mutable last = start

            let tell () =
                let made = writer.Entries.Count - known.Count
                let left = Stopwatch.GetElapsedTime start * (float (all.Length - writer.Entries.Count) / float (max 1 made))
                let text = $"{writer.Entries.Count}/{all.Length} pictures, {Progress.duration left} left"
                if terminal then printf "\r\u001b[K%s %s" (Progress.bar (float writer.Entries.Count / float all.Length)) text else printfn "  %s" text

            for entry in all do
                if not (stop.IsCancellationRequested || known.Contains entry) then
                    let path = Path.Combine(pictures, entry.Name)
                    let own, features = backbone.Features path
                    if own <> sizes then raise (DataException $"'{path}' has features of other sizes than those before: this network cannot be used.")
                    writing "--out" out (fun () -> writer.Add(entry, features))

                    if Stopwatch.GetElapsedTime last > TimeSpan.FromSeconds(if terminal then 0.25 else 10.0) then
                        last <- Stopwatch.GetTimestamp()
                        tell ()

            if terminal then printf "\r\u001b[K"

            if writer.Entries.Count < all.Length then
                printfn "interrupted after %d of %d pictures: the same command resumes from here" writer.Entries.Count all.Length
                Host.interrupted
            else
                writing "--out" out (fun () -> writer.Finish(Path.GetFullPath pictures))
                let once = if OwnCaptions.HaveCaptions out then "" else " once captions.txt is there"
                printfn "%s and %s are in %s; scripts/captions.fsx -- --data %s trains on them%s"
                    FeatureList.ArrayName FeatureList.FileName out out once
                0

/// The script; returns the exit code.
let main words = Host.run (work words)
