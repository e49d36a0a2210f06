/// Every reader of outside bytes, with inputs that somebody damaged: it reads them, or throws what it documents.
module Noisy.Tests.ReaderTests

open System
open System.Collections.Generic
open System.IO
open System.Security.Cryptography
open System.Text
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Scripts
open Noisy.Tests.DataHelpers
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers
open TorchSharp

/// A reader: what it documents to throw, inputs that it takes, and how it reads.
type private Reader = { Name: string; Throws: Type list; Sound: byte[] list; Read: byte[] -> unit }

let private remedy = "Take another."
let private scratch = lazy (new Noisy.Tests.DataHelpers.TempFolder())

/// A file with these bytes, by its name.
let private stored name (bytes: byte[]) =
    scratch.Value.Write(name, bytes)
    scratch.Value.At name

// ---- Sound inputs ----------------------------------------------------------------------------------------------------

let private safetensors (tensors: (string * torch.Tensor) list) (metadata: (string * string) seq) =
    use memory = new MemoryStream()
    Safetensors.Write(memory, Dictionary(dict tensors), Dictionary(dict metadata))
    memory.ToArray()

let private npy =
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 1, 2), }\n"
    Array.concat [ [| 0x93uy |]; utf8 "NUMPY"; [| 1uy; 0uy; byte header.Length; 0uy |]; utf8 header; Array.zeroCreate 16 ]

/// A small run, and what it left: files by name, and its newest checkpoint.
let private run =
    lazy
        (use folder = new Noisy.Tests.TorchHelpers.TempFolder()
         let small = { languageModel with Config = config.With("hidden", "3").With("layers", "1") }
         small.ToEnd folder.Path |> ignore
         let file (name: string) = File.ReadAllBytes(folder.In name)
         small, [ for name in [ "config.json"; "summary.json"; "log.jsonl"; "weights.safetensors" ] -> name, file name ] |> dict, File.ReadAllBytes(Array.last (checkpoints folder)))

let private ofRun name = let _, files, _ = run.Value in files[name]

let private archive () =
    use memory = new MemoryStream()
    do
        use zip = new Compression.GZipStream(memory, Compression.CompressionMode.Compress, true)
        use tar = new Formats.Tar.TarWriter(zip)
        for name in [ "x/a.jpg"; "b.jpg" ] do
            tar.WriteEntry(Formats.Tar.PaxTarEntry(Formats.Tar.TarEntryType.RegularFile, name, DataStream = new MemoryStream(utf8 name)))
    memory.ToArray()

let private features () =
    let recipe = FeatureRecipe("n.onnx", String('a', 64), "relu", 8, [| 0f; 0f; 0f |], [| 1f; 1f; 1f |], "rgb")
    let folder = Path.GetDirectoryName(stored "features.json" [||])
    FeatureList(recipe, "/pictures", [| "a.jpg"; "b.jpg" |], String('b', 64)).Write folder
    File.ReadAllBytes(Path.Combine(folder, FeatureList.FileName))

let private photo () =
    use bitmap = new SkiaSharp.SKBitmap(SkiaSharp.SKImageInfo(5, 4))
    bitmap.Erase SkiaSharp.SKColors.Red
    bitmap.Encode(SkiaSharp.SKEncodedImageFormat.Png, 100).ToArray()

let private ofTorchSharp () =
    use model = new DropInWeightsTests.Net(Variants.Soft)
    let path = stored "y.dat" [||]
    model.save path |> ignore
    File.ReadAllBytes path

// ---- Readers -----------------------------------------------------------------------------------------------------------

