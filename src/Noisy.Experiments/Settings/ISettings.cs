namespace Noisy.Experiments;

/// <summary>Settings of an experiment that know their own rules.</summary>
public interface ISettings
{
    /// <summary>One sentence for each broken rule: name, value found, allowed range.</summary>
    /// <param name="training">How the run is trained, for rules that concern both.</param>
    IEnumerable<string> BrokenRules(TrainingSettings training);
}
