/// Features of pictures by a network in the ONNX format, and captions of pictures that no data hold.
module Noisy.Tests.FeatureTests

open System
open System.IO
open System.Text
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.Scripts
open Noisy.Tests.TorchHelpers
open Noisy.Tests.DataHelpers
open SkiaSharp

// ---- A small network, byte by byte -------------------------------------------------------------------------------------

let private varint (value: int) = let rec go (v: int) = (if v < 128 then [ byte v ] else byte (v &&& 127 ||| 128) :: go (v >>> 7)) in Array.ofList (go value)
let private number field value = Array.append (varint (field <<< 3)) (varint value)
let private message field (parts: byte[] list) = let content = Array.concat parts in Array.concat [ varint (field <<< 3 ||| 2); varint content.Length; content ]
let private text field (value: string) = message field [ Encoding.UTF8.GetBytes value ]

let private operation (kind: string) inputs output (attributes: (string * int list) list) =
    message 1 [
        for name in inputs do text 1 name
        text 2 output
        text 4 kind
        for name, ints in attributes do message 5 [ text 1 name; number 20 7; Array.concat [ for i in ints -> number 8 i ] ]
    ]

let private value field name (sizes: int list) =
    message field [ text 1 name; message 2 [ message 1 [ number 1 1; message 2 [ for size in sizes -> message 1 [ number 1 size ] ] ] ] ]

/// Of output o, channel c, and place k of the kernel: the first output is for red, the second for blue.
let private weight o c k = (if (o, c) = (0, 0) || (o, c) = (1, 2) then 0.25f else -0.05f) + 0.02f * sin (float32 (7 * o + 3 * c + k))

/// Convolution of 2 x 2 pixels, a rectifier, and the mean over places, which alone is given out.
let private network channels pictures =
    let weights = [| for o in 0..1 do for c in 0 .. channels - 1 do for k in 0..3 do yield! BitConverter.GetBytes(weight o c k) |]
    Array.concat
        [ number 1 8
          message 8 [ number 2 13 ]
          message 7
              [ operation "Conv" [ "x"; "w" ] "conv" [ "kernel_shape", [ 2; 2 ]; "strides", [ 2; 2 ] ]
                operation "Relu" [ "conv" ] "relu" []
                operation "GlobalAveragePool" [ "relu" ] "pooled" []
                text 2 "small"
                message 5 [ number 1 2; number 1 channels; number 1 2; number 1 2; number 2 1; text 8 "w"; message 9 [ weights ] ]
                value 11 "x" [ pictures; channels; 8; 8 ]
                value 12 "pooled" [ pictures; 2; 1; 1 ] ] ]

// ---- Pictures ----------------------------------------------------------------------------------------------------------

let private encoded format (width: int) (height: int) (colour: int -> int -> SKColor) =
    use bitmap = new SKBitmap(SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Premul))
    for y in 0 .. height - 1 do for x in 0 .. width - 1 do bitmap.SetPixel(x, y, colour x y)
    bitmap.Encode(format, 100).ToArray()

let private png width height colour = encoded SKEncodedImageFormat.Png width height colour
let private flat colour = png 8 8 (fun _ _ -> colour)
let private many i x y = SKColor(byte ((37 * x + 11 * y + 5 * i) % 256), byte ((x * y + 60 * i) % 256), byte ((90 + 17 * y + i) % 256))

/// A photograph on its side: its camera noted how to turn it.
let private turned orientation =
    let jpeg = encoded SKEncodedImageFormat.Jpeg 64 32 (fun x _ -> if x < 32 then SKColors.Red else SKColors.Blue)
    let exif = Array.concat [ [| 0xFFuy; 0xE1uy; 0uy; 34uy |]; utf8 "Exif"; [| 0uy; 0uy |]; utf8 "MM"; [| 0uy; 42uy; 0uy; 0uy; 0uy; 8uy; 0uy; 1uy; 1uy; 0x12uy; 0uy; 3uy; 0uy; 0uy; 0uy; 1uy; 0uy; orientation; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy |] ]
    Array.concat [ jpeg[..1]; exif; jpeg[2..] ]

// ---- Scripts -----------------------------------------------------------------------------------------------------------

let private call main (words: string list) =
    TorchNative.EnsureLoaded()
    use output = new StringWriter()
    use errors = new StringWriter()
    let code: int = withStreams output errors (fun () -> main (Array.ofList words))
    code, output.ToString(), errors.ToString().Trim()