let private readers () =
    let data, usage, invalid, spec = [ typeof<DataException> ], [ typeof<UsageException> ], [ typeof<InvalidDataException> ], [ typeof<InvalidSpecException> ]
    let reader name throws sound read = { Name = name; Throws = throws; Sound = sound; Read = read }
    let text (bytes: byte[]) = Encoding.UTF8.GetString bytes
    let small, _, checkpoint = run.Value
    let task = small.Task small.Config
    let optimizer = Optimizer.Create(small.Config.Training.OptimizerSpec(), task.Model)
    let pairs = utf8 "a b\tc d\ne\tf g\n"
    let captions = utf8 "a.jpg#0\tA cat\nb.jpg#1\ttwo dogs\nc.jpg#0\tx\n"
    let characters = utf8 (String.replicate 12 "naïve 𝄞\n")
    let weights = ofRun "weights.safetensors"
    let struct (tensors, metadata) = Safetensors.Read(stored "sound.safetensors" weights)
    let named = [ for t in tensors -> t.Key, t.Value ]

    /// The weights with one text of their metadata replaced.
    let having name (value: byte[]) =
        let changed = Dictionary metadata
        changed[name] <- text value
        LanguageModel.Load(new MemoryStream(safetensors named [ for m in changed -> m.Key, m.Value ])) |> ignore

    let tensorFiles =
        [ weights
          safetensors [ "a", torch.zeros (2, 0, 3); "b", torch.ones ([| 2L |], dtype = torch.float16); "c", torch.ones ([| 1L |], dtype = torch.int64) ] [ "x", "y" ] ]

    [ reader "DataFile" data [ gzip characters ] (fun b -> DataFile.DecodeText(DataFile.Read(stored "x.gz" b, remedy, 1L <<< 20), "x.gz", remedy) |> ignore)
      reader "NpyFile" data [ npy ] (fun b -> ImageFeatures.FromNpy(NpyFile.Read(new MemoryStream(b), "x.npy", remedy), "x.npy", 1f, remedy) |> ignore)
      reader "NpyFile, compressed" data [ gzip npy ] (fun b -> NpyFile.Read(stored "x.npy.gz" b, remedy) |> ignore)
      reader "IdxFile" data [ Array.concat [ [| 0uy; 0uy; 8uy; 2uy; 0uy; 0uy; 0uy; 2uy; 0uy; 0uy; 0uy; 1uy |]; [| 1uy; 2uy |] ] ] (fun b -> IdxFile.Parse(b, "x", 2, remedy) |> ignore)
      reader "FeatureList" data [ features () ] (fun b -> stored "features.json" b |> Path.GetDirectoryName |> FeatureList.Read |> ignore)
      reader "Photo" data [ photo () ] (fun b -> (Photo.square (stored "x.png" b) 8).Dispose())
      reader "CaptionFile, separated" data [ utf8 "image,caption\na.jpg,\"A \"\"cat\"\", b\"\nb.jpg,two dogs\n" ] (fun b -> CaptionFile.Read(stored "x.txt" b, true, remedy) |> ignore)
      reader "WordText" data [ utf8 (String.replicate 30 "naïve words and more\r\n") ] (fun b -> WordText.Load(stored "x.txt" b) |> ignore)
      reader "OnnxValues" invalid [ [| 0x3Auy; 8uy; 10uy; 6uy; 0x12uy; 1uy; 97uy; 0x12uy; 1uy; 98uy |] ] (fun b -> OnnxValues.ofNetwork b |> ignore)
      reader "CaptionFile" data [ captions ] (fun b -> CaptionFile.Read(stored "x.txt" b, true, remedy) |> ignore)
      reader "CaptionData" data [ utf8 "a.jpg\n" ] (fun b ->
          let features = stored "f.npy" npy
          let split name (list: byte[]) = CaptionSplitFiles(stored name list, features)
          CaptionData.Read("x", stored "c.txt" captions, [| split "1" b; split "2" (utf8 "b.jpg"); split "3" (utf8 "c.jpg") |]) |> ignore)
      reader "ParallelText" data [ utf8 "a b\nc\n" ] (fun b -> ParallelText.Parse(b, "x", utf8 "d\ne\n", "y") |> ignore)
      reader "ParallelText with tabs" data [ pairs ] (fun b -> ParallelText.ReadTabs(stored "x.tsv" b) |> ignore)
      reader "TranslationTexts" data [ utf8 (String.replicate 20 "a b\tc d\n") ] (fun b -> TranslationTexts.Load([| stored "x.tsv" b |], 50) |> ignore)
      reader "CharacterText" data [ characters ] (fun b -> CharacterText.Load(stored "x.txt" b) |> ignore)
      reader "Vocabulary" data [ utf8 ((Vocabulary.ByFirstAppearance([ "a b"; "c\\"; "<unk>" ], "<unk>")).ToText()) ] (fun b -> Vocabulary.Load(stored "x.vocabulary" b) |> ignore)
      reader "Picture" data [ archive () ] (fun b -> Picture.FromArchive(stored "x.tar.gz" b, HashSet [ "a.jpg"; "b.jpg" ]) |> ignore)
      reader "Safetensors" invalid tensorFiles (fun b ->
          let struct (tensors, _) = Safetensors.Read(stored "x.safetensors" b)
          for t in tensors.Values do t.Dispose())
      reader "PyTorch's weights" (usage @ invalid) [ File.ReadAllBytes DropInWeightsTests.pytorchFile ] (fun b ->
          Noisify.Load(new DropInWeightsTests.Net(Variants.Soft), stored "x.pth" b) |> ignore)
      reader "TorchSharp's weights" (usage @ invalid) [ ofTorchSharp () ] (fun b ->
          Noisify.Load(new DropInWeightsTests.Net(Variants.Soft), stored "x.dat" b) |> ignore)
      reader "SafetensorsReader" invalid tensorFiles (fun b -> SafetensorsReader.Read(new MemoryStream(b)) |> ignore)
      reader "LanguageModel" invalid [ weights ] (fun b -> (LanguageModel.Load(new MemoryStream(b))).Next 0 |> ignore)
      for name in [ "activations"; "noise"; "vocabulary"; "unit"; "endOfLine" ] do
          reader $"metadata of a model, {name}" invalid [ utf8 metadata[name] ] (having name)
      reader "Checkpoint" usage [ checkpoint ] (fun b ->
          let path = stored "checkpoint/000000010-00002.safetensors" b
          File.WriteAllText(path + ".sha256", Convert.ToHexStringLower(SHA256.HashData b) + "  x\n")
          use best = new BestWeights()
          Checkpoint.Load(scratch.Value.At "checkpoint", task, optimizer.State, best, ignore) |> ignore)
      reader "RunFolder" usage [ ofRun "config.json" ] (fun b ->
          stored "run/config.json" b |> ignore
          (RunFolder.Open(scratch.Value.At "run", small.Config, task.Data, ignore)).Dispose())
      reader "RunSummary" usage [ ofRun "summary.json" ] (fun b ->
          let summary = RunSummary.Read(stored "summary.json" b)
          for part in [ box summary.Metrics.Train; summary.Metrics.Test; summary.Data.Name; summary.Config; summary.Versions; summary.WeightsSha256 ] do Expect.isNotNull part "a field")
      reader "RunLog" usage [ ofRun "log.jsonl" ] (fun b -> for e in RunLog.Read(stored "log.jsonl" b) do e.Event.Length |> ignore)
      reader "RunLog, resumed" [] [ ofRun "log.jsonl" ] (fun b -> (RunLog.Resume(stored "log.jsonl" b, LogPosition(10L, 10L, 5L, 5L), ignore)).Dispose())
      reader "Schedule" spec [ for s in [ "paper"; "linear(2, 1, 5) | every(3) | then(4, exponential(2, 0.5) | clampMax(1))" ] -> utf8 s ] (fun b -> (Schedule.Parse(text b)).At 7L |> ignore)
      reader "Curriculum" spec [ utf8 "combined over 20000" ] (fun b -> Curriculum.Parse(text b) |> ignore)
      reader "TextCodec" invalid [ utf8 "ab ba" ] (fun b -> TextCodec([| "a"; "b"; " " |], null, null, TextUnit.Character).Encode(text b) |> ignore)
      reader "field of a config" [ typeof<UsageException>; typeof<InvalidSpecException> ] [ utf8 "hidden\n3"; utf8 "schedule\npaper" ] (fun b ->
          match (text b).Split('\n', 2) with
          | [| name; value |] -> small.Config.With(name, value) |> ignore
          | _ -> ()) ]

