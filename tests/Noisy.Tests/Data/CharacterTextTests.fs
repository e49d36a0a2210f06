/// Texts as streams of characters.
module Noisy.Tests.CharacterTextTests

open System
open System.IO
open System.Text
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers

let private decoded (data: LanguageModelData) stream = data.Codec.Decode stream

/// Negative log-probability of every character of a text of words but the first, from sums over the words that may still
/// come: the words' own total is not used.
let private spelledOut (source: SentenceSource) (text: string) =
    let spelled token = match source.Vocabulary.Token token with "<eos>" -> "\n" | word -> word + " "
    let mutable state = source.Start
    let mutable before = ""
    let nats = [|
        for character in text do
            let going = source.Next state |> Seq.filter (fun step -> (spelled step.Token).StartsWith(before, StringComparison.Ordinal)) |> List.ofSeq
            let prefix = before + string character
            let still = going |> List.filter (fun step -> (spelled step.Token).StartsWith(prefix, StringComparison.Ordinal))
            let mass steps = steps |> List.sumBy (fun (step: SourceStep) -> step.Probability)
            -log (mass still / mass going)
            match still |> List.tryFind (fun step -> spelled step.Token = prefix) with
            | Some step ->
                state <- step.State
                before <- ""
            | None -> before <- prefix |]
    Array.sum nats[1..] / float (nats.Length - 1)

let private small = GeneratedCorpusSettings.Default.WithSource(3, 4).WithSizes(300, 50, 400)

let private builtIn =
    [ test "the built-in corpus is spelled out, and spells the same words" {
          let words, letters = GeneratedCorpus.Create small, GeneratedCorpus.Spell small
          Expect.equal (decoded letters letters.Train) (GeneratedCorpus.Text(words.Vocabulary, words.Train)) "text"
          Expect.equal (letters.Unit, letters.Identity.Source) (TextUnit.Character, DataIdentity.BuiltIn) "kind"
          Expect.equal (letters.Codec.Encode(decoded letters letters.Test)).Tokens letters.Test "there and back"
      }
      test "the floor is what one has who knows the source, character by character" {
          let letters = GeneratedCorpus.Spell small
          let expected = spelledOut (GeneratedCorpus.Source small) (decoded letters letters.Test)
          Tol.close Tol.quadrature expected letters.Floor.TestNats "nats"
          Tol.close Tol.scalar (expected / log 2.0) letters.Floor.TestBits "bits"
      } ]

let private files =
    [ test "any text is cut into 90, 5 and 5 percent of its characters, plain or compressed" {
          use folder = new TempFolder()
          let text = String.Join("", [ for i in 0 .. 49 -> if i % 10 = 9 then "\n" elif i % 2 = 0 then "é" else "𝄞" ])
          folder.Write("a.txt", utf8 text)
          folder.Write("b.txt.gz", gzip (utf8 text))
          for name in [ "a.txt"; "b.txt.gz" ] do
              let data = CharacterText.Load(folder.At name)
              Expect.equal (data.Train.Length, data.Valid.Length, data.Test.Length) (45, 2, 3) "lengths"
              Expect.equal (decoded data (Array.concat [ data.Train; data.Valid; data.Test ])) text "text"
              Expect.equal data.Vocabulary.Count 3 "characters, not halves of surrogate pairs"
              Expect.equal (data.Identity.Name, data.Identity.Source) (name.Replace(".gz", ""), DataIdentity.Real) "identity"
      }
      test "what is no text is refused with file and line" {
          use folder = new TempFolder()
          folder.Write("bad.txt", Array.append (utf8 (String.replicate 30 "line\n")) [| 0xFFuy |])
          folder.Write("short.txt", utf8 "too short")
          refused<DataException> [ folder.At "bad.txt"; "line 31"; "UTF-8" ] (fun () -> CharacterText.Load(folder.At "bad.txt") |> ignore)
          refused<DataException> [ folder.At "short.txt"; "9 characters"; "it needs 40: name a longer text" ] (fun () -> CharacterText.Load(folder.At "short.txt") |> ignore)
      }
      test "a text file may take the place of the data folder" {
          use folder = new TempFolder()
          folder.Write("a.txt", utf8 "abc")
          let cache place = DataCache(settings (Some place) folder.Path)
          let named place = List.ofSeq (cache place).NamedFiles
          let text = folder.At "a.txt"
          Expect.equal (named text) [ text ] "a file"
          Expect.equal (named $"{text}, {text}") [ text; text ] "two files"
          for place in [ folder.Path; "built-in"; "download" ] do Expect.isEmpty (named place) place
          folder.Write("with, comma.txt", utf8 "abc")
          Expect.equal (named (folder.At "with, comma.txt")) [ folder.At "with, comma.txt" ] "a comma in a name"
      } ]

