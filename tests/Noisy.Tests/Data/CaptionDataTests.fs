module Noisy.Tests.CaptionDataTests

open System
open System.IO
open System.Text
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

/// Features [n, 2, 1, 3] as bytes: image i, channel c, place p has 10 i + 3 c + p.
let private features images =
    let header = $"{{'descr': '|u1', 'fortran_order': False, 'shape': ({images}, 2, 1, 3), }}"
    let header = header.PadRight(128 - 10 - 1) + "\n"
    Array.concat
        [ [| 0x93uy |]; utf8 "NUMPY"; [| 1uy; 0uy; byte header.Length; 0uy |]; Encoding.Latin1.GetBytes header
          [| for i in 0 .. images - 1 do for c in 0..1 do for p in 0..2 -> byte (10 * i + 3 * c + p) |] ]

let private captions =
    "a.jpg#0\tA Cat sits .\na.jpg#1\tcat\nb.jpg#0\tA dog\nc.jpg#1\tlater\nc.jpg#0\tFirst one\nd.jpg#0\tx y\n"

/// Writes a small set, some files replaced; training a and b, validation c, test d.
let private write (folder: TempFolder) (change: (string * byte[]) list) =
    for name, content in
        [ "captions.txt", utf8 captions
          "train.txt", utf8 "a.jpg\nb.jpg\n"
          "train.npy", features 2
          "valid.txt", utf8 "c.jpg"
          "valid.npy", features 1
          "test.txt", utf8 "d.jpg\r\n"
          "test.npy", features 1 ] do
        folder.Write(name, change |> List.tryFind (fst >> (=) name) |> Option.map snd |> Option.defaultValue content)

let private read (folder: TempFolder) (rules: CaptionRules) =
    let split name = CaptionSplitFiles(folder.At(name + ".txt"), folder.At(name + ".npy"))
    CaptionData.Read("mine", folder.At "captions.txt", [| split "train"; split "valid"; split "test" |], rules, "Mend it.")

let private bad name change parts =
    test name {
        use folder = new TempFolder()
        write folder change
        let message = messageOf<DataException> (fun () -> read folder CaptionRules.Default |> ignore)
        for part in parts @ [ "Mend it." ] do Expect.stringContains message part "the message"
        Expect.isFalse (message.Contains '\n') "one line"
    }

let private words (image: CaptionedImage) = [ for caption in image.Captions -> String.Join(' ', caption) ]

