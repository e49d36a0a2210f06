// Counting unique elements: Table 5 of "Noisy Activation Functions", annealed noise beside a curriculum.
//
//     dotnet fsi scripts/unique.fsx
//         all six rows on an easier form of the task: one to three minutes on two cores
//     dotnet fsi scripts/unique.fsx --preset small --row reference,nan-annealed
//         two rows on the paper's sequences, 20,000 updates each
//     dotnet fsi scripts/unique.fsx -- --help
//         all options, presets, rows and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// Ctrl+C at any moment, then the same command again: it resumes where it was. Results are in runs/unique: curves and
// summary.json for each run; comparison.html and results.csv for all of them.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Drawings.main "unique" (Array.tail fsi.CommandLineArgs))
#endif
