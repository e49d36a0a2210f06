/// Captions of pictures with attention.
module Noisy.Tests.CaptionTests

open System
open System.Collections.Generic
open System.Formats.Tar
open System.IO
open System.IO.Compression
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers
open TorchSharp

let private data = lazy CaptionWorld.Create(2, 9, 3, 4)

let private config =
    (PaperExperiments.ByName "captions").RowConfig("tiny", "nah")
    |> having [ "embedding", "5"; "hidden", "6"; "attention", "4"; "batch", "8"; "epochs", "2"; "beam", "2"; "selector", "true"
                "wordToOutput", "true"; "contextToOutput", "true"; "alphaC", "0.5" ]

let private newTask (config: RunConfig) : ITrainingTask = new CaptionTask(config, data.Value, torch.CPU)

/// How many batches of one length there are.
let private updates =
    lazy
        (let train = data.Value.Train
         train.Captions
         |> Seq.countBy (fun struct (image, caption) -> train.Images[image].Captions[caption].Length)
         |> Seq.sumBy (fun (_, count) -> int64 ((count + 7) / 8)))

/// The baseline of hard attention is carried; dropout; what is drawn.
let trial =
    { Name = "captions"
      Config = config |> having [ "look", "hard"; "activation", "nan"; "c", "null"; "dropout", "0.3" ]
      Every = updates.Value
      Task = newTask }

let private never = CancellationToken.None
let private sampling = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 0, Nullable 0.8)
let private sizes dropout = CaptionShape(9, 3, 5, 6, 4, true, true, true, dropout)
let private newModel pair engine = new CaptionModel(sizes 0.0, pair, InitialScheme.Uniform, NoiseClock 1L, Backend = engine)
let private places () = filled 7L [ 4L; 2L; 3L ]
let private words = lazy SentenceBatch.Create [| [| 5; 2; 0 |]; [| 3; 0 |] |]

let private model =
    [ for pair in [ Variants.Soft; Variants.Nah; Variants.Nanil ] do
          torchTest $"a score is what the model says word by word: {pair.Name}" (fun () ->
              let m = newModel pair Backend.Auto
              let score = m.Loss(m.Start(places (), NoiseContext.Test), words.Value, NoiseContext.Test)
              let mutable state = m.Start(places (), NoiseContext.Test)
              for t, (last, next) in List.indexed [ null, [ 5; 3 ]; [| 5; 3 |], [ 2; 0 ]; [| 2; 0 |], [ 0; -1 ] ] do
                  let struct (logs, maps, after) = m.Next(state, last, NoiseContext.Test)
                  let rows = values logs |> Array.chunkBySize 9
                  for b, w in List.indexed next do
                      let found = scalarOf (score.Nats.select(0L, int64 t).select (0L, int64 b))
                      Tol.close tensor32 (if w < 0 then 0.0 else -rows[b][w]) found "nats"
                  closeTensor tensor32 (score.Attention.select (0L, int64 t)) maps "attention"
                  closeTensor tensor32 (torch.ones 2L) (maps.sum [| 0L |]) "weights"
                  state <- after)

          torchTest $"both paths agree, noise and gradients included: {pair.Name}" (fun () ->
              let run engine =
                  let m = newModel pair engine
                  let score = m.Loss(m.Start(places (), sampling), words.Value, sampling)
                  score.Sum.backward ()
                  Tol.close tensor32 (Array.sum (values score.Nats)) (scalarOf score.Sum) "sum"
                  Expect.equal m.LastBackend (if engine = Backend.Auto then FusedEngine.FusedName else FusedEngine.ComposedName) "path"
                  score.Nats, [ for struct (name, p) in m.named_parameters () do if not (isNull p.grad) then name, p.grad ]
              let nats, gradients = run Backend.Auto
              let expected, expectedGradients = run Backend.Composed
              closeTensor tensor32 expected nats "nats"
              Expect.equal (List.map fst gradients) (List.map fst expectedGradients) "parameters with gradients"
              for (name, e), (_, a) in List.zip expectedGradients gradients do closeTensor tensor32Slope (e.to_dense ()) (a.to_dense ()) name)

      torchTest "half of the attention steps take one place, drawn as often as it weighs; the same draw for the same key" (fun () ->
          let m = newModel Variants.Soft Backend.Auto
          let draw update =
              let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, update)
              let score = m.Loss(m.Start(places (), context), words.Value, context, draw = true)
              values score.Attention, values score.Selected
          let count = 400
          let all = [ for update in 0L .. int64 count - 1L -> draw update ]
          Expect.equal (draw 3L) all[3] "again"
          // The first step's attention does not depend on what was drawn: [L, B] of it, B = 2.
          let single = [ for _, looked in all do for b in 0 .. 1 do let look = [| for l in 0 .. 3 -> looked[l * 2 + b] |] in if Array.max look = 1.0 then b, Array.findIndex ((=) 1.0) look ]
          let n = float (2 * count)
          Tol.below (abs (float single.Length - n / 2.0)) (5.0 * sqrt (n / 4.0)) "half of them, five standard errors"
          for b in 0 .. 1 do
              let drawn = single |> List.filter (fst >> (=) b) |> List.map snd
              for place in 0 .. 3 do
                  let weight = (fst all[0])[place * 2 + b]
                  let found = drawn |> List.filter ((=) place) |> List.length |> float
                  let expected = weight * float drawn.Length
                  Tol.below (abs (found - expected)) (5.0 * sqrt (expected * (1.0 - weight)) + 1.0) $"place {place}"
          for _, looked in all do
              for step in looked |> Array.chunkBySize 8 do Tol.close tensor32 2.0 (Array.sum step) "adds up") ]

