/// Pictures of the test with a model's captions and, word by word, what it attends to: one page that needs nothing else.
module Noisy.Scripts.Gallery

open System
open System.Globalization
open System.IO
open System.Threading
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Html

let private shown = 40

let private style =
    "svg { width: 112px; height: 112px; background: #888; display: block } .word { display: inline-block; margin: 0 6px 6px 0; text-align: center; font-size: 13px } "
    + ".grey { filter: grayscale(1) } "
    + ".picture { margin: 1.5em 0; border-top: 1px solid #ccc; padding-top: 1em } .references { color: #555; font-size: 13px } .caption { font-size: 17px }"

let private number (value: float) = value.ToString("0.##", CultureInfo.InvariantCulture)

/// The picture, grey, under the heat of what the word attends to: the more, the lighter and the less transparent.
let private attended (image: string) (rows: int, columns: int) (weights: float32[]) =
    let top = float (Array.max weights)

    let cells =
        [ for i, weight in Array.indexed weights do
              let share = float weight / top
              let struct (r, g, b) = Heat.colour share
              let fill, opacity = $"#%02X{r}%02X{g}%02X{b}", number (Heat.opacity share)
              markup $"""<rect x="{i % columns}" y="{i / columns}" width="1.01" height="1.01" fill="{fill}" fill-opacity="{opacity}"/>""" ]

    let told = Html.text $"largest weight {number top} of 1, at one of {weights.Length} places"
    let picture = markup $"""<use href="#{image}" width="{columns}" height="{rows}" class="grey"/>"""
    markup $"""<svg viewBox="0 0 {columns} {rows}" preserveAspectRatio="none"><title>{told}</title>{picture}{concat "" cells}</svg>"""

/// Writes gallery.html into a run's folder.
let draw folder (task: ITrainingTask) (config: RunConfig) =
    match task, Pages.summary folder with
    | :? CaptionTask as captions, Some summary ->
        let context = Pages.tested config summary
        let struct (rows, columns) = captions.Grid
        let found = captions.Describe(shown, context, CancellationToken.None)
        let pictures = captions.Pictures found.Count
        let metric name = Metrics.withUnit name summary.Metrics.Test[name]

        let entry i (f: CaptionedByModel) =
            let id = $"picture{i}"

            let symbol =
                match pictures[i] with
                | null -> markup ""
                | picture ->
                    markup $"""<svg style="display: none"><symbol id="{id}" viewBox="0 0 1 1" preserveAspectRatio="none"><image href="{picture.DataAddress}" width="1" height="1" preserveAspectRatio="xMidYMid slice"/></symbol></svg>"""

            let whole = markup $"""<svg viewBox="0 0 1 1"><use href="#{id}" width="1" height="1"/></svg>"""
            let attention = captions.Attention(i, f.Found, context)
            let word (word: string) weights = markup $"""<span class="word">{attended id (rows, columns) weights}{text word}</span>"""
            let caption = String.Join(" ", f.Found)
            let references = f.Image.Captions |> Seq.map (fun words -> text (String.Join(" ", words))) |> concat "<br>"

            markup $"""<div class="picture">{symbol}<p class="caption">{text caption}</p>
<span class="word">{whole}{text f.Image.Name}</span>{Seq.map2 word f.Found attention |> concat ""}
<p class="references">{references}</p></div>"""

        let introduction =
            $"""The first {found.Count} pictures of the test: the model's caption, where it attended to for each word """
            + "(yellow: most, dark red: little, grey: not at all), and the references. "
            + $"""Of the whole test: BLEU-4 {metric "bleu"}, METEOR (exact + stem) {metric "meteor"}."""

        let page = Html.page (Pages.title config summary) style introduction (found |> Seq.mapi entry |> concat "\n")
        Html.save (Path.Combine(folder, "gallery.html")) page
    | _ -> ()
