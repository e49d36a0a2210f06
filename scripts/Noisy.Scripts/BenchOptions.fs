/// The options of the benchmark.
module Noisy.Scripts.BenchOptions

open Noisy.FSharp
open System
open System.Globalization
open Argu
open Noisy.Scripts.BenchSizes
open Noisy.FSharp.Options

/// The options as Argu reads them.
[<RequireQualifiedAccess>]
type Argument =
    | [<Unique>] Suite of name: string
    | Config of list: string list
    | [<Unique>] What of name: string
    | [<Unique>] Quick
    | [<Unique>] Threads of number: string
    | [<Unique>] Seconds of number: string
    | [<Unique>] Json of file: string
    | [<Unique>] Compare of file: string
    | [<Unique>] Pair of clone: string
    | [<Unique>] Memory
    | [<Unique>] Soak of updates: string
    | [<Unique; Hidden>] Memory_Of of work: string

    interface IArgParserTemplate with
        member this.Usage =
            match this with
            | Suite _ -> "lstm, gru, softmax, inference, activation, lte, decoder, ntm, monitor or all (default: all)"
            | Config _ -> "S, M or both, separated by commas (default: both); see below"
            | What _ -> "only the rows of this name, such as step; see below (default: all)"
            | Quick -> "two seconds a measurement: a first look, not a figure to report"
            | Threads _ -> $"CPU threads, of libtorch and of the engine (default: all, here {Environment.ProcessorCount})"
            | Seconds _ -> "time for each measurement (default: 12)"
            | Json _ -> "also write the records to this file, as a list in JSON"
            | Compare _ -> "also set the ratios beside those of an earlier run, whose --json wrote this file"
            | Pair _ -> "instead of libtorch: against the same work of an earlier build of this library, in a clone where a script has run"
            | Memory -> "instead of speed: peak memory of a training step and of a model in use (default config: M), each in a process of its own"
            | Soak _ -> "instead of speed: make this many updates, at least 10 (default config: S), and fail if resident memory grows"
            | Memory_Of _ -> "a child of --memory"

/// What is measured instead of speed.
type Mode =
    | Speed
    | Memory
    | MemoryOf of string
    | Soak of int64

/// What the user requested.
type BenchOptions =
    { Suites: string list
      Sizes: Size list
      What: string option
      Threads: int
      Seconds: float
      Json: string option
      Compare: string option
      Pair: string option
      Mode: Mode }

/// All suites in the order in which they run.
let suites = [ "lstm"; "gru"; "softmax"; "inference"; "activation"; "lte"; "decoder"; "ntm"; "monitor" ]

let private explain () =
    """CONFIGS: S has batch 20, 20 time steps, 2 layers of 200 units, vocabulary 10,000; M 35 time steps and 2 x 650.

WHAT: step is a whole training step with noise against libtorch without: embedding, recurrent layers, output layer, loss,
backward, clip, update. stack is the recurrent layers alone, forward and backward. drop-in is a plain torch loop whose
nn.LSTM or nn.GRU is replaced, and nothing else; drop-in + optimiser has FusedOptim's SGD and clip_grad_norm_ too, drop-in + all
also LinearCrossEntropyLoss for output layer and loss, and the embedding replaced. cells is one layer step by step, as decoders have it,
forward and backward: NoisyLstmCell or NoisyGruCell against nn.LSTMCell or nn.GRUCell; cell calls is the same by a plain call a step.
softmax is output layer and loss, forward and backward. update is an
update of the experiment lte at the sizes of its presets small and paper, against the same one composed of torch's operations
and against a step of libtorch's noise-free layers of these sizes. 4 updates, of the suite decoder, are those of the experiments
nmt and captions at the sizes of small, on four batches, against the same composed of torch's operations, with noise and with tanh
and sigmoid. feedforward and lstm are an update of the experiment ntm with that controller, on episodes of as many items as the
preset has at most (B: episodes of an update), against the same one composed
of torch's operations. monitor sets an update of an experiment against what is done besides in one that is monitored: one of so many
as its row says. The suite inference runs a trained model, LSTM, without gradients: next is a token of each of B columns to logits, states
carried; score is the likelihood of a text of 256 tokens in each column. Ours is Noisy.Core alone, with weights in single precision (core) or of
eight bits (core, int8), against libtorch's layers and ONNX Runtime, which runs the model as this library exports it (a loop) or as its own LSTM; of
a text, the loop gives the logits alone. The suite activation runs on one thread: tanh and noise are kernels on 2^20 numbers; module is one
layer's NAH units in torch's graph, forward and backward, fused against composed of torch's operations; mlp is a whole step of a
network 784-500-10 at batch 100.

RATIO: the baseline's time over ours, more is better: the median over rounds in which the two take turns for 0.2 s each.
--compare says that a ratio has changed only where the 95 % intervals of the two medians do not touch. --pair takes the earlier
build's time over this one's, both in this process: on a machine whose speed drifts, that shows what two runs would not.

GFLOP/S counts the matrix products alone, forward and backward, a multiply-add as two operations: for each row of time and
batch 6 x gates x hidden x (inputs + hidden) a layer and 6 x hidden x vocabulary for the output layer. Gate arithmetic, noise
and update are work without being counted.

CEILING: the engine's innermost loop on operands in the first-level cache, on as many threads, measured at the start and at
the end of the same run; the greater counts. docs/performance.md says how to read all of this."""

