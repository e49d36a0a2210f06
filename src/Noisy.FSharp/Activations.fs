namespace Noisy.FSharp

open System
open Noisy.Core

/// One activation of a unit: the function that saturates, the noise, and where it enters.
type Spec = NoisyActivationSpec

/// Changes of a spec, for pipelines: Variants.nah.Tanh |> Spec.alpha 1.05 |> Spec.c 0.3. Paper, Algorithm 1 and Section 5.
[<RequireQualifiedAccess>]
module Spec =
    /// A spec of a unit without noise; the other functions add it.
    let ofUnit (unit: SaturatingUnit) : Spec = NoisyActivationSpec unit

    /// The leak α, the weight of the hard function against its linearisation; 1 means no leak.
    let alpha (value: float) (spec: Spec) = spec.WithAlpha value

    /// The noise scale c, ≥ 0. A schedule replaces it at run time.
    let c (value: float) (spec: Spec) = spec.WithC value

    /// The initial gap gain p of every unit.
    let p (value: float) (spec: Spec) = spec.WithP(Nullable value)

    /// Draws each unit's initial gap gain from U(−1, 1), as the paper does.
    let drawnP (spec: Spec) = spec.WithP(Nullable())

    /// Keeps the gap gains at their initial values.
    let frozenP (spec: Spec) = spec.WithLearnP false

    /// The distribution of the noise.
    let noise (kind: NoiseKind) (spec: Spec) = spec.WithNoise kind

    /// Where the noise enters the unit.
    let placement (place: NoisePlacement) (spec: Spec) = spec.WithPlacement place

    /// How the noise's deviation follows from the pre-activation.
    let scaling (law: NoiseScaling) (spec: Spec) = spec.WithScaling law

    /// The saturating function.
    let unit (unit: SaturatingUnit) (spec: Spec) = spec.WithUnit unit

    /// Clips the output to the range of the hard function.
    let clipped (spec: Spec) = spec.WithClipOutput true

    /// φ(x, ξ) for a pre-activation x, a draw ξ ~ N(0, 1) and a gap gain p, with the spec's own noise scale.
    let value (spec: Spec) (x: float) (xi: float) (p: float) = NoisyFunction.Value(spec, x, xi, p, spec.C)

    /// E[φ(x, ξ)] over the noise, for a gap gain p; for output noise without a clip also what the unit gives at test time.
    let mean (spec: Spec) (x: float) (p: float) = NoisyMoments.Mean(spec, x, p, spec.C)

/// A named pair of activations: what replaces tanh and what replaces sigmoid in a network.
type Variant = ActivationPair

/// Changes of a variant, for pipelines: Variants.nah |> Variant.named "mine" |> Variant.map (Spec.alpha 1.05 >> Spec.c 0.3).
[<RequireQualifiedAccess>]
module Variant =
    /// A variant of two specs.
    let create (name: string) (tanh: Spec) (sigmoid: Spec) : Variant = ActivationPair(name, tanh, sigmoid, "tanh: " + string tanh + "; sigmoid: " + string sigmoid)

    /// The same activations under another name, which --activation then takes: lower-case letters, digits, dots and dashes.
    let named (name: string) (variant: Variant) : Variant =
        if name = "" || not (Seq.forall (fun c -> Char.IsAsciiLetterLower c || Char.IsAsciiDigit c || c = '-' || c = '.') name) then
            raise (InvalidSpecException [| $"the variant's name is '{name}': must be lower-case letters, digits, dots and dashes, since folders are named after it" |])

        ActivationPair(name, variant.Tanh, variant.Sigmoid, variant.Summary)

    /// One line for help texts.
    let about (summary: string) (variant: Variant) : Variant = ActivationPair(variant.Name, variant.Tanh, variant.Sigmoid, summary)

    /// Both activations changed by the same function.
    let map (change: Spec -> Spec) (variant: Variant) : Variant = variant.Map change

    /// What replaces tanh.
    let tanh (spec: Spec) (variant: Variant) : Variant = ActivationPair(variant.Name, spec, variant.Sigmoid, variant.Summary)

    /// What replaces sigmoid.
    let sigmoid (spec: Spec) (variant: Variant) : Variant = ActivationPair(variant.Name, variant.Tanh, spec, variant.Summary)

