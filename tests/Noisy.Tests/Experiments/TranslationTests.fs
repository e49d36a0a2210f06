/// Translation with attention.
module Noisy.Tests.TranslationTests

open System
open System.IO
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open Noisy.Tests.TrainingHelpers
open TorchSharp

let private data = lazy TranslationWorld.Create(1, 22, 9, 7)

let private config =
    (PaperExperiments.ByName "nmt").RowConfig("tiny", "nah")
    |> having [ "embedding", "5"; "hidden", "6"; "attention", "4"; "batch", "6"; "epochs", "2"; "beam", "2"; "schedule", "paper" ]

let private newTask (config: RunConfig) : ITrainingTask = new TranslationTask(config, data.Value, torch.CPU)

/// Batches of similar length, whose last is smaller; best weights; a beam search in the test.
let trial = { Name = "translation"; Config = config; Every = 4L; Task = newTask }

let private moment update = BatchPosition(update, 1 + int update / 4, update % 4L, 1)
let private test' = CancellationToken.None

/// A model and its encoded sentences, alone.
let private sentences (task: ITrainingTask) (pairs: SentencePair seq) =
    let kept = data.Value.Train
    let source = SentenceVocabulary.FromSentences([ for p in kept -> p.Source ], 1_000)
    let target = SentenceVocabulary.FromSentences([ for p in kept -> p.Target ], 1_000)
    task.Model :?> TranslationModel, target, [ for p in pairs -> SentenceVocabulary.Encode(source, p.Source), SentenceVocabulary.Encode(target, p.Target) ]

