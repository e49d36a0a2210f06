module Noisy.Tests.CaptionWorldTests

open System
open System.Text.RegularExpressions
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments

let private key = NoiseKey.FromSeed(7L).Child "pictures"

// What a picture shows, found out from its pixels alone; shapes by formula, colours by our own table.

let private colours =
    [ "red", (220, 40, 40); "green", (40, 180, 60); "blue", (50, 80, 220); "yellow", (230, 210, 50); "purple", (160, 50, 180); "white", (235, 235, 235) ]

/// Shapes in a box of n pixels, as a function of the distance from its middle in pixels, x to the right and y downward.
let private shapes =
    [ "circle", (fun n x y -> x * x + y * y <= (if n = 8 then 14.5 else 5.0))
      "square", (fun _ _ _ -> true)
      "triangle", (fun n x y -> abs x <= (if n = 8 then 0.5 + (y + 3.5) / 2.0 else (y + 2.0) / 2.0))
      "cross", (fun n x y -> (if n = 8 then abs x < 1.0 || abs y < 1.0 else x = 0.0 || y = 0.0))
      "ring", (fun n x y -> let d = x * x + y * y in if n = 8 then d > 4.6 && d <= 14.5 else d > 2.0 && d <= 5.0) ]

let private mask (n: int) shape top left =
    let middle = float (n - 1) / 2.0
    [ for y in 0 .. n - 1 do
          for x in 0 .. n - 1 do
              if shape n (float x - middle) (float y - middle) then top + y, left + x ]

let private masks =
    [ for name, shape in shapes do
          yield set (mask 8 shape 0 0), ("large", name)
          for top in 1..2 do
              for left in 1..2 do
                  yield set (mask 5 shape top left), ("small", name) ]
    |> dict

/// Size, colour, shape, row and column of each thing, row by row.
let private seen (pixels: byte[]) =
    [ for row in 0..6 do
          for column in 0..6 do
              let colour (y, x) =
                  let at = ((8 * row + y) * 56 + 8 * column + x) * 3
                  int pixels[at], int pixels[at + 1], int pixels[at + 2]
              let bright place = let r, g, b = colour place in max r (max g b) > 100
              let lit = List.allPairs [ 0..7 ] [ 0..7 ] |> List.filter bright
              if not lit.IsEmpty then
                  let mean part = lit |> List.averageBy (colour >> part >> float)
                  let r, g, b = mean (fun (r, _, _) -> r), mean (fun (_, g, _) -> g), mean (fun (_, _, b) -> b)
                  let name, _ = colours |> List.minBy (fun (_, (cr, cg, cb)) -> (r - float cr) ** 2.0 + (g - float cg) ** 2.0 + (b - float cb) ** 2.0)
                  let size, shape = masks[set lit]
                  size, name, shape, row, column ]

/// Whether a caption is true of things: by regular expressions; every description has a size here.
let private holds things (caption: string) =
    let found = Regex.Matches(caption, "a (large|small) (\\w+) (\\w+)( at the (top left|top right|bottom left|bottom right|top|bottom|left|right|centre)(?= |$)(?! of))?")
    let named = [ for m in found -> things |> List.tryFind (fun (size, colour, shape, _, _) -> (size, colour, shape) = (m.Groups[1].Value, m.Groups[2].Value, m.Groups[3].Value)) ]
    let place (row, column) =
        match [ (if row < 2 then "top" elif row > 4 then "bottom" else ""); (if column < 2 then "left" elif column > 4 then "right" else "") ] |> List.filter ((<>) "") with
        | [] -> "centre"
        | words -> String.Join(' ', words)
    let between = [ for a, b in Seq.pairwise found -> caption[a.Index + a.Length .. b.Index - 1].Trim() ]
    let opening = if found.Count = 0 then "?" else caption[.. found[0].Index - 1].Trim()
    let closed = found.Count > 0 && found[found.Count - 1].Index + found[found.Count - 1].Length = caption.Length
    List.contains opening [ ""; "there is"; "the picture shows" ]
    && closed
    && named |> List.forall Option.isSome
    && (List.distinct named).Length = named.Length
    && Seq.forall2 (fun (m: Match) thing -> (let _, _, _, row, column = Option.get thing in not m.Groups[5].Success || m.Groups[5].Value = place (row, column))) found named
    && Seq.forall2
        (fun joint (a, b) ->
            let (_, _, _, r1, c1), (_, _, _, r2, c2) = Option.get a, Option.get b
            let down, right = r2 - r1, c2 - c1
            match joint with
            | "and" | "," -> true
            | "above" -> down > abs right
            | "below" -> -down > abs right
            | "left of" -> right > abs down
            | "right of" -> -right > abs down
            | _ -> false)
        between (List.pairwise named)

