// The components of a mixture of three Gaussians, told apart by three layers of eight units: the pictures of "Noisy Activation
// Functions", Section 6.1, which show the units that learned much noise.
//
//     dotnet fsi scripts/gmm.fsx
//         tanh and noisy tanh: under a minute on two cores; test nll beside that of the classifier that knows the mixture
//     dotnet fsi scripts/gmm.fsx --row noisy-tanh,noisy-tanh-frozen --preset small
//         with gap gains learned and not
//     dotnet fsi scripts/gmm.fsx -- --help
//         all options, presets, rows and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// Ctrl+C at any moment, then the same command again: it resumes where it was. Results are in runs/gmm; units.html and
// units.png of each run draw every unit's activation and slope against its pre-activation.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Drawings.main "gmm" (Array.tail fsi.CommandLineArgs))
#endif
