/// The programs of Learning to Execute: what they print, their distribution, their splits, their streams.
module Noisy.Tests.ProgramTests

open System
open System.Collections.Generic
open System.Numerics
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.DataHelpers
open Noisy.Tests.PythonText

let private key = NoiseKey.FromSeed(1L).Child "programs of tests"
let private program length nesting (index: int) = Programs.At(ProgramDifficulty(length, nesting), key, int64 index)

/// Fails unless counts agree with probabilities: chi-square below its mean by five of its standard deviations.
let private follows (probabilities: float list) (counts: int list) message =
    let total = float (List.sum counts)
    let square = List.sum (List.map2 (fun p n -> (float n - total * p) ** 2.0 / (total * p)) probabilities counts)
    let freedom = float (counts.Length - 1)
    Tol.below square (freedom + 5.0 * sqrt (2.0 * freedom)) $"{message}: %A{counts}"

let private uniform (counts: int list) message = follows (List.replicate counts.Length (1.0 / float counts.Length)) counts message

/// How often each of some values occurs.
let private tally (values: 'a list) (seen: 'a seq) =
    let counts = seen |> Seq.countBy id |> Map.ofSeq
    for value in counts.Keys do Expect.contains values value "value"
    [ for value in values -> counts |> Map.tryFind value |> Option.defaultValue 0 ]

/// Kind of a program of one operation, from its text.
let private kind (p: GeneratedProgram) =
    match List.ofSeq p.Lines, p.Expression with
    | [ _; loop ], _ when loop.StartsWith "for " -> "loop"
    | [ line ], _ when line.EndsWith ';' -> "variable"
    | [], e when e.Contains " if " -> "conditional"
    | [], e when e.Contains '*' -> "multiplication"
    | [], e when e.StartsWith '(' -> "pair"
    | [], e when Seq.forall Char.IsAsciiDigit e -> "equality"
    | _ -> failtestf "what is %s?" p.Text

let private kinds = [ "pair"; "multiplication"; "equality"; "variable"; "loop"; "conditional" ]

/// What each operation of a program works on, in the order of its slots. A variable stands for what defined it.
let private operations statements =
    let found = ResizeArray<Expression list>()
    let uses = Dictionary<string, int>()

    let rec leaf (variables: Map<string, Expression option>) expression =
        match expression with
        | Number _ -> expression
        | Name name ->
            uses[name] <- 1 + uses.GetValueOrDefault name
            match variables[name] with
            | Some value -> value
            | None -> expression // the result of a loop
        | Binary('*', a, b) -> operation variables expression [ a; b ]
        | Binary(_, a, b) -> operation variables expression [ a; b ]
        | Choice(c, _, a, b, d) -> operation variables expression [ c; a; b; d ]

    and operation variables expression slots =
        found.Add [ for slot in slots -> leaf variables slot ]
        expression

    let step variables statement =
        match statement with
        | Assign(name, value) -> Map.add name (Some(leaf variables value)) variables
        | Loop(_, name, _, by) ->
            found.Add [ variables[name].Value; leaf variables by ]
            Map.add name None variables
        | Print value ->
            leaf variables value |> ignore
            variables

    List.fold step Map.empty statements |> ignore
    for KeyValue(name, count) in uses do Expect.equal count 1 $"uses of {name}"
    List.ofSeq found

let private isNumber expression =
    match expression with
    | Number _ -> true
    | _ -> false

