/// The colour of what is attended to.
module internal Noisy.Scripts.Heat

open System

/// Red, green and blue, from dark red over orange to light yellow, for a share of the most that a word attends to.
let colour share =
    let channel from upTo = byte (Math.Round(255.0 * Math.Clamp((share - from) / (upTo - from), 0.0, 1.0)))
    struct (channel -0.5 0.35, channel 0.25 0.9, channel 0.75 1.3)

/// How much of the picture the colour hides there.
let opacity share = 0.7 * share