let private mistaken =
    [ test "a mistyped file is named, and not taken for a folder" {
          use folder = new TempFolder()
          folder.Write("a.en", utf8 "abc")
          let right, wrong = folder.At "a.en", folder.At "a.fr"
          for place, missing, what in
              [ wrong, wrong, "neither a file nor a folder that is there"
                $"{right},{wrong}", wrong, "neither a file nor a folder that is there"
                $"{right},{folder.Path}", folder.Path, "a folder, not a file"
                "", "", "neither a file nor a folder that is there" ] do
              refused<DataException> [ $"--data '{place}'"; $"'{missing}' is {what}" ] (fun () -> DataCache(settings (Some place) folder.Path).NamedFiles |> ignore)
      }
      test "a mark of byte order is not text" {
          use folder = new TempFolder()
          folder.Write("a.txt", Array.append [| 0xEFuy; 0xBBuy; 0xBFuy |] (utf8 (String.replicate 50 "ab")))
          Expect.sequenceEqual (CharacterText.Load(folder.At "a.txt")).Vocabulary.Tokens [ "a"; "b" ] "characters"
      }
      test "a text is cut in its order, and says so" {
          use folder = new TempFolder()
          folder.Write("a.txt", utf8 (String.replicate 95 "a" + String.replicate 5 "b"))
          let data = CharacterText.Load(folder.At "a.txt")
          Expect.equal (data.Train.Length, data.Valid.Length, data.Test.Length) (90, 5, 5) "lengths"
          Expect.equal (decoded data data.Test) "bbbbb" "the end of the file"
          Expect.stringContains (Seq.exactlyOne data.Notes) "cut in its order: the first 90 characters" "note"
      } ]

let private treebank =
    [ test "a treebank cut short is refused with the counts found and expected" {
          use folder = new TempFolder()
          for file in PennTreebankCharacters.Files.Files do folder.Write(file.File, utf8 " a _ b \n")
          refused<DataException> [ folder.At "ptb.char.train.txt"; "4 characters"; "5,017,482 expected"; "by hand" ] (fun () ->
              PennTreebankCharacters.Load folder.Path |> ignore)
      }
      test "the real treebank's characters are those of its words" {
          let place = Environment.GetEnvironmentVariable "NOISY_DATA" |> Option.ofObj |> Option.defaultValue ""
          let folder = Path.Combine(place, "ptb")
          if place = "" || isNull (DataFile.Find(folder, "ptb.char.train.txt")) || isNull (DataFile.Find(folder, "ptb.train.txt")) then
              skiptest "the Penn Treebank in characters is not here: set NOISY_DATA to the folder above ptb"
          let data = PennTreebankCharacters.Load folder
          Expect.equal (data.Train.Length, data.Valid.Length, data.Test.Length) (5_017_482, 393_042, 442_423) "characters"
          Expect.equal data.Vocabulary.Count 50 "kinds"
          let words = Encoding.UTF8.GetString(DataFile.Read(DataFile.Find(folder, "ptb.test.txt"), ""))
          let lines (text: string) = [ for line in text.Split '\n' -> line.Trim() ]
          Expect.equal (lines (decoded data data.Test)) (lines words) "the test text"
      } ]

let private codec =
    [ test "a codec of characters takes every one as it stands" {
          let codec = TextCodec([| "a"; " "; "\n"; "𝄞" |], null, "\n", TextUnit.Character)
          let text = "a  a\n\n𝄞a"
          Expect.equal (codec.Encode text).Tokens [| 0; 1; 1; 0; 2; 2; 3; 0 |] "ids"
          Expect.equal (codec.Decode (codec.Encode text).Tokens) text "back"
          Tol.throws<InvalidDataException> "the character 'b' in line 2 is not among the model's 4, and the model has no unknown character" (fun () ->
              codec.Encode "a\nb" |> ignore)
          let forgiving = TextCodec([| "a"; "?" |], "?", null, TextUnit.Character)
          let encoded = forgiving.Encode "aba"
          Expect.equal (encoded.Tokens, encoded.Replaced) ([| 0; 1; 0 |], 1) "replaced"
      } ]

let tests = testList "CharacterText" (builtIn @ files @ mistaken @ treebank @ codec)
