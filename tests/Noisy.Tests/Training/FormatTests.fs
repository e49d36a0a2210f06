/// Files and records of a run: safetensors, weights' fingerprint, config.
module Noisy.Tests.FormatTests

open System
open System.IO
open System.Text
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Tests.TorchHelpers
open TorchSharp

let private write path (tensors: (string * Tensor) list) (metadata: (string * string) list) =
    use stream = File.Create path
    Safetensors.Write(stream, dict tensors |> System.Collections.Generic.Dictionary, dict metadata |> System.Collections.Generic.Dictionary)

/// A file of a given header and so many bytes of data.
let private raw path (header: string) (data: int) =
    let text = Encoding.UTF8.GetBytes header
    File.WriteAllBytes(path, Array.concat [ BitConverter.GetBytes(int64 text.Length); text; Array.zeroCreate data ])

let private types =
    [ torch.ScalarType.Float32; torch.ScalarType.Float64; torch.ScalarType.Int64; torch.ScalarType.Int32; torch.ScalarType.Int16
      torch.ScalarType.Int8; torch.ScalarType.Byte; torch.ScalarType.Bool; torch.ScalarType.Float16; torch.ScalarType.BFloat16 ]

let private safetensors =
    [ torchTest "every type of tensor, and text, come back as they were" (fun () ->
          use folder = new TempFolder()
          let path = folder.In "all.safetensors"
          let source = filled 1L [ 3L; 4L ] * 100
          let tensors =
              [ for t in types -> $"t.{t}", source.to_type t ]
              @ [ "scalar", torch.tensor 1.5f
                  "empty", torch.zeros [| 0L; 3L |]
                  "strided", (filled 2L [ 4L; 5L ]).t ()
                  "\u00fc \"quoted\"", filled 3L [ 2L ] ]
          write path tensors [ "a", "b\n\u00e9"; "config", "{\"x\": 1}" ]
          let struct (found, metadata) = Safetensors.Read path
          Expect.equal (Seq.sort found.Keys |> Seq.toList) (List.sort (List.map fst tensors)) "names"
          for name, t in tensors do
              Expect.equal found[name].dtype t.dtype name
              sameTensor t found[name] name
          Expect.equal (Seq.sort [ for m in metadata -> m.Key, m.Value ] |> Seq.toList) [ "a", "b\n\u00e9"; "config", "{\"x\": 1}" ] "metadata")

      torchTest "equal contents give equal bytes, whatever the order of the names" (fun () ->
          use folder = new TempFolder()
          let a, b = filled 1L [ 2L ], filled 2L [ 3L ]
          write (folder.In "1") [ "a", a; "b", b ] [ "x", "1"; "y", "2" ]
          write (folder.In "2") [ "b", b; "a", a ] [ "y", "2"; "x", "1" ]
          Expect.equal (File.ReadAllBytes(folder.In "2")) (File.ReadAllBytes(folder.In "1")) "bytes")

      torchTest "the layout is the published one" (fun () ->
          use folder = new TempFolder()
          let path = folder.In "x"
          write path [ "w", torch.tensor [| 1.0f; -2.0f |] ] []
          let bytes = File.ReadAllBytes path
          let length = int (BitConverter.ToInt64(bytes, 0))
          Expect.equal (length % 8) 0 "header is padded"
          Expect.equal
              ((Encoding.UTF8.GetString(bytes, 8, length)).TrimEnd())
              """{"__metadata__":{},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"""
              "header"
          Expect.equal (bytes[8 + length ..]) (Array.append (BitConverter.GetBytes 1.0f) (BitConverter.GetBytes -2.0f)) "data")

      torchTest "a damaged file is an error that names it" (fun () ->
          use folder = new TempFolder()
          let path = folder.In "damaged.safetensors"
          let refused what = 
              let message =
                  try
                      Safetensors.Read path |> ignore
                      failtestf "%s: it was read" what
                  with :? InvalidDataException as e -> e.Message
              Expect.stringStarts message path what
              Expect.stringContains message "damaged" what
          File.WriteAllBytes(path, [||])
          refused "empty"
          File.WriteAllBytes(path, [| 1uy; 2uy |])
          refused "two bytes"
          File.WriteAllBytes(path, Array.create 64 0xFFuy)
          refused "negative header length"
          File.WriteAllBytes(path, BitConverter.GetBytes 1000L)
          refused "header longer than the file"
          for header in
              [ "not json"
                "[]"
                "{\"w\": 3}"
                "{\"w\": null}"
                "{\"w\": {}}"
                "{\"__metadata__\": {\"a\": 1}}"
                """{"w":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"""
                """{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"""
                """{"w":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"""
                """{"w":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"""
                """{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"""
                """{"w":{"dtype":"F32","shape":[-1],"data_offsets":[4,0]}}"""
                """{"w":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}"""
                """{"w":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"""
                """{"w":{"dtype":"F32","shape":[100000000000],"data_offsets":[0,400000000000]}}"""
                """{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"""
                """{"w":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807]}}""" ] do
              raw path header 4
              refused header)

      torchTest "a cut file is an error at every length" (fun () ->
          use folder = new TempFolder()
          let path = folder.In "cut"
          write path [ "w", filled 1L [ 3L ]; "v", filled 2L [ 2L ] ] [ "a", "b" ]
          let whole = File.ReadAllBytes path
          for length in 0 .. whole.Length - 1 do
              File.WriteAllBytes(path, whole[.. length - 1])
              Expect.throwsT<InvalidDataException> (fun () -> Safetensors.Read path |> ignore) $"{length} bytes") ]

