/// The paper's experiments with the pictures that each alone has, besides the curves that all have.
module Noisy.Scripts.Drawings

open Noisy.Experiments
open Noisy.FSharp

let private all: (string * string list * (string -> ITrainingTask -> RunConfig -> unit)) list =
    [ "captions", [ "gallery.html" ], Gallery.draw
      "gmm", [ "units.html"; "units.png" ], UnitPictures.draw
      "lte", [ "predictions.html" ], Predictions.draw
      "nmt", [ "translations.html"; "alignments.html"; "alignments.png" ], Translations.draw
      "ntm", [ "episode.html"; "episode.png" ], Recall.draw ]

/// An experiment of the paper by its name, with its pictures.
let experiment name =
    match List.tryFind (fun (owner, _, _) -> owner = name) all with
    | Some(_, files, draw) -> (PaperExperiments.ByName name).WithPictures(RunPictures(ResizeArray files, draw))
    | None -> PaperExperiments.ByName name

/// A whole script of the paper's.
///
/// name: the experiment; words: the command line after the script's name. Returns the exit code.
let main name words = Sweeps.main (experiment name) words
