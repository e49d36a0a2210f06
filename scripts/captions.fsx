// Captions of pictures with attention: Table 4 of "Noisy Activation Functions".
//
//     dotnet fsi scripts/captions.fsx
//         reference and NAH on generated pictures of coloured shapes
//     NOISY_DATA=folder dotnet fsi scripts/captions.fsx --preset small --row soft,nah,nah-no-dropout,nani,nanil,hard-attention
//         the rows of the table on Flickr8k (folder/flickr8k); the features are SqueezeNet's, not the paper's
//     dotnet fsi scripts/captions.fsx -- --data mine --describe photo.jpg --model resnet18.onnx
//         a caption of any picture by runs that are done, on features of features.fsx (docs/captions.md)
//     dotnet fsi scripts/captions.fsx -- --help
//         all options, presets, rows and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// Besides what every experiment leaves, a run's folder has gallery.html: pictures of the test with the model's captions and, for
// each word, what the model attends to.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.CaptionScript.main (Array.tail fsi.CommandLineArgs))
#endif