let private at (folder: DataHelpers.TempFolder) name = folder.At name

let private made (folder: DataHelpers.TempFolder) out more =
    call Features.main ([ "--pictures"; at folder "pictures"; "--model"; at folder "net.onnx"; "--out"; at folder out; "--threads"; "1" ] @ more)

let private refusedBy (code, output: string, errors: string) expected parts =
    Expect.equal code expected errors
    for part in parts do Expect.stringContains errors part output
    Expect.isFalse (errors.Contains '\n') "one line"

let private plain = [ "--mean"; "0,0,0"; "--std"; "1,1,1" ]

let private features =
    testList "features" [
        testCase "features are what the network makes of the middle of each picture" (fun () ->
            use folder = new DataHelpers.TempFolder()
            folder.Write("net.onnx", network 3 1)
            folder.Write("pictures/a.png", png 12 8 (many 0))
            folder.Write("pictures/b.PNG", png 8 10 (many 1))
            folder.Write("pictures/notes.txt", utf8 "no picture")
            for order, mean, std in [ "rgb", [ 0.1; 0.2; 0.3 ], [ 0.5; 0.4; 0.3 ]; "bgr", [ 0.0; 0.0; 0.0 ], [ 0.01; 0.02; 0.03 ] ] do
                let list (numbers: float list) = String.Join(",", numbers)
                let code, output, errors = made folder order [ "--order"; order; "--mean"; list mean; "--std"; list std ]
                Expect.equal (code, errors) (0, "") output
                Expect.stringContains output "net.onnx, 'relu': 2 channels at 4 x 4 places, of the 8 x 8 pixels" "the last value with places, although it is not given out"
                let told = FeatureList.Read(at folder order)
                Expect.equal (List.ofSeq told.Names, told.Recipe.Sha256, told.Recipe.Layer, told.Recipe.Size) ([ "a.png"; "b.PNG" ], DataFile.Sha256(network 3 1), "relu", 8) "list"
                let array = told.ReadArray(at folder order)
                for i, left, top in [ 0, 2, 0; 1, 0, 1 ] do
                    let found = Array.zeroCreate<float32> 32
                    array.Fill(i, found.AsSpan())
                    for row in 0..3 do
                        for column in 0..3 do
                            for o in 0..1 do
                                let sum =
                                    Seq.sum (seq {
                                        for c in 0..2 do
                                            for k in 0..3 do
                                                let pixel = many i (left + 2 * column + k % 2) (top + 2 * row + k / 2)
                                                let channels = [ pixel.Red; pixel.Green; pixel.Blue ]
                                                let channel = float (if order = "rgb" then channels[c] else channels[2 - c]) / 255.0
                                                float (weight o c k) * (channel - mean[c]) / std[c] })
                                let value = float found[2 * (4 * row + column) + o]
                                Tol.below (abs (value - max 0.0 sum)) (1e-3 * (1.0 + abs sum)) $"picture {i}, {row}, {column}, {o}: half precision")

        testCase "photographs are turned upright, and transparent places are white" (fun () ->
            use folder = new DataHelpers.TempFolder()
            for orientation, top in [ 6uy, SKColors.Red; 8uy, SKColors.Blue ] do
                folder.Write("a.jpg", turned orientation)
                use square = Photo.square (at folder "a.jpg") 8
                let near (found: SKColor) (wanted: SKColor) = abs (int found.Red - int wanted.Red) < 40 && abs (int found.Blue - int wanted.Blue) < 40
                Expect.isTrue (near (square.GetPixel(4, 1)) top) $"{orientation}: {square.GetPixel(4, 1)} at the top"
                Expect.isFalse (near (square.GetPixel(4, 6)) top) "the other at the bottom"
            folder.Write("b.png", flat SKColors.Transparent)
            use square = Photo.square (at folder "b.png") 8
            Expect.equal (square.GetPixel(3, 3)) SKColors.White "white")

        testCase "what was begun is resumed in every bit, and what is done is not done again" (fun () ->
            use folder = new DataHelpers.TempFolder()
            folder.Write("net.onnx", network 3 1)
            for i in 0..5 do folder.Write($"pictures/{i}.png", png 8 8 (many i))
            Expect.equal ((fun (code, _, _) -> code) (made folder "whole" [])) 0 "whole"
            let last = File.ReadAllBytes(at folder "pictures/5.png")
            folder.Write("pictures/5.png", last[.. last.Length / 2])
            refusedBy (made folder "out" []) 3 [ at folder "pictures/5.png"; "damaged or cut short"; "replace it" ]
            Expect.isFalse (File.Exists(at folder "out/features.json")) "not done"
            folder.Write("pictures/5.png", last)
            // A kill may leave half a row and half a line.
            File.AppendAllText(at folder "out/features.json.part", "[\"5.p")
            use stream = File.OpenWrite(at folder "out/features.npy.part")
            stream.Seek(0L, SeekOrigin.End) |> ignore
            stream.Write([| 1uy; 2uy; 3uy |], 0, 3)
            stream.Close()
            let code, output, errors = made folder "out" []
            Expect.equal (code, errors) (0, "") output
            Expect.stringContains output "resumes after 5 of 6 pictures" "resumed"
            for file in [ "features.npy"; "features.json" ] do
                Expect.equal (File.ReadAllBytes(at folder $"out/{file}")) (File.ReadAllBytes(at folder $"whole/{file}")) file
            Expect.isEmpty (Directory.GetFiles(at folder "out", "*.part")) "nothing is left over"
            let code, output, _ = made folder "out" []
            Expect.equal code 0 output
            Expect.stringContains output "the features of all 6 pictures are in" "done"
            refusedBy (made folder "out" plain) 2 [ "features that were made in another way"; "name another folder" ]
            File.Delete(at folder "pictures/3.png")
            refusedBy (made folder "out" []) 2 [ "features of 6 pictures, not of the 5 there are now" ])

        testCase "pictures, networks and options that cannot be used are refused with what to do" (fun () ->
            use folder = new DataHelpers.TempFolder()
            folder.Write("net.onnx", network 3 1)
            folder.Write("pictures/a.png", png 8 8 (many 0))
            for more, code, parts in
                [ [ "--layer"; "nix" ], 2, [ "--layer is 'nix', which"; "its last of each size are 'relu' (2 x 4 x 4)" ]
                  [ "--layer"; "pooled" ], 2, [ "--layer is 'pooled', which has no places"; "'relu' (2 x 4 x 4)" ]
                  [ "--size"; "16" ], 2, [ "--size is 16, but"; "takes pictures of 8 x 8 pixels alone: leave --size away" ]
                  [ "--mean"; "1,2" ], 2, [ "--mean is '1,2': must be three numbers" ]
                  [ "--std"; "1,0,1" ], 2, [ "--std has a 0" ]
                  [ "--order"; "gbr" ], 2, [ "--order is 'gbr': known are rgb, bgr" ]
                  [ "--std"; "1e-9,1,1" ], 3, [ "half precision holds up to 65504"; "check --mean and --std" ] ] do
                refusedBy (made folder "out" more) code parts
            let with' content parts = folder.Write("net.onnx", content); refusedBy (made folder "out" []) 3 (at folder "net.onnx" :: parts)
            with' (network 1 1) [ "takes pictures of 1 channels"; "export the network to take one picture" ]
            with' (network 3 4) [ "takes 4 pictures at once" ]
            with' (Array.truncate 200 (network 3 1)) [ "is no network in the ONNX format" ]
            with' (utf8 "text") [ "is no network in the ONNX format" ]
            with' [||] [ "is no network that ONNX Runtime can load" ]
            folder.Write("net.onnx", network 3 1)
            folder.Write("pictures/a.png", utf8 "text")
            refusedBy (made folder "out" []) 3 [ at folder "pictures/a.png"; "is no picture that can be read" ]
            Directory.Delete(at folder "pictures", true)
            refusedBy (made folder "out" []) 3 [ "is not there: name the folder of the pictures" ]
            Directory.CreateDirectory(at folder "pictures") |> ignore
            refusedBy (made folder "out" []) 3 [ "holds no picture (.jpg, " ]
            refusedBy (call Features.main [ "--pictures"; at folder "pictures" ]) 2 [ "--model is missing" ])
    ]

