module Noisy.Tests.BeamSearchTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.Arbitraries

/// A small language model: the law of the next token is a function of (seed, sentence, prefix). Few different
/// probabilities, so that ties are common; some tokens are impossible.
type Model = Model of seed: int * tokens: int * length: int

let private logs (Model(seed, tokens, _)) (sentence: int) (prefix: int list) =
    let draws = prefix |> List.fold (fun key token -> key * 1_000_003UL + uint64 (token + 7)) (uint64 (seed * 31 + sentence)) |> Draws
    let weights = Array.init tokens (fun _ -> [| 0.0; 1.0; 1.0; 2.0; 4.0; 8.0 |][int (draws.Word() % 6UL)])
    weights[int (draws.Word() % uint64 tokens)] <- 3.0
    let total = Array.sum weights
    weights |> Array.map (fun w -> if w = 0.0 then -infinityf else float32 (log (w / total)))

/// The state: sentence and prefix, the latest token first, of each row; it knows whether it was disposed.
type State(rows: (int * int list)[]) =
    member val Disposed = false with get, set
    member this.Rows = if this.Disposed then failtest "a disposed state was read" else rows

    interface IDisposable with
        member this.Dispose() =
            if this.Disposed then failtest "a state was disposed twice"
            this.Disposed <- true

type Decoder(model: Model) =
    let (Model(_, tokens, _)) = model
    member val States = ResizeArray<State>() with get
    member val Steps = 0 with get, set

    member this.New rows =
        let state = new State(rows)
        this.States.Add state
        state

    interface IStepDecoder<State> with
        member _.Tokens = tokens

        member this.Step(state, last) =
            Expect.equal last.Length state.Rows.Length "a token a row"
            this.Steps <- this.Steps + 1
            let rows = Array.map2 (fun (sentence, prefix) token -> sentence, (if token = BeamSearch.NoToken then prefix else token :: prefix)) state.Rows last
            DecoderStep<State>(rows |> Array.collect (fun (sentence, prefix) -> logs model sentence prefix), this.New rows)

        member this.Select(state, chosen) =
            Expect.equal chosen (Array.sort chosen) "rows rise"
            this.New(chosen |> Array.map (fun row -> state.Rows[row]))

let private search (beam: BeamSearch) model (sentences: int list) =
    let decoder = Decoder model
    use start = new State([| for sentence in sentences -> sentence, [] |])
    let found = beam.Search(decoder, start, sentences.Length)
    Expect.isTrue (decoder.States |> Seq.forall (fun state -> state.Disposed)) "what the decoder gave is disposed"
    Expect.isFalse start.Disposed "the start is the caller's"
    Tol.atMost decoder.Steps beam.MaxLength "one call a step, whatever the number of sentences"
    [ for hypotheses in found -> [ for h in hypotheses -> List.ofArray h.Tokens, h.LogProbability, h.Score, h.Finished ] ]

let private score power (total: float) length = total / Math.Pow(float length, power)

/// Greedy search, the first of the likeliest tokens.
let private greedy (Model(_, _, length) as model) sentence =
    let rec go prefix total =
        let step = logs model sentence prefix
        let sums = step |> Array.map (fun log -> total + float log)
        let token = sums |> Array.findIndex ((=) (Array.max sums))
        if token = 0 then List.rev prefix, sums[token], true
        elif prefix.Length + 1 = length then List.rev (token :: prefix), sums[token], false
        else go (token :: prefix) sums[token]
    go [] 0.0

/// Every sequence there is, the best first.
let private all power (Model(_, tokens, length) as model) sentence =
    let rec go prefix total =
        [ let step = logs model sentence prefix
          for token in 0 .. tokens - 1 do
              if step[token] > -infinityf then
                  let total, ids = total + float step[token], token :: prefix
                  if token = 0 then List.rev ids, (List.rev prefix, total, score power total ids.Length, true)
                  elif ids.Length = length then List.rev ids, (List.rev ids, total, score power total ids.Length, false)
                  else yield! go ids total ]
    go [] 0.0 |> List.sortBy (fun (ids, (_, _, score, _)) -> -score, ids) |> List.map snd

type ModelArbitrary =
    static member Model() =
        gen {
            let! seed = Gen.choose (0, 1_000_000)
            let! tokens = Gen.choose (1, 4)
            let! length = Gen.choose (1, 4)
            return Model(seed, tokens, length)
        }
        |> Arb.fromGen

let private property name (body: Model -> unit) =
    testPropertyWithConfig { FsCheckConfig.defaultConfig with arbitrary = [ typeof<ModelArbitrary> ]; maxTest = 200 } name body

let private best hypotheses = List.head hypotheses

