// Learning to Execute: a network reads small programs and writes what they print. Table 1 of "Noisy Activation Functions".
//
//     dotnet fsi scripts/lte.fsx
//         reference and NAH on one operation with small numbers
//     dotnet fsi scripts/lte.fsx --preset small
//         two operations, numbers up to 10^4, the combined curriculum through all its stages
//     dotnet fsi scripts/lte.fsx --preset paper --row nah
//         the reference code's setting
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

exit (Noisy.Scripts.Runs.main "lte" (Array.tail fsi.CommandLineArgs))
#endif