let private general =
    testList "any set" [
        test "captions, lists and features come together" {
            use folder = new TempFolder()
            write folder []
            let data = read folder (CaptionRules(FeatureScale = 2.0f))
            Expect.equal [ for image in data.Train.Images -> image.Name, words image ] [ "a.jpg", [ "a cat sits ."; "cat" ]; "b.jpg", [ "a dog" ] ] "training"
            Expect.equal (words data.Valid.Images[0]) [ "first one"; "later" ] "captions by number"
            Expect.equal (List.ofSeq data.Train.Captions) [ struct (0, 0); struct (0, 1); struct (1, 0) ] "every caption"
            Expect.equal (data.Identity.Name, data.Identity.Source, Seq.toList data.Notes) ("mine", "real", []) "identity"
            let f = data.Train.Features
            Expect.equal (f.Count, f.Channels, f.Height, f.Width, f.Places) (2, 2, 1, 3, 3) "shape"
            let vectors = Array.zeroCreate<float32> 6
            f.Fill(1, vectors.AsSpan())
            Expect.equal vectors [| 20.0f; 26.0f; 22.0f; 28.0f; 24.0f; 30.0f |] "places, then channels, twice the bytes"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> f.Fill(2, Array.zeroCreate<float32>(6).AsSpan())) "no such image"
            Expect.throwsT<ArgumentException> (fun () -> f.Fill(0, Array.zeroCreate<float32>(5).AsSpan())) "no room"
            Expect.equal (words (read folder (CaptionRules(Lowercase = false))).Train.Images[0]) [ "A Cat sits ."; "cat" ] "case kept"
        }

        test "captions without a listed image are an error, or left out and noted; known slips are noted by line" {
            use folder = new TempFolder()
            let more = captions + "e.jpg#0\tone\ne.jpg#1\ttwo\nf.jpg#0\tthree\n"
            write folder [ "captions.txt", utf8 more ]
            refused<DataException> [ folder.At "captions.txt"; "line 7"; "no split lists the image 'e.jpg'" ] (fun () -> read folder CaptionRules.Default |> ignore)
            let notes rules = Seq.toList (read folder rules).Notes
            let path = folder.At "captions.txt"
            Expect.equal (notes (CaptionRules(AllowUnlisted = true))) [ $"'{path}': 3 captions of 2 images that no split lists are left out." ] "allowed"
            Expect.equal (notes (CaptionRules(AllowUnlisted = true, Absent = [| "f.jpg" |])))
                [ $"'{path}', line 9: there is no image 'f.jpg'; its 1 captions are left out."
                  $"'{path}': 2 captions of 1 images that no split lists are left out." ] "a known slip"
        }

        bad "a caption without a tab" [ "captions.txt", utf8 "a.jpg#0\tx\nb.jpg#0 a dog\n" ] [ "captions.txt', line 2: there is no tab" ]
        bad "a caption without a number" [ "captions.txt", utf8 "a.jpg\tx\n" ] [ "line 1: it does not begin with an image's name, '#'" ]
        bad "a number that is none" [ "captions.txt", utf8 "a.jpg#one\tx\n" ] [ "line 1: it does not begin" ]
        bad "an empty caption" [ "captions.txt", utf8 "a.jpg#0\t \n" ] [ "line 1: the caption is empty" ]
        bad "a caption twice" [ "captions.txt", utf8 "a.jpg#0\tx\nb.jpg#0\ty\na.jpg#0\tz\n" ] [ "line 3: caption 0 of 'a.jpg' stands in line 1 already" ]
        bad "an empty line" [ "captions.txt", utf8 "a.jpg#0\tx\n\nb.jpg#0\ty\n" ] [ "line 2: there is no tab" ]
        bad "bytes that are not UTF-8" [ "captions.txt", Array.append (utf8 "a.jpg#0\tx\n") [| 0xFFuy |] ] [ "line 2"; "not UTF-8" ]
        bad "an image without captions" [ "train.txt", utf8 "a.jpg\nz.jpg\n" ] [ "train.txt', line 2: the image 'z.jpg' has no caption in '"; "captions.txt'" ]
        bad "an image twice in a list" [ "train.txt", utf8 "a.jpg\na.jpg\n" ] [ "line 2: the image 'a.jpg' is listed already, '"; "train.txt', line 1" ]
        bad "an image in two splits" [ "valid.txt", utf8 "b.jpg\n" ] [ "valid.txt', line 1: the image 'b.jpg' is listed already, '"; "train.txt', line 2" ]
        bad "a list with a gap" [ "train.txt", utf8 "a.jpg\n\nb.jpg\n" ] [ "train.txt', line 2: there is no image's name" ]
        bad "features of more images" [ "train.npy", features 3 ] [ "train.npy' has features of 3 images, but '"; "train.txt' lists 2" ]
        bad "features cut short" [ "valid.npy", (features 1).[..130] ] [ "valid.npy' announces 1 x 2 x 1 x 3 = 6 numbers and holds 3" ]
        bad "features of another kind" [ "test.npy", utf8 "no features" ] [ "test.npy' does not begin with" ]
        bad "features with another number of dimensions"
            [ "train.npy", Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(features 2).Replace("(2, 2, 1, 3)", "(2, 6, 1)   ")) ]
            [ "train.npy' has the shape (2, 6, 1)"; "(images, channels, rows, columns)" ]
        bad "features of two shapes"
            [ "valid.npy", Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(features 1).Replace("(1, 2, 1, 3)", "(1, 3, 1, 2)")) ]
            [ "valid.npy' has 3 x 1 x 2 features an image, but '"; "train.npy' 2 x 1 x 3" ]

        test "a missing list is refused by name" {
            use folder = new TempFolder()
            write folder []
            File.Delete(folder.At "valid.txt")
            refused<DataException> [ folder.At "valid.txt"; "cannot be read"; "Mend it." ] (fun () -> read folder CaptionRules.Default |> ignore)
        }
    ]

/// A folder as its owner has it: captions in a form, features of 24 pictures of which the last has no caption, and of one caption no picture.
let private ownFolder (folder: TempFolder) =
    let names = [ for i in 1..24 -> $"p{i}.jpg" ]
    folder.Write("captions.txt", utf8 ("Image,Caption\r\n" + String.Join("\r\n", [ for name in names[..22] @ [ "gone.jpg" ] do $"{name},\"A \"\"cat\"\", sitting .\""; $"{name},one , two" ]) + "\r\n"))
    folder.Write("features.npy", features 24)
    let recipe = FeatureRecipe("net.onnx", String('a', 64), "relu", 8, [| 0f; 0f; 0f |], [| 1f; 1f; 1f |], "rgb")
    FeatureList(recipe, "/pictures", ResizeArray names, DataFile.Sha256(features 24)).Write folder.Path

