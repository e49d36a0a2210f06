// Makes the documentation's site, artifacts/site, and follows every link in it:  dotnet fsi build.fsx -t Docs
//
// Pages are README, CHANGELOG, CONTRIBUTING and docs/. The C# reference is docfx's, from the assemblies and their XML; the F# reference comes
// from the signatures that the F# compiler writes, since docfx knows no F#. Serve it with  dotnet fsi build.fsx -t Docs -- --serve
#load "FSharpReference.fsx"
#load "Links.fsx"

open System
open System.Diagnostics
open System.IO
open System.Text.RegularExpressions

let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "..", ".."))
let artifacts = Path.Combine(root, "artifacts")
let source, site, tools = Path.Combine(artifacts, "site-source"), Path.Combine(artifacts, "site"), Path.Combine(artifacts, "tools")
let docfxVersion = "2.81.0"

let fail (message: string) =
    eprintfn "%s" message
    exit 1

let run (program: string) (words: string list) =
    use child = Process.Start(ProcessStartInfo(program, words, WorkingDirectory = root))
    child.WaitForExit()
    if child.ExitCode <> 0 then fail $"{program} {List.head words} failed"

let docfx = Path.Combine(tools, (if OperatingSystem.IsWindows() then "docfx.exe" else "docfx"))

if Array.contains "--serve" fsi.CommandLineArgs then
    if not (Directory.Exists site) then fail $"there is no site yet: dotnet fsi build.fsx -t Docs makes it"
    run docfx [ "serve"; site ]
    exit 0

// ---- What the pages are made of -------------------------------------------------------------------------------------

for folder in [ source; site ] do
    if Directory.Exists folder then Directory.Delete(folder, true)

let copy (from: string) (target: string) =
    let target = Path.Combine(source, target)
    Directory.CreateDirectory(Path.GetDirectoryName target) |> ignore
    File.Copy(from, target)

/// A page, whose links to the README lead to the site's first page.
let page (from: string) (target: string) =
    copy from target
    let file = Path.Combine(source, target)
    File.WriteAllText(file, (File.ReadAllText file).Replace("README.md)", "index.md)").Replace("README.md#", "index.md#"))

page (Path.Combine(root, "README.md")) "index.md"
for name in [ "CHANGELOG.md"; "CONTRIBUTING.md" ] do page (Path.Combine(root, name)) name
copy (Path.Combine(root, "LICENSE")) "LICENSE"

let below (folder: string) (pattern: string) =
    [ for file in Directory.GetFiles(Path.Combine(root, folder), pattern, SearchOption.AllDirectories) do
          let name = Path.GetRelativePath(root, file).Replace('\\', '/')
          if not (name.Contains "/bin/" || name.Contains "/obj/" || name.StartsWith "docs/site/") then file, name ]

for file, name in below "docs" "*.md" do page file name
for pattern in [ "*.cs"; "*.fs"; "*.fsx" ] do
    for file, name in below "examples" pattern do copy file name
for file, name in below "docs" "*.png" do copy file name

for name in [ "docfx.json"; "filter.yml"; "toc.yml" ] do copy (Path.Combine(__SOURCE_DIRECTORY__, name)) name
copy (Path.Combine(__SOURCE_DIRECTORY__, "guide.yml")) "docs/toc.yml"
copy (Path.Combine(__SOURCE_DIRECTORY__, "template", "public", "main.css")) "template/public/main.css"

let guide = File.ReadAllText(Path.Combine(__SOURCE_DIRECTORY__, "guide.yml"))
for file in Directory.GetFiles(Path.Combine(root, "docs"), "*.md") do
    if not (guide.Contains("href: " + Path.GetFileName file + "\n")) then fail $"docs/site/guide.yml does not list {Path.GetFileName file}"

// ---- References -----------------------------------------------------------------------------------------------------

let signatures = Path.Combine(source, "Noisy.FSharp.fsi")
let build project more =
    let words = [ "--configuration"; "Release"; "--verbosity"; "quiet"; "--nologo"; "-p:RunAnalyzers=false" ]
    run "dotnet" ([ "build"; Path.Combine(root, project) ] @ words @ more)

build "scripts/Noisy.Command" [] // whose folder has all assemblies
build "src/Noisy.FSharp" [ "--no-dependencies"; "-t:Rebuild"; $"-p:OtherFlags=--sig:{signatures}" ]
FSharpReference.write signatures (Path.Combine(source, "fsharp"))
File.Delete signatures

let bin = Path.Combine(root, "scripts", "Noisy.Command", "bin", "Release", "net10.0")
for file in Directory.GetFiles bin do
    if file.EndsWith ".dll" || file.EndsWith ".xml" then copy file ("assemblies/" + Path.GetFileName file)

// ---- The site -------------------------------------------------------------------------------------------------------

if not (File.Exists docfx) then
    run "dotnet" [ "tool"; "install"; "docfx"; "--tool-path"; tools; "--version"; docfxVersion; "--verbosity"; "quiet" ]

let config = Path.Combine(source, "docfx.json")
run docfx [ "metadata"; config; "--logLevel"; "warning" ]
run docfx [ "build"; config; "--logLevel"; "warning"; "--warningsAsErrors" ]

// docfx takes the names in tuples for members that Microsoft would document, and spells out the ancestors of torch's modules.
for file in Directory.GetFiles(Path.Combine(site, "api"), "*.html") do
    let text = Regex.Replace(File.ReadAllText file, @"<a class=""xref"" href=""[^""]*/system\.valuetuple-[^""]*"">([^<]*)</a>", "$1")
    File.WriteAllText(file, Regex.Replace(text, @"(?m)^\s*<div><span class=""xref"">torch</span>\.<span class=""xref"">nn</span>\..*</div>\n", ""))

let pages, links, broken = Links.check site
for line in broken do eprintfn "%s" line
printfn "%d pages, %d links, %d broken: %s" pages links broken.Length (Path.Combine(site, "index.html"))
if not broken.IsEmpty then exit 1
