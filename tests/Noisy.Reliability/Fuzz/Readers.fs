/// Readers of bytes from outside, and what each is documented to raise.
module Noisy.Reliability.Readers

open System
open System.IO
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open Noisy.Core
open Noisy.Examples
open Noisy.Models
open Noisy.Experiments
open Noisy.Reliability.Mutation
open Noisy.FSharp
open Noisy.Scripts
open TorchSharp

/// A reader.
///
/// Seeds: inputs to start from, of which Sound must be accepted; Read: reads an input and looks at all that it gave; Refusals: the
/// exceptions that it documents.
type Reader =
    { Name: string
      Format: Format
      Seeds: byte[] list
      Sound: int
      Read: byte[] -> unit
      Refusals: Type list }

/// What a reader accepted is not what it should be.
exception WrongContent of string

let private must condition what = if not condition then raise (WrongContent what)
let private remedy = "Take another file."
let private utf8 (bytes: byte[]) = Encoding.UTF8.GetString bytes
let private limit = 1L <<< 20

/// The text of bytes as they come from a command line: lone surrogates and all.
let private typed (bytes: byte[]) = (utf8 bytes).Replace("\uFFFD", "\uD800")

/// The words of a command line, a line each. Of very long ones only the start: Argu takes a kilobyte for each letter.
let private commandLine (bytes: byte[]) =
    let text = typed bytes
    text[.. min text.Length 10_000 - 1].Split '\n'