let private answers =
    testList "answers" [
        test "an independent interpreter gives the same answers, over all difficulties" {
            let all = [ for length in 1..6 do for nesting in 1..3 -> length, nesting ] @ [ 18, 10; 1, 10; 18, 1; 9, 6 ]
            for length, nesting in all do
                for index in 0..249 do
                    let p = program length nesting index
                    let printed = execute (parse p.Question)
                    Expect.equal p.Target $"{printed}." p.Text
        }

        test "the interpreter does as Python does" {
            for text, printed in
                [ "print(((7-12)*3))@", -15
                  "print(2-3-4)@", -5
                  "print(1+2*3)@", 7
                  "print((5 if 3>3 else 6))@", 6
                  "print((5 if 2*2<3+2 else 6))@", 5
                  "f=8794;#print((f-(9*12)))@", 8686
                  "j=8584#for x in range(8):j+=920#b=(1500+j)#print((b+7567))@", 25011
                  "c=5#for x in range(3):c-=(2+1)#print(c)@", -4 ] do
                Expect.equal (execute (parse text)) (BigInteger printed) text
        }

        test "programs have all characters of the alphabet and no others" {
            let seen = HashSet(seq { for index in 0..999 do yield! (program 6 3 index).Text })
            for character in seen do Expect.equal ProgramAlphabet.Characters[ProgramAlphabet.Id character] character "id"
            Expect.sequenceEqual (Seq.sort seen) (Seq.sort ProgramAlphabet.Characters) "alphabet"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> ProgramAlphabet.Id 'z' |> ignore) "a stranger"
            Expect.throwsT<ArgumentOutOfRangeException> (fun () -> ProgramAlphabet.Id 'é' |> ignore) "beyond ASCII"
        }

        test "the text is that of the reference: lines with #, print with @, the number, a full stop" {
            let p = GeneratedProgram([ "a=3;" ], "(a-5)", Int128.op_Implicit -2)
            Expect.equal (p.Question, p.Target, p.Text) ("a=3;#print((a-5))@", "-2.", "a=3;#print((a-5))@-2.") "text"
        }

        test "no program is longer than its difficulty says" {
            for length, nesting in [ 1, 1; 2, 1; 6, 3; 18, 10; 18, 1; 1, 10 ] do
                let longest = Seq.max (seq { for index in 0..1999 -> (program length nesting index).Text.Length })
                Tol.atMost longest (ProgramDifficulty(length, nesting).LongestText) $"{length}, {nesting}"
                if nesting = 1 then Tol.above (2 * longest) (ProgramDifficulty(length, nesting).LongestText) "and not absurdly so"
        }
    ]

