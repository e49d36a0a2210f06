/// Generators of valid and of invalid values; properties take these types as arguments.
module Noisy.Tests.Arbitraries

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core

let units =
    [ SaturatingUnit.HardTanh
      SaturatingUnit.HardSigmoid
      SaturatingUnit.HardSigmoidSixth
      SaturatingUnit.Relu
      SaturatingUnit.Relu6
      SaturatingUnit(2.0, 0.25, Double.NegativeInfinity, 1.0) ]

let isValid (spec: NoisyActivationSpec) =
    try
        spec.Validate() |> ignore
        true
    with :? InvalidSpecException ->
        false

/// Every valid combination of unit, noise, placement, scaling, leak, rule at α = 1, clip and softness.
let allSpecs =
    [ for unit in units do
          for noise in Enum.GetValues<NoiseKind>() do
              for placement in Enum.GetValues<NoisePlacement>() do
                  for scaling in Enum.GetValues<NoiseScaling>() do
                      for alpha in [ 0.9; 1.0; 1.15 ] do
                          for rule in Enum.GetValues<AlphaOneRule>() do
                              for clip in [ false; true ] do
                                  for soft in [ false; true ] do
                                      let spec =
                                          NoisyActivationSpec(unit, noise, placement, scaling, alpha, 0.5, 0.8, true, rule, clip, soft)
                                      let redundant =
                                          (alpha <> 1.0 && rule = AlphaOneRule.Silent)
                                          || (noise = NoiseKind.None && (placement, scaling, rule) <> (NoisePlacement.Output, NoiseScaling.Gap, AlphaOneRule.Inward))
                                      if not redundant && isValid spec then spec ]

/// The named variants, both activations of each.
let variants = [ for pair in Variants.All do pair.Tanh; pair.Sigmoid ]

let private signed gen = Gen.map2 (fun s v -> if s then v else -v) (Gen.elements [ true; false ]) gen

let private uniform low high = Gen.choose (0, 1_000_000) |> Gen.map (fun i -> low + (high - low) * float i / 1e6)

let private genUnit =
    Gen.frequency
        [ 3, Gen.elements units
          1,
          gen {
              let! slope = uniform 0.05 4.0
              let! offset = uniform -2.0 2.0
              let! lower = uniform -3.0 1.0
              let! width = uniform 0.01 5.0
              let! openSide = Gen.choose (0, 4)
              return
                  match openSide with
                  | 0 -> SaturatingUnit(slope, offset, Double.NegativeInfinity, lower + width)
                  | 1 -> SaturatingUnit(slope, offset, lower, Double.PositiveInfinity)
                  | _ -> SaturatingUnit(slope, offset, lower, lower + width)
          } ]

/// Any valid spec.
let private genSpec =
    gen {
        let! shape = Gen.elements allSpecs
        let! unit = genUnit
        let! alpha = Gen.frequency [ 1, Gen.constant 1.0; 3, uniform 0.5 1.5 ]
        let spec = if shape.UseSoft then shape else shape.WithUnit unit
        return if shape.Alpha = 1.0 then spec else spec.WithAlpha alpha
    }

/// Pre-activations with the places where something can go wrong: thresholds and their neighbours, ±0, subnormal, huge.
let private genX (unit: SaturatingUnit) =
    let thresholds =
        [ unit.LowerThreshold; unit.UpperThreshold ]
        |> List.filter Double.IsFinite
        |> List.collect (fun t -> [ t; Math.BitIncrement t; Math.BitDecrement t ])
    Gen.frequency
        [ 6, uniform -8.0 8.0
          2, Gen.elements thresholds
          1, signed (Gen.elements [ 0.0; Double.Epsilon; 1e-310; 1e-20 ])
          1, signed (Gen.elements [ 1e3; 1e10; 1e30 ])
          2, uniform -40.0 40.0 ]

let private genXi = Gen.frequency [ 8, uniform -4.0 4.0; 1, signed (Gen.elements [ 0.0; 1e-12; 1e-5; 8.0 ]) ]
let private genP = Gen.frequency [ 6, uniform -1.0 1.0; 2, uniform -5.0 5.0; 1, Gen.constant 0.0 ]
let private genC = Gen.frequency [ 6, uniform 0.0 1.0; 2, uniform 0.0 30.0; 1, Gen.constant 0.0 ]

/// One evaluation of a valid spec.
type Case =
    { Spec: NoisyActivationSpec
      X: float
      Xi: float
      P: float
      C: float }

let private genCase =
    gen {
        let! spec = genSpec
        let! x = genX spec.Unit
        let! xi = genXi
        let! p = genP
        let! c = genC
        return { Spec = spec; X = x; Xi = xi; P = p; C = c }
    }

/// A valid case of ordinary size, away from every kink, where central differences make sense.
type SmoothCase = SmoothCase of Case

/// A spec with at least one broken rule, and a word that the message must contain for each of them.
type InvalidSpec = InvalidSpec of NoisyActivationSpec * string list

