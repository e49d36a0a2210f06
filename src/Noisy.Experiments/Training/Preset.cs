namespace Noisy.Experiments;

/// <summary>A size of an experiment: settings to start from.</summary>
/// <param name="Name">Lower-case name, as <c>--preset</c> takes it.</param>
/// <param name="Summary">One line for help texts: how large it is, how long it takes.</param>
/// <param name="Training">How its runs are trained.</param>
/// <param name="Settings">The experiment's own settings; null if it has none. All presets of an experiment have one type.</param>
public sealed record Preset(string Name, string Summary, TrainingSettings Training, object? Settings);
