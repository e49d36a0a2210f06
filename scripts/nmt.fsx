// Translation with attention: Table 3 of "Noisy Activation Functions".
//
//     dotnet fsi scripts/nmt.fsx
//         reference, hard and NAH on a generated pair of languages, in which BLEU 100 can be reached
//     NOISY_DATA=folder dotnet fsi scripts/nmt.fsx --preset small
//         English to French on Multi30k (folder/multi30k), until validation no longer improves
//     dotnet fsi scripts/nmt.fsx --preset small --data sentences.en,sentences.fr
//         any parallel text: two files, or one with a tab between sentence and translation; tokenised beforehand
//     NOISY_DATA=folder dotnet fsi scripts/nmt.fsx --preset small --set text=europarl --out runs/nmt-europarl
//         a sample of Europarl, tested on newstest2013
//     dotnet fsi scripts/nmt.fsx -- --help
//         all options, presets and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// Besides what every experiment leaves, a run's folder has translations.html, the first sentences of the test with their
// translations, and alignments.png, what each word of some of them attends to.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Drawings.main "nmt" (Array.tail fsi.CommandLineArgs))
#endif
