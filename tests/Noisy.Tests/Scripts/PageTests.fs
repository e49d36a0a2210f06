/// Pages: what reaches a browser.
module Noisy.Tests.PageTests

open System
open System.IO
open System.Text
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open Noisy.Experiments
open Noisy.FSharp
open Noisy.Scripts
open Noisy.Tests.TorchHelpers

let private hostile = "</script><script>window.ran=1</script><img src=x onerror=\"window.ran=1\"> <unk> & 'q'"

/// A figure with the text wherever a figure has text.
let private figure text : Plots.Figure =
    let item mark : Plots.Item = { Name = text; Colour = "#000000"; Mark = mark }
    let panel items : Plots.Panel = { Title = text; Horizontal = text; Vertical = text; Scale = Plots.Linear; Legend = None; Items = items }
    let heat: Plots.HeatMap = { Columns = [| text; "b" |]; Rows = [| "a"; text |]; Values = [| [| 0.0; 1.0 |]; [| 1.0; 0.5 |] |]; Range = None }
    let line, dots = Plots.Line([| 0.0; 1.0 |], [| 0.0; 2.0 |]), Plots.Dots([| 0.0 |], [| 1.0 |])
    { Title = text; Columns = 1; Panels = [ panel [ item (Plots.Heat heat) ]; panel [ item line; item dots; item (Plots.Band([| 0.0; 1.0 |], [| 0.0; 1.0 |], [| 1.0; 2.0 |])) ] ] }

let private count (part: string) (whole: string) = Regex.Matches(whole, Regex.Escape part, RegexOptions.IgnoreCase).Count

/// Fails if the page has tags that a page with harmless text does not have, or if its charset comes late.
let private sound (harmless: string) (page: string) name =
    for tag in [ "<script"; "</script"; "<img"; "<unk" ] do
        Expect.equal (count tag page) (count tag harmless) $"{name}: {tag}"
    Expect.stringContains (Encoding.UTF8.GetString((Encoding.UTF8.GetBytes page)[..1023])) "<meta charset=\"utf-8\">" $"{name}: charset"

let tests =
    testList "pages" [
        test "labels of figures cannot leave the script that holds them, and show tags as they are" {
            use folder = new TempFolder()
            let page text =
                FigurePages.save folder.Path (folder.In "page.html") [ figure text; figure text ]
                File.ReadAllText(folder.In "page.html")
            let page, harmless = page hostile, page "x"
            sound harmless page "figures"
            Expect.stringContains page "&lt;/script&gt;" "shown as it is"
            Expect.equal (FigurePages.label "<unk> & co") "&lt;unk&gt; &amp; co" "Plotly shows an unknown tag only if it is escaped"
        }
        test "words of tables, headings and introductions are text" {
            let page text = Html.page text "" text (Html.table [ text ] [ [ Html.text text; Html.markup "<b>bold</b>" ] ])
            sound (page "x") (page hostile) "table"
            Expect.stringContains (page hostile) "<b>bold</b>" "markup of our own stays"
            Expect.stringContains (page hostile) "&lt;unk&gt; &amp;" "text"
        }
        test "pages of one experiment share one script, which each finds from where it is, and are small" {
            use folder = new TempFolder()
            let run = folder.In "tiny-soft-s1"
            Directory.CreateDirectory run |> ignore
            Pages.saveFigure run "curves" (300, 200) (figure "x")
            FigurePages.save folder.Path (folder.In "comparison.html") [ figure "x" ]
            let script = Directory.GetFiles(folder.Path, "*.js", SearchOption.AllDirectories) |> Array.exactlyOne
            let source file = Regex.Match(File.ReadAllText file, "<script src=\"([^\"]*)\"").Groups[1].Value
            for page in [ Path.Combine(run, "curves.html"); folder.In "comparison.html" ] do
                Expect.equal (Path.GetFullPath(Path.Combine(Path.GetDirectoryName page, source page))) script "found"
                Tol.below (FileInfo(page).Length) 100_000L "small"
            Expect.stringContains (File.ReadAllText script) "Plotly" "the script"
            let written = File.GetLastWriteTimeUtc script
            FigurePages.save folder.Path (folder.In "more.html") [ figure "x" ]
            Expect.equal (File.GetLastWriteTimeUtc script) written "written once"
            File.WriteAllText(script, "half")
            FigurePages.save folder.Path (folder.In "more.html") [ figure "x" ]
            Tol.above (FileInfo(script).Length) 1_000_000L "a damaged one is replaced"
        }
        test "the index of a folder leads to every run and all that is there, with the table over seeds" {
            use folder = new TempFolder()
            let out = folder.In "all runs"
            let run name finished seed test =
                let place = Path.Combine(out, name)
                Directory.CreateDirectory place |> ignore
                for file in [ "config.json"; "log.jsonl"; "curves.html"; "gallery.html" ] do File.WriteAllText(Path.Combine(place, file), "{}")
                if finished then File.WriteAllText(Path.Combine(place, "summary.json"), JsonSerializer.Serialize(ReportTests.summary id "soft" seed true test, ConfigJson.Indented))
            run "paper-soft-s1" true 1L 115.0
            run "paper-soft-s2" true 2L 117.0
            run "paper-a&b=<c>-s1" false 1L 0.0
            File.WriteAllText(Path.Combine(out, "results.csv"), "")
            IndexPage.save out "perplexity" [ "soft" ]
            let page = File.ReadAllText(Path.Combine(out, "index.html"))
            let addresses = [ for found in Regex.Matches(page, "href=\"([^\"]*)\"") -> Uri.UnescapeDataString(Net.WebUtility.HtmlDecode found.Groups[1].Value) ]
            for address in addresses do Expect.isTrue (File.Exists(Path.Combine(out, address))) address
            for name in [ "paper-soft-s1"; "paper-soft-s2"; "paper-a&b=<c>-s1" ] do
                for file in [ "config.json"; "log.jsonl"; "curves.html"; "gallery.html" ] do Expect.contains addresses $"{name}/{file}" "linked"
            Expect.contains addresses "paper-soft-s2/summary.json" "summary"
            Expect.contains addresses "results.csv" "results"
            Expect.stringContains page "116 [103, 129]" "the mean with its interval"
            Expect.stringContains page "no summary yet" "what is not done"
            Expect.isFalse (page.Contains "<c>") "names are text"
        }
    ]
