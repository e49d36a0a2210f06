/// Data of the user's own: taken as named, or refused.
module Noisy.Tests.OwnTextTests

open System
open System.IO
open System.Text
open Expecto
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts
open Noisy.Tests.DataHelpers
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A parallel text sorted by length: pair i has i words.
let private sorted name count =
    utf8 (String.Join("\n", [ for i in 1..count -> String.Join(' ', Seq.replicate i name) ]))

let private experiment = PaperExperiments.ByName

let private built (experiment: Experiment) (settings: (string * string) list) (place: string) =
    let config = (experiment.RowConfig("tiny", "soft"), settings) ||> List.fold (fun c (name, value) -> c.With(name, value))
    use task = experiment.Build(config, DataCache(DataHelpers.settings (Some place) "/nowhere"), torch.CPU)
    task.Data, List.ofSeq task.DataNotes

let private splitting =
    [ test "a sorted parallel text is shuffled by a fixed key before it is cut, and says so" {
          use folder = new Noisy.Tests.DataHelpers.TempFolder()
          folder.Write("a.en", sorted "a" 400)
          folder.Write("a.fr", sorted "b" 400)
          let load () = TranslationTexts.Load([| folder.At "a.en"; folder.At "a.fr" |], 1_000)
          let data = load ()
          let lengths (pairs: SentencePair seq) = [ for p in pairs -> p.Source.Length ]
          let mean pairs = lengths pairs |> List.averageBy float
          Expect.equal (data.Train.Count, data.Valid.Count, data.Test.Count) (360, 20, 20) "sizes"
          Expect.equal (List.sort (lengths (Seq.concat [ data.Train; data.Valid; data.Test ]))) [ 1..400 ] "every pair once"
          // The mean of 20 of 1 … 400 has a standard deviation of 25; in the order of the file test's would be 390.
          for name, pairs in [ "train", data.Train; "valid", data.Valid; "test", data.Test ] do
              Tol.below (abs (mean pairs - 200.5)) 100.0 name
          for p in data.Test do Expect.equal p.Source.Length p.Target.Length "pairs stay together"
          Expect.equal (lengths (load ()).Test) (lengths data.Test) "the same order each time"
          Expect.stringContains (Seq.last data.Notes) "shuffled by a fixed key: 360 pairs to learn from, 20 for validation, 20 for test" "note"
          Expect.notEqual data.Identity.Sha256 (ParallelText.Read(folder.At "a.en", folder.At "a.fr")).Sha256 "another set than the file in its order"
      } ]

let private words =
    [ torchTest "ptb takes any text of words: cut in its order, the most frequent words told apart, the rest unknown" (fun () ->
          use folder = new Noisy.Tests.DataHelpers.TempFolder()
          // 30 lines of "the wI the vI": "the" 60 times, w1 and v1 and so on once each.
          folder.Write("own.txt", utf8 (String.Join("\n", [ for i in 1..30 -> $"the w{i} the v{i}" ]) + "\n"))
          let data = WordText.Load(folder.At "own.txt", 5)
          Expect.equal (data.Train.Length, data.Valid.Length, data.Test.Length) (135, 7, 8) "90, 5, 5 %"
          Expect.equal (List.ofSeq data.Vocabulary.Tokens |> List.truncate 3) [ "<eos>"; "<unk>"; "the" ] "specials, then by count"
          Expect.equal data.Vocabulary.Count 5 "limit"
          let text ids = String.Join(' ', Seq.map data.Vocabulary.Token ids)
          Expect.equal (text data.Test) "the <unk> <eos> the <unk> the <unk> <eos>" "the last words"
          Expect.stringContains (Seq.last data.Notes) "5 of 62 different words are told apart (at most 5); 37.5 % of the test is <unk>" "note")

      test "a text is the same whatever machine wrote it; one long line is a text too" {
          use folder = new Noisy.Tests.DataHelpers.TempFolder()
          let text = String.replicate 40 "a naïve text\nof two lines\n"
          let write name bytes = folder.Write(name, bytes); folder.At name
          let unix = write "unix.txt" (utf8 text)
          let others =
              [ write "windows.txt" (utf8 (text.Replace("\n", "\r\n")))
                write "mac.txt" (utf8 (text.Replace('\n', '\r')))
                write "notepad.txt" (Array.append (Encoding.Unicode.GetPreamble()) (Encoding.Unicode.GetBytes(text.Replace("\n", "\r\n"))))
                write "packed.txt.gz" (gzip (utf8 text)) ]
          let words, letters = WordText.Load unix, CharacterText.Load unix
          for other in others do
              let same (a: LanguageModelData) (b: LanguageModelData) = Expect.equal (List.ofSeq a.Vocabulary.Tokens, a.Train, a.Test) (List.ofSeq b.Vocabulary.Tokens, b.Train, b.Test) other
              same (WordText.Load other) words
              same (CharacterText.Load other) letters
          let line = WordText.Load(write "line.txt" (utf8 (String.replicate 100 "all on one line ")))
          Expect.isFalse (Array.contains (line.Vocabulary.Id PennTreebank.EndOfSentence) line.Train) "no line ends"
          Expect.equal (line.Train.Length + line.Valid.Length + line.Test.Length) 400 "words"
          let joined = WordText.Load(write "joined.txt" (utf8 (String.Join("\n", [ for i in 1..200 -> $"文字{i}" ]))), 3)
          Expect.stringContains (Seq.last joined.Notes) "a text without blanks between its words is one for charlm" "hint"
      }

      test "a folder without the known set is refused with how to have a text of one's own" {
          use folder = new Noisy.Tests.DataHelpers.TempFolder()
          let cache = DataCache(DataHelpers.settings (Some folder.Path) "/nowhere")
          for set, own in
              [ PennTreebank.Files, "name a text of your own with '--data FILE'"
                Multi30k.Tokenised.Files, "name texts of your own with '--data SENTENCES,TRANSLATIONS'"
                Flickr8k.Files, "make features of pictures that you have with scripts/features.fsx" ] do
              refused<DataException> [ "does not hold"; "by hand, " + own; ", or use the built-in data" ] (fun () -> cache.Find set |> ignore)
      }

      torchTest "ptb names the limits of --data and --set vocabulary" (fun () ->
          use folder = new Noisy.Tests.DataHelpers.TempFolder()
          folder.Write("own.txt", utf8 (String.replicate 400 "a b c d e f g h\n"))
          let ptb = experiment "ptb"
          let identity, notes = built ptb [ "vocabulary", "4" ] (folder.At "own.txt")
          Expect.equal (identity.Name, identity.Source, notes.Length) ("own.txt", DataIdentity.Real, 2) "own text"
          Expect.notEqual (fst (built ptb [ "vocabulary", "5" ] (folder.At "own.txt"))).Sha256 identity.Sha256 "another limit is other data"
          let own = folder.At "own.txt"
          let refused settings place part =
              let message = try built ptb settings place |> ignore; "" with :? NoisyException as e -> e.Message
              Expect.stringContains message part "message"
          refused [ "vocabulary", "4" ] "built-in" "vocabulary is 4: it limits the words of a text of your own, and none is named"
          refused [] $"{own},{own}" "--data names 2 files; ptb takes one text"
          folder.Write("short.txt", utf8 "a b c\n")
          refused [] (folder.At "short.txt") "has 4 words and line ends; to be cut into training, validation and test it needs 100: name a longer text"
          let charlm = experiment "charlm"
          Expect.exists (charlm.BrokenRules((charlm.Config "tiny").With("vocabulary", "9"))) (fun rule -> rule.Contains "does not apply to charlm") "charlm") ]

