namespace Noisy.Core;

/// <summary>Where the raw noise ξ of a layer comes from.</summary>
/// <param name="Layer">Key of the layer; site s draws from child s.</param>
/// <param name="Update">Optimiser update.</param>
/// <param name="FirstStep">Time step of the sequence's first element.</param>
/// <param name="Constants">What stands for every draw of a site; null draws.</param>
internal readonly record struct RecurrentNoise(NoiseKey Layer, long Update, int FirstStep, float[]? Constants);
