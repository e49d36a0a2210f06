module Noisy.Tests.ScheduleTests

open System
open System.Text.RegularExpressions
open Expecto
open Noisy.Core
open Noisy.Tests.Arbitraries

/// Text, and values written by hand: start, boundaries, far out.
let private values =
    [ "0.5", [ 0L, 0.5; 1_000_000L, 0.5 ]
      "constant(3)", [ 0L, 3.0; 7L, 3.0 ]
      "inverseSqrt(30)", [ 0L, 30.0; 3L, 15.0; 8L, 10.0; 899L, 1.0 ]
      "linear(30, 10, 4)", [ 0L, 30.0; 1L, 25.0; 3L, 15.0; 4L, 10.0; 5L, 10.0; Int64.MaxValue, 10.0 ]
      "linear(0, 1, 2)", [ 0L, 0.0; 1L, 0.5; 2L, 1.0 ]
      "exponential(8, 0.5)", [ 0L, 8.0; 1L, 4.0; 3L, 1.0; 5000L, 0.0 ]
      "cosine(3, 1, 4)", [ 0L, 3.0; 1L, 2.0 + sqrt 0.5; 2L, 2.0; 3L, 2.0 - sqrt 0.5; 4L, 1.0; Int64.MaxValue, 1.0 ]
      "cosine(0, 1, 2)", [ 0L, 0.0; 1L, 0.5; 2L, 1.0 ]
      "warmRestarts(3, 1, 4, 1)", [ 0L, 3.0; 2L, 2.0; 3L, 2.0 - sqrt 0.5; 4L, 3.0; 6L, 2.0; 4_000_002L, 2.0 ]
      "warmRestarts(3, 1, 2, 2)", [ 0L, 3.0; 1L, 2.0; 2L, 3.0; 4L, 2.0; 6L, 3.0; 10L, 2.0; 14L, 3.0; Int64.MaxValue, 3.0 ]
      "inverseSqrt(30) | every(200)", [ 0L, 30.0; 199L, 30.0; 600L, 15.0; 799L, 15.0; 800L, 30.0 / sqrt 5.0 ]
      "exponential(8, 0.5) | clampMin(3)", [ 0L, 8.0; 1L, 4.0; 2L, 3.0; 100L, 3.0 ]
      "linear(0, 10, 10) | clampMax(4)", [ 0L, 0.0; 4L, 4.0; 5L, 4.0 ]
      "2 | then(3, exponential(1, 0.5) | every(2))", [ 0L, 2.0; 2L, 2.0; 3L, 1.0; 4L, 1.0; 5L, 0.5 ]
      "linear(4, 0, 4) | then(2, 9) | every(10)", [ 0L, 4.0; 10L, 3.0; 19L, 3.0; 20L, 9.0 ]
      "paper", [ 0L, 30.0; 199L, 30.0; 200L, 30.0 / sqrt 2.0; 1_000L, 30.0 / sqrt 6.0; 719_800L, 0.5; 5_000_000L, 0.5 ] ]

/// Text that cannot be read, and the whole message.
let private unreadable =
    let starts = "a number, paper, constant, inverseSqrt, linear, exponential, cosine, warmRestarts"
    [ "", $"schedule '': found the end at position 1, expected {starts}"
      "Paper", $"schedule 'Paper': found 'Paper' at position 1, expected {starts}"
      "every(2)", $"schedule 'every(2)': found 'every' at position 1, expected {starts}"
      "inverseSqrt 30", "schedule 'inverseSqrt 30': found '30' at position 13, expected '('"
      "inverseSqrt(30", "schedule 'inverseSqrt(30': found the end at position 15, expected ')'"
      "inverseSqrt(3x)", "schedule 'inverseSqrt(3x)': found '3x' at position 13, expected a number"
      "inverseSqrt()", "schedule 'inverseSqrt()': found ')' at position 13, expected a number"
      "linear(1, 2)", "schedule 'linear(1, 2)': found ')' at position 12, expected ','"
      "linear(1, 2, 3.5)", "schedule 'linear(1, 2, 3.5)': found '3' at position 14, expected an integer"
      "3 every(2)", "schedule '3 every(2)': found 'every' at position 3, expected '|' or the end"
      "3 | ", "schedule '3 | ': found the end at position 5, expected every, clampMin, clampMax, then"
      "3 | min(2)", "schedule '3 | min(2)': found 'min' at position 5, expected every, clampMin, clampMax, then"
      "3 | then(5, )", $"schedule '3 | then(5, )': found ')' at position 13, expected {starts}"
      "3 | every(99999999999999999999)",
      "schedule '3 | every(99999999999999999999)': found '99999999999999999999' at position 11, expected an integer" ]

