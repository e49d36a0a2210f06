// The activations themselves: the paper's figures of them, and an exact calculator.
//
//     dotnet fsi scripts/activations.fsx               figures in runs/activations, as PNG and as one page
//     dotnet fsi scripts/activations.fsx --table --function tanh --activation nah --x -2,0.5,3 --xi 1.2
//                                                      value, gradients, mean and variance as CSV
//     dotnet fsi scripts/activations.fsx -- --help     all options
//
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Activations.main (Array.tail fsi.CommandLineArgs))
#endif
