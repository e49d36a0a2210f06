namespace Noisy.Experiments;

/// <summary>Which stages of difficulty the examples of training are drawn from.</summary>
public enum CurriculumKind
{
    /// <summary>No curriculum: always the last stage.</summary>
    None,

    /// <summary>The current stage.</summary>
    Naive,

    /// <summary>All stages alike.</summary>
    Mix,

    /// <summary>With probability 1/5 all stages alike, else the current one.</summary>
    Combined,
}