let private distribution =
    testList "distribution" [
        test "the six kinds are equally likely" {
            uniform (tally kinds (seq { for index in 0..11_999 -> kind (program 3 1 index) })) "kinds"
        }

        test "operands are uniform over 1 … 10^L, multipliers and counts of loops over 1 … 4 L" {
            for length in [ 1; 2 ] do
                let most = pown 10 length
                let operands, small = ResizeArray<int>(), ResizeArray<int>()
                for index in 0..5_999 do
                    match kind (program length 1 index), parse (program length 1 index).Question with
                    | ("pair" | "variable" | "equality" | "conditional"), statements ->
                        for slots in operations statements do for slot in slots do match slot with Number n -> operands.Add(int n) | _ -> failtest "nested"
                    | "loop", statements ->
                        for statement in statements do match statement with Loop(times, _, _, _) -> small.Add(int times) | _ -> ()
                    | _ -> ()
                uniform (tally [ 1..most ] operands) $"operands, L = {length}"
                uniform (tally [ 1 .. 4 * length ] small) $"counts, L = {length}"

            // A multiplier of L = 3 is at most 12, the other factor at most 1,000.
            let factors = seq { for index in 0..5_999 do let p = program 3 1 index in if kind p = "multiplication" then p.Expression.Trim('(', ')').Split '*' |> Array.map int }
            for pair in factors do Expect.isTrue (Array.min pair <= 12 && Array.max pair <= 1000) $"%A{pair}"
            let sides = [ for pair in factors do if Array.max pair > 12 then pair[0] > 12 ]
            uniform (tally [ true; false ] sides) "sides of the multiplier"
        }

        test "plus and minus, greater and less are equally likely" {
            let signs (p: GeneratedProgram) = [ for c in p.Question do if c = '+' || c = '-' then c ]
            let comparisons (p: GeneratedProgram) = [ for c in p.Question do if c = '<' || c = '>' then c ]
            let programs = [ for index in 0..5_999 -> program 3 1 index ]
            for wanted in [ "pair"; "variable"; "loop" ] do
                uniform (tally [ '+'; '-' ] (programs |> List.filter (fun p -> kind p = wanted) |> List.collect signs)) wanted
            uniform (tally [ '<'; '>' ] (List.collect comparisons programs)) "comparisons"
        }

        test "the names of variables are a to j in any order" {
            let first = seq { for index in 0..5_999 do let p = program 3 1 index in if p.Lines.Count > 0 then p.Lines[0][0] }
            uniform (tally [ 'a' .. 'j' ] first) "first name"
        }

        test "one result at most is pending: no operation has two nested operands, and no result is used twice" {
            for index in 0..2_999 do
                for slots in operations (parse (program 4 (1 + index % 10) index).Question) do
                    let nested = slots |> List.filter (isNumber >> not)
                    Tol.atMost nested.Length 1 $"index {index}: %A{slots}"
        }

        test "there are as many operations as requested, equalities aside" {
            for nesting in 1..10 do
                let counts = [ for index in 0..999 -> (operations (parse (program 2 nesting index).Question)).Length ]
                for count in counts do Tol.atMost count nesting "at most"
                // An operation shows with probability 5/6.
                let mean, error = 5.0 / 6.0 * float nesting, sqrt (float nesting * 5.0 / 36.0 / 1000.0)
                Tol.below (abs (List.averageBy float counts - mean)) (5.0 * error) $"N = {nesting}"
        }

        test "the nested operand is as likely in one slot as in another" {
            let places = Dictionary<int, ResizeArray<int>>()
            for index in 0..5_999 do
                for slots in operations (parse (program 6 2 index).Question) do
                    let sides = match slots with [ Number a; Number b ] when a < b -> [] | _ -> slots
                    match sides |> List.tryFindIndex (isNumber >> not) with
                    | Some place when slots.Length = 4 ->
                        if not (places.ContainsKey 4) then places[4] <- ResizeArray()
                        places[4].Add place
                    | _ -> ()
            Tol.above places[4].Count 500 "enough"
            uniform (tally [ 0..3 ] places[4]) "slots of a conditional"
        }

        test "the hardness is asked anew for each number, and counts from 0" {
            let calls = Dictionary<string, HashSet<int>>()
            for index in 0..599 do
                let asked = ResizeArray<int>()
                let hardness = Hardness(fun _ draw ->
                    asked.Add draw
                    ProgramDifficulty((if draw = 2 then 12 else 1), 1))
                let p = Programs.At(hardness, key, int64 index)
                Expect.sequenceEqual asked [ 0 .. asked.Count - 1 ] "draws"
                if not (calls.ContainsKey(kind p)) then calls[kind p] <- HashSet()
                calls[kind p].Add asked.Count |> ignore
                // One number alone can be long: the one that the third call was for.
                let long = p.Question.Split([| '('; ')'; '+'; '-'; '='; ' '; ';'; '#'; '<'; '>'; '*'; ':'; '@' |]) |> Array.filter (fun word -> word.Length > 3 && Char.IsAsciiDigit word[0])
                Tol.atMost long.Length 1 p.Text
            for name, expected in [ "pair", 3; "multiplication", 3; "equality", 2; "variable", 3; "loop", 4; "conditional", 5 ] do
                Expect.sequenceEqual calls[name] [ expected ] name
        }

        test "a hardness out of range is refused" {
            for length, nesting in [ 0, 1; 19, 1; 1, 0; 1, 11 ] do
                refused<ArgumentOutOfRangeException> [ "length must be 1 to 18, nesting 1 to 10" ] (fun () -> program length nesting 0 |> ignore)
            refused<ArgumentOutOfRangeException> [] (fun () -> program 1 1 -1 |> ignore)
        }

        test "stages run through the lengths, then through the nestings" {
            Expect.equal [ for s in 1..18 -> ProgramDifficulty.OfStage(s, 6) ] [ for n in 1..3 do for l in 1..6 -> ProgramDifficulty(l, n) ] "stages"
            refused<ArgumentOutOfRangeException> [] (fun () -> ProgramDifficulty.OfStage(0, 6) |> ignore)
            refused<ArgumentOutOfRangeException> [] (fun () -> ProgramDifficulty.OfStage(1, 0) |> ignore)
        }
    ]