/// What a task's model says of the first batch that the task trains on.
let private firstBatch (config: RunConfig) (task: ITrainingTask) (context: NoiseContext) draw =
    let train, settings = data.Value.Train, config.SettingsAs<CaptionSettings>()
    let kept =
        [| for struct (image, caption) in train.Captions do
               let words = train.Images[image].Captions[caption]
               if words.Length < settings.MaxLength then image, words |]
    let vocabulary = SentenceVocabulary.FromSentences(Seq.map snd kept, settings.Vocabulary)
    let lengths = kept |> Array.map (fun (_, words) -> words.Length + 1)
    let chosen = (SentenceBatches.OneLength(NoiseKey.FromSeed(config.Seed).Child "captions", 1, lengths, settings.Batch))[0]
    let features = train.Features
    let vectors (image: int) =
        let found = Array.zeroCreate<float32> (features.Places * features.Channels)
        features.Fill(image, found.AsSpan())
        found
    let flat = chosen |> Array.collect (fun i -> vectors (fst kept[i]))
    let annotations = torch.tensor(flat).reshape(int64 chosen.Length, int64 features.Places, int64 features.Channels).transpose(0L, 1L).contiguous ()
    let words = SentenceBatch.Create [| for i in chosen -> SentenceVocabulary.Encode(vocabulary, snd kept[i]) |]
    let m = task.Model :?> CaptionModel
    m.Loss(m.Start(annotations, context), words, context, draw = draw)

