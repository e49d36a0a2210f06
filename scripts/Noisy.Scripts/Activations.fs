/// The script of the activations: exact numbers with --table, figures without.
module Noisy.Scripts.Activations

open Noisy.FSharp
open Argu
open Noisy.Core
open Noisy.FSharp.Options

/// The options as Argu reads them.
[<RequireQualifiedAccess>]
type Argument =
    | Table
    | [<Unique>] Function of name: string
    | [<Unique>] Activation of name: string
    | X of list: string list
    | Xi of list: string list
    | [<Unique>] P of number: string
    | [<Unique>] Alpha of number: string
    | [<Unique>] C of number: string
    | [<Unique>] Noise of kind: string
    | [<Unique>] Scaling of law: string
    | [<Unique>] Alpha_One of rule: string
    | Clip
    | [<Unique>] Out of folder: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Table -> "print the exact values as CSV instead of drawing"
            | Function _ -> "tanh or sigmoid (default: tanh)"
            | Activation _ -> "name of a variant, see below (default: nah)"
            | X _ -> "pre-activations, separated by commas"
            | Xi _ -> "raw noise ξ, one for all x or one each (default: 0)"
            | P _ -> "gap gain (default: 1)"
            | Alpha _ -> "leak of output noise (default: the variant's own)"
            | C _ -> "noise scale: of Eq. 9 for nan, nah and nanil, σ itself for nani and nanis (default: the variant's own)"
            | Noise _ -> "another noise: normal or half-normal"
            | Scaling _ -> "another law of σ: constant, gap (Eq. 9), excess (without p) or ratio (released NANIL)"
            | Alpha_One _ -> "direction of the noise at α = 1: inward (default) or silent"
            | Clip -> "clip the output to the range of the hard function"
            | Out _ -> "folder of the pictures (default: runs/activations)"

let private explain () =
    let width = Variants.All |> Seq.map _.Name.Length |> Seq.max
    let lines = Variants.All |> Seq.map (fun v -> $"    {v.Name.PadRight width}  {v.Summary}") |> String.concat "\n"

    $"""ACTIVATIONS:

{lines}

COLUMNS of --table, in 17 significant digits: {Calculator.header}

WITHOUT OPTIONS the script draws the paper's figures; with options of an activation, but without --table, that one alone: mean,
deviation, draws and expected gradient.

EXAMPLES: dotnet fsi scripts/activations.fsx --table --function tanh --activation nah --x -2,0.5,3 --xi 1.2 --p -0.7
          dotnet fsi scripts/activations.fsx --activation nah --alpha 1.3 --c 0.25 --p 2"""

/// Options that the variant's formula does not contain change nothing; the user is told on standard error.
let private ignored (spec: NoisyActivationSpec) (given: (string * bool) list) =
    let noise = spec.Noise <> NoiseKind.None
    let atOutput = spec.Placement = NoisePlacement.Output && not spec.UseSoft

    let applies name =
        match name with
        | "--alpha" -> atOutput
        | "--clip" | "--alpha-one" -> noise && atOutput
        | "--p" -> spec.UsesP
        | "--xi" | "--c" -> noise
        | _ -> true

    [ for name, present in given do
          if present && not (applies name) then name ]