let private identity =
    testList "identity" [
        testProperty "a program is a function of difficulty, key and number, in whatever order" (fun (seed: int64) (PositiveInt index) ->
            let at (index: int) = (Programs.At(ProgramDifficulty(4, 2), NoiseKey.FromSeed seed, int64 index)).Text
            let forwards = [ for i in index .. index + 3 -> at i ]
            let backwards = [ for i in index + 3 .. -1 .. index -> at i ]
            Expect.equal forwards (List.rev backwards) "order"
            Tol.above (List.distinct forwards).Length 1 "numbers differ")

        test "other keys and difficulties give other programs" {
            let texts (key: NoiseKey) length nesting = [ for i in 0L .. 19L -> (Programs.At(ProgramDifficulty(length, nesting), key, i)).Text ]
            let own = texts key 4 2
            for other in [ texts (key.Child "another") 4 2; texts key 5 2; texts key 4 3 ] do Expect.notEqual other own "differ"
        }

        test "the first programs are the same everywhere" {
            // Pinned on the first machine; a change means that published runs saw other programs.
            let text = String.Join("\n", [ for length in 1..6 do for nesting in 1..3 do for i in 0..9 -> (program length nesting i).Text ])
            Expect.equal (DataFile.Sha256(utf8 text)) "9ad3e456894f03dcf384f5211bb8620929cc66378da4bee23dd47f1f91bcd195" "checksum"
        }

        test "each part of the data has a third of the programs, and no program is in two" {
            let all = [ Split.Train; Split.Valid; Split.Test ]
            let programs = [ for index in 0..19_999 -> program 6 3 index ]
            uniform (tally all (programs |> List.map _.Split)) "parts"
            Tol.above (HashSet(programs |> Seq.map _.Text)).Count 19_000 "they differ"
            // Easy programs come again and again, in every run.
            let easy = [ for seed in 1L .. 20L do for index in 0L .. 199L -> Programs.At(ProgramDifficulty(1, 1), NoiseKey.FromSeed seed, index) ]
            let parts = [ for split in all -> HashSet(seq { for p in easy do if p.Split = split then p.Text }) ]
            Tol.below (parts |> List.sumBy _.Count) (easy.Length * 9 / 10) "the test can tell"
            for a, b in [ 0, 1; 0, 2; 1, 2 ] do Expect.isFalse (parts[a].Overlaps parts[b]) "disjoint"
        }
    ]

/// Streams, windows, characters of a window, and how hard their programs are; a program always fits.
let private layouts =
    gen {
        let! streams = Gen.choose (1, 5)
        let! windows = Gen.choose (3, 12)
        let! steps = Gen.choose (40, 60)
        let! length = Gen.choose (1, 3)
        let! nesting = Gen.choose (1, 2)
        let! seed = Gen.choose (0, 1000)
        let! split = Gen.elements [ Split.Train; Split.Valid; Split.Test ]
        return streams, windows, steps, ProgramDifficulty(length, nesting), NoiseKey.FromSeed(int64 seed), split
    }
    |> Arb.fromGen

let private lay (streams, windows, steps, difficulty, key, split) =
    ProgramStreams.Create(Hardness(fun _ _ -> difficulty), split, key, streams, windows, steps)