// ---- Mutations -----------------------------------------------------------------------------------------------------------

/// What damaged and malicious files have in common, whatever their form.
let private pieces =
    [ "9223372036854775807"; "-1"; "0"; "99999999999999999999"; "1e999"; "NaN"; "4611686018427387904,8"; "null"; "{}"; "[]"; "\"\""; "\\ud800"; "\\u0000"; "\uFEFF"
      "\"a\":1,\"a\":2,"; "true"; "\r"; "\n"; "\t"; "\t\t"; "#"; "("; ")"; ","; "|then(1,1"; "F8_E4M3"; "U16"; "F99"; String.replicate 70 "["; "65536, 65536, 65536, 65536, " ]
    |> List.map utf8
    |> List.append [ [| 0uy |]; [| 0xFFuy |]; [| 0x80uy; 0uy; 0uy; 0uy |]; [| 0xFFuy; 0xFFuy; 0xFFuy; 0x7Fuy |] ]
    |> Array.ofList

/// An input with a few places damaged; header: whether its first 8 bytes are the length of a header, which is then kept right.
let private mutate (draw: int -> int) header (input: byte[]) =
    let mutable bytes = input
    for _ in 0 .. draw 3 do
        // Mostly near the beginning, where headers are.
        let at = if draw 2 = 0 then draw (bytes.Length + 1) else draw (min 400 bytes.Length + 1)
        let rest = bytes.Length - at
        let length = draw (min rest 12 + 1)
        let piece = pieces[draw pieces.Length]
        bytes <-
            match draw 7 with
            | 0 when rest > 0 -> Array.updateAt at (bytes[at] ^^^ (1uy <<< draw 8)) bytes
            | 1 -> Array.concat [ bytes[.. at - 1]; piece; bytes[at..] ]
            | 2 -> Array.concat [ bytes[.. at - 1]; piece; bytes[at + length ..] ]
            | 3 -> Array.append bytes[.. at - 1] bytes[at + length ..]
            | 4 -> bytes[.. at - 1]
            | 5 -> Array.concat [ bytes[.. at - 1]; bytes[at .. at + length - 1]; bytes[at..] ]
            | _ when rest > 0 -> Array.updateAt at (byte (draw 256)) bytes
            | _ -> bytes
    if header && bytes.Length >= 8 && draw 4 > 0 then
        let longer = BitConverter.ToInt64(input, 0) + int64 (bytes.Length - input.Length)
        Array.append (BitConverter.GetBytes longer) bytes[8..]
    else
        bytes

