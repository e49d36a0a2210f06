/// The exact calculator behind `activations --table`: the reference functions of the core as CSV.
module Noisy.Scripts.Calculator

open Noisy.FSharp
open System
open System.Globalization
open Noisy.Core
open Noisy.FSharp.Options

/// What is to be calculated.
type Query =
    { Spec: NoisyActivationSpec
      P: float
      C: float
      /// Pre-activation and raw noise of each row.
      Points: (float * float) list }

/// The columns, in the order of every row.
let header = "x,xi,h,u,delta,sigma,phi,dphi_dx,dphi_dp,mean,variance,mean_dx"

/// A number of 17 significant digits, from which the double is read back exactly; zero has no sign.
let digits (value: float) = (value + 0.0).ToString("G17", CultureInfo.InvariantCulture)

/// The header and a line a point.
let table (query: Query) =
    header
    :: [ for x, xi in query.Points do
             let point = NoisyFunction.Evaluate(query.Spec, x, xi, query.P, query.C)
             let mean = NoisyMoments.Evaluate(query.Spec, x, query.P, query.C)

             [ x; xi; point.H; point.U; point.Gap; point.Sigma; point.Value; point.Dx; point.Dp; mean.Mean; mean.Variance; mean.MeanDx ]
             |> List.map digits
             |> String.concat "," ]

/// A number of an option.
let real option (text: string) =
    match Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
    | true, value -> value
    | _ -> refuse $"{option} is '{text}': must be a number"

/// The numbers of a list option.
let reals option words =
    match elements words with
    | [] -> refuse $"{option} needs at least one number"
    | list -> List.map (real option) list

/// Two lists side by side; a list of one serves all of the other.
let pair (xs: float list) (xis: float list) =
    match xs, xis with
    | xs, [ xi ] -> [ for x in xs -> x, xi ]
    | [ x ], xis -> [ for xi in xis -> x, xi ]
    | xs, xis when xs.Length = xis.Length -> List.zip xs xis
    | xs, xis -> refuse $"--x has {xs.Length} values and --xi has {xis.Length}: give as many of both, or one --xi for all"

/// One of a few words.
let choice option (known: (string * 'T) list) (text: string) =
    match known |> List.tryFind (fun (name, _) -> name.Equals(text, StringComparison.OrdinalIgnoreCase)) with
    | Some(_, value) -> value
    | None ->
        let list = known |> List.map fst |> String.concat ", "
        refuse $"{option} is '{text}': known are {list}"

/// Which of the two functions of a pair.
let side (pair: ActivationPair) name =
    choice "--function" [ "tanh", pair.Tanh; "sigmoid", pair.Sigmoid ] name