let private genInvalid =
    let notFinite = Gen.elements [ nan; infinity; -infinity ]
    let breakers =
        [ gen {
              let! v = notFinite
              return (fun (s: NoisyActivationSpec) -> s.WithAlpha v), "alpha is"
          }
          gen {
              let! v = Gen.oneof [ notFinite; uniform -5.0 -1e-6 ]
              return (fun s -> s.WithC v), "c is"
          }
          gen {
              let! v = notFinite
              return (fun s -> s.WithP(Nullable v)), "p is"
          }
          gen {
              let! v = Gen.oneof [ notFinite; uniform -5.0 0.0 ]
              return (fun s -> s.WithUnit(SaturatingUnit(v, 0.0, -1.0, 1.0))), "unit slope is"
          }
          gen {
              let! v = notFinite
              return (fun s -> s.WithUnit(SaturatingUnit(1.0, v, -1.0, 1.0))), "unit offset is"
          }
          gen {
              let! v = uniform 1.0 3.0
              return (fun s -> s.WithUnit(SaturatingUnit(1.0, 0.0, v, 1.0))), "lower must be below upper"
          }
          Gen.constant ((fun s -> s.WithUnit(SaturatingUnit(1.0, 0.0, -infinity, infinity))), "at least one must be finite")
          Gen.constant (
              (fun s -> s.WithNoise(NoiseKind.Normal).WithPlacement(NoisePlacement.Output).WithScaling NoiseScaling.Ratio),
              "output noise with scaling Ratio"
          ) ]
    gen {
        let! spec = Gen.elements variants
        let! chosen = Gen.subListOf [ 0 .. breakers.Length - 1 ] |> Gen.where (fun l -> not (Seq.isEmpty l))
        // Only one breaker of the unit, and the last of them wins: keep at most one.
        let unitBreakers = set [ 3..6 ]
        let chosen =
            let units, others = chosen |> Seq.toList |> List.partition unitBreakers.Contains
            others @ List.truncate 1 units
        let! broken = chosen |> List.map (fun i -> breakers[i]) |> Gen.sequenceToList
        return InvalidSpec(broken |> List.fold (fun s (f, _) -> f s) spec, List.map snd broken)
    }

/// Any schedule, nested up to four combinators deep.
type AnySchedule = AnySchedule of Schedule

/// A schedule built from parts that never rise.
type FallingSchedule = FallingSchedule of Schedule

let private genValue = Gen.frequency [ 4, uniform 0.0 40.0; 1, Gen.elements [ 0.0; 1e-300; 1e300; Double.Epsilon; 0.1 ] ]
let private genCount = Gen.frequency [ 3, Gen.choose (1, 500) |> Gen.map int64; 1, Gen.elements [ 1L; Int64.MaxValue ] ]

let private genStart falling =
    Gen.oneof
        [ genValue |> Gen.map Schedule.Constant
          genValue |> Gen.map Schedule.InverseSqrt
          Gen.map3 (fun a b n -> if falling then Schedule.Linear(max a b, min a b, n) else Schedule.Linear(a, b, n)) genValue genValue genCount
          Gen.map2 (fun a f -> Schedule.Exponential(a, f)) genValue (uniform 1e-6 1.0)
          Gen.map3 (fun a b n -> if falling then Schedule.Cosine(max a b, min a b, n) else Schedule.Cosine(a, b, n)) genValue genValue genCount
          if not falling then Gen.map3 (fun a b n -> Schedule.WarmRestarts(a, b, n, 1L + n % 3L)) genValue genValue genCount
          Gen.constant Schedule.Paper ]

let rec private genSchedule falling depth =
    if depth = 0 then
        genStart falling
    else
        gen {
            let! inner = genSchedule falling (depth - 1)
            let! kind = Gen.choose (0, if falling then 2 else 3)
            let! v = genValue
            let! n = genCount
            let! next = genStart falling
            return
                match kind with
                | 0 -> inner.Every n
                | 1 -> inner.ClampMin v
                | 2 -> inner.ClampMax v
                | _ -> inner.Then(n, next)
        }

let private nearKink case =
    let unit = case.Spec.Unit
    let near (v: float) = [ unit.LowerThreshold; unit.UpperThreshold ] |> List.exists (fun t -> abs (v - t) < 1e-3)
    let point = NoisyFunction.Evaluate(case.Spec, case.X, case.Xi, case.P, case.C)
    let epsilon = if case.Spec.Noise = NoiseKind.HalfNormal then abs case.Xi else case.Xi
    near case.X
    || near (case.X + point.Sigma * epsilon)
    || (case.Spec.ClipOutput && (abs (point.Value - unit.Lower) < 1e-3 || abs (point.Value - unit.Upper) < 1e-3))

type Generators =
    static member Case() = Arb.fromGen genCase

    static member SmoothCase() =
        genCase
        |> Gen.where (fun c -> abs c.X < 10.0 && (c.Xi = 0.0 || abs c.Xi > 1e-3) && not (nearKink c))
        |> Gen.map SmoothCase
        |> Arb.fromGen

    static member InvalidSpec() = Arb.fromGen genInvalid
    static member AnySchedule() = Gen.choose (0, 4) |> Gen.bind (genSchedule false) |> Gen.map AnySchedule |> Arb.fromGen
    static member FallingSchedule() = Gen.choose (0, 4) |> Gen.bind (genSchedule true) |> Gen.map FallingSchedule |> Arb.fromGen

/// A property over these generators.
let property name count body =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with arbitrary = [ typeof<Generators> ]; maxTest = count } name body

/// A small generator with no hidden state, for tests that need many draws: SplitMix64 (Steele, Lea, Flood 2014).
type Draws(seed: uint64) =
    let mutable state = seed

    member _.Word() =
        state <- state + 0x9E3779B97F4A7C15UL
        let z = (state ^^^ (state >>> 30)) * 0xBF58476D1CE4E5B9UL
        let z = (z ^^^ (z >>> 27)) * 0x94D049BB133111EBUL
        z ^^^ (z >>> 31)

    /// Uniform in (0, 1).
    member d.Uniform() = (float (d.Word() >>> 11) + 0.5) / 9007199254740992.0

    /// Standard normal.
    member d.Normal() = sqrt (-2.0 * log (d.Uniform())) * cos (2.0 * Math.PI * d.Uniform())