/// Mutations of each reader: in a test few, more by NOISY_MUTATIONS.
let private count = match Int32.TryParse(Environment.GetEnvironmentVariable "NOISY_MUTATIONS") with | true, n -> n | _ -> 150

let private damaged =
    torchTest "a damaged input is read, or refused as documented" (fun () ->
        let failures = Dictionary<string, string>()
        for reader in readers () do
            for sound in reader.Sound do reader.Read sound
            let key = NoiseKey.FromSeed(1L).Child reader.Name
            let sound = Array.ofList reader.Sound
            for i in 0 .. count - 1 do
                use _ = torch.NewDisposeScope()
                let draws = key.At(int64 i, 0)
                let drawn = ref 0L
                let draw below = drawn.Value <- drawn.Value + 1L; draws.Below(below, drawn.Value)
                let start = sound[draw sound.Length]
                let packed = start.Length > 2 && start[0] = 0x1Fuy && start[1] = 0x8Buy
                let header = reader.Name.Contains "afetensors" || List.contains reader.Name [ "LanguageModel"; "Checkpoint" ]
                // Half of the compressed ones are damaged within.
                let input = if packed && draw 2 = 0 then gzip (mutate draw false (unzip start)) else mutate draw header start
                try
                    reader.Read input
                with error ->
                    if not (List.contains (error.GetType()) reader.Throws) then
                        failures[$"{reader.Name}: {error.GetType().Name}"] <- $"mutation {i} ({Convert.ToHexString(input[.. min 300 (input.Length - 1)])}): {error}"
        if failures.Count > 0 then
            let list = String.Join("\n", [ for f in failures -> $"{f.Key}, {f.Value}" ])
            failtest $"what nobody documents: {list}")

// ---- Inputs that once were taken, or ended otherwise --------------------------------------------------------------------

let private header (json: string) data = Array.concat [ BitConverter.GetBytes(int64 json.Length); utf8 json; Array.zeroCreate data ]