/// A parameter out of range, and the whole message.
let private outOfRange =
    [ "-1", "constant: value is -1: must be finite and >= 0"
      "1e999", "constant: value is Infinity: must be finite and >= 0"
      "inverseSqrt(NaN)", "inverseSqrt: start is NaN: must be finite and >= 0"
      "linear(-1, -2, 0)",
      "linear: start is -1: must be finite and >= 0; linear: end is -2: must be finite and >= 0; linear: updates is 0: must be >= 1"
      "exponential(1, 1.5)", "exponential: factor is 1.5: must be above 0 and at most 1"
      "exponential(1, 0)", "exponential: factor is 0: must be above 0 and at most 1"
      "cosine(-1, 2, 0)", "cosine: start is -1: must be finite and >= 0; cosine: updates is 0: must be >= 1"
      "warmRestarts(1, 2, 3, 0)", "warmRestarts: growth is 0: must be >= 1"
      "1 | every(0)", "every: updates is 0: must be >= 1"
      "1 | clampMin(-2)", "clampMin: floor is -2: must be finite and >= 0"
      "1 | clampMax(-2)", "clampMax: ceiling is -2: must be finite and >= 0"
      "1 | then(0, 2)", "then: update is 0: must be >= 1" ]

/// What a typo puts into a text, or in the place of some of its letters.
let private pieces = [| ""; "("; ")"; ","; "|"; "-"; "x"; "0"; " "; "1e999"; "NaN"; "paper"; "then(3," |]

let private updates = [ 0L; 1L; 2L; 7L; 199L; 200L; 201L; 1_000L; 719_799L; 719_800L; 10_000_000L; Int64.MaxValue ]

