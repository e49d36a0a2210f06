namespace Noisy.FSharp

open System
open System.Globalization
open Noisy.Core
open Noisy.Models

/// A mean, or a share, with its 95 % confidence interval, in the unit of the values.
type Interval =
    { Mean: float
      /// Below the mean; −∞ where one value alone tells no interval.
      Low: float
      /// Above the mean; +∞ where one value alone tells no interval.
      High: float
      /// How many values there are: runs, or pairs of runs; ≥ 1.
      Count: int }

    /// Whether the values show a sign: 0 lies outside the interval.
    member this.ExcludesZero = this.Low > 0.0 || this.High < 0.0

    /// Whether more than one value was there.
    member this.IsBounded = Double.IsFinite this.Low && Double.IsFinite this.High

/// What a few runs tell: means with intervals, paired differences, shares. Everything is pure: the same values give the same result, in whatever
/// order they come.
[<RequireQualifiedAccess>]
module Statistics =
    let private level = 0.95

    // Up to here every multiset of the values is looked at: 6,435 of eight. From nine on so many resamples stand for them.
    let private mostExact = 8
    let private resamples = 10_000

    let private finite what (values: float list) =
        if values.IsEmpty then raise (UsageException $"{what} of no values: at least one is needed")

        match values |> List.tryFind (Double.IsFinite >> not) with
        | Some value -> raise (UsageException $"{what} of values among which is {value}: leave out the runs without a result")
        | None -> List.sort values |> Array.ofList

    /// Every way to draw n of n values with replacement, the order left aside: how often each is drawn, and the probability.
    let private multisets n places : (int list * float) list =
        let factorial k = Seq.fold (fun product i -> product * float i) 1.0 [ 1..k ]

        let rec draw places left =
            if places = 1 then [ [ left ] ]
            else [ for k in 0..left do for rest in draw (places - 1) (left - k) -> k :: rest ]

        let all = Math.Pow(float n, float n)
        [ for counts in draw places n -> counts, factorial n / List.fold (fun product k -> product * factorial k) 1.0 counts / all ]

    let private exact = [| for n in 0..mostExact -> lazy ([| for counts, weight in multisets n n -> Array.ofList counts, weight |]) |]

    /// Means of resamples with their probabilities.
    let private resampled (sorted: float[]) =
        let n = sorted.Length
        let mean (counts: int[]) = Array.fold2 (fun sum count value -> sum + float count * value) 0.0 counts sorted / float n

        if n <= mostExact then
            exact[n].Value |> Array.map (fun (counts, weight) -> mean counts, weight)
        else
            // Each draw stands beside its mirror image, so that differences with their signs turned have the interval turned.
            let draws = Array.zeroCreate<float32> (resamples / 2 * n)
            NoiseSampler.Uniform(NoiseKey.FromSeed(1L).Child("bootstrap").At(0L, 0), 0L, Span draws)

            [| for draw in Array.chunkBySize n draws do
                   let places = draw |> Array.map (fun u -> min (n - 1) (int (float u * float n)))
                   for mirrored in [ false; true ] do
                       Array.averageBy (fun place -> sorted[if mirrored then n - 1 - place else place]) places, 1.0 / float resamples |]

    /// The least value with so much probability up to it.
    let private quantile probability (values: (float * float) seq) =
        let cumulated = values |> Seq.scan (fun (_, sum) (value, weight) -> value, sum + weight) (nan, 0.0) |> Seq.tail
        cumulated |> Seq.find (fun (_, sum) -> sum >= probability) |> fst

    /// The mean over seeds with its 95 % confidence interval.
    ///
    /// From five values on the interval is a percentile bootstrap with Hesterberg's expansion for small samples: its ends are the quantiles
    /// Φ(∓√(n/(n − 1)) t(0.975, n − 1)) of the means of resamples, which takes values that are far from normal for what they are. Up to eight values
    /// all resamples are counted; beyond, 10,000 are drawn, always the same ones. Of normal values it holds the true mean 92 times of 100 with
    /// five of them, 94 with eight. Two to four values cannot be resampled to that level, since no resample leaves their range: there the
    /// interval is Student's t, which takes values for normal. One value has no interval: its ends are infinite.
    ///
    /// Source: T. Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69 (2015).
    /// values: at least one, all finite; else UsageException.
    let interval (values: float list) : Interval =
        let sorted = finite "the mean" values
        let n = sorted.Length
        let mean = Array.average sorted
        let t () = StudentT.twoSided (n - 1) level

        if n = 1 then
            { Mean = mean; Low = Double.NegativeInfinity; High = Double.PositiveInfinity; Count = n }
        elif n < 5 then
            let deviation = sqrt (Array.sumBy (fun v -> (v - mean) ** 2.0) sorted / float (n - 1))
            let reach = t () * deviation / sqrt (float n)
            { Mean = mean; Low = mean - reach; High = mean + reach; Count = n }
        else
            let tail = Normal.Distribution(-sqrt (float n / float (n - 1)) * t ())
            let means = resampled sorted
            Array.sortInPlaceBy fst means
            { Mean = mean; Low = quantile tail means; High = quantile tail (Array.rev means); Count = n }

    /// Values by key, such as a metric by seed, less those of another row: only keys that both have. Each key may come once in a row, else
    /// UsageException.
    let differences<'Key when 'Key: comparison> (values: ('Key * float) list) (reference: ('Key * float) list) : float list =
        for row in [ values; reference ] do
            match row |> List.countBy fst |> List.tryFind (fun (_, count) -> count > 1) with
            | Some(key, count) -> raise (UsageException $"{count} runs of one row have the key {key}: leave one to be paired")
            | None -> ()

        let others = Map.ofList reference
        [ for key, value in values do match others.TryFind key with Some other -> value - other | None -> () ]

    /// The mean of the paired differences with its interval; None if there is no pair.
    let paired (values: ('Key * float) list) (reference: ('Key * float) list) : Interval option =
        match differences values reference with
        | [] -> None
        | found -> Some(interval found)

    /// The share of runs that solve their task, in [0, 1], with Wilson's 95 % interval.
    ///
    /// solved: in [0, count]; count ≥ 1; else UsageException.
    let share (solved: int) (count: int) : Interval =
        if count < 1 || solved < 0 || solved > count then
            raise (UsageException $"{solved} of {count} is no share: solved must be in [0, count], count ≥ 1")

        let n, p, z = float count, float solved / float count, Normal.Inverse(0.5 + 0.5 * level)
        let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n)
        let reach = z / (1.0 + z * z / n) * sqrt (p * (1.0 - p) / n + z * z / (4.0 * n * n))
        { Mean = p; Low = (if solved = 0 then 0.0 else middle - reach); High = (if solved = count then 1.0 else middle + reach); Count = count }

    /// The difference of two shares of independent runs with its 95 % interval, Newcombe's from Wilson's (method 10, Statistics in Medicine 17,
    /// 1998).
    let shareDifference (share: Interval) (reference: Interval) : Interval =
        let square a b = (a - b) * (a - b)
        let difference = share.Mean - reference.Mean

        { Mean = difference
          Low = difference - sqrt (square share.Mean share.Low + square reference.High reference.Mean)
          High = difference + sqrt (square share.High share.Mean + square reference.Mean reference.Low)
          Count = min share.Count reference.Count }

    /// First quartile, median and third quartile, by linear interpolation between the values (type 7 of Hyndman and Fan).
    ///
    /// values: at least one, all finite; else UsageException.
    let quartiles (values: float list) : float * float * float =
        let sorted = finite "the quartiles" values

        let at share =
            let place = share * float (sorted.Length - 1)
            let below = int (floor place)
            let above = min (below + 1) (sorted.Length - 1)
            sorted[below] + (place - float below) * (sorted[above] - sorted[below])

        at 0.25, at 0.5, at 0.75

    /// The interval of values that are so many times as large; factor ≥ 0.
    let scale (factor: float) (interval: Interval) : Interval =
        { interval with Mean = factor * interval.Mean; Low = factor * interval.Low; High = factor * interval.High }

    let private write decimals (value: float) =
        let text = value.ToString("#,0." + String('0', decimals), CultureInfo.InvariantCulture)
        let isZero = text |> Seq.exists (fun c -> c >= '1' && c <= '9') |> not
        isZero, (if isZero then text.TrimStart '-' else text.Replace('-', '−'))

    /// Decimals that show so many significant digits of a value.
    let private decimals significant (value: float) =
        if value = 0.0 then 0 else Math.Clamp(significant - 1 - int (floor (log10 (abs value))), 0, 8)

    /// How many decimals tell something: two significant digits of the interval's half width, three of one value alone. An end that is not 0 in an
    /// interval that excludes it is not written as 0.
    let private meant (interval: Interval) =
        let half = 0.5 * (interval.High - interval.Low)
        let hides count = interval.ExcludesZero && (fst (write count interval.Low) || fst (write count interval.High))

        if not interval.IsBounded || half = 0.0 then decimals 3 interval.Mean
        else Seq.initInfinite ((+) (decimals 2 half)) |> Seq.find (fun count -> count >= 12 || not (hides count))

    /// "112.3 [110.9, 113.7]", in as many decimals as the interval gives a meaning; "112" of one value.
    let text (interval: Interval) : string =
        let number = write (meant interval) >> snd
        if interval.IsBounded then $"{number interval.Mean} [{number interval.Low}, {number interval.High}]" else number interval.Mean

    /// A difference in words, which has a sign only where the interval excludes 0: "−3.70 [−4.40, −3.00], 5 pairs", "no difference shown: −0.4 [−2.1,
    /// 1.3], 5 pairs", "−3.70, 1 pair: no interval".
    let effect (difference: Interval) : string =
        let pairs = if difference.Count = 1 then "1 pair" else $"{difference.Count} pairs"

        if not difference.IsBounded then $"{text difference}, {pairs}: no interval"
        elif difference.ExcludesZero then $"{text difference}, {pairs}"
        else $"no difference shown: {text difference}, {pairs}"
