// The word-level language model on Penn Treebank: Table 2 of "Noisy Activation Functions".
//
//     dotnet fsi scripts/ptb.fsx
//         reference, NAN and NAH on a generated corpus whose best attainable perplexity is known: 1 to 2 minutes on
//         two cores; test perplexities of 12 to 14 beside a floor of 9.7
//     NOISY_DATA=folder dotnet fsi scripts/ptb.fsx --preset paper --activation soft
//         Zaremba's small model on the treebank (folder/ptb/ptb.train.txt and so on): half an hour on two cores; the
//         reference ends at a test perplexity of 112
//     dotnet fsi scripts/ptb.fsx -- --help
//         all options, presets and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// Ctrl+C at any moment, then the same command again: it resumes where it was. Results are in runs/ptb: for each run its
// curves (curves.html, curves.png), log, weights and summary.json; for all of them comparison.html and results.csv.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Drawings.main "ptb" (Array.tail fsi.CommandLineArgs))
#endif
