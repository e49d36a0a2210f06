/// Sound inputs to start from: a small run's own files, and small files of every kind of data.
module Noisy.Reliability.Seeds

open System
open System.IO
open System.Text
open System.Text.RegularExpressions
open System.Threading
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open TorchSharp

let private utf8 (text: string) = UTF8Encoding(false).GetBytes text

// ---- A run ----------------------------------------------------------------------------------------------------------

let private corpus = lazy GeneratedCorpus.Create(GeneratedCorpusSettings.Default.WithSource(2, 2).WithSizes(120, 40, 30).WithSeed 3L)

let private having settings (config: RunConfig) = (config, settings) ||> List.fold (fun c (name, value) -> c.With(name, value))

/// The config of the small run: 2 epochs of 5 updates.
let config =
    (PaperExperiments.ByName "ptb").Config "tiny"
    |> having
        [ "hidden", "6"; "layers", "2"; "bptt", "5"; "batch", "4"; "epochs", "2"; "decayAfter", "1"; "trainTokens", "0"; "dropout", "0.2"
          "activation", "nah"; "schedule", "paper"; "keepBest", "true" ]

/// Its model and data.
let task () : ITrainingTask = new LanguageModelTask(config, corpus.Value, torch.CPU)

/// Trains the small run into a folder unless that has been done.
let prepare (folder: string) =
    if not (File.Exists(Path.Combine(folder, "summary.json"))) then
        use _ = torch.NewDisposeScope()
        use task = task ()
        Trainer.Run(TrainingRun(Config = config, Task = task, Folder = folder, Threads = 1)) |> ignore

let private file folder name = File.ReadAllBytes(Path.Combine(folder, name))

let runConfig folder = [ file folder "config.json" ]
let log folder = [ file folder "log.jsonl" ]
let weights folder = [ file folder "weights.safetensors" ]

/// Without what time decides, so that a seed means the same on another day.
// Without its checksum, as an older version wrote it: with it every mutation would end there.
let summary folder =
    let text = Encoding.UTF8.GetString(file folder "summary.json")
    let text = Regex.Replace(text, "(\"(seconds|tokens_per_second)\": )[^,]+", "${1}1.5")
    [ utf8 (Regex.Replace(text, ",\\s*\"sum\": \"[0-9a-f]+\"", "")) ]

/// Checkpoints without their times.
let checkpoint folder =
    let newest = Directory.GetFiles(Path.Combine(folder, "checkpoint"), "*.safetensors") |> Array.max
    [ File.ReadAllBytes newest ]

let private safetensorsOf (header: string) (data: byte[]) =
    let text = utf8 header
    Array.concat [ BitConverter.GetBytes(int64 text.Length); text; data ]

/// Headers that say what cannot be, or what is rare; four bytes of data.
let oddTensors =
    let one dtype shape first last = $"\"a\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{first},{last}]}}"

    [ one "F32" "[0,4611686018427387904,8]" 0 0 + "," + (one "F32" "[1]" 0 4).Replace("\"a\"", "\"b\"")
      one "F8_E4M3" "[4]" 0 4
      one "U16" "[2]" 0 4
      one "I8" "[4]" 0 4
      one "BOOL" "[4]" 0 4
      one "F32" "[1]" 0 4 + "," + one "F32" "[1]" 0 4
      one "F32" "[1]" 0 4 + "," + (one "F32" "[1]" 0 4).Replace("\"a\"", "\"b\"")
      one "U8" "[3]" 0 3
      one "U8" "[3]" 1 4
      one "F32" "[-1]" 0 4
      one "F32" "[1.0]" 0 4
      one "F32" "[]" 0 4
      "\"__metadata__\":{\"a\":null}"
      "\"__metadata__\":null"
      "\"__metadata__\":{\"\\ud800\":\"\\udc00\"}," + one "F32" "[1]" 0 4 ]
    |> List.map (fun fields -> safetensorsOf $"{{{fields}}}" [| 0uy; 0uy; 128uy; 63uy |])

// ---- Data -----------------------------------------------------------------------------------------------------------

let private npyOf (version: byte) (descr: string) (shape: string) (data: byte[]) =
    let header = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n"
    let length = if version = 1uy then BitConverter.GetBytes(uint16 header.Length) else BitConverter.GetBytes header.Length
    Array.concat [ [| 0x93uy |]; utf8 "NUMPY"; [| version; 0uy |]; length; utf8 header; data ]

let private counting count = Array.init count byte

let npy =
    [ npyOf 1uy "|u1" "(2, 3, 2, 2)" (counting 24)
      npyOf 1uy "<f4" "(3, 1, 1, 2)" (counting 24)
      npyOf 1uy "<f2" "(5,)" (counting 10)
      npyOf 1uy "<f8" "()" (counting 8)
      npyOf 2uy "|u1" "(4,)" (counting 4)
      npyOf 1uy "|u1" "(65536, 65536, 65536, 65536, 65536, 65536, 65536, 65536)" [||]
      npyOf 1uy "|u1" "(2147483647, 2147483647, 2147483647, 2147483647, 2147483647, 2147483647, 2147483647, 2)" [||]
      npyOf 1uy "<f4" "(2147483647, 0)" [||] ]