let private columnTests =
    testList "streams" [
        test "the reference's sizes: 10,001 characters are 200 windows of 50, 501 are 10" {
            let big = lay (2, 200, 50, ProgramDifficulty(6, 3), key, Split.Train)
            Expect.equal (big.Height, (lay (1, 10, 50, ProgramDifficulty(6, 3), key, Split.Test)).Height) (10_001, 501) "characters"
        }

        testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = 30 } "streams are the programs of the part, one after another, as many as fit"
        <| Prop.forAll layouts (fun layout ->
            let streams, windows, steps, difficulty, key, split = layout
            let c = lay layout
            let height = windows * steps + 1
            let expected = Seq.initInfinite (fun i -> Programs.At(difficulty, key, int64 i)) |> Seq.filter (fun p -> p.Split = split) |> Seq.take (c.Programs.Count + 1) |> List.ofSeq
            Expect.equal [ for p in c.Programs -> p.Program.Text ] [ for p in List.take c.Programs.Count expected -> p.Text ] "programs"
            for stream in 0 .. streams - 1 do
                let own = c.Programs |> Seq.filter (fun p -> p.Stream = stream) |> List.ofSeq
                let text = own |> List.map _.Program.Text |> String.concat ""
                Expect.equal (c.Text stream) (text.PadRight height) "text"
                Expect.equal [ for p in own -> p.Start ] (own |> List.map _.Program.Text.Length |> List.scan (+) 0 |> List.take own.Length) "places"
                let next = expected[(Seq.filter (fun (p: PlacedProgram) -> p.Stream <= stream) c.Programs |> Seq.length)]
                Tol.above (text.Length + next.Text.Length) height "the next one would not have fitted")

        testPropertyWithConfig { FsCheckConfig.defaultConfig with maxTest = 30 } "windows show the streams; targets are the next characters of answers, and no others"
        <| Prop.forAll layouts (fun layout ->
            let streams, windows, steps, _, _, _ = layout
            let c = lay layout
            let mutable total = 0
            let answer = HashSet(seq { for p in c.Programs do for i in p.Program.Question.Length .. p.Program.Text.Length - 1 -> p.Stream, p.Start + i })
            for w in windows - 1 .. -1 .. 0 do
                let struct (inputs, targets, counted) = c.At w
                total <- total + counted
                Expect.equal counted (targets |> Array.filter (fun t -> t <> LinearCrossEntropy.IgnoreIndex) |> Array.length) "counted"
                for b in 0 .. streams - 1 do
                    let text = c.Text b
                    let id place = int64 (ProgramAlphabet.Id text[place])
                    let places = [| for t in 0 .. steps - 1 -> w * steps + t |]
                    Expect.equal [| for t in 0 .. steps - 1 -> inputs[t * streams + b] |] (Array.map id places) "inputs"
                    let target place = if answer.Contains((b, place + 1)) then id (place + 1) else LinearCrossEntropy.IgnoreIndex
                    Expect.equal [| for t in 0 .. steps - 1 -> targets[t * streams + b] |] (Array.map target places) "targets"
            Expect.equal total answer.Count "every character of every answer")

        test "a program that no stream holds, and a window that is not there, are refused" {
            refused<UsageException> [ "does not fit into a stream of 11"; "take more windows" ] (fun () -> lay (2, 1, 10, ProgramDifficulty(6, 3), key, Split.Train) |> ignore)
            let c = lay (2, 3, 50, ProgramDifficulty(1, 1), key, Split.Train)
            for window in [ -1; 3 ] do refused<ArgumentOutOfRangeException> [] (fun () -> c.At window |> ignore)
            for stream in [ -1; 2 ] do refused<ArgumentOutOfRangeException> [] (fun () -> c.Text stream |> ignore)
        }
    ]

let tests = testList "programs" [ answers; distribution; identity; columnTests ]