let private examples =
    gen {
        let! things = Gen.choose (1, 3)
        let! split = Gen.elements [ Split.Train; Split.Valid; Split.Test ]
        let! index = Gen.frequency [ 5, Gen.choose (0, 100_000) |> Gen.map int64; 1, Gen.constant 5_000_000_000L ]
        return things, split, index
    }

let private example (things, split, index) = CaptionWorld.Example(things, key, split, index)

let private words =
    [ "a"; "large"; "small"; "circle"; "square"; "triangle"; "cross"; "ring"; "and"; ","; "above"; "below"; "left"; "right"; "of"; "at"; "the"; "top"; "bottom"; "centre"; "there"; "is" ]
    @ List.map fst colours

let tests =
    testList "CaptionWorld" [
        testProperty "the pixels show what the scene says, and all captions are true of what the pixels show"
        <| Prop.forAll (Arb.fromGen examples) (fun (things, split, index) ->
            let example = example (things, split, index)
            let own = seen example.Pixels
            Expect.equal
                [ for t in example.Scene.Things -> t.Description, t.Row, t.Column ]
                [ for size, colour, shape, row, column in own -> $"a {size} {colour} {shape}", row, column ]
                "the scene"
            Tol.atMost own.Length things "things"
            Expect.equal (CaptionWorld.SplitOf example.Scene) split "split"
            let captions = example.Scene.Captions()
            Expect.hasLength (Seq.distinct captions) CaptionScene.References "different references"
            for caption in captions do
                Expect.isTrue (holds own caption) $"by the pixels: {caption}"
                Expect.isTrue (example.Scene.IsTrue caption) caption)

        testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = 150 } "whether a caption with some other words is true is what the pixels tell"
        <| Prop.forAll (Arb.fromGen (Gen.zip3 examples (Gen.choose (0, 4)) (Gen.listOfLength 2 (Gen.zip (Gen.choose (0, 20)) (Gen.elements words))))) (fun (place, which, changes) ->
            let example = example place
            let caption = (Seq.item which (example.Scene.Captions())).Split ' '
            for at, word in changes do
                caption[at % caption.Length] <- word
                let text = String.Join(' ', caption)
                // Descriptions without a size are for the other test.
                if (Regex.Matches(text, "(circle|square|triangle|cross|ring)")).Count = (Regex.Matches(text, "a (large|small) \\w+ (circle|square|triangle|cross|ring)")).Count then
                    Expect.equal (example.Scene.IsTrue text) (holds (seen example.Pixels) text) text)

        test "truths and falsehoods of one scene" {
            let scene =
                CaptionScene [| CaptionThing(true, CaptionColour.Red, CaptionForm.Circle, 1, 0)
                                CaptionThing(false, CaptionColour.Red, CaptionForm.Circle, 2, 4)
                                CaptionThing(false, CaptionColour.White, CaptionForm.Ring, 6, 3) |]
            for caption in
                [ "a large red circle"; "a red circle"; "a red circle left of a red circle"; "a white ring below a small red circle"
                  "there is a white ring at the bottom"; "the picture shows a red circle , a red circle and a white ring"
                  "a large red circle at the top left and a small red circle at the centre" ] do
                Expect.isTrue (scene.IsTrue caption) caption
            for caption in
                [ ""; "a"; "a large red ring"; "a large red circle right of a small red circle"; "a red circle right of a large red circle right of a white ring"
                  "a white ring at the bottom left"; "a red circle and a red circle and a red circle"; "a large red circle and"; "a large  red circle"
                  "A large red circle"; "a large red circle there is"; "a white ring left of a white ring"; "a large red circle at the top" ] do
                Expect.isFalse (scene.IsTrue caption) caption
            Expect.equal (Seq.head (scene.Captions())) "a large red circle left of a small red circle and a small white ring" "the first reference"
        }

        test "an example is a function of its arguments; pictures differ in noise; splits share no scene" {
            let at split i = CaptionWorld.Example(1, key, split, int64 i)
            for i in [ 17; 0; 3; 17 ] do
                Expect.equal (at Split.Train i).Pixels (at Split.Train i).Pixels "again"
            Expect.notEqual (at Split.Train 1).Pixels (CaptionWorld.Example(1, key.Child 1u, Split.Train, 1L)).Pixels "another key"
            let scenes split = set [ for i in 0..299 -> [ for t in (at split i).Scene.Things -> t.Description, t.Row, t.Column ] ]
            let train, valid, test = scenes Split.Train, scenes Split.Valid, scenes Split.Test
            for a, b in [ train, valid; train, test; valid, test ] do Expect.isEmpty (Set.intersect a b) "scenes"
        }

        test "a place's features depend on its own pixels alone" {
            let pixels = (CaptionWorld.Example(3, key, Split.Train, 4L)).Pixels
            let before = CaptionWorld.Features pixels
            Expect.hasLength before (78 * 49) "[78, 7, 7]"
            for place in 0..48 do
                let where = [| for channel in 64..77 -> before[channel * 49 + place] |]
                Expect.equal where [| for row in 0..6 do (if row = place / 7 then 1.0f else 0.0f)
                                      for column in 0..6 do (if column = place % 7 then 1.0f else 0.0f) |] "row and column"
            let row, column = 3, 5
            let changed = Array.copy pixels
            for y in 0..7 do changed[((8 * row + y) * 56 + 8 * column + y) * 3] <- 255uy
            let after = CaptionWorld.Features changed
            let places = [ for i in 0 .. before.Length - 1 do if before[i] <> after[i] then i % 49 ] |> List.distinct
            Expect.equal places [ row * 7 + column ] "places"
            Expect.isTrue (before |> Array.forall (fun v -> v >= 0.0f && v < 50.0f)) "not negative, not huge"
            Expect.throwsT<ArgumentException> (fun () -> CaptionWorld.Features [| 1uy |] |> ignore) "no picture"
        }

        test "the set has features in the order of its images, and what a thing is can be read off the vector of its place" {
            let data = CaptionWorld.Create(1, 1_500, 200, 5)
            Expect.equal (data.Train.Images.Count, data.Valid.Images.Count, data.Test.Images[3].Name) (1_500, 200, "test 3") "images"
            let size (split: Split) i =
                let example = CaptionWorld.Example(1, CaptionWorld.KeyOf 1L, split, int64 i)
                let thing = example.Scene.Things[0]
                let vectors = Array.zeroCreate<float32> (49 * 78)
                (data.Part split).Features.Fill(i, vectors.AsSpan())
                let place = 7 * thing.Row + thing.Column
                if i % 50 = 0 then Expect.equal vectors[place * 78 + 5] (Array.item (5 * 49 + place) (CaptionWorld.Features example.Pixels)) "the same picture"
                thing.Description, vectors[place * 78 .. place * 78 + 63] |> Array.map float
            let means =
                [ for i in 0..1_499 -> size Split.Train i ]
                |> List.groupBy fst
                |> List.map (fun (name, all) -> name, Array.init 64 (fun d -> all |> List.averageBy (fun (_, v) -> v[d])))
            Expect.hasLength means 60 "every kind occurs"
            let right =
                [ for i in 0..199 do
                      let name, vector = size Split.Valid i
                      let nearest, _ = means |> List.minBy (fun (_, mean) -> Array.fold2 (fun sum a b -> sum + (a - b) ** 2.0) 0.0 mean vector)
                      if nearest = name then i ]
            Tol.above right.Length 150 "of 200 by the nearest of 60 means of 25 vectors each: no child's play, far from chance"
        }

        test "a reference scores 1 by BLEU and METEOR against all of them" {
            let data = CaptionWorld.Create(3, 60, 2, 2)
            let first = [| for image in data.Train.Images -> image.Captions[0] |]
            let references = [| for image in data.Train.Images -> Array.ofSeq image.Captions |]
            Expect.equal (CorpusBleu.Default.ScoreTokens(first, references)).Bleu 1.0 "BLEU"
            Expect.equal (Meteor.English.Corpus(first, references)).Value 1.0 "METEOR"
        }

        test "what is impossible says so" {
            for things in [ 0; 4 ] do
                Expect.throwsT<ArgumentOutOfRangeException> (fun () -> CaptionWorld.Example(things, key, Split.Train, 0L) |> ignore) "things"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> CaptionWorld.Create(1, 0, 1, 1) |> ignore) "an empty split"
        }

        test "the pictures are the same on every machine" {
            Expect.equal (CaptionWorld.Create(3, 20, 10, 10).Identity.Sha256) "0542252d09d86e87f6d1423dc7cbea629d08e538375e4a5501102f712e5921f1" "checksum"
        }
    ]
