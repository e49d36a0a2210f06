using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Two samples of 20,000 pairs of Europarl v7, English to French: a small stand-in for the paper's training text. One part
/// each, "train"; 35 or 36 of the English lines are empty.</summary>
/// <remarks>Source: P. Koehn, "Europarl: a parallel corpus for statistical machine translation", MT Summit 2005. Its site knows of no
/// restrictions; neither shipped nor downloaded, since no lasting address of these samples is known.</remarks>
public static class EuroparlSample
{
    /// <summary>Sample a, tokenised by Moses with escaped quotes like <see cref="NewsTest"/>.</summary>
    public static ParallelSet Tokenised { get; } = new(
        new DataSet("europarl_sample", "Europarl sample a (tokenised)",
        [
            new("europarl-v7.sample20k-a.tok.en", null, "bb0cef82b9508656b825801b692841b0d70bb726b39bf3e00bfab64ce262a8fa", 1_988_300),
            new("europarl-v7.sample20k-a.tok.fr", null, "151532eeb2fc8f13945a9d9f271b37c7aa6043dc26fcb226656f6a01080365f5", 2_375_492),
        ]),
        [
            new("train", "europarl-v7.sample20k-a.tok.en", "europarl-v7.sample20k-a.tok.fr", 20_000, 371_409, 406_490),
        ]);

    /// <summary>Sample b, as it was written. About 8,400 of its English sentences are in sample a as well.</summary>
    public static ParallelSet Raw { get; } = new(
        new DataSet("europarl_sample", "Europarl sample b (raw)",
        [
            new("europarl-v7.sample20k-b.raw.en", null, "06c649ca5db54fafeb19101764ca879be5201ccaba3b0daa19508cc9b18e5a7a", 1_978_066),
            new("europarl-v7.sample20k-b.raw.fr", null, "ec0aea5328d3fb5debde79eef0317383332d565c77eb53f0d7709b43066a6ae5", 2_254_640),
        ]),
        [
            new("train", "europarl-v7.sample20k-b.raw.en", "europarl-v7.sample20k-b.raw.fr", 20_000, 336_393, 352_131),
        ]);
}