let private suite (name: string option) =
    match name |> Option.map _.ToLowerInvariant() with
    | None | Some "all" -> suites
    | Some name when List.contains name suites -> [ name ]
    | Some other ->
        let known = String.Join(", ", suites)
        refuse $"--suite is '{other}': must be one of {known}, all"

let private size (name: string) =
    match all |> List.tryFind (fun size -> size.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) with
    | Some size -> size
    | None -> refuse $"--config is '{name}': must be S, M or both"

let private positive option (text: string) =
    match Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
    | true, value when value > 0.0 && Double.IsFinite value -> value
    | _ -> refuse $"{option} is '{text}': must be a number above 0"

/// The options; None after --help.
let read (words: string[]) =
    parse<Argument> "bench" explain words
    |> Option.map (fun found ->
        let mode =
            match found.Contains Argument.Memory, found.TryGetResult Argument.Soak, found.TryGetResult Argument.Memory_Of with
            | _, _, Some work -> MemoryOf work
            | true, Some _, None -> refuse "--memory and --soak are two measurements: ask for one at a time"
            | true, None, None -> Memory
            | false, Some updates, None -> Soak(integer "--soak" 10L updates)
            | false, None, None -> Speed

        if mode <> Speed && (found.Contains Argument.Json || found.Contains Argument.Compare || found.Contains Argument.Pair || found.Contains Argument.Suite || found.Contains Argument.What || found.Contains Argument.Seconds || found.Contains Argument.Quick) then
            refuse "--memory and --soak measure no speed: leave --suite, --what, --quick, --seconds, --json, --compare and --pair away"

        let chosen =
            match found.GetResults Argument.Config, mode with
            | [], Speed -> all
            | [], Soak _ -> [ size "S" ]
            | [], _ -> [ size "M" ]
            | words, _ -> someElements "--config" (List.concat words) |> List.map size |> List.distinct

        { Suites = suite (found.TryGetResult Argument.Suite)
          Sizes = chosen
          What = found.TryGetResult Argument.What
          Threads =
            found.TryGetResult Argument.Threads
            |> Option.map (integer "--threads" 1L >> min 1024L >> int)
            |> Option.defaultValue Environment.ProcessorCount
          Seconds =
            match found.TryGetResult Argument.Seconds with
            | Some text when found.Contains Argument.Quick -> refuse $"--quick and --seconds {text} contradict each other: give one"
            | Some text -> positive "--seconds" text
            | None -> if found.Contains Argument.Quick then 2.0 else 12.0
          Json = found.TryGetResult Argument.Json
          Compare = found.TryGetResult Argument.Compare
          Pair = found.TryGetResult Argument.Pair
          Mode = mode })

/// The words that choose the same suites, sizes and threads.
let words (options: BenchOptions) =
    [| "--suite"
       (match options.Suites with
        | [ suite ] -> suite
        | _ -> "all")
       "--config"
       String.Join(',', options.Sizes |> List.map _.Name)
       "--threads"
       string options.Threads |]
