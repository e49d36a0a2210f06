// The word-level language model on Penn Treebank: Table 2 of "Noisy Activation Functions".
//
//     dotnet fsi scripts/ptb.fsx                                   reference, NAN and NAH on a generated corpus
//     NOISY_DATA=folder dotnet fsi scripts/ptb.fsx --preset paper  the same on the treebank, at the paper's size
//     dotnet fsi scripts/ptb.fsx --help                            all options, presets and fields
//
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Runs.main "ptb" (Array.tail fsi.CommandLineArgs))
#endif