let private training =
    [ torchTest "the objective is the mean of the captions' nats, with the penalty on places" (fun () ->
          for alpha in [ 0.0; 0.5 ] do
              let config = config |> having [ "alphaC", string alpha; "dropout", "0" ]
              use task = newTask config
              let batch = task.Loss(BatchPosition(0L, 1, 0L, 1), NoiseContext.Test)
              let plain = scalarOf batch.NllSum / float batch.Items
              let found = firstBatch config task NoiseContext.Test false
              Tol.close tensor32 plain (scalarOf found.Sum / float batch.Items) "the same batch"
              // The mean over places of the sum over captions of (1 − Σ attention over time)².
              let places = int found.Attention.shape[1]
              let sums = values found.Attention |> Array.chunkBySize (places * int batch.Items) |> Array.reduce (Array.map2 (+))
              let penalty = (sums |> Array.sumBy (fun sum -> (1.0 - sum) ** 2.0)) / float places
              Tol.close tensor32 (plain + alpha * penalty) (scalarOf batch.Objective) $"alphaC {alpha}")

      torchTest "hard attention learns from the mean nats, from its draws by what they cost above the baseline, and from its entropy" (fun () ->
          let config = config |> having [ "look", "hard"; "dropout", "0" ]
          use task = newTask config
          let mutable baseline = 0.0
          for update in 0L .. 1L do
              let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 2L, update)
              let batch = task.Loss(BatchPosition(update, 1, 0L, 1), context)
              let found = firstBatch config task context true
              let count, usual = int batch.Items, baseline * float found.Nats.shape[0]
              let nats, attention, selected = values found.Nats, values found.Attention, values found.Selected
              Expect.contains selected 1.0 "some places are drawn"
              // Of [T, B] and [T, L, B], what belongs to a caption.
              let sum b length (f: int -> float) = Seq.sumBy f (seq { b .. count .. length - 1 })
              let learned b =
                  let cost = sum b nats.Length (fun i -> nats[i])
                  let drawn = sum b attention.Length (fun i -> selected[i] * log attention[i])
                  cost + 0.1 * (cost - usual) * drawn + 0.002 * sum b attention.Length (fun i -> attention[i] * log attention[i])
              Tol.close tensor32 (Seq.averageBy learned (seq { 0 .. count - 1 })) (scalarOf batch.Objective) $"update {update}"
              baseline <- 0.9 * baseline + 0.1 * Array.average nats)

      torchTest "an epoch shows every caption once, each batch of one length" (fun () ->
          use task = newTask (config |> having [ "dropout", "0" ])
          Expect.equal task.UpdatesPerEpoch updates.Value "updates"
          for epoch in 0L .. 1L do
              let batches = [ for i in 0L .. updates.Value - 1L -> task.Loss(BatchPosition(epoch * updates.Value + i, int epoch + 1, i, 1), NoiseContext.Test) ]
              Expect.equal (batches |> List.sumBy _.Items) 45L "captions")

      torchTest "the penalty is for soft attention alone" (fun () ->
          let objective look alpha =
              use task = newTask (config |> having [ "look", look; "alphaC", alpha; "dropout", "0" ])
              scalarOf <| task.Loss(BatchPosition(0L, 1, 0L, 1), NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 2L, 0L)).Objective
          Tol.above (objective "soft" "0.5") (objective "soft" "0") "soft"
          Expect.equal (objective "hard" "0.5") (objective "hard" "0") "hard")

      torchTest "hard attention carries the moving mean of its costs by word" (fun () ->
          let shortest = data.Value.Train.Images |> Seq.collect _.Captions |> Seq.map Array.length |> Seq.min
          use task = newTask (config |> having [ "look", "hard"; "dropout", "0"; "maxLength", string (shortest + 1) ])
          let baseline () = scalarOf task.Carried["baseline"]
          let mutable expected = 0.0
          for update in 0L .. 2L do
              let batch = task.Loss(BatchPosition(update, 1, 0L, 1), NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 2L, update))
              expected <- 0.9 * expected + 0.1 * scalarOf batch.NllSum / float (batch.Items * int64 (shortest + 1))
              Tol.close tensor32 expected (baseline ()) "baseline")

      torchTest "a drawn place passes no gradient to the attention, the weighted mean does" (fun () ->
          let m = new CaptionModel(CaptionShape(9, 3, 5, 6, 4, false, false, true), Variants.Soft, InitialScheme.Uniform, NoiseClock 1L)
          let caption = SentenceBatch.Create [| [| 0 |] |]
          let tried =
              [ for update in 0L .. 19L do
                    m.zero_grad ()
                    let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 3L, update)
                    let score = m.Loss(m.Start(filled 7L [ 4L; 1L; 3L ], context), caption, context, draw = true)
                    score.Sum.backward ()
                    let drawn = values score.Selected |> Array.contains 1.0
                    let gradient = (m.get_parameter "attention.score").grad
                    let taught = not (isNull gradient) && values gradient |> Array.exists ((<>) 0.0)
                    Expect.equal taught (not drawn) "only one of both"
                    Expect.equal (values score.Selected = values score.Attention) (not drawn) "what was looked at"
                    drawn ]
          Expect.containsAll tried [ true; false ] "both occur")

      torchTest "what is drawn teaches the attention where captions become likelier" (fun () ->
          // One place is right for every caption: its weight must grow, though no gradient passes through the draw.
          let m = new CaptionModel(CaptionShape(3, 2, 4, 5, 4, false, false, true), Variants.Soft, InitialScheme.Uniform, NoiseClock 1L)
          use optimizer = Optimizer.Create(OptimizerSpec.Create OptimizerKind.Adam, m)
          let places = torch.tensor([| 1.0f; 0.0f; 0.0f; 1.0f; 0.0f; 1.0f |]).reshape(3L, 1L, 2L).expand(3L, 16L, 2L).contiguous ()
          let captions = SentenceBatch.Create [| for i in 0 .. 15 -> [| 2 |] |]
          let weight () = let s = m.Loss(m.Start(places.clone (), NoiseContext.Test), captions, NoiseContext.Test) in scalarOf (s.Attention.mean [| 0L; 2L |])
          let before = weight ()
          for update in 0L .. 60L do
              use _ = torch.NewDisposeScope()
              let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 1L, update)
              let score = m.Loss(m.Start(places.clone (), context), captions, context, draw = true)
              // A made-up cost: 1 where the first place was not drawn.
              let cost = torch.tensor(1.0f) - score.Selected.select(1L, 0L).squeeze 0L
              let logs = score.Attention.log ()
              let reward = ((score.Selected * logs).sum [| 0L; 1L |]) * (cost - cost.mean ())
              reward.mean().backward ()
              optimizer.Step(0.01, update + 1L, 1.0)
          Tol.above (weight ()) (before + 0.1) "weight of the first place") ]

