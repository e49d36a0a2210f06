/// Named tolerances: no test carries a bare number. |actual − expected| ≤ Absolute + Relative · |expected|.
module Noisy.Tests.Tol

open System
open System.Globalization
open Expecto

type Tolerance =
    { Absolute: float
      Relative: float
      /// Why it is as wide as it is.
      Reason: string }

/// Two ways to the same double-precision number: a few roundings apart.
let scalar = { Absolute = 1e-14; Relative = 1e-13; Reason = "a few roundings of double arithmetic" }

/// The normal law against values of 20 digits: the rational approximations promise a few units in the last place.
let law = { Absolute = 5e-324; Relative = 3e-15; Reason = "a few units in the last place, relative, in the tails too" }

/// Quadrature, where no closed form exists.
let quadrature = { Absolute = 1e-9; Relative = 1e-9; Reason = "the precision that the quadrature promises" }

/// Central differences of a smooth function with steps near 1e-5.
let difference = { Absolute = 1e-6; Relative = 1e-6; Reason = "truncation h² and cancellation ε/h of a central difference" }

/// Single-precision kernels against the double reference, in units of the largest term of the formula.
let simd32 = { Absolute = 2e-6; Relative = 2e-6; Reason = "some ten roundings of single arithmetic, 6e-8 each, with room for cancellation" }

/// Single-precision elementary functions against double ones.
let elementary32 = { Absolute = 1e-37; Relative = 3e-7; Reason = "four units in the last place of single precision; nothing below the subnormal range" }

/// Single-precision draws against the exact inverse of the normal law.
let draw32 = { Absolute = 0.0; Relative = 2e-6; Reason = "the precision that the transform promises" }

/// Scores that other programs print or assert in decimal.
let decimals4 = { Absolute = 5.001e-5; Relative = 0.0; Reason = "four decimals printed" }
let decimals8 = { Absolute = 1e-8; Relative = 0.0; Reason = "sacrebleu's own tolerance" }
let decimals6 = { Absolute = 1e-6; Relative = 0.0; Reason = "six decimals printed, rounded or cut" }

/// Whether two numbers agree; NaN agrees with NaN, an infinity with itself.
let agree tolerance (expected: float) (actual: float) =
    (Double.IsNaN expected && Double.IsNaN actual)
    || expected = actual
    || abs (actual - expected) <= tolerance.Absolute + tolerance.Relative * abs expected

/// Fails unless the numbers agree.
let close tolerance (expected: float) (actual: float) message =
    if not (agree tolerance expected actual) then
        failtestf "%s: expected %.17g, found %.17g (allowed: %s)" message expected actual tolerance.Reason

/// Fails unless a value is below, at most, above or at least another. Expecto's own of these let NaN pass.
let below a b message = if not (a < b) then failtestf "%s: %A is not below %A" message a b
let atMost a b message = if not (a <= b) then failtestf "%s: %A is above %A" message a b
let above a b message = if not (a > b) then failtestf "%s: %A is not above %A" message a b
let atLeast a b message = if not (a >= b) then failtestf "%s: %A is below %A" message a b

/// Fails unless a number equals one that was printed in decimal, to its last digit; one of fewer than 7 decimals is exact.
let printed (text: string) (actual: float) message =
    let expected = Double.Parse(text, CultureInfo.InvariantCulture)
    let mantissa, exponent =
        match text.IndexOf 'e' with
        | -1 -> text, 0
        | i -> text[.. i - 1], int text[i + 1 ..]
    let decimals =
        match mantissa.IndexOf '.' with
        | -1 -> 0
        | i -> mantissa.Length - i - 1
    let allowed = if decimals < 7 then 1e-13 else 0.5 * Math.Pow(10.0, float (exponent - decimals)) * (1.0 + 1e-6)
    if not (abs (actual - expected) <= allowed) then failtestf "%s: printed %s, found %.17g" message text actual

/// Fails unless an action throws exactly this exception with exactly this message.
let throws<'e when 'e :> exn> (message: string) (action: unit -> unit) =
    match (try action (); None with e -> Some e) with
    | None -> failtestf "nothing was thrown; expected %s: %s" typeof<'e>.Name message
    | Some e when (e :? 'e) -> Expect.equal e.Message message "message"
    | Some e -> failtestf "expected %s, thrown was %s: %s" typeof<'e>.Name (e.GetType().Name) e.Message
