module Noisy.Tests.MnistTests

open System
open System.Buffers.Binary
open System.IO
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

/// A file of so many dimensions, with data that repeat a pattern.
let private idx (magic: int) (dimensions: int list) (data: byte[]) =
    let header = Array.zeroCreate<byte> (4 + 4 * dimensions.Length)
    BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(), magic)
    dimensions |> List.iteri (fun i size -> BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4 + 4 * i), size))
    Array.append header data

let private pattern count = Array.init count (fun i -> byte (i * 7 % 251))
let private images count = idx 2051 [ count; 28; 28 ] (pattern (count * 784))
let private labels count = idx 2049 [ count ] (Array.init count (fun i -> byte (i % 10)))
let private parse (images: byte[]) (labels: byte[]) = Mnist.Parse(images, "a-images", labels, "a-labels", "Mend it.")

let private bad name parts (images: byte[]) (labels: byte[]) =
    test name {
        let message = messageOf<DataException> (fun () -> parse images labels |> ignore)
        for part in parts @ [ "Mend it." ] do Expect.stringContains message part "the message"
        Expect.isFalse (message.Contains '\n') "one line"
    }

let private reader =
    testList "IDX files" [
        test "images and labels are read" {
            let set = parse (images 3) (labels 3)
            Expect.equal (set.Count, set.Height, set.Width) (3, 28, 28) "sizes"
            Expect.equal set.Pixels (pattern (3 * 784)) "pixels"
            Expect.equal set.Labels [| 0uy; 1uy; 2uy |] "labels"
            let last = set.Range(1, 2)
            Expect.equal (last.Pixels[0], last.Labels[1], last.Count) ((pattern (3 * 784))[784], 2uy, 2) "a range"
        }
        bad "an empty file" [ "'a-images' has 0 bytes"; "header"; "16"; "cut short" ] [||] (labels 3)
        bad "a header cut short" [ "'a-labels' has 7 bytes"; "8" ] (images 3) (labels 3).[..6]
        bad "labels for images" [ "'a-images' begins with the number 2049, 2051 expected"; "another kind" ] (labels 20) (labels 20)
        bad "another kind of number" [ "'a-labels' begins with the number 3329, 2049 expected" ] (images 3) (idx 0x0D01 [ 3 ] [| 0uy; 1uy; 2uy |])
        bad "rubbish" [ "'a-images' begins with the number 1701475699, 2051 expected" ] (utf8 "ejus neque porro quisquam") (labels 3)
        bad "images cut short" [ "announces 3 x 28 x 28 = 2,352 bytes and holds 2,351"; "cut short" ] (images 3).[.. 16 + 2350] (labels 3)
        bad "images with more behind" [ "2,352 bytes and holds 2,353"; "bytes too many" ] (Array.append (images 3) [| 0uy |]) (labels 3)
        bad "labels cut short" [ "'a-labels' announces 3 = 3 bytes and holds 2" ] (images 3) (labels 3).[..9]
        bad "a size that overflows" [ "2147483647 x 2147483647 x 2147483647"; "cut short" ] (idx 2051 (List.replicate 3 Int32.MaxValue) [||]) (labels 3)
        bad "a negative size" [ "announces -1 x 28 x 28 bytes"; "damaged" ] (idx 2051 [ -1; 28; 28 ] [||]) (labels 3)
        bad "images of another size" [ "'a-images' has images of 20 x 20 pixels, 28 x 28 expected" ] (idx 2051 [ 3; 20; 20 ] (pattern 1200)) (labels 3)
        bad "fewer labels than images" [ "'a-images' has 3 images, but 'a-labels' 2 labels"; "do not belong together" ] (images 3) (labels 2)
        bad "a label that is no digit" [ "'a-labels' has the label 10 at place 2" ] (images 3) (idx 2049 [ 3 ] [| 0uy; 9uy; 10uy |])
    ]

let private write (folder: TempFolder) (change: Map<string, byte[]>) =
    let small = [ images 3; labels 3; images 2; labels 2 ]
    for source, content in Seq.zip Mnist.Files.Files small do
        folder.Write(source.File, Map.tryFind source.File change |> Option.defaultValue content)

let private load (folder: TempFolder) = Mnist.Load folder.Path |> ignore

