/// The small part of Python that Learning to Execute's programs are written in: an interpreter that shares nothing with the
/// generator.
module Noisy.Tests.PythonText

open System
open System.Numerics

type Expression =
    | Number of BigInteger
    | Name of string
    | Binary of char * Expression * Expression
    /// (whenTrue if left < right else whenFalse); the character is '<' or '>'.
    | Choice of whenTrue: Expression * comparison: char * left: Expression * right: Expression * whenFalse: Expression

type Statement =
    | Assign of string * Expression
    | Loop of times: BigInteger * name: string * sign: char * by: Expression
    | Print of Expression

type private Token =
    | Digits of string
    | Word of string
    | Symbol of char

let private tokens (line: string) =
    let rec go at found =
        if at >= line.Length then
            List.rev found
        else
            let take (condition: char -> bool) = line.Substring at |> Seq.takeWhile condition |> Seq.toArray |> String
            match line[at] with
            | ' ' -> go (at + 1) found
            | c when Char.IsAsciiDigit c ->
                let digits = take Char.IsAsciiDigit
                go (at + digits.Length) (Digits digits :: found)
            | c when Char.IsAsciiLetter c ->
                let word = take Char.IsAsciiLetter
                go (at + word.Length) (Word word :: found)
            | c -> go (at + 1) (Symbol c :: found)

    go 0 []

// By falling precedence, as in Python: product, sum, comparison, conditional.
let rec private atom tokens =
    match tokens with
    | Digits d :: rest -> Number(BigInteger.Parse d), rest
    | Word w :: rest -> Name w, rest
    | Symbol '-' :: rest ->
        let inner, rest = atom rest
        Binary('-', Number BigInteger.Zero, inner), rest
    | Symbol '(' :: rest ->
        match conditional rest with
        | inner, Symbol ')' :: rest -> inner, rest
        | _, rest -> failwith $"a ')' is missing before {rest}"
    | other -> failwith $"not a value: {other}"

and private chain operators operand tokens =
    let rec go left tokens =
        match tokens with
        | Symbol op :: rest when List.contains op operators ->
            let right, rest = operand rest
            go (Binary(op, left, right)) rest
        | _ -> left, tokens

    let left, rest = operand tokens
    go left rest

and private product tokens = chain [ '*' ] atom tokens
and private sum tokens = chain [ '+'; '-' ] product tokens

and private conditional tokens =
    match sum tokens with
    | whenTrue, Word "if" :: rest ->
        match sum rest with
        | left, Symbol('<' | '>' as comparison) :: rest ->
            let right, rest = sum rest
            match rest with
            | Word "else" :: rest ->
                let whenFalse, rest = conditional rest
                Choice(whenTrue, comparison, left, right, whenFalse), rest
            | _ -> failwith "'else' is missing"
        | _ -> failwith "a comparison is missing"
    | plain -> plain

let private whole tokens =
    match conditional tokens with
    | expression, [] -> expression
    | _, rest -> failwith $"something follows: {rest}"

let private statement (line: string) =
    match tokens line with
    | [ Word "print"; Symbol '(' ] -> failwith "nothing to print"
    | Word "print" :: rest -> Print(whole rest)
    | Word "for" :: Word "x" :: Word "in" :: Word "range" :: Symbol '(' :: Digits times :: Symbol ')' :: Symbol ':' :: Word name :: Symbol('+' | '-' as sign) :: Symbol '=' :: by ->
        Loop(BigInteger.Parse times, name, sign, whole by)
    | Word name :: Symbol '=' :: rest ->
        match List.rev rest with
        | Symbol ';' :: value -> Assign(name, whole (List.rev value))
        | _ -> Assign(name, whole rest)
    | other -> failwith $"not a statement: {other}"

/// The statements of a program, of whose text the last line has its end mark taken off.
let parse (question: string) =
    if not (question.EndsWith '@') then failwith "the question does not end"
    question.TrimEnd('@').Split '#' |> Array.map statement |> List.ofArray

let private run (variables: Map<string, BigInteger>) expression =
    let rec value expression =
        match expression with
        | Number n -> n
        | Name name -> variables[name]
        | Binary('+', a, b) -> value a + value b
        | Binary('-', a, b) -> value a - value b
        | Binary(_, a, b) -> value a * value b
        | Choice(whenTrue, comparison, left, right, whenFalse) ->
            let holds = if comparison = '<' then value left < value right else value left > value right
            value (if holds then whenTrue else whenFalse)

    value expression

/// What a program prints.
let execute statements =
    let step (variables: Map<string, BigInteger>, printed) statement =
        match statement with
        | Assign(name, value) -> variables.Add(name, run variables value), printed
        | Loop(times, name, sign, by) ->
            let once (variables: Map<string, BigInteger>) _ =
                let change = run variables by
                variables.Add(name, (if sign = '+' then variables[name] + change else variables[name] - change))
            Seq.fold once variables (seq { 1 .. int times }), printed
        | Print value -> variables, run variables value :: printed

    match List.fold step (Map.empty, []) statements with
    | _, [ only ] -> only
    | _, printed -> failwith $"{printed.Length} values were printed"
