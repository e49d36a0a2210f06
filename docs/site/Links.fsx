/// Follows the links of a site that lies in a folder.
module Links

open System
open System.IO
open System.Net
open System.Text.RegularExpressions

let private linkPattern = Regex(@"\s(?:href|src)=""([^""]*)""", RegexOptions.Compiled)
let private namePattern = Regex(@"\s(?:id|name)=""([^""]*)""", RegexOptions.Compiled)

/// Number of pages and of links within the site, and a line for each link that leads nowhere.
let check (site: string) =
    let pages = Directory.GetFiles(site, "*.html", SearchOption.AllDirectories) |> Array.filter (fun page -> Path.GetFileName page <> "toc.html")
    let texts = dict [ for page in pages -> page, File.ReadAllText page ]
    let names = dict [ for page in pages -> page, set [ for m in namePattern.Matches texts[page] -> WebUtility.HtmlDecode m.Groups[1].Value ] ]

    let links =
        [ for page in pages do
              for m in linkPattern.Matches texts[page] do
                  let link = WebUtility.HtmlDecode m.Groups[1].Value
                  if not (Regex.IsMatch(link, "^([a-z]+:|//)")) && link <> "" then page, link

          // Tables of contents, which scripts of the page read.
          for table in Directory.GetFiles(site, "toc.json", SearchOption.AllDirectories) do
              for m in Regex.Matches(File.ReadAllText table, @"""href"":""([^""]*)""") do table, m.Groups[1].Value ]

    let broken =
        [ for page, link in List.distinct links do
              let path, anchor = match link.IndexOf '#' with -1 -> link, "" | at -> link[.. at - 1], Uri.UnescapeDataString link[at + 1 ..]
              let path = (path.Split '?')[0]
              let target = if path = "" then page else Path.GetFullPath(Path.Combine(Path.GetDirectoryName page, Uri.UnescapeDataString path))
              let target = if Directory.Exists target then Path.Combine(target, "index.html") else target
              let from = Path.GetRelativePath(site, page)
              if not (File.Exists target) then $"{from}: {link} leads to no file"
              elif anchor <> "" && names.ContainsKey target && not (names[target].Contains anchor) then $"{from}: {link} leads to no heading" ]

    pages.Length, links.Length, broken