let private keys =
    [ torchTest "within one process another text, or another state of the file, is other data" (fun () ->
          use folder = new Noisy.Tests.DataHelpers.TempFolder()
          for name in [ "a.en"; "a.fr"; "b.en"; "b.fr" ] do folder.Write(name, sorted name 30)
          let nmt = experiment "nmt"
          let of' a b = fst (built nmt [] $"{folder.At a},{folder.At b}")
          let first = of' "a.en" "a.fr"
          Expect.equal (of' "a.en" "a.fr") first "the same"
          Expect.equal (of' "b.en" "b.fr").Name "b.en, b.fr" "others"
          Expect.notEqual (fst (built nmt [] "built-in")).Source DataIdentity.Real "built-in"
          folder.Write("a.en", sorted "longer" 30)
          Expect.notEqual (of' "a.en" "a.fr").Sha256 first.Sha256 "changed"
          let charlm = experiment "charlm"
          let text name (content: string) = folder.Write(name, utf8 content); (fst (built charlm [] (folder.At name))).Sha256
          let one = text "t" (String.replicate 2_000 "ab\n")
          Expect.notEqual (text "t" (String.replicate 2_000 "abc\n")) one "a text that changed")

      test "what was read last is kept by all that it depends on" {
          let data, reads = LatestData<string>(), ResizeArray<string>()
          let of' key = data.Get(key, fun () -> reads.Add key; key)
          Expect.equal [ for key in [ "a"; "a"; "b"; "b"; "a" ] -> of' key ] [ "a"; "a"; "b"; "b"; "a" ] "data"
          Expect.sequenceEqual reads [ "a"; "b"; "a" ] "reads"
      } ]

let private refusals =
    [ test "an experiment that generates its data refuses others" {
          for name in [ "gmm"; "lte"; "unique"; "ntm" ] do
              refused<UsageException> [ $"--data x: {name} generates its own data" ] (fun () -> Options.ofExperiment (experiment name) [| "--data"; "x" |] |> ignore)
              Expect.equal ((Options.ofExperiment (experiment name) [| "--data"; "built-in" |]).Value.Data) (Some "built-in") "its own"
          for name in [ "ptb"; "charlm"; "mnist"; "nmt"; "captions" ] do
              Expect.equal ((Options.ofExperiment (experiment name) [| "--data"; "x" |]).Value.Data) (Some "x") name
      }
      torchTest "more files than are read, and settings of known texts beside files, are refused" (fun () ->
          use folder = new Noisy.Tests.DataHelpers.TempFolder()
          let files = String.Join(',', [ for name in [ "a"; "b"; "c" ] do (folder.Write(name, sorted name 30); folder.At name) ])
          let two = String.Join(',', files.Split(',')[..1])
          refused<UsageException> [ "--data names 3 files; nmt takes two" ] (fun () -> built (experiment "nmt") [] files |> ignore)
          refused<UsageException> [ "text and testPart choose among known texts" ] (fun () -> built (experiment "nmt") [ "text", "europarl" ] two |> ignore)
          refused<UsageException> [ "text and testPart choose among known texts" ] (fun () -> built (experiment "nmt") [ "testPart", "test" ] two |> ignore)) ]

let tests = testSequenced <| testList "own data" (splitting @ words @ keys @ refusals)