let private hash =
    [ torchTest "the fingerprint changes with one bit, and with nothing else" (fun () ->
          use m = new NoisyGru(RecurrentShape(3L, 4L), Variants.Nan, NoiseClock 1L)
          let before = WeightsHash.Compute m
          Expect.equal (WeightsHash.Compute(new NoisyGru(RecurrentShape(3L, 4L), Variants.Nan, NoiseClock 1L))) before "an equal model"
          let p = m.get_parameter "p_l0"
          use _ = torch.no_grad ()
          let old = (values p)[5]
          let set (v: float32) = p.view(-1L).narrow(0, 5L, 1L).fill_ (v.ToScalar()) |> ignore
          set (MathF.BitIncrement(float32 old))
          Expect.notEqual (WeightsHash.Compute m) before "one bit"
          set (float32 old)
          Expect.equal (WeightsHash.Compute m) before "put back")
      torchTest "the fingerprint knows frozen gains" (fun () ->
          let make p = new NoisyActivation(Variants.Nan.Tanh.WithLearnP(false).WithP(Nullable p), 4L, NoiseClock 1L)
          Expect.notEqual (WeightsHash.Compute(make 0.5)) (WeightsHash.Compute(make 0.25)) "buffers count") ]

let private preset name : RunConfig = (PaperExperiments.ByName "ptb").Config name

let private json (config: RunConfig) = ConfigJson.ToJson(config).ToJsonString ConfigJson.Line