/// All readers, on a scratch folder of their own that holds the small run of Seeds in `run`.
let all (scratch: string) (run: string) =
    let place name = Path.Combine(scratch, name)

    let stored name (input: byte[]) =
        File.WriteAllBytes(place name, input)
        place name

    let data, usage, invalid = [ typeof<DataException> ], [ typeof<UsageException> ], [ typeof<InvalidDataException> ]
    let make name format seeds sound refusals read = { Name = name; Format = format; Seeds = seeds; Sound = sound; Read = read; Refusals = refusals }
    /// The seed that begins with a mark of byte order; one within a text is a character like others.
    let marked (seeds: byte[] list) = List.last seeds
    let zipped (seeds: byte[] list) = List.map gzip seeds
    let product (sizes: int seq) = sizes |> Seq.fold (fun p s -> p * int64 s) 1L

    let npy (file: NpyFile) =
        must (int64 file.Values.Length = product file.Shape) "the numbers are not as many as the shape says"
        file.CopyTo(0, Span(Array.zeroCreate<float32> (min 4 file.Values.Length)))
        if file.Shape.Count = 4 && Seq.min file.Shape > 0 then ImageFeatures.FromNpy(file, "x", 1f, remedy) |> ignore

    let pairs (text: ParallelText) =
        for pair in text.Pairs do must (pair.Source.Length > 0 && pair.Target.Length > 0) "an empty side"

    let language (d: LanguageModelData) =
        for stream in [ d.Train; d.Valid; d.Test ] do
            for id in stream do must (id >= 0 && id < d.Vocabulary.Count) "an id outside the vocabulary"

    let folderOf (file: string) (input: byte[]) =
        let folder = place "run"
        Directory.CreateDirectory folder |> ignore
        File.WriteAllBytes(Path.Combine(folder, file), input)
        folder

    let task = lazy Seeds.task ()
    let optimizer = lazy Optimizer.Create(Seeds.config.Training.OptimizerSpec(), task.Value.Model)

    [ make "npy" Npy Seeds.npy 5 data (fun input -> npy (NpyFile.Read(new MemoryStream(input), "x.npy", remedy, limit)))
      make "npy.gz" (Gzip Npy) (zipped Seeds.npy @ [ gzip (Seeds.bomb 128) ]) 5 data (fun input -> npy (NpyFile.Read(stored "x.npy.gz" input, remedy, limit)))
      make "idx" Bytes Seeds.idx 2 data (fun input ->
          let file = IdxFile.Parse(input, "x", (if input.Length > 3 && input[3] = 1uy then 1 else 3), remedy)
          must (int64 file.Data.Length = product file.Dimensions) "the bytes are not as many as the sizes say")
      make "mnist" Bytes Seeds.idx 1 data (fun input -> Mnist.Parse(input, "x", Seeds.idx[1], "y", remedy) |> ignore)
      make "gz" (Gzip Text) (zipped Seeds.lines @ [ gzip (Array.zeroCreate (128 <<< 20)) ]) 2 data (fun input ->
          let content = DataFile.Read(stored "x.gz" input, remedy, limit)
          must (content.LongLength <= limit) "more bytes than the limit"
          DataFile.DecodeText(ReadOnlySpan content, "x.gz", remedy) |> ignore)
      make "parallel" Text Seeds.lines 1 data (fun input -> pairs (ParallelText.Parse(input, "x", Seeds.lines[0], "y", null, remedy)))
      make "tabs" Text Seeds.tabs 2 data (fun input -> pairs (ParallelText.ReadTabs(stored "x.tsv" input, null, remedy)))
      make "translation" Text Seeds.tabs 1 data (fun input -> TranslationTexts.Load([| stored "x.tsv" input |], 50) |> ignore)
      make "captions" Text Seeds.captions 2 data (fun input ->
          let file = CaptionFile.Read(stored "x.txt" input, true, remedy)
          for image in file.Images do must (image.Value.Count > 0) "an image without captions"
          if input = marked Seeds.captions then must (file.Images.ContainsKey "a.jpg") "a mark of byte order within a name")
      make "captions.gz" (Gzip Text) (zipped Seeds.captions) 2 data (fun input -> CaptionFile.Read(stored "x.txt.gz" input, true, remedy) |> ignore)
      make "split list" Text Seeds.splitList 3 data (fun input ->
          let captions, features = stored "c.txt" Seeds.captions[0], stored "f.npy" Seeds.npy[0]
          let listed (name: string) (images: string) = CaptionSplitFiles(stored name (Encoding.UTF8.GetBytes images), features)
          let splits = [| listed "train.txt" "c.jpg\nd.jpg"; CaptionSplitFiles(stored "valid.txt" input, features); listed "test.txt" "e.jpg\nf.jpg" |]
          for image in (CaptionData.Read("x", captions, splits, null, remedy)).Valid.Images do must (image.Captions.Count > 0) "an image without captions")
      make "characters" Text Seeds.characters 2 data (fun input ->
          let text = CharacterText.Load(stored "x.txt" input)
          language text
          if input = marked Seeds.characters then must (not (text.Vocabulary.Contains "\uFEFF")) "a mark of byte order as a character")
      make "words" Text Seeds.lines 2 [] (fun input ->
          let reader = WordReader "<eos>"
          for id in reader.Read(typed input) do reader.Word id |> ignore)
      make "vocabulary" Text Seeds.vocabulary 2 data (fun input ->
          let v = Vocabulary.Load(stored "x.vocabulary" input)
          must (Vocabulary.Parse(v.ToText(), "again").Tokens |> Seq.forall2 (=) v.Tokens) "another vocabulary after a round trip")
      make "codec" Text Seeds.lines 0 (typeof<ArgumentException> :: invalid) (fun input ->
          let words = (typed input).Split '\n'
          let unknown = if words.Length > 1 then words[1] else null
          let codec = TextCodec(words, unknown, null, (if words.Length % 2 = 0 then TextUnit.Word else TextUnit.Character))
          codec.Decode((codec.Encode(typed input)).Tokens |> Seq.truncate 20) |> ignore) // one that stands for others may be long
      make "safetensors" Safetensors (Seeds.weights run @ Seeds.checkpoint run @ Seeds.oddTensors) 2 invalid (fun input ->
          let struct (tensors, _) = Noisy.Models.Safetensors.Read(stored "x.safetensors" input)
          for tensor in tensors.Values do
              must (tensor.numel () >= 0L) "a tensor of fewer than no numbers"
              tensor.Dispose())
      make "safetensors, core" Safetensors (Seeds.weights run @ Seeds.checkpoint run @ Seeds.oddTensors) 2 invalid (fun input ->
          let content = SafetensorsReader.Read(new MemoryStream(input))
          for tensor in content.Tensors.Values do must (int64 tensor.Values.Length = product tensor.Shape) "numbers that the shape does not hold")
      make "language model" Safetensors (Seeds.weights run) 1 invalid (fun input ->
          let model = LanguageModel.Load(new MemoryStream(input))
          model.Next(0).Logits |> ignore
          model.Score(ReadOnlySpan [| 0; 0 |]) |> ignore)
      make "checkpoint" Safetensors (Seeds.checkpoint run) 1 usage (fun input ->
          let folder = place "checkpoint"
          Directory.CreateDirectory folder |> ignore
          let path = Path.Combine(folder, "000000010-00002.safetensors")
          File.WriteAllBytes(path, input)
          File.WriteAllText(path + ".sha256", Convert.ToHexStringLower(SHA256.HashData input) + "  x\n")
          use best = new BestWeights()
          let state = Checkpoint.Load(folder, task.Value, optimizer.Value.State, best, ignore)
          must (not (isNull state)) "no state of a checkpoint that is there")
      make "config" Json (Seeds.runConfig run) 1 usage (fun input ->
          let folder = folderOf "config.json" input
          use _ = RunFolder.Open(folder, Seeds.config, task.Value.Data, ignore)
          ())
      make "log" JsonLines (Seeds.log run) 1 usage (fun input ->
          for event in RunLog.Read(stored "log.jsonl" input) do
              must (not (isNull event || isNull event.Event)) "an event without a name"
              event.IsEvaluation |> ignore)
      make "summary" Json (Seeds.summary run) 1 usage (fun input ->
          let folder = folderOf "summary.json" input
          let s = RunSummary.Read(Path.Combine(folder, "summary.json"))
          must (not (isNull s)) "no summary of a file that is there"
          for part in [ s.Metrics.Train; s.Metrics.Valid; s.Metrics.Test ] do must (not (isNull part)) "a split without metrics"
          let fields = [ s.Experiment; s.Preset; s.Activation; s.Device; s.WeightsSha256; s.Data.Name ]
          for field in fields do must (not (isNull field)) "a field that must be there is null"
          must (not (isNull s.Config || isNull s.Versions)) "no config or versions")
      make "tables" Json (Seeds.summary run) 1 usage (fun input -> Found.gather [ folderOf "summary.json" input ] |> Tables.markdown |> ignore)
      make "schedule" Text Seeds.schedules 5 [ typeof<InvalidSpecException> ] (fun input ->
          let schedule = Schedule.Parse(typed input)
          for update in [ 0L; 1L; 1000L; Int64.MaxValue ] do schedule.At update |> ignore
          must (Schedule.Parse(string schedule) = schedule) "another schedule after a round trip")
      make "curriculum" Text Seeds.curricula 4 [ typeof<InvalidSpecException> ] (fun input ->
          let curriculum = Curriculum.Parse(typed input)
          must (Curriculum.Parse(string curriculum) = curriculum) "another curriculum after a round trip")
      make "field" Text Seeds.fields 8 [ typeof<UsageException>; typeof<InvalidSpecException> ] (fun input ->
          match (typed input).Split('\n', 3) with
          | [| experiment; name; value |] ->
              let config = (PaperExperiments.ByName experiment).Config("tiny").With(name, value)
              config.Validate()
              ConfigJson.Read(ConfigJson.ToJson config, config.Settings.GetType()) |> ignore
          | _ -> ())
      make "command" Text Seeds.commands 2 [ typeof<UsageException>; typeof<InvalidSpecException> ] (fun input ->
          match List.ofArray (commandLine input) with
          | experiment :: words ->
              let experiment = PaperExperiments.ByName experiment
              Options.ofExperiment experiment (Array.ofList words) |> Option.iter (fun options ->
                  // Every combination of settings with every seed of every row becomes a run.
                  let count = List.fold (fun count (_, values) -> count * float (List.length values)) (float (options.Rows.Length * options.Seeds.Length)) options.Set
                  if count <= 100.0 then Runs.plan experiment options |> ignore)
          | [] -> ())
      make "calculator" Text Seeds.calculations 2 [ typeof<UsageException>; typeof<InvalidSpecException> ] (fun input ->
          Activations.table (commandLine input) |> Option.iter (Seq.iter ignore))
      make "benchmark options" Text Seeds.benchmarks 3 usage (fun input -> BenchOptions.read (commandLine input) |> ignore)
      make "text console" Text Seeds.lines 2 [] (fun input ->
          use errors = new StringWriter()
          let model = Path.Combine(run, "weights.safetensors")
          let code = TextTool.Run([| "score"; model; stored "x.txt" input |], TextWriter.Null, errors)
          must (code = 0 || code = 3 && errors.ToString() <> "") $"exit code {code}") ]
