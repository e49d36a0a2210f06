// Networks with one hidden layer on MNIST: the learning curves of "Noisy Activation Functions", Section 6.1.
//
//     dotnet fsi scripts/mnist.fsx
//         tanh, hard-tanh and five noisy variants on generated digits: 1 to 2 minutes on two cores
//     NOISY_DATA=folder dotnet fsi scripts/mnist.fsx --preset small
//         on MNIST (folder/mnist/train-images-idx3-ubyte and so on, plain or .gz)
//     dotnet fsi scripts/mnist.fsx -- --help
//         all options, presets and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// Ctrl+C at any moment, then the same command again: it resumes where it was. Results are in runs/mnist; comparison.html and
// comparison.png are the paper's figure: average negative log-likelihood of all variants in training and validation.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Drawings.main "mnist" (Array.tail fsi.CommandLineArgs))
#endif
