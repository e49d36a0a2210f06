// Features of a folder of pictures, by any convolutional network in the ONNX format, for captions.fsx.
//
//     dotnet fsi scripts/features.fsx -- --pictures photos --model resnet18.onnx --out mine
//         the network's last value with places; mine/features.npy and features.json
//     dotnet fsi scripts/features.fsx -- --pictures photos --model vgg16.onnx --layer relu5_3 --out mine \
//             --order bgr --mean 0.408,0.459,0.482 --std 0.0039216,0.0039216,0.0039216
//         another value of a network that takes blue first, 0 to 255 less a mean
//     dotnet fsi scripts/features.fsx -- --help
//         all options
//
// The same command resumes. docs/captions.md is the way from pictures to captions.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Features.main (Array.tail fsi.CommandLineArgs))
#endif
