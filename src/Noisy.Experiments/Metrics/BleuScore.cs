using System.Globalization;

namespace Noisy.Experiments;

/// <summary>BLEU of a corpus, with all that is needed to compare it with another program's.</summary>
/// <param name="Counts">What it was computed from.</param>
/// <param name="BrevityPenalty">Factor for hypotheses that are shorter than their references, in [0, 1].</param>
/// <param name="Precisions">pₙ after smoothing, in [0, 1]; index n − 1.</param>
/// <param name="Values">BLEU-1 to BLEU-4, in [0, 1]; index n − 1.</param>
/// <param name="Signature">How it was computed, in sacrebleu's form: number of references, case, tokenisation, smoothing, version.</param>
public sealed record BleuScore(
    BleuCounts Counts, double BrevityPenalty, IReadOnlyList<double> Precisions, IReadOnlyList<double> Values, string Signature)
{
    /// <summary>BLEU-4, which is what "BLEU" means.</summary>
    public double Bleu => Values[^1];

    /// <summary>The score in percent with precisions, lengths and signature, in one line.</summary>
    public override string ToString()
    {
        var ratio = Counts.ReferenceLength == 0 ? 0 : (double)Counts.HypothesisLength / Counts.ReferenceLength;
        var precisions = string.Join("/", Precisions.Select(p => (100 * p).ToString("0.0", CultureInfo.InvariantCulture)));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"BLEU = {100 * Bleu:0.00} {precisions} (BP = {BrevityPenalty:0.000} ratio = {ratio:0.000} "
            + $"hyp_len = {Counts.HypothesisLength} ref_len = {Counts.ReferenceLength}) {Signature}");
    }
}
