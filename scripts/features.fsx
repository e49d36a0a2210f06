// Features of a folder of pictures, by any convolutional network in the ONNX format, for captions.fsx.
//
//     dotnet fsi scripts/features.fsx -- --pictures photos --model resnet18.onnx --out mine
//         the network's last value with places; mine/features.npy and features.json
//     dotnet fsi scripts/features.fsx -- --pictures photos --model vgg16.onnx --layer relu5_3 --order bgr --std 0.0039216,0.0039216,0.0039216 --out mine
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
