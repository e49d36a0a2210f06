using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>Multi30k, English to French: descriptions of pictures, 29,000 pairs to learn from.</summary>
/// <remarks>Source: D. Elliott, S. Frank, K. Sima'an, L. Specia, "Multi30K: multilingual English-German image descriptions", VL 2016;
/// French by D. Elliott, S. Frank, L. Barrault, F. Bougares, L. Specia, WMT 2017. Repository multi30k/dataset, task 1. No licence is
/// stated for the text, so it is neither shipped nor downloaded. Parts: train, val, test_2016_flickr, test_2017_flickr,
/// test_2017_mscoco.</remarks>
public static class Multi30k
{
    /// <summary>Lower case, punctuation normalised, tokenised by Moses ("lc.norm.tok"): what models learn from.</summary>
    public static ParallelSet Tokenised { get; } = new(
        new DataSet("multi30k", "Multi30k (tokenised)",
        [
            new("train.lc.norm.tok.en", null, "08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119", 1_837_696),
            new("train.lc.norm.tok.fr", null, "8fa41bb718412bcb7c5dfa58603842810a01543eae86a51279f9886b901266e1", 2_235_588),
            new("val.lc.norm.tok.en", null, "46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec", 64_608),
            new("val.lc.norm.tok.fr", null, "b303e301aa21fe7822a846b2b3fb2d5a1121ec807cd5b1d006fb7b2b5507168a", 78_242),
            new("test_2016_flickr.lc.norm.tok.en", null, "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2", 63_307),
            new("test_2016_flickr.lc.norm.tok.fr", null, "1463bd5960f9bfe098ec3cd752d3df0c49c84dc646fb518964a29232658cd836", 76_394),
            new("test_2017_flickr.lc.norm.tok.en", null, "c9d1dfd7a26add989382e534af235af9f0f658b2a30e7eb0efdaf142496ee54f", 56_123),
            new("test_2017_flickr.lc.norm.tok.fr", null, "c0583117a47b31e8a6c6a97cfe8de153e462074668f4e994764fcc80b21d33b4", 69_537),
            new("test_2017_mscoco.lc.norm.tok.en", null, "fe69ae004d71c42ead0301e70c57de5b1b6b5fb7f52210d42b22801e98e656f3", 25_380),
            new("test_2017_mscoco.lc.norm.tok.fr", null, "0b6a4620f02b6b9acf7811fda23f90fed9c6baa0b96aa224db50a273078c84d1", 31_725),
        ], "name texts of your own with '--data SENTENCES,TRANSLATIONS'"),
        [
            new("train", "train.lc.norm.tok.en", "train.lc.norm.tok.fr", 29_000, 377_534, 409_845),
            new("val", "val.lc.norm.tok.en", "val.lc.norm.tok.fr", 1_014, 13_308, 14_381),
            new("test_2016_flickr", "test_2016_flickr.lc.norm.tok.en", "test_2016_flickr.lc.norm.tok.fr", 1_000, 12_968, 13_988),
            new("test_2017_flickr", "test_2017_flickr.lc.norm.tok.en", "test_2017_flickr.lc.norm.tok.fr", 1_000, 11_376, 12_596),
            new("test_2017_mscoco", "test_2017_mscoco.lc.norm.tok.en", "test_2017_mscoco.lc.norm.tok.fr", 461, 5_239, 5_710),
        ]);

    /// <summary>The text as it was written.</summary>
    public static ParallelSet Raw { get; } = new(
        new DataSet("multi30k", "Multi30k (raw)",
        [
            new("train.en", null, "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6", 1_801_238),
            new("train.fr", null, "5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d", 2_111_303),
            new("val.en", null, "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227", 63_297),
            new("val.fr", null, "5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc", 73_924),
            new("test_2016_flickr.en", null, "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182", 62_076),
            new("test_2016_flickr.fr", null, "cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6", 72_261),
            new("test_2017_flickr.en", null, "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98", 55_242),
            new("test_2017_flickr.fr", null, "6f3764e31dac41e9455e612958bcfd4e877c5e15cd66df2c2b2be6d9bd83e5b6", 65_691),
            new("test_2017_mscoco.en", null, "43051fdfa86fd5395182e718a94ca67b1b227b9f7c79596ff0f6b813216981d2", 24_949),
            new("test_2017_mscoco.fr", null, "39cde3f43f32b0a6bf29ce4917a46329ff32e53070c2fac87506695a740ae0a0", 29_982),
        ]),
        [
            new("train", "train.en", "train.fr", 29_000, 345_020, 362_021),
            new("val", "val.en", "val.fr", 1_014, 12_167, 12_698),
            new("test_2016_flickr", "test_2016_flickr.en", "test_2016_flickr.fr", 1_000, 11_877, 12_352),
            new("test_2017_flickr", "test_2017_flickr.en", "test_2017_flickr.fr", 1_000, 10_526, 11_215),
            new("test_2017_mscoco", "test_2017_mscoco.en", "test_2017_mscoco.fr", 461, 4_843, 5_096),
        ]);
}