let private whole =
    testList "MNIST" [
        test "a missing file is refused" {
            use folder = new TempFolder()
            write folder Map.empty
            File.Delete(folder.At "t10k-labels-idx1-ubyte")
            refused<DataException> [ "'t10k-labels-idx1-ubyte'"; folder.Path; "by hand"; "--data built-in" ] (fun () -> load folder)
        }
        test "another set is refused by its counts" {
            use folder = new TempFolder()
            write folder Map.empty
            refused<DataException> [ folder.At "train-images-idx3-ubyte"; "has 3 images, 60,000 expected"; "by hand" ] (fun () -> load folder)
        }
        test "a .gz file that is cut short is refused" {
            use folder = new TempFolder()
            write folder Map.empty
            File.Delete(folder.At "t10k-images-idx3-ubyte")
            let zipped = gzip (images 2)
            folder.Write("t10k-images-idx3-ubyte.gz", zipped[.. zipped.Length - 20])
            refused<DataException> [ "t10k-images-idx3-ubyte.gz"; "gzip"; "by hand" ] (fun () -> load folder)
        }
        test "files of the right size with other bytes are refused by their checksum" {
            use folder = new TempFolder()
            let sizes = [ images 60_000; labels 60_000; images 10_000; labels 10_000 ]
            for source, content in Seq.zip Mnist.Files.Files sizes do
                Expect.equal content.LongLength source.Bytes "size in the table of files"
                folder.Write(source.File, content)
            refused<DataException> [ "train-images-idx3-ubyte"; "SHA-256"; Mnist.Files.Files[0].Sha256 ] (fun () -> load folder)
        }
        test "it is not downloaded, unless from a server that the user names" {
            use cache = new TempFolder()
            refused<DataException>
                [ "MNIST cannot be downloaded"; "'train-images-idx3-ubyte'"; cache.At "mnist"; "--data built-in"; "NOISY_DATA_URL" ]
                (fun () -> DataCache(settings (Some "download") cache.Path).Find Mnist.Files |> ignore)
        }
        test "the real set has its published counts" {
            let place = Environment.GetEnvironmentVariable "NOISY_DATA" |> Option.ofObj |> Option.defaultValue ""
            let folder = Path.Combine(place, "mnist")
            if place = "" || isNull (DataFile.Find(folder, "train-images-idx3-ubyte")) then
                skiptest "MNIST is not here: set NOISY_DATA to the folder above mnist"
            let data = Mnist.Load folder
            Expect.equal (data.Train.Count, data.Valid.Count, data.Test.Count) (50_000, 10_000, 10_000) "images"
            let counts (labels: byte[]) = labels |> Array.countBy id |> Array.sort |> Array.map snd
            let train = Array.append data.Train.Labels data.Valid.Labels
            Expect.equal (counts train) [| 5923; 6742; 5958; 6131; 5842; 5421; 5918; 6265; 5851; 5949 |] "digits for training"
            Expect.equal (counts data.Test.Labels) [| 980; 1135; 1032; 1010; 982; 892; 958; 1028; 974; 1009 |] "digits for test"
            let mean = (Seq.sumBy float data.Train.Pixels + Seq.sumBy float data.Valid.Pixels) / (255.0 * 784.0 * 60_000.0)
            Expect.equal (Math.Round(mean, 4)) 0.1307 "mean intensity"
            Expect.equal (train[..4], data.Identity.Source) ([| 5uy; 0uy; 4uy; 1uy; 9uy |], "real") "the first digits"
        }
    ]

let private world = lazy (DigitWorld.Create(3_000, 1_000, 1_000))
let private image (set: LabelledImages) i = set.Pixels.AsSpan(i * 784, 784).ToArray()

let private digits =
    testList "generated digits" [
        test "an image is a function of key and index, whatever was drawn before" {
            let key = NoiseKey.FromSeed(3L).Child "set"
            let set = DigitWorld.Images(key, 40)
            for i in [ 39; 0; 17 ] do
                let pixels = Array.create 784 99uy
                Expect.equal (DigitWorld.Draw(key, int64 i, pixels.AsSpan())) set.Labels[i] "digit"
                Expect.equal pixels (image set i) "pixels"
            Expect.notEqual (DigitWorld.Images(key.Child 0u, 40).Pixels) set.Pixels "another key"
        }
        test "a longer set begins with the shorter one, and no two images are equal, in any split" {
            let long, short = world.Value, DigitWorld.Create(10, 5, 5)
            for l, s in [ long.Train, short.Train; long.Valid, short.Valid; long.Test, short.Test ] do
                Expect.equal (l.Range(0, s.Count).Pixels, l.Range(0, s.Count).Labels) (s.Pixels, s.Labels) "beginning"
            let all = [ for set in [ long.Train; long.Valid; long.Test ] do for i in 0 .. set.Count - 1 -> DataFile.Sha256(image set i) ]
            Expect.equal (List.distinct all).Length 5_000 "different images"
        }
        test "each digit is as frequent as the others, to five standard errors" {
            let counts = world.Value.Train.Labels |> Array.countBy id
            Expect.equal counts.Length 10 "digits"
            for digit, count in counts do
                Tol.below (abs (float count - 300.0)) (5.0 * sqrt (3_000.0 * 0.1 * 0.9)) $"{digit}"
        }
        test "every image has ink and empty paper, and lies within the frame" {
            let set = world.Value.Train
            for i in 0 .. set.Count - 1 do
                let pixels = image set i
                Tol.above (pixels |> Array.filter (fun p -> p > 128uy) |> Array.length) 10 $"ink of {i}"
                Tol.above (pixels |> Array.filter (fun p -> p < 128uy) |> Array.length) 392 $"paper of {i}"
            let edge = [ for i in 0 .. set.Count - 1 do for x in 0..27 -> float (image set i).[x] ] |> List.average
            Tol.below edge 25.0 "the first row has little but noise"
        }
        test "the digits can be told apart: the nearest of the ten mean images is right much more often than by chance" {
            let train, test = world.Value.Train, world.Value.Test
            let means =
                [| for digit in 0..9 ->
                       let own = [| for i in 0 .. train.Count - 1 do if int train.Labels[i] = digit then image train i |]
                       [| for pixel in 0..783 -> own |> Array.averageBy (fun p -> float p[pixel]) |] |]
            let nearest (pixels: byte[]) =
                [ 0..9 ] |> List.minBy (fun d -> Seq.sum (seq { for i in 0..783 -> (float pixels[i] - means[d].[i]) ** 2.0 }))
            let right = [ for i in 0 .. test.Count - 1 do if nearest (image test i) = int test.Labels[i] then i ] |> List.length
            Tol.above right 450 "of 1,000"
            Tol.below right 950 "and it is no child's play"
        }
        test "the images are the same on every machine" {
            Expect.equal (DigitWorld.Create(50, 20, 20).Identity.Sha256) "324c204a35b18c0ea3f75c1435bba474457b5a0d0c38614a4da21d4e09fc5ccd" "checksum"
        }
    ]

let tests = testList "Mnist" [ reader; whole; digits ]
