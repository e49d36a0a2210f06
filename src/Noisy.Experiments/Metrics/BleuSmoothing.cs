namespace Noisy.Experiments;

/// <summary>What BLEU takes for the precision of n-grams of which none matches.</summary>
/// <remarks>Names and numbers: B. Chen, C. Cherry, "A systematic comparison of smoothing techniques for sentence-level BLEU",
/// WMT 2014. Smoothing never helps a corpus without a single matching word: its score stays 0.</remarks>
public enum BleuSmoothing
{
    /// <summary>0, which makes the score 0: the definition.</summary>
    None,

    /// <summary>"exp", method 3: half of one match for the first such order, a quarter for the next, and so on.</summary>
    Exponential,

    /// <summary>"floor", method 1: a fixed number of matches, 0.1 unless told.</summary>
    Floor,

    /// <summary>"add-k", method 2: k more matches of k more n-grams, for all orders from 2 on; k is 1 unless told.</summary>
    AddK,
}
