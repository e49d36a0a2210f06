/// Decisions of a run as pure functions: curricula, stop rules, scores.
module Noisy.Tests.CurriculumTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.Arbitraries

/// Any curriculum.
type AnyCurriculum =
    | AnyCurriculum of Curriculum

    static member Arbitrary =
        gen {
            let! kind = Gen.elements [ CurriculumKind.None; CurriculumKind.Naive; CurriculumKind.Mix; CurriculumKind.Combined ]
            let! over = Gen.frequency [ 1, Gen.constant None; 2, Gen.choose (1, 100_000) |> Gen.map Some ]
            return
                match kind, over with
                | CurriculumKind.None, _ | _, None -> Curriculum.Create kind
                | _, Some n -> Curriculum.Create(kind, Nullable(int64 n))
        }
        |> Gen.map AnyCurriculum
        |> Arb.fromGen

let private curricula name count (body: 'a -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = count; arbitrary = [ typeof<AnyCurriculum> ] } name body

let private start = CurriculumState()

/// States after checks with the given (training, validation) accuracies.
let private after (curriculum: Curriculum) stages checks =
    (start, checks) ||> List.scan (fun state (train, valid) -> curriculum.After(train, valid, stages, state)) |> List.tail

let private messages =
    let known = "must be none, naive, mix or combined; all but none may be followed by 'by results' or by 'over N', N an integer of updates"
    [ "", $"curriculum '': {known}"
      "fast", $"curriculum 'fast': {known}"
      "Naive", $"curriculum 'Naive': {known}"
      "naive over", $"curriculum 'naive over': {known}"
      "naive over 1.5", $"curriculum 'naive over 1.5': {known}"
      "naive 20", $"curriculum 'naive 20': {known}"
      "mix by hand", $"curriculum 'mix by hand': {known}"
      "none by results", $"curriculum 'none by results': {known}"
      "naive over 0", "curriculum: over is 0: must be >= 1"
      "none over 5", "curriculum none has no pace: leave out 'over'" ]

let private text =
    [ test "the text form is read with any spaces, and going by results is the default" {
          for text, expected in
              [ "none", Curriculum.Create CurriculumKind.None
                " naive ", Curriculum.Create CurriculumKind.Naive
                "combined by  results", Curriculum.Create CurriculumKind.Combined
                "mix over 300", Curriculum.Create(CurriculumKind.Mix, Nullable 300L) ] do
              Expect.equal (Curriculum.Parse text) expected text
      }
      curricula "text is read back to an equal curriculum" 200 (fun (AnyCurriculum c) -> Expect.equal (Curriculum.Parse(string c)) c "equal")
      for text, message in messages do
          test $"'{text}' is refused" { Tol.throws<InvalidSpecException> message (fun () -> Curriculum.Parse text |> ignore) } ]

let private paces =
    [ test "over N updates the stages are of equal length, and the last begins at N" {
          let c = Curriculum.Parse "naive over 100"
          Expect.equal [ for u in [ 0L; 24L; 25L; 49L; 50L; 99L; 100L; 1_000_000L ] -> c.StageAt(u, 5, start) ] [ 1; 1; 2; 2; 3; 4; 5; 5 ] "stages"
          Expect.equal (c.StageAt(Int64.MaxValue, 5, start)) 5 "far out"
      }
      curricula "the stage lies within the task's, never falls, and is the last where there is no curriculum" 300 (fun (AnyCurriculum c, PositiveInt stages, updates: NonNegativeInt list) ->
          let at = updates |> List.map (fun u -> int64 u.Get) |> List.sort |> List.map (fun u -> c.StageAt(u, stages, start))
          Expect.isTrue (at |> List.forall (fun s -> s >= 1 && s <= stages)) "within"
          Expect.equal (List.sort at) at "never falls"
          if c.Kind = CurriculumKind.None then Expect.isTrue (at |> List.forall ((=) stages)) "last")

      test "mastered in validation, it becomes harder by one stage, and at the last the rate falls instead" {
          let c = Curriculum.Parse "naive"
          let states = after c 3 [ for _ in 1..4 -> 0.5, 0.96 ]
          Expect.equal [ for s in states -> s.Stage, s.RateFactor ] [ 2, 1.0; 3, 1.0; 3, 0.8; 3, 0.8 * 0.8 ] "states"
          Expect.equal ((after c 3 [ 0.5, 0.95 ]).Head.Stage) 1 "0.95 is not above 0.95"
      }
      test "training below its accuracy five checks ago counts like mastery, and the count starts afresh" {
          let c = Curriculum.Parse "combined"
          let falling = [ for train in [ 0.6; 0.59; 0.58; 0.57; 0.56; 0.55 ] -> train, 0.1 ]
          let states = after c 9 falling
          Expect.equal [ for s in states -> s.Stage ] [ 1; 1; 1; 1; 1; 2 ] "after the sixth check"
          Expect.equal (List.ofSeq (List.last states).Accuracies) [ 0.55 ] "the last check is the first of the new stage"
          let still = after c 9 [ for train in [ 0.6; 0.1; 0.1; 0.1; 0.1; 0.6; 0.1 ] -> train, 0.1 ]
          Expect.equal [ for s in still -> s.Stage ] [ 1; 1; 1; 1; 1; 1; 1 ] "equal is not below, and only the fifth before counts"
      }
      test "the run is over once the rate is below 1/500 of its start: Learning to Execute's 0.001 of 0.5" {
          let c = Curriculum.Parse "mix"
          let states = after c 1 [ for _ in 1..40 -> 0.5, 1.0 ]
          let over = states |> List.findIndex c.IsOver
          Tol.below (0.5 * states[over].RateFactor) 0.001 "below"
          Tol.atLeast (0.5 * states[over - 1].RateFactor) 0.001 "not before"
          Expect.isFalse ((Curriculum.Parse "mix over 5").IsOver(states[over])) "only by results"
      }
      curricula "only a curriculum that goes by results looks at them, and accuracies that are no numbers change nothing" 200 (fun (AnyCurriculum c, PositiveInt stages) ->
          if not c.GoesByResults then Expect.equal (c.After(0.0, 1.0, stages, start)) start "state"
          let states = after c stages [ for _ in 1..12 -> nan, nan ]
          Expect.isTrue (states |> List.forall (fun s -> s.Stage = 1 && s.RateFactor = 1.0)) "NaN") ]

let private draws =
    let stream = (NoiseKey.FromSeed(1L).Child "curriculum").At(3L, 0)
    let count = 100_000
    let shares (c: Curriculum) stage = [| for i in 0 .. count - 1 -> c.Draw(stage, 5, stream, int64 i) |] |> Array.countBy id |> dict
    /// Five standard errors of a share.
    let near p (found: int) message =
        let error = sqrt (float count * p * (1.0 - p))
        Tol.atMost (abs (float found - float count * p)) (5.0 * error) message

    [ test "naive draws the current stage, mix all alike, combined mixes one time in five" {
          let naive = shares (Curriculum.Parse "naive") 2
          Expect.equal (Seq.toList naive.Keys, naive[2]) ([ 2 ], count) "naive"
          let mix = shares (Curriculum.Parse "mix") 2
          for stage in 1..5 do near 0.2 mix[stage] $"mix {stage}"
          let combined = shares (Curriculum.Parse "combined over 7") 2
          for stage in 1..5 do near (if stage = 2 then 0.84 else 0.04) combined[stage] $"combined {stage}"
      }
      curricula "a draw is a function of stream and index, within the stages" 200 (fun (AnyCurriculum c, PositiveInt stages, NonNegativeInt index) ->
          let stage = 1 + index % stages
          let drawn = c.Draw(stage, stages, stream, int64 index)
          Expect.isTrue (drawn >= 1 && drawn <= stages) "within"
          Expect.equal (c.Draw(stage, stages, stream, int64 index)) drawn "again")
      test "integers below a bound are alike, and a bound below 1 is refused" {
          let counts = [| for i in 0 .. count - 1 -> stream.Below(7, int64 i) |] |> Array.countBy id |> dict
          Expect.equal (Seq.sort counts.Keys |> List.ofSeq) [ 0..6 ] "values"
          for value in 0..6 do near (1.0 / 7.0) counts[value] $"{value}"
          Expect.equal (stream.Below(Int32.MaxValue, 0L)) (int (uint64 (stream.Word 0L) * uint64 Int32.MaxValue >>> 32)) "a large bound"
          Expect.throwsT<ArgumentOutOfRangeException> (fun () -> stream.Below(0, 0L) |> ignore) "0"
      } ]

let private state update = TrainState(Update = update)

/// The same state at another update.
let private later (s: TrainState) =
    TrainState(Update = s.Update + 1L, Best = s.Best, BestUpdate = s.BestUpdate, WithoutImprovement = s.WithoutImprovement)

let private stops =
    [ test "lower or higher is better, equal is no improvement, and NaN never is" {
          let lower, higher = StopRules(false, Nullable(), 0), StopRules(true, Nullable(), 0)
          for rules, value, best, expected in
              [ lower, 1.0, Nullable 2.0, true; lower, 2.0, Nullable 2.0, false; lower, 3.0, Nullable 2.0, false; lower, nan, Nullable 2.0, false
                higher, 1.0, Nullable 2.0, false; higher, 2.0, Nullable 2.0, false; higher, 3.0, Nullable 2.0, true; higher, nan, Nullable 2.0, false
                lower, 9.0, Nullable(), true; lower, 9.0, Nullable nan, true ] do
              Expect.equal (rules.Improves(value, best)) expected $"{value} after {best}"
      }
      test "patience counts evaluations since the best, and 0 waits for ever" {
          let after patience values =
              (state 0L, values) ||> List.scan (fun s value -> StopRules(false, Nullable(), patience).After(later s, value)) |> List.tail
          let states = after 2 [ 5.0; 6.0; 4.0; 4.0; 4.5 ]
          Expect.equal [ for s in states -> s.WithoutImprovement ] [ 0; 1; 0; 1; 2 ] "count"
          Expect.equal [ for s in states -> s.EndedBy.HasValue ] [ false; false; false; false; true ] "end"
          Expect.equal ((List.last states).Best, (List.last states).BestUpdate) (Nullable 4.0, 3L) "best"
          Expect.isFalse ((after 0 [ for i in 1..50 -> float i ]) |> List.exists _.EndedBy.HasValue) "never"
      }
      test "a run is solved at or beyond its goal" {
          for higher, goal, value, solved in [ false, 0.1, 0.1, true; false, 0.1, 0.11, false; true, 0.9, 0.9, true; true, 0.9, 0.89, false; false, 0.1, nan, false ] do
              let s = StopRules(higher, Nullable goal, 0).After(state 7L, value)
              Expect.equal (s.SolvedAtUpdate, s.EndedBy) (if solved then Nullable 7L, Nullable RunEnd.StopAt else Nullable(), Nullable()) $"{value}"
      }
      test "scores add up, and a task that does not count has no accuracy" {
          let total = LossSums(3.0, 2.0, 4L) + LossSums(1.0, 1.0, 4L)
          Expect.equal (total.MeanNll, total.Accuracy) (0.5, 0.375) "sums"
          Expect.isTrue (Double.IsNaN (LossSums(0.0, 0.0, 0L) + LossSums(1.0, nan, 2L)).Accuracy) "not counted"
          Expect.equal (LossSums().MeanNll) 0.0 "nothing yet"
      } ]

let tests =
    testList "curricula and stop rules" [
        testList "text" text
        testList "pace" paces
        testList "draws" draws
        testList "stop rules" stops
    ]
