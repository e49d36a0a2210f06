/// What a translation model makes of the first sentences of the test, and what it attends to.
module Noisy.Scripts.Translations

open System
open System.IO
open System.Net
open System.Threading
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Plots

let private shown = 40
let private drawn = 4

// A longer one's words could not be read.
let private mostWords = 16

/// As people read it: prepared text often has Moses' escapes, which are HTML's, such as &apos; for an apostrophe.
let private plain (words: string[]) = words |> Array.map WebUtility.HtmlDecode

let private panel (alignment: TranslationAlignment) =
    { Title = String.Join(" ", Seq.take (alignment.Source.Length - 1) (plain alignment.Source))
      Horizontal = "sentence"
      Vertical = "translation"
      Scale = Linear
      Legend = None
      Items =
        [ { Name = ""
            Colour = palette[0]
            Mark =
              Heat
                  { Columns = plain alignment.Source
                    Rows = plain alignment.Target
                    Values = alignment.Weights |> Array.map (Array.map float)
                    Range = Some(0.0, 1.0) } } ] }

/// Writes translations.html, alignments.html and alignments.png into a run's folder.
let draw folder (task: ITrainingTask) (config: RunConfig) =
    match task, Pages.summary folder with
    | :? TranslationTask as translation, Some summary ->
        let context, title = Pages.tested config summary, Pages.title config summary
        let found = translation.Translate(shown, context, CancellationToken.None) |> List.ofSeq
        let bleu = Metrics.withUnit "bleu" summary.Metrics.Test["bleu"]
        let words (all: string[]) = Html.text (String.Join(" ", plain all))

        let introduction =
            $"The first {found.Length} sentences of the test. BLEU-4 of the whole test is {bleu}, over the words as they are in the text, without smoothing."

        let rows = [ for f in found -> [ words f.Source; words f.Reference; words f.Found ] ]
        let body = Html.table [ "sentence"; "reference"; "translation" ] rows
        Html.page title "" introduction body |> Html.save (Path.Combine(folder, "translations.html"))

        let panels =
            [ for i, f in List.indexed found do
                  if max f.Source.Length f.Found.Length <= mostWords && f.Found.Length > 0 then
                      panel (translation.Align(i, f.Found, context)) ]
            |> List.truncate drawn

        if not panels.IsEmpty then
            let figure = { Title = $"{title}: how much each word of the translation (rows) attends to each word of the sentence"; Columns = 1; Panels = panels }
            Pages.saveFigure folder "alignments" (1100, 520) figure
    | _ -> ()