let private describing =
    testList "describing" [
        testCase "pictures, features, captions, a caption of another picture: the whole way" (fun () ->
            use folder = new DataHelpers.TempFolder()
            folder.Write("net.onnx", network 3 1)
            let colours = [ "red", SKColors.Red; "blue", SKColors.Blue ]
            for i in 0..31 do folder.Write($"pictures/{i}.png", flat (snd colours[i % 2]))
            folder.Write("mine/captions.txt", utf8 ("image,caption\n" + String.Join("\n", [ for i in 0..31 -> $"{i}.png,\"a {fst colours[i % 2]} picture\"" ])))
            Expect.equal ((fun (code, _, _) -> code) (made folder "mine" plain)) 0 "features"
            let options = [ "--data"; at folder "mine"; "--row"; "soft"; "--threads"; "1"; "--device"; "cpu"; "--out"; at folder "runs"; "--set"; "hidden=16"; "--set"; "epochs=60" ]
            folder.Write("new/red.png", png 20 30 (fun _ _ -> SKColors.Red))
            folder.Write("new/blue.png", flat SKColors.Blue)
            let describe model more = call CaptionScript.main (options @ [ "--describe"; at folder "new/red.png" + "," + at folder "new/blue.png"; "--model"; model ] @ more)
            refusedBy (describe (at folder "net.onnx") []) 2 [ "no run is done in"; "train it first, by the same command without --describe and --model" ]
            let code, output, errors = call CaptionScript.main options
            Expect.equal (code, errors) (0, "") output
            let run = at folder "runs/tiny-soft-epochs=60-hidden=16-s1"
            let run = if Directory.Exists run then run else Directory.GetDirectories(at folder "runs")[0]
            Expect.stringContains (File.ReadAllText(Path.Combine(run, "gallery.html"))) "data:image/png;base64," "the gallery shows the pictures"
            let code, output, errors = describe (at folder "net.onnx") []
            Expect.equal (code, errors) (0, "") output
            for name in [ "red"; "blue" ] do
                Expect.stringContains output $"{name}.png: a {name} picture" "caption"
                use drawn = SKBitmap.Decode(Path.Combine(run, "described", name + ".png"))
                Tol.above (min drawn.Width drawn.Height) 200 "picture"
                // The square, whose colour is the picture's.
                let pixel = drawn.GetPixel(60, 100)
                Expect.equal (pixel.Red > pixel.Blue) (name = "red") $"{name}: {pixel}"

            folder.Write("other.onnx", Array.append (network 3 1) (text 2 "another"))
            refusedBy (describe (at folder "other.onnx") []) 2 [ "is another network than 'net.onnx'"; "name that one" ]
            refusedBy (describe (at folder "none.onnx") []) 3 [ at folder "none.onnx"; "Correct the name." ]
            refusedBy (call CaptionScript.main (options @ [ "--describe"; at folder "new/red.png" ])) 2 [ "needs the network that made the features too: --model, here with the file 'net.onnx'" ]
            refusedBy (call CaptionScript.main (options @ [ "--model"; at folder "net.onnx" ])) 2 [ "--model is the network for --describe" ]
            refusedBy (call CaptionScript.main (options @ [ "--describe"; at folder "new"; "--model"; at folder "net.onnx" ])) 3 [ "is a folder: name the files in it" ]
            refusedBy (call CaptionScript.main (options @ [ "--describe"; at folder "new/green.png"; "--model"; at folder "net.onnx" ])) 3 [ "is not there: correct the name" ]
            let builtIn = call CaptionScript.main [ "--data"; "built-in"; "--describe"; at folder "new/red.png"; "--model"; at folder "net.onnx" ]
            refusedBy builtIn 2 [ "--describe needs the folder that the run learned from" ]
            File.AppendAllText(at folder "mine/captions.txt", "\n0.png,\"more\"")
            refusedBy (describe (at folder "net.onnx") []) 2 [ "learned from other captions or features than those in --data now" ])
    ]

let private names =
    test "pictures of one name, whatever their folders, are described in files of their own" {
        let files = CaptionScript.targets "run" [ "x/a.jpg"; "y/a.jpg"; "z/a-2.jpg"; "A.png"; "b.jpg" ]
        Expect.equal [ for file in files -> Path.GetFileName file ] [ "a.png"; "a-2.png"; "a-2-2.png"; "A-3.png"; "b.png" ] "files"
    }

let tests = testSequenced <| testList "features of pictures" [ features; describing; names ]
