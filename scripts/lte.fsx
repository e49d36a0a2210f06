// Learning to Execute: a network reads small programs and writes what they print. Table 1 of "Noisy Activation Functions".
//
//     dotnet fsi scripts/lte.fsx
//         reference and NAH on one operation with numbers up to 100: a minute or so each on two cores; both end at a test
//         accuracy of 61 to 63 %, where guessing from the position in the answer alone scores 38 %
//     dotnet fsi scripts/lte.fsx --preset small
//         up to two operations, numbers up to 10^4, the curriculum of the paper: an hour a row on one core
//     dotnet fsi scripts/lte.fsx --preset paper --row nah
//         the reference code's setting: up to 80,000 updates of 0.6 to 1 s on two cores
//     dotnet fsi scripts/lte.fsx --set curriculum=naive --out runs/lte-naive
//         another curriculum: none (the reference code's "baseline"), naive, mix or combined (its "blend")
//     dotnet fsi scripts/lte.fsx -- --help
//         all options, presets and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// All programs are generated. Besides what every experiment leaves, a run's folder has predictions.html: programs of the
// test with what they print and what the network wrote.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Drawings.main "lte" (Array.tail fsi.CommandLineArgs))
#endif