let tests =
    testList "schedules" [
        testList "values by hand" [
            for text, pairs in values do
                test text {
                    let schedule = Schedule.Parse text
                    for update, expected in pairs do Tol.close Tol.scalar expected (schedule.At update) $"at {update}"
                }
        ]

        test "a function is a schedule: its text names it and tells it from others, and gives no values back" {
            let make slope = Schedule.FromFunction("ramp, halved", fun update -> slope * float update)
            let one = make 0.5
            Tol.close Tol.scalar 3.5 (one.At 7L) "value"
            Tol.close Tol.scalar 2.0 (one.ClampMax(2.0).At 7L) "changes apply"
            Expect.equal (make 0.5) one "the same values"
            Expect.notEqual (make 0.25) one "other values"
            Expect.notEqual (Schedule.FromFunction("other", fun update -> 0.5 * float update)) one "another name"
            Expect.stringStarts (string one) "ramp, halved [function " "text"
            let changed = one.Every(3L).Then(5L, make 2.0)
            Expect.equal (Schedule.Parse(string changed)) changed "read back as an equal"
            Expect.throwsT<InvalidOperationException> (fun () -> (Schedule.Parse(string one)).At 1L |> ignore) "no values"
            Expect.throwsT<InvalidSpecException> (fun () -> (Schedule.FromFunction("down", fun update -> 1.0 - float update)).At 2L |> ignore) "below 0"
            for name in [ ""; " a"; "a|b"; "a [b]"; "a\nb" ] do
                Expect.throwsT<InvalidSpecException> (fun () -> Schedule.FromFunction(name, fun _ -> 1.0) |> ignore) name
        }

        test "the paper's annealing reaches its floor at update 719,800" {
            for update in [ 0L; 1L; 200L; 1_000L; 10_000L; 20_000L; 100_000L; 719_799L; 719_800L; 1_000_000L ] do
                let expected = max 0.5 (30.0 / sqrt (float (update / 200L) + 1.0))
                Expect.equal (Schedule.Paper.At update) expected $"at {update}"
            Tol.above (Schedule.Paper.At 719_799L) 0.5 "before"
            Expect.equal (Schedule.Paper.At 719_800L) 0.5 "from there"
            for update, printed in [ 200L, "21.2132"; 1_000L, "12.2474"; 10_000L, "4.2008"; 20_000L, "2.9851"; 100_000L, "1.3403" ] do
                Expect.equal ((Schedule.Paper.At update).ToString "F4") printed $"at {update}"
        }

        test "factories, fluent methods and text give equal values" {
            Expect.equal (Schedule.Parse "paper") Schedule.Paper "paper"
            Expect.equal (string Schedule.Paper) "inverseSqrt(30) | every(200) | clampMin(0.5)" "as text"
            Expect.equal (Schedule.Parse " inverseSqrt ( 30 )|every(200)|  clampMin( .5 ) ") Schedule.Paper "spaces do not matter"
            Expect.equal (Schedule.Parse "2|then(3,1|every(4))") (Schedule.Constant(2).Then(3, Schedule.Constant(1).Every 4)) "nested"
            Expect.notEqual (Schedule.Parse "1") (Schedule.Parse "2") "another value"
        }

        property "text is read back to an equal schedule" 500 (fun (AnySchedule schedule) ->
            let again = Schedule.Parse(string schedule)
            Expect.equal again schedule "equal"
            Expect.equal (string again) (string schedule) "same text"
            for update in updates do Expect.equal (again.At update) (schedule.At update) "same value")

        property "every value is finite and not negative" 500 (fun (AnySchedule schedule) ->
            for update in updates do
                let value = schedule.At update
                Expect.isTrue (Double.IsFinite value && value >= 0.0) $"{schedule} at {update} is {value}")

        property "a schedule of falling parts never rises" 500 (fun (FallingSchedule schedule) ->
            for a, b in List.pairwise updates do
                Tol.atMost (schedule.At b) (schedule.At a) $"{schedule} from {a} to {b}")

        property "a staircase changes only at its stairs" 300 (fun (AnySchedule schedule) ->
            let stairs = schedule.Every 10
            for update in [ 0L; 30L; 1990L ] do
                for i in 1L .. 9L do Expect.equal (stairs.At(update + i)) (stairs.At update) "same stair")

        testList "text that cannot be read" [
            for text, message in unreadable do
                test $"'{text}'" { Tol.throws<InvalidSpecException> message (fun () -> Schedule.Parse text |> ignore) }
        ]

        testList "parameters out of range" [
            for text, message in outOfRange do
                test $"'{text}'" { Tol.throws<InvalidSpecException> message (fun () -> Schedule.Parse text |> ignore) }
        ]

        property "a text with a typo gives a schedule that is read back, or a message that quotes the text or names the parameters" 1000
            (fun (row: byte, at: byte, cut: byte, piece: byte) ->
                let whole = fst values[int row % values.Length]
                let start = int at % (whole.Length + 1)
                let text = whole[.. start - 1] + pieces[int piece % pieces.Length] + whole.Substring(min whole.Length (start + int cut % 4))
                match (try Ok(Schedule.Parse text) with :? InvalidSpecException as e -> Error(List.ofSeq e.Broken)) with
                | Ok schedule -> Expect.equal (Schedule.Parse(string schedule)) schedule text
                | Error [ sentence ] when sentence.StartsWith($"schedule '{text}': found ", StringComparison.Ordinal) -> ()
                | Error broken ->
                    Expect.isNonEmpty broken text
                    for sentence in broken do Expect.isTrue (Regex.IsMatch(sentence, @"^\w+: \w+ is \S+: must be ")) $"{text}: {sentence}")

        property "any text gives a schedule or a sentence" 300 (fun (text: string) ->
            let text = if isNull text then "" else text
            try
                Tol.atLeast ((Schedule.Parse text).At 0) 0.0 "a schedule"
            with :? InvalidSpecException as e ->
                Expect.isNonEmpty e.Broken "a sentence")

        test "a negative update is refused" {
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> Schedule.Paper.At -1L |> ignore) "at -1"
        }
    ]