let private own =
    testList "a folder of one's own" [
        test "captions as comma-separated values are read as Kaggle has them" {
            use folder = new TempFolder()
            folder.Write("c.csv", utf8 "\uFEFFimage,caption\na.jpg,A child in a dress .\na.jpg,\"Two dogs, \"\"playing\"\" .\"\n\"b, c.jpg\",x , y\n")
            let read = CaptionFile.Read(folder.At "c.csv", true, "Mend it.")
            Expect.equal [ for image in read.Images -> image.Key, [ for c in image.Value -> c.Number, String.Join(' ', c.Words), c.Line ] ]
                [ "a.jpg", [ 0, "a child in a dress .", 2; 1, "two dogs, \"playing\" .", 3 ]; "b, c.jpg", [ 0, "x , y", 4 ] ] "captions"
            for line, part in
                [ "a.jpg", "line 2: it is not an image's name, a comma and a caption"
                  "a.jpg,\"open", "line 2: it is not"
                  "a.jpg,\"x\" y", "line 2: it is not"
                  ",x", "line 2: there is no image's name before the comma"
                  "a.jpg,", "line 2: the caption is empty" ] do
                folder.Write("c.csv", utf8 $"image,caption\n{line}\n")
                refused<DataException> [ folder.At "c.csv"; part; "Mend it." ] (fun () -> CaptionFile.Read(folder.At "c.csv", true, "Mend it.") |> ignore)
            folder.Write("c.csv", utf8 "picture;text\na.jpg;x\n")
            refused<DataException> [ "line 1: there is no tab"; "or the first line must be 'image,caption'" ] (fun () -> CaptionFile.Read(folder.At "c.csv", true, "Mend it.") |> ignore)
        }

        test "pictures are shuffled by a fixed key, each with its own features; what does not match is told" {
            use folder = new TempFolder()
            ownFolder folder
            let data = (OwnCaptions.Load folder.Path).Data
            let parts = [ data.Train; data.Valid; data.Test ]
            Expect.equal [ for part in parts -> part.Images.Count, part.Features.Count ] [ 20, 20; 1, 1; 2, 2 ] "90, 5, 5 %"
            Expect.equal (List.sort [ for part in parts do for image in part.Images -> image.Name ]) (List.sort [ for i in 1..23 -> $"p{i}.jpg" ]) "every picture once"
            for part in parts do
                part.Images |> Seq.iteri (fun i image ->
                    let vectors = Array.zeroCreate<float32> 6
                    part.Features.Fill(i, vectors.AsSpan())
                    Expect.equal vectors[0] (float32 (10 * (int (image.Name.Trim("p.jg".ToCharArray())) - 1) % 256)) "its own row")
            Expect.equal (words data.Test.Images[0]) [ "a \"cat\", sitting ."; "one , two" ] "captions"
            let notes = String.Join("\n", data.Notes)
            for part in
                [ "shuffled by a fixed key: 20 to learn from, 1 for validation, 2 for test"; "captions of 1 pictures without features are left out"
                  "1 pictures with features are left out"; "features by net.onnx, 'relu': 2 channels at 1 x 3 places" ] do
                Expect.stringContains notes part "notes"
            Expect.equal [ for image in (OwnCaptions.Load folder.Path).Data.Test.Images -> image.Name ] [ for image in data.Test.Images -> image.Name ] "the same each time"
            let identity = data.Identity.Sha256
            let list = FeatureList.Read folder.Path
            FeatureList(list.Recipe, "/elsewhere", list.Names, list.ArraySha256).Write folder.Path
            Expect.equal (OwnCaptions.Load folder.Path).Data.Identity.Sha256 identity "wherever the pictures are"
            let other = FeatureRecipe("other.onnx", list.Recipe.Sha256, list.Recipe.Layer, 9, list.Recipe.Mean, list.Recipe.Deviation, "rgb")
            FeatureList(other, "/elsewhere", list.Names, list.ArraySha256).Write folder.Path
            Expect.notEqual (OwnCaptions.Load folder.Path).Data.Identity.Sha256 identity "another recipe is other data"
        }

        test "lists make the splits, Flickr8k's own among them" {
            for train, valid, test in [ "train.txt", "valid.txt", "test.txt"; "Flickr_8k.trainImages.txt", "Flickr_8k.devImages.txt", "Flickr_8k.testImages.txt" ] do
                use folder = new TempFolder()
                ownFolder folder
                folder.Write(train, utf8 "p3.jpg\np1.jpg\n")
                folder.Write(valid, utf8 "p2.jpg\n")
                refused<DataException> [ $"has '{train}', but not all of {train}, {valid}, {test}" ] (fun () -> OwnCaptions.Load folder.Path |> ignore)
                folder.Write(test, utf8 "p5.jpg\n")
                let data = (OwnCaptions.Load folder.Path).Data
                Expect.equal [ for part in [ data.Train; data.Valid; data.Test ] -> [ for image in part.Images -> image.Name ] ] [ [ "p3.jpg"; "p1.jpg" ]; [ "p2.jpg" ]; [ "p5.jpg" ] ] "splits"
                Expect.exists data.Notes (fun note -> note.Contains $"the splits are those of {train}") "told"
                folder.Write(test, utf8 "p5.jpg\ngone.jpg\n")
                refused<DataException> [ $"{test}', line 2: there are no features of 'gone.jpg'" ] (fun () -> OwnCaptions.Load folder.Path |> ignore)
        }

        test "what is missing or does not belong together is refused with what to do" {
            use folder = new TempFolder()
            let load () = OwnCaptions.Load folder.Path |> ignore
            ownFolder folder
            folder.Write("features.npy", features 23)
            refused<DataException> [ folder.At "features.npy"; "is not the array that 'features.json' beside it tells of"; "scripts/features.fsx" ] load
            ownFolder folder
            folder.Write("features.json", utf8 "{}")
            refused<DataException> [ folder.At "features.json"; "is damaged" ] load
            File.Delete(folder.At "features.json")
            Expect.isTrue (OwnCaptions.AreIn folder.Path) "by its captions"
            refused<DataException> [ "has captions, but no features"; $"--out {folder.Path}" ] load
            ownFolder folder
            folder.Write("captions.txt", utf8 "image,caption\nPictures/p1.jpg,x\n")
            refused<DataException> [ "such as 'p1.jpg'"; "begins with 'Pictures/p1.jpg'"; "the names must be the same" ] load
            folder.Write("captions.txt", utf8 "image,caption\np1.jpg,x\n")
            refused<DataException> [ "has 1 pictures with captions"; "it needs 20: add more" ] load
            File.Delete(folder.At "captions.txt")
            refused<DataException> [ "has features, but no captions: put them there as 'captions.txt'" ] load
            Expect.isFalse (OwnCaptions.AreIn "/nowhere") "no folder"
        }
    ]

