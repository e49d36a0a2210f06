/// What the paper claims, and what we ask besides, as far as the summaries of runs can answer it: values, compared in Answer.fs.
module Noisy.Scripts.Claims

open Noisy.Experiments

/// A row of an experiment, with settings of its own if the question needs them.
type Row = { Name: string; Set: (string * string) list }

/// What is compared between two rows.
type Measure =
    /// A metric of a split, seed by seed.
    | Metric of Split * string
    /// The metric that runs are judged by in the validation after so many updates, seed by seed.
    | ValidationAt of int64
    /// How many runs solve the task.
    | Solved
    /// The update at which runs solve it, seed by seed; a run that does not counts with its last update.
    | SolvedAt

/// What is said of a row beside the other.
type Says =
    | Lower
    | Higher
    /// That they do not differ, which an interval can refute and not show.
    | Alike

/// Whose words they are.
type Source =
    | Paper
    | Ours

type Claim =
    { Text: string
      Source: Source
      Experiment: string
      Preset: string
      Row: Row
      Other: Row
      Measure: Measure
      Says: Says
      /// Seeds that are planned for each row.
      Seeds: int }

let private row name = { Name = name; Set = [] }

let private claim source experiment preset seeds text row says other measure =
    { Text = text; Source = source; Experiment = experiment; Preset = preset; Row = row; Other = other
      Measure = measure; Says = says; Seeds = seeds }

let private test metric = Metric(Split.Test, metric)

let private having settings name = { Name = name; Set = settings }

/// NAN without its leak, with strong noise and gap gains that are not learned: the noise alone.
let noiseAlone = having [ "alpha", "1"; "learnP", "false"; "c", "5" ]

let private mnist source = claim source "mnist" "paper" 5
let private ptb source = claim source "ptb" "paper" 5
let private charlm = claim Paper "charlm" "small" 2
let private lte = claim Paper "lte" "small" 2
let private nmt source = claim source "nmt" "small" 2
let private captions = claim Paper "captions" "small" 2
let private unique source = claim source "unique" "small" 10
let private ntm source = claim source "ntm" "paper" 8

/// A machine whose controller's initial weights drive most of its units beyond ±1.
let private saturated = having [ "controllerGain", "16" ]

let private ofPaper =
    [ mnist Paper "MNIST: NAH fits the training images better than tanh" (row "nah") Lower (row "soft") (Metric(Split.Train, "nll"))
      mnist Paper "MNIST: NAN ends lower than tanh on unseen images" (row "nan") Lower (row "soft") (test "nll")
      mnist Paper "MNIST: NAH ends lower than tanh on unseen images" (row "nah") Lower (row "soft") (test "nll")
      charlm "characters: NAN and NANI learn alike" (row "nani") Alike (row "nan") (test "bpc")
      lte "Learning to Execute: NAH ends higher than the reference" (row "nah") Higher (row "soft") (test "accuracy")
      ptb Paper "Penn Treebank: NAN beats the reference" (row "nan") Lower (row "soft") (test "perplexity")
      ptb Paper "Penn Treebank: NAH beats the reference" (row "nah") Lower (row "soft") (test "perplexity")
      nmt Paper "translation: hard units beat tanh" (row "hard") Higher (row "soft") (test "bleu")
      nmt Paper "translation: NAH beats hard units" (row "nah") Higher (row "hard") (test "bleu")
      nmt Paper "translation: NAH beats tanh" (row "nah") Higher (row "soft") (test "bleu")
      captions "captions: NAH has the higher BLEU" (row "nah") Higher (row "soft") (test "bleu")
      captions "captions: NAH has the better likelihood" (row "nah") Lower (row "soft") (test "nll")
      captions "captions: NANI has the better likelihood" (row "nani") Lower (row "soft") (test "nll")
      captions "captions: NANIL has the better likelihood" (row "nanil") Lower (row "soft") (test "nll")
      captions "captions: NAH without dropout beats the reference with it" (row "nah-no-dropout") Lower (row "soft") (test "nll")
      unique Paper "unique elements: annealed NAN beats the reference" (row "nan-annealed") Lower (row "reference") (test "error")
      unique Paper "unique elements: annealed NAN beats constant noise" (row "nan-annealed") Lower (row "nan-constant") (test "error")
      unique Paper "unique elements: annealed NAN beats annealed NANIL" (row "nan-annealed") Lower (row "nanil-annealed") (test "error")
      unique Paper "unique elements: annealed NAN beats a curriculum" (row "nan-annealed") Lower (row "curriculum") (test "error")
      unique Paper "unique elements: both together beat a curriculum" (row "nan-annealed-curriculum") Lower (row "curriculum") (test "error")
      ntm Paper "Turing machine: more machines with noise solve recall" (row "noisy") Higher (row "regular") Solved
      ntm Paper "Turing machine: with noise they solve it sooner" (row "noisy") Lower (row "regular") SolvedAt ]