/// An array of zeros, which gzip makes small.
let bomb megabytes = npyOf 1uy "|u1" $"({megabytes <<< 20},)" (Array.zeroCreate (megabytes <<< 20))

let private bigEndian (number: int) = Array.rev (BitConverter.GetBytes number)

let idx =
    [ Array.concat [ bigEndian 0x803; bigEndian 2; bigEndian 28; bigEndian 28; counting (2 * 784) ]
      Array.concat [ bigEndian 0x801; bigEndian 2; [| 3uy; 9uy |] ]
      Array.concat [ bigEndian 0x803; bigEndian 65536; bigEndian 65536; bigEndian 0 ] ]

let tabs = [ utf8 (String.concat "" [ for i in 1 .. 25 -> $"a dog runs {i} .\tun chien court {i} .\n" ]); utf8 "\uFEFFone\tun\r\ntwo\t\r\n" ]

let lines = [ utf8 "a dog runs .\nune \u00A0 maison\n"; utf8 "\uFEFFone\r\ntwo\r\n\r\n" ]

let captions =
    let images = [ "a.jpg"; "b#1.jpg"; "c.jpg"; "d.jpg"; "e.jpg"; "f.jpg" ]

    [ utf8 (String.concat "" [ for image in images do for n in 0 .. 1 -> $"{image}#{n}\tA dog runs {n} .\n" ])
      utf8 "\uFEFFa.jpg#0\tA dog .\r\na.jpg#1\tTwo dogs .\r\n" ]

let splitList = [ utf8 "a.jpg\nb#1.jpg\n"; utf8 "a.jpg\r\nb#1.jpg\r\n"; utf8 "\uFEFFa.jpg\nb#1.jpg" ]

let characters = [ utf8 (String.replicate 8 "The dog é 😀.\n"); utf8 ("\uFEFF" + String.replicate 10 "ab c\r\n") ]

let vocabulary =
    [ utf8 ((Vocabulary.ByFirstAppearance([ "a"; "b c"; "\\"; "\n"; "<unk>" ], "<unk>")).ToText())
      utf8 ((Vocabulary.ByFirstAppearance [ "x"; "é"; "😀" ]).ToText()) ]

// ---- Text forms -----------------------------------------------------------------------------------------------------

let schedules =
    [ "paper"; "3"; "inverseSqrt(30) | every(200) | clampMin(0.5)"; "linear(1, 0.1, 1000) | then(2000, exponential(0.5, 0.99) | clampMax(1))"; "constant(2)"
      String.replicate 100_001 "1|then(1," + "1" + String.replicate 100_001 ")"
      "1" + String.replicate 100_001 "|clampMin(0)" ]
    |> List.map utf8

let curricula = [ "none"; "naive"; "mix by results"; "combined over 20000" ] |> List.map utf8

/// An experiment, a field and its value, a line each; those that no --set takes at the end.
let fields =
    [ for experiment in PaperExperiments.All do
          for field in ConfigJson.ToJson(experiment.Config "tiny") do
              let value = if isNull field.Value then "null" else field.Value.ToString()
              field.Key, utf8 $"{experiment.Name}\n{field.Key}\n{value}" ]
    |> List.sortBy (fun (name, _) -> List.contains name [ "experiment"; "preset" ])
    |> List.map snd

/// An experiment and the words of its command line, a line each.
let commands =
    [ "ptb\n--preset\ntiny\n--activation\nsoft,nah\n--seed\n1,2,3\n--set\nhidden=7\n--max-updates\n100\n--threads\n2"
      "mnist\n--row\nnah-no-noise\n--seed\n9223372036854775807\n--out\nruns/x\n--device\ncpu"
      "lte\n--set\ncurriculum=combined by results\n--set\nschedule=paper\n--engine\ncomposed"
      "nmt\n--data\na.en,a.fr\n--set\nbeam=3\nc=0.5"
      "unique\n--preset\npaper\n--set\nalpha=1.15\n--set\nclipOutput=true" ]
    |> List.map utf8

/// Words of the calculator's and the benchmark's command lines, a line each.
let calculations =
    [ "--table\n--function\ntanh\n--activation\nnan\n--x\n2,-3\n--xi\n1.2\n--p\n0.5\n--alpha\n1.1\n--c\n0.25"
      "--table\n--function\nsigmoid\n--activation\nnanil\n--x\n1e10\n--c\n30" ]
    |> List.map utf8

let benchmarks = [ "--suite\nlstm\n--config\nS,M\n--quick\n--threads\n2"; "--soak\n2000\n--config\nM"; "--seconds\n1.5\n--json\nx.json" ] |> List.map utf8
