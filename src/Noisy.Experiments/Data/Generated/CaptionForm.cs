namespace Noisy.Experiments;

/// <summary>Shapes of <see cref="CaptionWorld"/>; their words are their names in lower case.</summary>
public enum CaptionForm
{
    /// <summary>A full disc.</summary>
    Circle,

    /// <summary>A full square.</summary>
    Square,

    /// <summary>A full triangle, point upward.</summary>
    Triangle,

    /// <summary>An upright cross.</summary>
    Cross,

    /// <summary>A circle that is empty inside.</summary>
    Ring,
}
