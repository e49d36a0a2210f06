namespace Noisy.Experiments;

/// <summary>How features were made of pictures: all that must be the same where other pictures are to have features of the same kind.</summary>
/// <param name="Backbone">Name of the network's file.</param>
/// <param name="Sha256">SHA-256 of that file; 64 lower-case hexadecimal digits.</param>
/// <param name="Layer">The value of the network that the features are.</param>
/// <param name="Size">Rows and columns of the square that is cut from the middle of a picture.</param>
/// <param name="Mean">What is subtracted from each channel, of values from 0 to 1.</param>
/// <param name="Deviation">What each channel is then divided by.</param>
/// <param name="Order">Channels in the order in which the network takes them: "rgb" or "bgr".</param>
internal sealed record FeatureRecipe(
    string Backbone, string Sha256, string Layer, int Size, IReadOnlyList<float> Mean, IReadOnlyList<float> Deviation, string Order);
