using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>News test sets of the Workshop on Statistical Machine Translation, English to French, tokenised by Moses with escaped
/// quotes, case kept. One part, "test".</summary>
/// <remarks>Source: WMT 2012 and 2013 (O. Bojar and others, "Findings of the 2013 workshop on statistical machine translation").
/// Provided for research; neither shipped nor downloaded. The paper's year is not known for certain (decision 14).</remarks>
public static class NewsTest
{
    /// <summary>newstest2012, 3,003 pairs: for validation.</summary>
    public static ParallelSet Of2012 { get; } = new(
        new DataSet("newstest2012", "newstest2012",
        [
            new("newstest2012.tok.en", null, "e91e345b009a0c1362aafe5be61eebd7a23de95cd98ac6508985d6382d040566", 400_183),
            new("newstest2012.tok.fr", null, "b85b2a12a576347bd9fb7b1d2442e85e37aee4b7e7722af868216b3304ab7455", 481_025),
        ]),
        [
            new("test", "newstest2012.tok.en", "newstest2012.tok.fr", 3_003, 72_961, 81_795),
        ]);

    /// <summary>newstest2013, 3,000 pairs: for test.</summary>
    public static ParallelSet Of2013 { get; } = new(
        new DataSet("newstest2013", "newstest2013",
        [
            new("newstest2013.tok.en", null, "0a8b170e1c275908a3d0f684e8cc0f0ab227bf4163ffce21979c17661d6d5c2a", 349_480),
            new("newstest2013.tok.fr", null, "295427223ecaf556638c436908861b54d4517dfc30bff210261d4bfa193a91ac", 430_084),
        ]),
        [
            new("test", "newstest2013.tok.en", "newstest2013.tok.fr", 3_000, 64_807, 73_659),
        ]);
}
