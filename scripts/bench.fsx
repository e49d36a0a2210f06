// Speed beside libtorch: training steps with noise against torch's own without, in turn, in one process.
//
//     dotnet fsi scripts/bench.fsx                                   everything: about 10 minutes
//     dotnet fsi scripts/bench.fsx --suite lstm --config S --quick   a first look
//     dotnet fsi scripts/bench.fsx --json bench.json                 also as a list of records
//     dotnet fsi scripts/bench.fsx --memory                          peak memory, ours and libtorch's
//     dotnet fsi scripts/bench.fsx --soak 2000                       does memory grow?
//     dotnet fsi scripts/bench.fsx -- --help                         all options
//
// Figures mean something only on a machine that does nothing else: docs/performance.md.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Bench.main (Array.tail fsi.CommandLineArgs))
#endif