let tests =
    testList "BeamSearch" [
        property "width 1 is greedy search" (fun (Model(_, _, length) as model) ->
            for keep in [ false; true ] do
                match search (BeamSearch(1, length, 0, 0.0, keep)) model [ 5 ] with
                | [ [ tokens, log, _, finished ] ] -> Expect.equal (tokens, log, finished) (greedy model 5) "the one hypothesis"
                | other -> failtestf "%A" other)

        property "a beam that is wide enough finds every sequence in the right order" (fun (Model(_, _, length) as model) ->
            for power in [ 0.0; 1.0; 0.7 ] do
                Expect.equal (search (BeamSearch(1000, length, 0, power)) model [ 2 ]) [ all power model 2 ] $"power {power}")

        property "any beam finds true sequences with true scores, each once, the best first" (fun (Model(seed, _, length) as model) ->
            let width = 1 + seed % 6
            for power in [ 0.0; 1.0 ] do
                let found = best (search (BeamSearch(width, length, 0, power)) model [ 3 ])
                Expect.isTrue (found.Length >= 1 && found.Length <= width) "between 1 and the width"
                Expect.equal (List.distinct found) found "different ones"
                let every = all power model 3
                Expect.equal found (every |> List.filter (fun h -> List.contains h found)) "among all, in their order")

        property "with greedy's place kept the best is never below greedy's" (fun (Model(_, _, length) as model) ->
            for width in 1..4 do
                for power in [ 0.0; 1.0 ] do
                    let tokens, log, finished = greedy model 1
                    let found = best (search (BeamSearch(width, length, 0, power, true)) model [ 1 ])
                    let _, _, top, _ = List.head found
                    Tol.atLeast top (score power log (tokens.Length + (if finished then 1 else 0))) $"width {width}"
                    if width <= 4 then Expect.isTrue (found |> List.exists (fun (t, _, _, f) -> t = tokens && f = finished)) "greedy's own is there")

        test "plain beam search can end below greedy search, which is why that place can be kept" {
            let models = [ for seed in 0..20_000 -> Model(seed, 4, 4) ]
            let worse model =
                let _, log, _ = greedy model 0
                let _, found, _, _ = search (BeamSearch(2, 4, 0)) model [ 0 ] |> List.head |> best
                found < log
            let model = List.find worse models
            let _, log, _ = greedy model 0
            let _, kept, _, _ = search (BeamSearch(2, 4, 0, 0.0, true)) model [ 0 ] |> List.head |> best
            Tol.atLeast kept log "kept"
        }

        property "a batch of sentences gives what each gives alone" (fun (Model(seed, _, length) as model) ->
            let beam = BeamSearch(1 + seed % 4, length, 0, 1.0, seed % 2 = 0)
            let sentences = [ 4; 0; 4; 9; 2 ]
            Expect.equal (search beam model sentences) [ for sentence in sentences -> best (search beam model [ sentence ]) ] "hypotheses")

        test "ties go to the lower token" {
            let decoder =
                { new IStepDecoder<int> with
                    member _.Tokens = 4
                    member _.Step(state, last) = DecoderStep<int>(Array.create (4 * last.Length) (float32 (log 0.25)), state + 1)
                    member _.Select(state, _) = state }
            let found = BeamSearch(3, 2, EndToken = 3).Search(decoder, 0, 1)
            Expect.equal [ for h in found[0] -> List.ofArray h.Tokens ] [ [ 0; 0 ]; [ 1; 0 ]; [ 2; 0 ] ] "the first token of each of three prefixes"
            Expect.isEmpty (BeamSearch(3, 2, 3).Search(decoder, 0, 0)) "no sentences"
        }

        test "what cannot be searched says so" {
            let decoder (value: float32) size =
                { new IStepDecoder<int> with
                    member _.Tokens = 3
                    member _.Step(state, last) = DecoderStep<int>(Array.create (size * last.Length) value, state)
                    member _.Select(state, _) = state }
            let run beam value size () = (beam: BeamSearch).Search(decoder value size, 0, 2) |> ignore
            Tol.throws<DivergedException>
                "The log-probability of token 0 is NaN after 0 tokens: the model's weights are damaged or have diverged."
                (run (BeamSearch(2, 5, 0)) nanf 3)
            Tol.throws<InvalidOperationException> "the decoder finds every token impossible after 0 tokens" (run (BeamSearch(2, 5, 0)) -infinityf 3)
            Tol.throws<ArgumentException> "the decoder gave 8 numbers, not 2 rows of 3 (Parameter 'decoder')" (run (BeamSearch(2, 5, 0)) -1.0f 4)
            for beam in [ BeamSearch(0, 5, 0); BeamSearch(2, 0, 0); BeamSearch(2, 5, 3); BeamSearch(2, 5, -1); BeamSearch(2, 5, 0, nan); BeamSearch(2, 5, 0, -1.0) ] do
                Expect.throwsT<ArgumentOutOfRangeException> (run beam -1.0f 3) (string beam)
        }
    ]
