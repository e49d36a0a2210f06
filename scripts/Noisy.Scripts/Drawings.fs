/// Pictures that one experiment alone has, besides the curves that all have.
module Noisy.Scripts.Drawings

open System.IO
open Noisy.Models

/// What draws them and which files they are, by the experiment's name. Called once a run is done: its folder, the task, whose model
/// has the weights that were tested, and the config.
let private all: (string * string list * (string -> ITrainingTask -> TrainConfig -> unit)) list =
    [ "captions", [ "gallery.html" ], Gallery.draw
      "gmm", [ "units.html"; "units.png" ], UnitPictures.draw
      "lte", [ "predictions.html" ], Predictions.draw
      "nmt", [ "translations.html"; "alignments.html"; "alignments.png" ], Translations.draw
      "ntm", [ "episode.html"; "episode.png" ], Recall.draw ]

/// Draws what the experiment of a config has of its own, unless it is there and as new as the run's summary: a run may have been killed
/// before its pictures were drawn.
let ofRun folder (task: ITrainingTask) (config: TrainConfig) =
    let isNew since (file: string) =
        let path = Path.Combine(folder, file)
        File.Exists path && File.GetLastWriteTimeUtc path >= since

    let since = File.GetLastWriteTimeUtc(Path.Combine(folder, "summary.json"))
    for name, files, draw in all do
        if name = config.Experiment && not (List.forall (isNew since) files) then draw folder task config