let private evaluation =
    [ torchTest "evaluation is the captions' mean, and the scores are those of what was written" (fun () ->
          use task = newTask config :?> CaptionTask
          let found = (task :> ITrainingTask).Evaluate(Split.Test, 1, NoiseContext.Test, never)
          let written = task.Describe(4, NoiseContext.Test, never)
          let hypotheses = [| for w in written -> w.Found |]
          let references = [| for w in written -> Seq.toArray w.Image.Captions |]
          let bleu = CorpusBleu.Default.ScoreTokens(hypotheses, references)
          Expect.equal [ for n in 1 .. 3 -> found[$"bleu{n}"] ] [ for n in 0 .. 2 -> bleu.Values[n] ] "BLEU-1 to 3"
          Expect.equal found["bleu"] bleu.Bleu "BLEU-4"
          Tol.close Tol.scalar (Meteor.English.Corpus(hypotheses, references)).Value found["meteor"] "METEOR"
          let again = (task :> ITrainingTask).Evaluate(Split.Test, 1, NoiseContext.Test, never)
          Expect.equal again["nll"] found["nll"] "repeats"
          Expect.equal [ for w in task.Describe(2, NoiseContext.Test, never) -> w.Found ] [ for w in Seq.take 2 written -> w.Found ] "the first ones")

      torchTest "each word has a map of what it attends to" (fun () ->
          use task = newTask config :?> CaptionTask
          let maps = task.Attention(1, [| "a"; "large"; "circle" |], NoiseContext.Test)
          Expect.equal maps.Length 3 "words"
          let struct (rows, columns) = task.Grid
          for map in maps do
              Expect.equal map.Length (rows * columns) "places"
              Tol.close tensor32 1.0 (map |> Array.sumBy float) "sum")

      test "settings that are impossible are named" {
          let broken settings = (try (config |> having settings).Validate(); [] with :? InvalidSpecException as e -> List.ofSeq e.Broken)
          Expect.equal (broken [ "alphaC", "-1"; "dropout", "1" ]) [ "alphaC is -1: must be finite and >= 0"; "dropout is 1: must be in [0, 1)" ] "numbers"
      } ]

let private archive path (names: string list) =
    use zip = new GZipStream(File.Create path, CompressionLevel.Fastest)
    use tar = new TarWriter(zip)
    for name in names do
        tar.WriteEntry(PaxTarEntry(TarEntryType.RegularFile, name, DataStream = new MemoryStream(Text.Encoding.ASCII.GetBytes name)))

let private pictures =
    [ test "a bitmap holds its pixels, from the top, blue first" {
          let picture = Picture.OfPixels(2, [| 1uy; 2uy; 3uy; 4uy; 5uy; 6uy; 7uy; 8uy; 9uy; 10uy; 11uy; 12uy |])
          let number at = BitConverter.ToInt32(picture.Bytes, at)
          Expect.equal (picture.MediaType, picture.Bytes.Length, number 2, number 10, number 18, number 22) ("image/bmp", 54 + 16, 54 + 16, 54, 2, -2) "header"
          Expect.equal picture.Bytes[54..] [| 3uy; 2uy; 1uy; 6uy; 5uy; 4uy; 0uy; 0uy; 9uy; 8uy; 7uy; 12uy; 11uy; 10uy; 0uy; 0uy |] "pixels"
          Expect.stringStarts picture.DataAddress "data:image/bmp;base64,Qk" "address"
      }
      test "pictures are taken from an archive by name; a damaged one is refused" {
          use folder = new TempFolder()
          let path = folder.In "a.tar.gz"
          archive path [ "x/a.jpg"; "x/b.jpg" ]
          let found = Picture.FromArchive(path, HashSet [ "b.jpg"; "c.jpg" ])
          Expect.equal [ for p in found -> p.Key, Text.Encoding.ASCII.GetString p.Value.Bytes ] [ "b.jpg", "x/b.jpg" ] "found"
          let refused what =
              let message = Expect.throwsC (fun () -> Picture.FromArchive(folder.In "bad.tar.gz", HashSet [ "a" ]) |> ignore) _.Message
              Expect.stringContains message what "message"
          File.WriteAllText(folder.In "bad.tar.gz", "no archive")
          refused "is not a whole gzip file"
          do
              use zip = new GZipStream(File.Create(folder.In "bad.tar.gz"), CompressionLevel.Fastest)
              zip.Write(ReadOnlySpan(Array.create 1024 65uy))
          refused "is not a whole .tar.gz archive"
      } ]

let tests =
    testSequenced
    <| testList "captions" [
        testList "model" model
        testList "training" training
        testList "evaluation" evaluation
        testList "pictures" pictures
    ]