/// The paper's activations, with the constants of the authors' code (decision 3).
[<RequireQualifiedAccess>]
module Variants =
    /// tanh and sigmoid, without noise.
    let soft: Variant = Noisy.Core.Variants.Soft

    /// Hard-tanh and hard-sigmoid, without noise.
    let hard: Variant = Noisy.Core.Variants.Hard

    /// Normal noise at the output where the unit saturates, learned p.
    let nan: Variant = Noisy.Core.Variants.Nan

    /// Half-normal noise at the output where the unit saturates, learned p.
    let nah: Variant = Noisy.Core.Variants.Nah

    /// Normal noise of fixed deviation at the input.
    let nani: Variant = Noisy.Core.Variants.Nani

    /// Normal noise at the input, its deviation by the gap and a learned p.
    let nanil: Variant = Noisy.Core.Variants.Nanil

    /// Normal noise at the input, with the draw-dependent scale of the authors' released code.
    let nanilReleased: Variant = Noisy.Core.Variants.NanilReleased

    /// Normal noise at the input where the unit saturates.
    let nanis: Variant = Noisy.Core.Variants.Nanis

    /// All of them, in the order of help texts.
    let all: Variant list = List.ofSeq Noisy.Core.Variants.All

/// Schedules of the noise scale: functions of the update, which compose by pipelines. Paper, Section 3.
[<RequireQualifiedAccess>]
module Schedule =
    /// The same value at every update.
    let constant (value: float) = Noisy.Core.Schedule.Constant value

    /// start / √(t + 1), t the update.
    let inverseSqrt (start: float) = Noisy.Core.Schedule.InverseSqrt start

    /// A straight line from start to end, then constant.
    let linear (start: float) (finish: float) (updates: int64) = Noisy.Core.Schedule.Linear(start, finish, updates)

    /// start · factorᵗ, t the update.
    let exponential (start: float) (factor: float) = Noisy.Core.Schedule.Exponential(start, factor)

    /// Half a cosine from start to end, then constant.
    let cosine (start: float) (finish: float) (updates: int64) = Noisy.Core.Schedule.Cosine(start, finish, updates)

    /// Half a cosine from start to end, again and again; each period is growth (≥ 1) times as long as the one before.
    let warmRestarts (start: float) (finish: float) (updates: int64) (growth: int64) = Noisy.Core.Schedule.WarmRestarts(start, finish, updates, growth)

    /// The paper's annealing, c = max(0.5, 30 / √(⌊update / 200⌋ + 1)).
    let paper = Noisy.Core.Schedule.Paper

    /// A function of the update, pure; its values must be finite and ≥ 0. The name stands in configs and logs; a run is not resumed with
    /// a function of other values.
    let ofFunction (name: string) (f: int64 -> float) = Noisy.Core.Schedule.FromFunction(name, f)

    /// A fold over updates: start at update 0, and from there each value from the one before and its update. Values are kept as they are
    /// computed.
    let fold (name: string) (start: float) (next: float -> int64 -> float) =
        let known = ResizeArray [ start ]

        ofFunction name (fun update ->
            lock known (fun () ->
                while int64 known.Count <= update do
                    known.Add(next known[known.Count - 1] (int64 known.Count - 1L))

                known[int update]))

    /// The schedule as a staircase: its value at ⌊update / updates⌋.
    let every (updates: int64) (schedule: Schedule) = schedule.Every updates

    /// The schedule, but never below a floor.
    let clampMin (floor: float) (schedule: Schedule) = schedule.ClampMin floor

    /// The schedule, but never above a ceiling.
    let clampMax (ceiling: float) (schedule: Schedule) = schedule.ClampMax ceiling

    /// One schedule before an update, another from there on, which counts its own updates from 0.
    let thenFrom (update: int64) (next: Schedule) (first: Schedule) = first.Then(update, next)

    /// Value at an update, ≥ 0.
    let at (update: int64) (schedule: Schedule) = schedule.At update

    /// A schedule from its text form, such as "inverseSqrt(30) | every(200) | clampMin(0.5)".
    let parse (text: string) = Noisy.Core.Schedule.Parse text
