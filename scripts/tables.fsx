// Gathers run folders into Markdown, with the paper's numbers beside ours.
//
//     dotnet fsi scripts/tables.fsx                                        all runs in runs and docs/results, printed
//     dotnet fsi scripts/tables.fsx --runs docs/results --out docs/results.md   the published tables
//     dotnet fsi scripts/tables.fsx --runs docs/results --answer docs/experiments.md   the claims with their verdicts, at the top of that page
//     dotnet fsi scripts/tables.fsx --runs docs/results --study docs/noise-or-leak.md   the effects of noise and leak, with their picture
//     dotnet fsi scripts/tables.fsx --runs runs/unique --curves docs/results/unique   comparison.png of all runs with logs below a folder
//     dotnet fsi scripts/tables.fsx --runs runs/ptb/paper-soft-s1 --keep   keep that run's summary in docs/results
//
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Tables.main (Array.tail fsi.CommandLineArgs))
#endif
