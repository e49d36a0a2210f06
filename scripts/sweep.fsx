// Many runs of an experiment side by side: on this machine, or on a Slurm cluster.
//
//     dotnet fsi scripts/sweep.fsx -- ptb --row soft,nah --seed 1,2 --set c=0.25,0.5 --out runs/noise
//     dotnet fsi scripts/sweep.fsx -- ptb --preset small --seed 1,2,3 --on slurm --time 120 --out runs/small
//     dotnet fsi scripts/sweep.fsx -- status runs/small        (or cancel, or collect)
//     dotnet fsi scripts/sweep.fsx -- examples/adding.fsx --seed 1,2,3,4
//     dotnet fsi scripts/sweep.fsx -- --help
//
// The same command resumes what was stopped and tries again what failed: docs/sweeps.md.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.SweepScript.main __SOURCE_DIRECTORY__ (Array.tail fsi.CommandLineArgs))
#endif