let private training =
    [ torchTest "the objective is the mean over the batch of the sums over the words; an epoch shows every pair once" (fun () ->
          use task = newTask config
          Expect.equal task.UpdatesPerEpoch 4L "updates"
          let model, _, encoded = sentences task data.Value.Train
          let alone = [ for s, t in encoded -> let struct (sum, _) = model.Loss(SentenceBatch.Create [| s |], SentenceBatch.Create [| t |], NoiseContext.Test) in scalarOf sum ]
          for epoch in 0L .. 1L do
              let batches = [ for i in 0L .. 3L -> task.Loss(moment (epoch * 4L + i), NoiseContext.Test) ]
              Expect.equal (batches |> List.map _.Items |> List.sort) [ 4L; 6L; 6L; 6L ] "sentences"
              for b in batches do Tol.close tensor32 (scalarOf b.NllSum / float b.Items) (scalarOf b.Objective) "objective"
              Tol.close tensor32 (List.sum alone) (batches |> List.sumBy (fun b -> scalarOf b.NllSum)) "all sentences, whatever stands beside them")

      torchTest "evaluation is the sentences' mean, and BLEU that of the translations" (fun () ->
          use task = newTask config
          let model, target, encoded = sentences task data.Value.Test
          let alone = [ for s, t in encoded -> let struct (sum, _) = model.Loss(SentenceBatch.Create [| s |], SentenceBatch.Create [| t |], NoiseContext.Test) in scalarOf sum ]
          let found = task.Evaluate(Split.Test, 1, NoiseContext.Test, test')
          Tol.close tensor32 (List.average alone) found["nll"] "nll"
          let words = encoded |> List.sumBy (fun (_, t) -> t.Length)
          Tol.close tensor32 (exp (List.sum alone / float words)) found["perplexity"] "perplexity"
          let translation = task :?> TranslationTask
          let all = translation.Translate(7, NoiseContext.Test, test')
          let bleu = CorpusBleu.Default.ScoreTokens([| for t in all -> t.Found |], [| for t in all -> [| t.Reference |] |])
          Tol.close Tol.scalar bleu.Bleu found["bleu"] "bleu"
          Expect.equal [ for t in all -> t.Source ] [ for p in data.Value.Test -> p.Source ] "in order"
          Expect.equal [ for t in translation.Translate(3, NoiseContext.Test, test') -> t.Found ] [ for t in Seq.take 3 all -> t.Found ] "the first ones") ]

let private search =
    [ torchTest "a beam of one takes the likeliest word each time; a wider one is never less likely" (fun () ->
          let translated (beam: int) = (newTask (config |> having [ "beam", string beam; "maxLength", "20" ])) :?> TranslationTask
          use task = translated 1
          let model, target, encoded = sentences task data.Value.Test
          let nll (source: int[]) (words: string[]) =
              let struct (sum, _) = model.Loss(SentenceBatch.Create [| source |], SentenceBatch.Create [| SentenceVocabulary.Encode(target, words) |], NoiseContext.Test)
              scalarOf sum
          let greedy = task.Translate(7, NoiseContext.Test, test')
          for (source, _), found in Seq.zip encoded greedy do
              let rec go state last length =
                  let struct (logs, next) = model.Next(state, last, NoiseContext.Test)
                  let row = values logs
                  let best = Array.findIndex ((=) (Array.max row)) row
                  if best = SentenceVocabulary.End || length = 39 then [ if best <> SentenceVocabulary.End then best ] else best :: go next [| best |] (length + 1)
              let expected = go (model.Start(SentenceBatch.Create [| source |], NoiseContext.Test)) null 0
              Expect.equal found.Found (target.Decode expected) "greedy"
          use wider = translated 4
          let better = wider.Translate(7, NoiseContext.Test, test')
          // Ranked by nats a word; only what ended can be compared as a sentence.
          for (source, _), one, several in Seq.zip3 encoded greedy better do
              if one.Found.Length < 39 && several.Found.Length < 39 then
                  let rate (words: string[]) = nll source words / float (words.Length + 1)
                  Tol.atMost (rate several.Found) (rate one.Found + 1e-5) "nats a word")

      torchTest "an alignment's rows add up to one" (fun () ->
          use task = newTask config :?> TranslationTask
          let first = data.Value.Test[0]
          let alignment = task.Align(0, first.Target, NoiseContext.Test)
          Expect.equal alignment.Source (Array.append first.Source [| "<eos>" |]) "source"
          Expect.equal alignment.Weights.Length (first.Target.Length + 1) "rows"
          for row in alignment.Weights do
              Expect.equal row.Length alignment.Source.Length "columns"
              Tol.close tensor32 1.0 (row |> Array.sumBy float) "sum") ]

let private pages =
    [ torchTest "the page shows words as people read them, escaped or not" (fun () ->
          use folder = new TempFolder()
          let lines = [ for i in 1 .. 40 -> $"the dog {i} &amp; a man\tl&apos; homme {i} &quot;" ]
          File.WriteAllLines(folder.In "escaped.tsv", lines)
          let escaped = TranslationTexts.Load([| folder.In "escaped.tsv" |], 50)
          use task = new TranslationTask(config, escaped, torch.CPU)
          let run = folder.In "run"
          trainTask task config run (Nullable 2L) quiet test' |> ignore
          Noisy.Scripts.Translations.draw run task config
          let page = File.ReadAllText(Path.Combine(run, "translations.html"))
          let number = escaped.Test[0].Source[2]
          for words in [ $"<td>the dog {number} &amp; a man</td>"; $"<td>l&#39; homme {number} &quot;</td>" ] do Expect.stringContains page words "read"
          Expect.isFalse (page.Contains "&amp;apos;" || page.Contains "&amp;amp;") "escaped twice") ]

let private texts =
    [ test "a user's parallel text is cut into 90, 5 and 5 percent" {
          use folder = new TempFolder()
          let lines side = String.Join("\n", [ for i in 1 .. 40 -> $"{side}{i} b" ]) + "\n"
          File.WriteAllText(folder.In "a.en", lines "s")
          File.WriteAllText(folder.In "a.fr", lines "t")
          let two = TranslationTexts.Load([| folder.In "a.en"; folder.In "a.fr" |], 50)
          Expect.equal (two.Train.Count, two.Valid.Count, two.Test.Count) (36, 2, 2) "sizes"
          for pair in two.Test do Expect.equal (pair.Source[0].TrimStart 's') (pair.Target[0].TrimStart 't') "pairs stay together"
          Expect.hasLength two.Notes 1 "nothing left out, and how it was cut"
          File.WriteAllText(folder.In "b.fr", (lines "t").Replace("t7 b", "").Replace("t9 b", "t9 b c d e"))
          let fewer = TranslationTexts.Load([| folder.In "a.en"; folder.In "b.fr" |], 5)
          Expect.equal [ for note in Seq.take 2 fewer.Notes -> note ]
              [ "the text: 1 of 40 pairs are left out, of which a side is empty"; "the text: 1 of 40 pairs are left out, of which a side is too long" ] "what was left out"
          Expect.equal (two.Identity.Name, two.Identity.Source) ("a.en, a.fr", DataIdentity.Real) "identity"
          File.WriteAllText(folder.In "a.tsv", String.Join("\n", [ for i in 1 .. 40 -> $"s{i}\tt{i}" ]))
          Expect.equal (TranslationTexts.Load([| folder.In "a.tsv" |], 50)).Train.Count 36 "tabs"
          let short = folder.In "short.tsv"
          File.WriteAllText(short, "a\tb\n")
          Tol.throws<DataException> $"'{short}' has 1 pairs; to be cut into training, validation and test it needs 20: name a longer text." (fun () ->
              TranslationTexts.Load([| short |], 50) |> ignore)
      }
      test "settings that are impossible are named" {
          let broken settings = (try (config |> having settings).Validate(); [] with :? InvalidSpecException as e -> List.ofSeq e.Broken)
          Expect.equal (broken [ "text", "bible" ]) [ "text is 'bible': must be multi30k or europarl" ] "text"
          Expect.equal (broken [ "beam", "0"; "vocabulary", "2" ]) [ "vocabulary is 2: must be >= 3"; "beam is 0: must be >= 1" ] "numbers"
      }
      torchTest "without a short pair there is nothing to learn" (fun () ->
          Tol.throws<UsageException> "no training pair has fewer than 2 words on both sides: raise maxLength" (fun () ->
              newTask (config |> having [ "maxLength", "2" ]) |> ignore)) ]

let tests =
    testSequenced
    <| testList "translation" [
        testList "training" training
        testList "search" search
        testList "pages" pages
        testList "texts" texts
    ]
