// Associative recall with a Neural Turing Machine: Figure 9 of "Noisy Activation Functions".
//
//     dotnet fsi scripts/ntm.fsx
//         a machine without noise and one with annealed noise in its controller, 2 to 6 items: about a minute
//     dotnet fsi scripts/ntm.fsx --preset paper --seed 1,2,3
//         2 to 16 items, up to 100,000 updates; the paper's curves are drawn beside ours
//     dotnet fsi scripts/ntm.fsx --set controller=lstm --out runs/ntm-lstm
//         an LSTM as controller; other fields: memoryRows, memoryWidth, readHeads, writeHeads, batch, maxItems
//     dotnet fsi scripts/ntm.fsx -- --help
//         all options, presets and fields (without the --, fsi keeps --help to itself; "help" works too)
//
// All episodes are generated. A run ends once it has solved the task (stopAt); summary.json says at which update
// (solvedAtUpdate). Besides what every experiment leaves, a run's folder has episode.html and episode.png: where the heads
// attend to in an episode of the test, what they wrote, what was answered.
#if !NOISY_BUILT && !EDITING
#load "bootstrap.fsx"
#else
#load "refs.fsx"

exit (Noisy.Scripts.Drawings.main "ntm" (Array.tail fsi.CommandLineArgs))
#endif
