// Counting unique elements: Table 5 of "Noisy Activation Functions", annealed noise beside a curriculum.
//
//     dotnet fsi scripts/unique.fsx
//         all six rows, short runs
//     dotnet fsi scripts/unique.fsx --preset small --row reference,nan-annealed
//         longer runs of two rows
//     dotnet fsi scripts/unique.fsx -- --help
//         all options, presets, rows and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// Ctrl+C at any moment, then the same command again: it goes on where it was. Results are in runs/unique.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Runs.main "unique" (Array.tail fsi.CommandLineArgs))
#endif
