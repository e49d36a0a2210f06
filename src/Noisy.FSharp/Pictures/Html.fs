/// Pages that need no network. Text becomes HTML in one place only, so that no word of a text can be taken for a tag or a script.
module internal Noisy.FSharp.Html

open System
open System.IO
open System.Net
open System.Runtime.CompilerServices
open Noisy.Models
open Noisy.Experiments

/// HTML, as it goes into a page. Strings become it by `text` or, if this program wrote them, by `markup`.
[<Struct>]
type Html =
    private
    | Html of string

    override this.ToString() = (let (Html html) = this in html)

/// Words, whatever is in them.
let text (words: string) = Html(WebUtility.HtmlEncode words)

/// Tags of this program's own, around HTML.
let markup (html: string) = Html html

/// One after another.
let concat (between: string) (parts: Html seq) = Html(String.Join(between, parts))

/// A table.
let table (head: string list) (rows: Html list seq) =
    let row tag cells = markup $"""<tr>{cells |> List.map (fun (cell: Html) -> markup $"<{tag}>{cell}</{tag}>") |> concat ""}</tr>"""
    let lines = seq { row "th" (List.map text head); yield! Seq.map (row "td") rows }
    markup $"<table>\n{String.Join('\n', lines)}\n</table>"

/// A page. The charset is named first: browsers look for it in the first 1,024 bytes alone.
///
/// style: CSS; head: what else its head holds.
let document (title: string) (style: string) (head: Html) (body: Html) =
    $"<!DOCTYPE html>
<html lang=\"en\"><head><meta charset=\"utf-8\">
<title>{text title}</title>
<style>{style}</style>{head}</head><body>
{body}
</body></html>
"

/// A page with a heading, a paragraph and more.
let page (title: string) (style: string) (introduction: string) (body: Html) =
    let style =
        "body { font: 15px sans-serif; margin: 2em } td, th { padding: .4em 1em; text-align: left; vertical-align: top; border-top: 1px solid #ccc }\n"
        + style

    document title style (markup "") (markup $"<h1>{text title}</h1>\n<p>{text introduction}</p>\n{body}")

/// Writes a page: all of it or, if the disk is full, none.
[<MethodImpl(MethodImplOptions.NoInlining)>] // F# would inline it into other assemblies, which may not see AtomicFile
let save (path: string) (page: string) = AtomicFile.Write(path, page)
