/// Student's t distribution for whole degrees of freedom.
///
/// Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4: finite sums, exact but for rounding.
module internal Noisy.FSharp.StudentT

open System

/// P(|T| ≤ √degrees tan angle); degrees ≥ 1, angle in [0, π/2].
let private within degrees (angle: float) =
    let sine, cosine = Math.Sin angle, Math.Cos angle
    let isOdd = degrees % 2 = 1

    // cos + 2/3 cos³ + 2·4/(3·5) cos⁵ + … for odd degrees, 1 + 1/2 cos² + 1·3/(2·4) cos⁴ + … for even ones.
    let first = if isOdd then cosine else 1.0
    let factors = [ for k in (if isOdd then 3 else 2) .. 2 .. degrees - 2 -> float (k - 1) / float k * cosine * cosine ]
    let sum = if degrees = 1 then 0.0 else List.scan (*) first factors |> List.sum
    if isOdd then 2.0 / Math.PI * (angle + sine * sum) else sine * sum

/// The t with P(|T| ≤ t) = level; degrees ≥ 1, level in [0, 1).
let twoSided degrees level =
    // Halving leaves nothing of the angle's range after so many steps.
    let step (low, high) _ =
        let middle = 0.5 * (low + high)
        if within degrees middle < level then middle, high else low, middle

    let low, high = ((0.0, Math.PI / 2.0), [ 1..60 ]) ||> List.fold step
    sqrt (float degrees) * Math.Tan(0.5 * (low + high))