let private flickr =
    testList "Flickr8k" [
        test "a missing file is refused" {
            use folder = new TempFolder()
            refused<DataException> [ "'Flickr8k.token.txt'"; folder.Path; "by hand"; "--data built-in" ] (fun () -> Flickr8k.Load folder.Path |> ignore)
        }

        test "another set in its place is refused by its counts" {
            use folder = new TempFolder()
            let lists = Flickr8k.Files.Files |> Seq.map (fun file -> file.File) |> Array.ofSeq
            for i, content in [ 0, utf8 captions; 1, utf8 "a.jpg\nb.jpg\n"; 2, features 2; 3, utf8 "c.jpg\n"; 4, features 1; 5, utf8 "d.jpg\n"; 6, features 1 ] do
                folder.Write(lists[i], content)
            refused<DataException> [ folder.At lists[1]; "lists 2 images, 6,000 expected"; "by hand" ] (fun () -> Flickr8k.Load folder.Path |> ignore)
        }

        test "the real set has its published counts" {
            let place = Environment.GetEnvironmentVariable "NOISY_DATA" |> Option.ofObj |> Option.defaultValue ""
            let folder = Path.Combine(place, "flickr8k")
            if place = "" || isNull (DataFile.Find(folder, "Flickr8k.token.txt")) then
                skiptest "Flickr8k is not here: set NOISY_DATA to the folder above flickr8k"
            let data = Flickr8k.Load folder
            Expect.equal [ for split in [ data.Train; data.Valid; data.Test ] -> split.Images.Count, split.Captions.Count ]
                [ 6_000, 30_000; 1_000, 5_000; 1_000, 5_000 ] "images and captions"
            let tokens = data.Train.Images |> Seq.collect (fun image -> image.Captions) |> Array.concat
            Expect.equal tokens.Length 353_454 "training tokens"
            let counts = tokens |> Array.countBy id
            Expect.equal (counts.Length, counts |> Array.filter (fun (_, n) -> n >= 5) |> Array.length) (7_705, 2_545) "types, and those five times or more"
            Expect.equal (data.Train.Features.Channels, data.Train.Features.Places) (512, 49) "vectors"
            Expect.hasLength data.Notes 2 "what was left out"
            Expect.stringContains data.Notes[0] "line 6,731: there is no image '2258277193_586949ec62.jpg.1'; its 5 captions" "the known slip"
            Expect.stringContains data.Notes[1] "455 captions of 91 images" "images outside the splits"
            let vectors = Array.zeroCreate<float32> (49 * 512)
            let mutable zeros = 0
            for i in 0..99 do
                data.Test.Features.Fill(i, vectors.AsSpan())
                Expect.isTrue (vectors |> Array.forall (fun v -> v >= 0.0f && v <= 30.0f && v % 2.0f = 0.0f)) "twice 0 to 15"
                zeros <- zeros + (vectors |> Array.filter ((=) 0.0f) |> Array.length)
            let share = float zeros / float (100 * vectors.Length)
            Expect.isTrue (share > 0.64 && share < 0.71) $"about 67.5 %% of the numbers are 0, here {share}"
        }
    ]

let tests = testList "CaptionData" [ general; own; flickr ]
