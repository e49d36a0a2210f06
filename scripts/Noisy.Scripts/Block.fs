/// A block of a page that a script writes, between two marks.
module Noisy.Scripts.Block

open Noisy.FSharp.Options

/// A page with its block renewed.
///
/// name: of the block and of the option that writes it; file: the page's name in messages. Raises UsageException unless each mark stands in the page
/// once, in order.
let renew name file (page: string) (text: string) =
    let first = $"<!-- {name}: written by scripts/tables.fsx --{name}, do not edit -->"
    let last = $"<!-- end of the {name} -->"

    match page.Split first with
    | [| before; rest |] when (rest.Split last).Length = 2 -> $"{before}{first}\n{text}\n{last}{(rest.Split last)[1]}"
    | _ -> refuse $"--{name}: {file} has no place for it: put the two lines\n{first}\n{last}\ninto it, where the tables are to stand"
