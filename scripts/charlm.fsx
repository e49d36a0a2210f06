// The character-level language model: Figure 6 of "Noisy Activation Functions".
//
//     dotnet fsi scripts/charlm.fsx
//         both references and three noisy variants on the built-in corpus letter by letter, whose best attainable bits per
//         character are known
//     dotnet fsi scripts/charlm.fsx --data novel.txt
//         the same on any text in UTF-8, plain or .gz
//     NOISY_DATA=folder dotnet fsi scripts/charlm.fsx --preset small --row nani-0.01,nani-1,nanis-0.01,nanis-1
//         the paper's grid of deviations on the treebank (folder/ptb/ptb.char.train.txt and so on)
//     dotnet fsi scripts/charlm.fsx -- --help
//         all options, presets and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// Curves are in bits per character, training and validation.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Drawings.main "charlm" (Array.tail fsi.CommandLineArgs))
#endif