let private ofOurs =
    [ mnist Ours "MNIST: does the leak alone beat tanh in training?" (row "nah-no-noise") Lower (row "soft") (Metric(Split.Train, "nll"))
      mnist Ours "MNIST: does the noise alone beat tanh in training?" (noiseAlone "nan") Lower (row "soft") (Metric(Split.Train, "nll"))
      mnist Ours "MNIST: does noise change what the leak does?" (row "nah") Lower (row "nah-no-noise") (test "nll")
      ptb Ours "Penn Treebank: does the leak alone beat the reference?" (row "nah-no-noise") Lower (row "soft") (test "perplexity")
      ptb Ours "Penn Treebank: does the noise alone beat the reference?" (row "nan-frozen") Lower (row "soft") (test "perplexity")
      ptb Ours "Penn Treebank: does noise improve on the leak?" (row "nah") Lower (row "nah-no-noise") (test "perplexity")
      nmt Ours "translation: does the leak alone beat hard units?" (row "nah-no-noise") Higher (row "hard") (test "bleu")
      nmt Ours "translation: does the noise alone beat hard units?" (having [ "alpha", "1" ] "nah") Higher (row "hard") (test "bleu")
      unique Ours "unique elements: does the leak alone beat the reference?" (having [ "c", "0" ] "nan-constant") Lower (row "reference") (test "error")
      unique Ours "unique elements: does annealed noise alone beat it?" (having [ "alpha", "1" ] "nan-annealed") Lower (row "reference") (test "error")
      unique Ours "unique elements, after 5,000 updates: is NAN ahead of the reference?" (row "nan-constant") Lower (row "reference") (ValidationAt 5_000L)
      unique Ours "unique elements, after 5,000 updates: is the leak alone?" (having [ "c", "0" ] "nan-constant") Lower (row "reference") (ValidationAt 5_000L)
      unique Ours "unique elements, after 5,000 updates: is annealed noise alone?" (having [ "alpha", "1" ] "nan-annealed") Lower (row "reference") (ValidationAt 5_000L)
      unique Ours "unique elements, after 5,000 updates: does noise add to the leak?" (row "nan-constant") Lower (having [ "c", "0" ] "nan-constant") (ValidationAt 5_000L)
      unique Ours "unique elements, after 5,000 updates: do hard units differ from the reference?" (row "hard") Alike (row "reference") (ValidationAt 5_000L)
      unique Ours "unique elements, after 5,000 updates: is the leak ahead of hard units?" (having [ "c", "0" ] "nan-constant") Lower (row "hard") (ValidationAt 5_000L)
      unique Ours "unique elements, after 5,000 updates: is constant noise, without a leak?" (having [ "alpha", "1" ] "nan-constant") Lower (row "hard") (ValidationAt 5_000L)
      unique Ours "unique elements: do more runs with annealed NAN solve it?" (row "nan-annealed") Higher (row "reference") Solved
      ntm Ours "saturated Turing machine: do more hard ones solve recall with leak and noise?" (saturated "noisy") Higher (saturated "hard") Solved
      ntm Ours "saturated Turing machine: do more hard ones solve it with the leak alone?" (having [ "c", "0"; "controllerGain", "16" ] "nan") Higher (saturated "hard") Solved
      ntm Ours "saturated Turing machine: are those with leak and noise sooner than tanh?" (saturated "noisy") Lower (saturated "regular") SolvedAt ]

/// Every claim, in the order in which it is told.
let all = ofPaper @ ofOurs
