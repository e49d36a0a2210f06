namespace Noisy.Experiments;

/// <summary>Why a run is finished.</summary>
public enum RunEnd
{
    /// <summary>The config's last epoch is done.</summary>
    Epochs,

    /// <summary>Validation at the last stage reached <see cref="TrainingSettings.StopAt"/>.</summary>
    StopAt,

    /// <summary>As many evaluations without improvement as <see cref="TrainingSettings.Patience"/> allows.</summary>
    Patience,

    /// <summary>A curriculum that goes by results has lowered the learning rate to its end.</summary>
    LearningRate,

    /// <summary>The experiment's own stop rule, <see cref="ITrainingTask.IsOver"/>.</summary>
    Rule,
}
