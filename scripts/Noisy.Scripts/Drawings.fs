/// Pictures that one experiment alone has, besides the curves that all have.
module Noisy.Scripts.Drawings

open Noisy.Models

/// What draws them, by the experiment's name. Called once a run was trained: its folder, the task, whose model has the
/// weights that were tested, and the config.
let private all: (string * (string -> ITrainingTask -> TrainConfig -> unit)) list =
    [ "captions", Gallery.draw
      "gmm", UnitPictures.draw
      "lte", Predictions.draw
      "nmt", Translations.draw
      "ntm", Recall.draw ]

/// Draws what the experiment of a config has of its own.
let ofRun folder (task: ITrainingTask) (config: TrainConfig) =
    for name, draw in all do
        if name = config.Experiment then draw folder task config