let private config =
    [ test "a config goes through JSON and comes back equal" {
          for name in [ for preset in (PaperExperiments.ByName "ptb").Presets -> preset.Name ] do
              let config =
                  (preset name).With("activation", "nah").With("schedule", "paper").With("c", "0.1").With("clipOutput", "true").With("testNoise", "off")
              let back = ConfigJson.Read(System.Text.Json.Nodes.JsonNode.Parse(json config).AsObject(), typeof<LanguageModelSettings>)
              Expect.equal back config name
      }
      test "each field can be set by its JSON name, whatever the case" {
          for name, value in
              [ "hidden", "17"; "HIDDEN", "17"; "learningRate", "1e-3"; "learnP", "false"; "testNoise", "exactMean"; "alphaOne", "silent"
                "activation", "nan"; "schedule", "inverseSqrt(30) | every(200)"; "curriculum", "naive over 20000"; "keepBest", "true"; "alpha", "1.15"; "seed", "-9223372036854775808" ] do
              let set = (preset "tiny").With(name, value)
              let found = (ConfigJson.ToJson set) |> Seq.find (fun f -> f.Key.Equals(name, StringComparison.OrdinalIgnoreCase))
              let text = found.Value.ToJsonString(ConfigJson.Line).Trim('"')
              if name = "learningRate" then Expect.equal (float text) 1e-3 name else Expect.equal text value name
              Expect.equal (ConfigJson.Differences(ConfigJson.ToJson(preset "tiny"), ConfigJson.ToJson set)).Count 1 $"{name}: nothing else"
      }
      test "null clears a field that may be empty, and no other" {
          let config = (preset "tiny").With("alpha", "1.1").With("schedule", "paper")
          Expect.equal (config.With("alpha", "null").With("schedule", "null")) (preset "tiny") "cleared"
          Tol.throws<UsageException> "--set hidden=null: 'null' is not an integer in range" (fun () -> config.With("hidden", "null") |> ignore)
      }
      test "an unknown name lists the known ones; experiment and preset are fixed" {
          for name in [ "widht"; ""; "experiment"; "preset" ] do
              let message = try (preset "tiny").With(name, "3") |> ignore; "" with :? UsageException as e -> e.Message
              Expect.stringStarts message $"--set {name}=3: there is no field '{name}'; known are " name
              for known in [ "hidden"; "layers"; "bptt"; "batch"; "learningRate"; "clip"; "dropout"; "epochs"; "alpha"; "c"; "schedule" ] do
                  Expect.stringContains message $" {known}" name
      }
      test "a value of the wrong type is an error that says what is wanted" {
          for name, value, wanted in
              [ "hidden", "many", "an integer in range"
                "hidden", "1.5", "an integer in range"
                "hidden", "99999999999", "an integer in range"
                "seed", "9223372036854775808", "an integer in range"
                "learningRate", "fast", "a number"
                "alpha", "1,15", "a number"
                "learnP", "yes", "true or false"
                "testNoise", "loud", "one of sample, mean, exactMean, off"
                "testNoise", "1", "one of sample, mean, exactMean, off" ] do
              Tol.throws<UsageException> $"--set {name}={value}: '{value}' is not {wanted}" (fun () -> (preset "tiny").With(name, value) |> ignore)
      }
      test "numbers that are not finite are set, and then refused by the rules" {
          for value in [ "NaN"; "Infinity"; "-Infinity"; "1e999" ] do
              Expect.throwsT<InvalidSpecException> (fun () -> (preset "tiny").With("learningRate", value).Validate()) value
      }
      test "every broken rule is named at once" {
          let config =
              [ "epochs", "0"; "learningRate", "-1"; "decay", "0.5"; "decayAfter", "-2"; "clip", "0"; "testNoise", "sample"; "stopAt", "NaN"; "patience", "-1"; "layers", "0"
                "hidden", "-3"; "bptt", "0"; "batch", "0"; "dropout", "1"; "initRange", "0"; "trainTokens", "-1" ]
              |> List.fold (fun (c: RunConfig) (name, value) -> c.With(name, value)) (preset "tiny")
          let expected =
              [| "epochs is 0: must be >= 1"
                 "learningRate is -1: must be finite and > 0"
                 "decay is 0.5: must be finite and >= 1"
                 "decayAfter is -2: must be >= 0"
                 "clip is 0: must be > 0"
                 "testNoise is sample: must be mean, exactMean or off, so that an evaluation can be repeated"
                 "stopAt is NaN: must be finite"
                 "patience is -1: must be >= 0 (0 waits for ever)"
                 "layers is 0: must be >= 1"
                 "hidden is -3: must be >= 1"
                 "bptt is 0: must be >= 1"
                 "batch is 0: must be >= 1"
                 "dropout is 1: must be in [0, 1)"
                 "initRange is 0: must be finite and > 0"
                 "trainTokens is -1: must be >= 0 (0 uses all)" |]
          Tol.throws<InvalidSpecException> (InvalidSpecException(expected).Message) config.Validate
      }
      test "settings that an activation does not know are refused" {
          let refused (settings: (string * string) list) =
              try
                  (settings |> List.fold (fun (c: RunConfig) (name, value) -> c.With(name, value)) (preset "tiny")).Validate()
                  []
              with :? InvalidSpecException as e -> Seq.toList e.Broken
          Expect.equal (refused [ "alpha", "1.1" ]) [ "alpha does not apply to 'soft', which has no noise" ] "soft"
          Expect.equal (refused [ "schedule", "paper" ]) [ "schedule does not apply to 'soft', which has no noise" ] "schedule"
          Expect.equal (refused [ "activation", "nani"; "alpha", "1.1" ] |> List.head) "alpha does not apply to 'nani', whose noise enters at the input" "nani"
          Expect.equal (refused [ "activation", "nanis"; "learnP", "false" ]) [ "learnP does not apply to 'nanis', which has no gap gain" ] "nanis"
          Expect.stringStarts (refused [ "activation", "nun" ] |> List.exactlyOne) "unknown activation 'nun': known are soft, hard, nan," "unknown"
          Expect.stringContains (refused [ "activation", "nan"; "c", "-1" ] |> List.exactlyOne) "c is -1" "c"
          Expect.isNonEmpty (refused [ "activation", "nan"; "schedule", "rubbish" ]) "schedule"
      }
      test "Zaremba's learning rate is 1 for four epochs, then halves each epoch" {
          let config = preset "paper"
          for epoch in 1 .. config.Training.Epochs do
              Expect.equal (config.Training.LearningRateAt epoch) (if epoch <= 4 then 1.0 else pown 0.5 (epoch - 4)) $"epoch {epoch}"
          Expect.equal config.Training.Epochs 13 "epochs"
      }
      test "differences name each field with both values" {
          let a, b = ConfigJson.ToJson(preset "tiny"), ConfigJson.ToJson((preset "tiny").With("hidden", "3").With("c", "0.5"))
          Expect.equal (List.sort (Seq.toList (ConfigJson.Differences(a, b)))) [ "c: null there, 0.5 now"; "hidden: 64 there, 3 now" ] "differences"
          Expect.isEmpty (ConfigJson.Differences(a, ConfigJson.ToJson(preset "tiny"))) "none"
      } ]

let tests =
    testSequenced
    <| testList "formats of a run" [
        testList "safetensors" safetensors
        testList "fingerprint" hash
        testList "config" config
    ]