let private hostile =
    [ torchTest "headers of tensors that contradict themselves are refused by both readers" (fun () ->
          for json, data in
              [ """{"w":{"dtype":"F32","shape":[0,4611686018427387904,8],"data_offsets":[0,0]}}""", 0
                """{"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,4]}}""", 4
                """{"w":{"dtype":"U16","shape":[2],"data_offsets":[0,8]}}""", 8
                """{"w":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}""", 4
                """{"w":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}""", 1
                """{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4
                """{"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8
                """{"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8
                """{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5
                """{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4
                """{"w":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}""", 4
                """{"__metadata__":{"a":"1","a":"2"}}""", 0
                """{"__metadata__":{"a":null}}""", 0
                """{"__metadata__":{"a":"\ud800"}}""", 0
                """{"\udc00":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4 ] do
              Expect.throwsT<InvalidDataException> (fun () -> SafetensorsReader.Read(new MemoryStream(header json data)) |> ignore) json
              let path = stored "hostile.safetensors" (header json data)
              let message = try Safetensors.Read path |> ignore; "" with :? InvalidDataException as e -> e.Message
              Expect.stringStarts message path json)

      torchTest "numbers that torch here does not have are named, and passed over without torch" (fun () ->
          let bytes = header """{"w":{"dtype":"U16","shape":[2],"data_offsets":[0,4]},"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""" 8
          let content = SafetensorsReader.Read(new MemoryStream(bytes))
          Expect.equal (Seq.toList content.Tensors.Keys, content.Others["w"]) ([ "v" ], "U16") "without torch"
          let path = stored "u16.safetensors" bytes
          Tol.throws<InvalidDataException> $"{path}: its tensor 'w' holds numbers of type U16, which TorchSharp does not have" (fun () -> Safetensors.Read path |> ignore))

      torchTest "a stream that cannot seek is read like one that can" (fun () ->
          let whole = SafetensorsReader.Read(new MemoryStream(ofRun "weights.safetensors"))
          use unzipped = new Compression.GZipStream(new MemoryStream(gzip (ofRun "weights.safetensors")), Compression.CompressionMode.Decompress)
          let streamed = SafetensorsReader.Read unzipped
          for t in whole.Tensors do Expect.equal streamed.Tensors[t.Key].Values t.Value.Values t.Key)

      torchTest "a model that is none of language is told by its experiment" (fun () ->
          let metadata = [ for m in SafetensorsReader.Read(new MemoryStream(ofRun "weights.safetensors")).Metadata -> m.Key, (if m.Key = "config" then """{"experiment":"nmt"}""" else m.Value) ]
          let bytes = safetensors [ "encoder.embedding", torch.ones (2, 2) ] [ for name, value in metadata do if name <> "vocabulary" then name, value ]
          Tol.throws<InvalidDataException>
              ("it has no tensor 'encoder', so it is no language model: a run of the experiment 'nmt' wrote it. SafetensorsReader of Noisy.Core reads its tensors, "
               + "and Safetensors of Noisy.Models those for the experiment's own model")
              (fun () -> LanguageModel.Load(new MemoryStream(bytes)) |> ignore))

      test "schedules nested without end are refused, by text and by hand" {
          let deep = 100_001
          for text in [ String.replicate deep "1|then(1," + "1" + String.replicate deep ")"; "1" + String.replicate deep "|every(1)" ] do
              let message = try Schedule.Parse text |> ignore; "" with :? InvalidSpecException as e -> e.Message
              Tol.below message.Length 1_000 "a message that can be read"
              Expect.stringContains message "100" "the limit"
          let most = Seq.fold (fun (s: Schedule) _ -> s.Every 1L) (Schedule.Constant 1.0) [ 2 .. Schedule.MaxDepth ]
          Expect.equal (Schedule.Parse(string most)) most "as deep as may be"
          Expect.throwsT<InvalidSpecException> (fun () -> most.ClampMin 0.0 |> ignore) "one more"
          Expect.throwsT<InvalidSpecException> (fun () -> (Schedule.Constant 1.0).Then(1L, most) |> ignore) "within the second"
      }

      torchTest "a summary of which one figure was changed is refused, and one without a checksum is an older version's" (fun () ->
          let sound = Encoding.UTF8.GetString(ofRun "summary.json")
          let read (text: string) = RunSummary.Read(stored "changed.json" (utf8 text))
          let digits = [ for m in Text.RegularExpressions.Regex.Matches(sound, @"\d") -> m.Index ]
          for at in digits |> List.indexed |> List.filter (fun (i, _) -> i % 37 = 0) |> List.map snd do
              let other = if sound[at] = '7' then '3' else '7'
              if sound[at] <> other then
                  Expect.throwsT<UsageException> (fun () -> read (sound[.. at - 1] + string other + sound[at + 1 ..]) |> ignore) $"digit at {at}"
          let json = Text.Json.Nodes.JsonNode.Parse(sound).AsObject()
          json.Remove "sum" |> ignore
          Expect.equal (read (json.ToJsonString ConfigJson.Indented)).WeightsSha256 (read sound).WeightsSha256 "older")

      torchTest "a summary without metrics, with a name twice or with half a character is refused" (fun () ->
          let sound = Encoding.UTF8.GetString(ofRun "summary.json")
          let json = Text.Json.Nodes.JsonNode.Parse(sound).AsObject()
          Expect.isTrue (json.Remove "sum") "as an older version wrote it"
          let without = json.DeepClone().AsObject()
          without["metrics"] <- null
          let text (node: Text.Json.Nodes.JsonNode) = node.ToJsonString ConfigJson.Line
          for name, bad in
              [ "metrics", text without
                "null", "null"
                "test", (text json).Replace("\"test\":", "\"tested\":")
                "twice", (text json).Replace("\"preset\":", "\"preset\":\"a\",\"preset\":")
                "twice within the config", (text json).Replace("\"layers\":", "\"layers\":1,\"layers\":")
                "surrogate", (text json).Replace("\"ptb\"", "\"\\ud800\"") ] do
              Expect.throwsT<UsageException> (fun () -> RunSummary.Read(stored "bad.json" (utf8 bad)) |> ignore) name
          Expect.isNotNull (RunSummary.Read(stored "good.json" (utf8 (text json)))) "sound") ]

let tests = testSequenced <| testList "readers" (damaged :: hostile)
