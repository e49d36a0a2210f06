namespace Noisy.Experiments;

/// <summary>How a captioning model attends to places while it learns.</summary>
public enum AttentionKind
{
    /// <summary>At all of them, weighted.</summary>
    Soft,

    /// <summary>Half of the times at one that is drawn; learned by REINFORCE.</summary>
    Hard,
}