/// The spec that the options describe, checked, and its gap gain.
let private spec (found: ParseResults<Argument>) =
    let variant = Variants.ByName(found.GetResult(Argument.Activation, "nah"))
    let number option value = value |> Option.map (Calculator.real option)
    let alpha = found.TryGetResult Argument.Alpha |> number "--alpha"
    let c = found.TryGetResult Argument.C |> number "--c"
    let p = found.TryGetResult Argument.P |> number "--p"
    let xis = found.GetResults Argument.Xi
    let start = Calculator.side variant (found.GetResult(Argument.Function, "tanh"))

    let noise =
        found.TryGetResult Argument.Noise
        |> Option.map (Calculator.choice "--noise" [ "normal", NoiseKind.Normal; "half-normal", NoiseKind.HalfNormal ])

    let scaling =
        found.TryGetResult Argument.Scaling
        |> Option.map (
            Calculator.choice "--scaling"
                [ "constant", NoiseScaling.Constant; "gap", NoiseScaling.Gap; "excess", NoiseScaling.Excess; "ratio", NoiseScaling.Ratio ])

    let rule =
        found.TryGetResult Argument.Alpha_One
        |> Option.map (Calculator.choice "--alpha-one" [ "inward", AlphaOneRule.Inward; "silent", AlphaOneRule.Silent ])

    if start.Noise = NoiseKind.None && (noise.IsSome || scaling.IsSome) then
        refuse $"--noise and --scaling do not apply to '{variant.Name}', which has no noise"

    let change value (apply: NoisyActivationSpec -> 'T -> NoisyActivationSpec) spec = value |> Option.fold apply spec
    let laws = start |> change noise (fun s v -> s.WithNoise v) |> change scaling (fun s v -> s.WithScaling v)

    for name in
        ignored laws
            [ "--alpha", alpha.IsSome
              "--c", c.IsSome
              "--p", p.IsSome
              "--xi", not xis.IsEmpty
              "--alpha-one", rule.IsSome
              "--clip", found.Contains Argument.Clip ] do
        eprintfn "note: %s changes nothing here: the formula of '%s' does not contain it" name variant.Name

    let leak = if laws.Placement = NoisePlacement.Output && not laws.UseSoft then alpha else None
    let clip = laws.Placement = NoisePlacement.Output && found.Contains Argument.Clip

    let whole =
        laws.WithLearnP(false).WithP(p |> Option.toNullable).WithClipOutput clip
        |> change leak (fun s v -> s.WithAlpha v)
        |> change c (fun s v -> s.WithC v)
        |> change rule (fun s v -> s.WithAlphaOne v)

    whole.Validate(), defaultArg p 1.0

let private query (found: ParseResults<Argument>) =
    let spec, p = spec found

    let xs =
        match found.GetResults Argument.X with
        | [] -> refuse "--table needs --x, the pre-activations"
        | words -> Calculator.reals "--x" (List.concat words)

    let xis = found.GetResults Argument.Xi
    let xis = if xis.IsEmpty then [ 0.0 ] else Calculator.reals "--xi" (List.concat xis)

    { Calculator.Query.Spec = spec
      Calculator.P = p
      Calculator.C = spec.C
      Calculator.Points = Calculator.pair xs xis }

/// The CSV that a command line requests; None after --help.
let table (words: string[]) =
    parse<Argument> "activations" explain words |> Option.map (query >> Calculator.table)

/// Draws one activation, as the options describe it; the files.
let private draw (found: ParseResults<Argument>) folder =
    let spec, p = spec found
    let name = found.GetResult(Argument.Activation, "nah").ToLowerInvariant() + "-" + found.GetResult(Argument.Function, "tanh")
    let chart = Chart.spec (spec.WithP(System.Nullable p))
    [ for extension in [ ".png"; ".html" ] -> Chart.save (System.IO.Path.Combine(folder, name + extension)) chart ]

/// The script; the exit code.
let main (words: string[]) =
    Host.run (fun _ ->
        match parse<Argument> "activations" explain words with
        | None -> 0
        | Some found when found.Contains Argument.Table ->
            for line in Calculator.table (query found) do
                System.Console.Out.WriteLine line

            0
        | Some found ->
            if found.Contains Argument.X || found.Contains Argument.Xi then
                refuse "--x and --xi are for the numbers: add --table, or leave them away for the pictures"

            let folder = found.GetResult(Argument.Out, "runs/activations")
            let own = found.GetAllResults() |> List.exists (fun a -> not a.IsOut)
            writing "--out" folder (fun () -> for file in (if own then draw found folder else Figures.save folder) do printfn "%s" file)

            0)
