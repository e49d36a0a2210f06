/// Trained models without torch: the core against the modules they were trained with.
module Noisy.Tests.InferenceTests

open System
open System.Collections.Generic
open System.IO
open System.Text
open System.Threading
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.Examples
open Noisy.Tests.TorchHelpers
open TorchSharp

/// A trainer's test adds windows up in single precision; the core in double.
let private windows: Tol.Tolerance = { Absolute = 0.0; Relative = 1e-6; Reason = "a sum of windows in single precision, 6e-8 each" }

let private data =
    lazy GeneratedCorpus.Create(GeneratedCorpusSettings.Default.WithSource(2, 2).WithSizes(200, 40, 700).WithSeed 3L)

let private config settings =
    [ "hidden", "20"; "layers", "2"; "bptt", "5"; "batch", "4"; "epochs", "1"; "trainTokens", "0"; "initRange", "1"; "learningRate", "0.05" ] @ settings
    |> List.fold (fun (c: RunConfig) (name, value) -> c.With(name, value)) ((PaperExperiments.ByName "ptb").Config "tiny")

let private quiet =
    { new ITrainingObserver with
        member _.Started(_, _, _, _, _) = ()
        member _.Updated _ = ()
        member _.Evaluated _ = ()
        member _.Note _ = () }

/// A few updates as a script makes them; the test perplexity, and the file that is left.
let private train settings =
    TorchNative.EnsureLoaded()
    use _ = torch.NewDisposeScope()
    use folder = new TempFolder()
    let config = config settings
    use task = new LanguageModelTask(config, data.Value, torch.CPU)
    let summary = Trainer.Run(TrainingRun(Config = config, Task = task, Folder = folder.Path, Threads = 1, MaxUpdates = Nullable 6L, Observer = quiet))
    summary.Metrics.Test["perplexity"], File.ReadAllBytes(folder.In "weights.safetensors")

let private nah = lazy train [ "activation", "nah"; "schedule", "linear(2, 1, 5)" ]

let private load (bytes: byte[]) = LanguageModel.Load(new MemoryStream(bytes))

let private model = lazy load (snd nah.Value)

let private agreement =
    [ for settings in
          [ [ "activation", "soft"; "layers", "1" ]
            [ "activation", "soft" ]
            [ "activation", "hard" ]
            [ "activation", "hard"; "layers", "1"; "clipOutput", "true" ]
            [ "activation", "nah"; "schedule", "linear(2, 1, 5)" ]
            [ "activation", "nah"; "schedule", "linear(2, 1, 5)"; "clipOutput", "true"; "p", "1"; "learnP", "false" ]
            [ "activation", "nah"; "layers", "1"; "alpha", "0.9"; "c", "2"; "testNoise", "off" ]
            [ "activation", "nah"; "testNoise", "exactMean"; "clipOutput", "true" ]
            [ "activation", "nan"; "alpha", "1"; "alphaOne", "silent" ]
            [ "activation", "nani" ]
            [ "activation", "nani"; "layers", "1"; "testNoise", "exactMean"; "c", "0.5" ]
            [ "activation", "nanil-released"; "layers", "1"; "hidden", "33" ]
            [ "activation", "nanis"; "hidden", "16" ] ] do
          let name = settings |> List.map (fun (n, v) -> $"{n}={v}") |> String.concat " "
          torchTest $"the core scores a trained model as its trainer did: {name}" (fun () ->
              let expected, bytes = train settings
              let found = (load bytes).Score data.Value.Test
              Tol.close windows expected found.Perplexity "perplexity"
              Expect.equal found.Predicted (data.Value.Test.Length - 1) "tokens")

      for kind in [ "LSTM"; "GRU" ] do
          // The engine adds up many inputs in pieces.
          for pair, inputs, units in [ Variants.Nah, 7, 21; Variants.Nani, 7, 21; Variants.Nah, 300, 230 ] do
              torchTest $"{kind} layers with drawn noise ({pair.Name}, {inputs} inputs, {units} units) give the engine's bits, at every vector width" (fun () ->
                  let shape = RecurrentShape(int64 inputs, int64 units, 2)
                  let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed 5L, 3L, 2, Nullable 0.7)
                  let x = filled 6L [ 9L; 1L; int64 inputs ]
                  let weights, (output: Tensor), (hidden: Tensor) =
                      if kind = "LSTM" then
                          let m = new NoisyLstm(shape, pair, NoiseClock 1L)
                          let struct (y, h, _) = m.forward (x, Nullable(), context)
                          m.state_dict (), y, h
                      else
                          let m = new NoisyGru(shape, pair, NoiseClock 1L)
                          let struct (y, h) = m.forward (x, null, context)
                          m.state_dict (), y, h
                  use stream = new MemoryStream()
                  Safetensors.Write(stream, weights, Dictionary())
                  for width in [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512 ] do
                      stream.Position <- 0L
                      let stack = RecurrentStack(SafetensorsReader.Read stream, "", pair, Nullable 0.7, width)
                      Expect.equal (stack.Layers, stack.InputSize, stack.HiddenSize, stack.IsGru) (2, inputs, units, (kind = "GRU")) "sizes"
                      let y = Array.zeroCreate<float32> (9 * units)
                      let input = Array.map float32 (values x)
                      // In two pieces, the second with a later time step.
                      let state = stack.Forward(ReadOnlySpan(input, 0, 4 * inputs), stack.ZeroState(), y.AsSpan(0, 4 * units), context)
                      let state = stack.Forward(ReadOnlySpan(input, 4 * inputs, 5 * inputs), state, y.AsSpan(4 * units), context.Later 4)
                      Expect.equal (Array.map float y) (values output) $"output, {width}"
                      Expect.equal (Array.map float (state.Hidden(1).ToArray())) (values (hidden.select (0L, 1L))) $"state, {width}")

      for kind in [ "LSTM"; "GRU" ] do
          torchTest $"{kind} layers without biases are those with biases of zero; one bias alone is refused" (fun () ->
              let x: Tensor = filled 2L [ 4L; 1L; 7L ]
              let context = NoiseContext(NoiseMode.Mean)
              let layers: torch.nn.Module =
                  if kind = "LSTM" then new NoisyLstm(RecurrentShape(7L, 5L, 2), Variants.Nah, NoiseClock 1L)
                  else new NoisyGru(RecurrentShape(7L, 5L, 2), Variants.Nah, NoiseClock 1L)
              for struct (name, p) in layers.named_parameters () do
                  if name.StartsWith "bias" then (use _ = torch.no_grad () in p.zero_ () |> ignore)
              let output =
                  match layers with
                  | :? NoisyLstm as m -> let struct (y, _, _) = m.forward (x, Nullable(), context) in y
                  | m -> let struct (y, _) = (m :?> NoisyGru).forward (x, null, context) in y
              let stack keep =
                  let kept = layers.state_dict () |> Seq.filter (fun w -> not (w.Key.StartsWith "bias") || keep w.Key) |> Seq.map (|KeyValue|) |> dict
                  use stream = new MemoryStream()
                  Safetensors.Write(stream, Dictionary kept, Dictionary())
                  stream.Position <- 0L
                  RecurrentStack(SafetensorsReader.Read stream, "", Variants.Nah)
              let stack', y = stack (fun _ -> false), Array.zeroCreate<float32> (4 * 5)
              stack'.Forward(ReadOnlySpan(Array.map float32 (values x)), stack'.ZeroState(), y.AsSpan(), context) |> ignore
              Expect.equal (Array.map float y) (values output) "output"
              Expect.throwsC (fun () -> stack (fun name -> name = "bias_ih_l1") |> ignore) (fun e ->
                  Expect.isTrue (e :? InvalidDataException) "kind"
                  Expect.stringContains e.Message "it has no tensor 'bias_hh_l1'" "message")) ]

let private scoring =
    [ torchTest "a text in pieces has the score of one in one go" (fun () ->
          let text = data.Value.Test
          let whole = model.Value.Score text
          for cut in [ 1; 255; 256; 257; text.Length - 2 ] do
              let a = model.Value.Score(ReadOnlySpan(text, 0, cut + 1))
              let b = model.Value.Score(ReadOnlySpan(text, cut, text.Length - cut), a.State)
              Tol.close Tol.scalar whole.Nats (a.Nats + b.Nats) $"nats, cut at {cut}"
              Expect.equal (b.State.Hidden(1).ToArray()) (whole.State.Hidden(1).ToArray()) "state"
              Expect.equal (b.State.Cell(0).ToArray()) (whole.State.Cell(0).ToArray()) "state")

      torchTest "threads and vector widths do not change a score" (fun () ->
          let nats = (model.Value.Score data.Value.Test).Nats
          Expect.equal (model.Value.Score(data.Value.Test, threads = 3)).Nats nats "threads"
          for width in [ VectorWidth.Scalar; VectorWidth.Bits128; VectorWidth.Bits256; VectorWidth.Bits512 ] do
              let other = LanguageModel.Load(new MemoryStream(snd nah.Value), width)
              Expect.equal (other.Score data.Value.Test).Nats nats $"{width}")

      torchTest "probabilities add up to one, and to the score" (fun () ->
          let text = data.Value.Test[..60]
          let mutable state = model.Value.Layers.ZeroState()
          let mutable nats = 0.0
          for i in 0 .. text.Length - 2 do
              let next = model.Value.Next(text[i], state)
              let p = next.Probabilities()
              Tol.close Tol.scalar 1.0 (Array.sum p) "sum"
              nats <- nats - log p[text[i + 1]]
              state <- next.State
          Tol.close tensor32 nats (model.Value.Score text).Nats "nats")

      torchTest "draws follow the probabilities, and temperature 0 takes the greatest" (fun () ->
          let next = model.Value.Next data.Value.Test[0]
          let key = NoiseKey.FromSeed 9L
          for temperature in [ 1.0; 0.5 ] do
              let p = next.Probabilities temperature
              let draws = 20_000
              let counts = Array.zeroCreate p.Length
              for i in 0 .. draws - 1 do
                  let id = next.Sample(key.At(0L, i), temperature)
                  counts[id] <- counts[id] + 1
              for id in 0 .. p.Length - 1 do
                  let expected = p[id] * float draws
                  Tol.below (abs (float counts[id] - expected)) (5.0 * sqrt expected + 5.0) $"token {id}, five standard errors"
          Expect.equal next.Logits[next.Sample(key.At(0L, 0), 0.0)] (Array.max next.Logits) "temperature 0"
          Expect.throwsT<ArgumentOutOfRangeException> (fun () -> next.Probabilities -1.0 |> ignore) "negative")

      torchTest "drawn noise changes a score, and its key repeats it" (fun () ->
          let score seed = (model.Value.Score(data.Value.Test, noise = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed seed))).Nats
          Expect.equal (score 1L) (score 1L) "same key"
          Expect.notEqual (score 1L) (score 2L) "another key"
          Expect.notEqual (score 1L) (model.Value.Score data.Value.Test).Nats "no noise")

      test "wrong tokens are named" {
          let text = [| 0; 100_000 |]
          Expect.throwsT<ArgumentException> (fun () -> model.Value.Score text |> ignore) "target"
          Expect.throwsT<ArgumentException> (fun () -> model.Value.Next -1 |> ignore) "token"
          Expect.throwsT<ArgumentException> (fun () -> model.Value.Score(ReadOnlySpan [| 0 |]) |> ignore) "too short"
      } ]

/// A safetensors file put together by hand.
let private raw (header: string) (data: byte[]) =
    let text = Encoding.UTF8.GetBytes header
    Array.concat [ BitConverter.GetBytes(int64 text.Length); text; data ]

let private refused (expected: string) (bytes: byte[]) =
    Tol.throws<InvalidDataException> expected (fun () -> load bytes |> ignore)

let private written (tensors: (string * Tensor) list) (metadata: (string * string) seq) =
    use stream = new MemoryStream()
    Safetensors.Write(stream, dict tensors |> Dictionary, Dictionary(metadata |> Seq.map KeyValuePair))
    stream.ToArray()

let private metadata () = SafetensorsReader.Read(new MemoryStream(snd nah.Value)).Metadata |> Seq.map (fun m -> m.Key, m.Value) |> List.ofSeq

let private files =
    [ torchTest "single, double, half and bfloat16 numbers are read, integers are left out" (fun () ->
          let source = filled 2L [ 3L; 5L ]
          let types = [ torch.ScalarType.Float32; torch.ScalarType.Float64; torch.ScalarType.Float16; torch.ScalarType.BFloat16 ]
          let bytes = written ([ for t in types -> $"{t}", source.to_type t ] @ [ "ids", torch.zeros ([| 3L |], dtype = torch.ScalarType.Int64); "one", torch.tensor 2.5f ]) [ "a", "ü\n" ]
          let found = SafetensorsReader.Read(new MemoryStream(bytes))
          for t in types do
              Expect.equal (List.ofSeq found.Tensors[$"{t}"].Shape) [ 3; 5 ] "shape"
              Expect.equal (Array.map float found.Tensors[$"{t}"].Values) (values (source.to_type t)) $"{t}"
          Expect.equal found.Tensors["one"].Values [| 2.5f |] "a number"
          Expect.equal found.Metadata["a"] "ü\n" "metadata"
          Tol.throws<InvalidDataException> "its tensor 'ids' holds I64, not floating-point numbers" (fun () -> found.Tensor "ids" |> ignore)
          // From a pipe, which has no length.
          use zipped = new MemoryStream()
          (use zip = new Compression.GZipStream(zipped, Compression.CompressionLevel.Fastest, true) in zip.Write bytes)
          zipped.Position <- 0L
          let again = SafetensorsReader.Read(new Compression.GZipStream(zipped, Compression.CompressionMode.Decompress))
          Expect.equal again.Tensors["Float32"].Values found.Tensors["Float32"].Values "from a pipe")

      torchTest "numbers in double precision that single would round are refused, unless the caller says that they may be" (fun () ->
          let bytes = written [ "w", torch.tensor [| 0.5; 0.1 |] ] []
          Tol.throws<InvalidDataException>
              "its tensor 'w' is in double precision (F64) and has digits that single precision would lose: read it with narrow: true, or save it in single precision"
              (fun () -> SafetensorsReader.Read(new MemoryStream(bytes)) |> ignore)
          Expect.equal (SafetensorsReader.Read(new MemoryStream(bytes), narrow = true).Tensors["w"].Values) [| 0.5f; 0.1f |] "rounded"
          let exact = written [ "w", torch.tensor [| 0.5; nan; infinity |] ] []
          Expect.equal (SafetensorsReader.Read(new MemoryStream(exact)).Tensors["w"].Values |> Array.map Single.IsNaN) [| false; true; false |] "nothing is lost")

      torchTest "a file cut short anywhere is refused" (fun () ->
          let bytes = snd nah.Value
          for length in [ 0 .. 97 .. bytes.Length - 1 ] @ [ bytes.Length - 1 ] do
              Expect.throwsT<InvalidDataException> (fun () -> load bytes[.. length - 1] |> ignore) $"{length} of {bytes.Length} bytes")

      torchTest "a header with any byte changed is refused or read; where it tells of tensors, to the same numbers" (fun () ->
          let bytes, expected = snd nah.Value, (model.Value.Score data.Value.Test).Nats
          let header = int (BitConverter.ToInt64(bytes, 0))
          // The metadata come first, and no checksum is over them.
          let tensors = 8 + Encoding.Latin1.GetString(bytes, 8, header).IndexOf("\"dtype\"", StringComparison.Ordinal)
          Expect.isTrue (tensors > 8 && tensors < header) "there are both"
          for at in [ 0..7 ] @ [ 8 .. 13 .. header + 7 ] do
              let changed = Array.copy bytes
              changed[at] <- changed[at] ^^^ 4uy
              try
                  let found = load changed
                  if at >= tensors then Expect.equal (found.Score data.Value.Test).Nats expected $"byte {at}"
              with :? InvalidDataException -> ())

      torchTest "what is wrong with a file is said" (fun () ->
          let suffix = ": it is damaged or not a safetensors file"
          refused $"it is shorter than a header{suffix}" [| 1uy; 2uy |]
          refused $"its header has an impossible length{suffix}" (Encoding.UTF8.GetBytes "once upon a time, there was no model")
          refused $"its header cannot be read{suffix}" (raw "{\"a\": 1}" [||])
          refused $"its header cannot be read{suffix}" (raw "[]      " [||])
          refused $"'a' in it has an impossible shape{suffix}" (raw """{"a":{"dtype":"F32","shape":[2000000000,2000000000],"data_offsets":[0,4]}}""" [| 0uy; 0uy; 0uy; 0uy |])
          refused $"'a' in it has a shape that its bytes do not fill{suffix}" (raw """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""" [| 0uy; 0uy; 0uy; 0uy |])
          refused $"it is cut short: 'a' ends at byte 4 of the data, of which there are 3{suffix}" (raw """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""" [| 0uy; 0uy; 0uy |])
          refused $"3 bytes follow its last tensor{suffix}" (raw "{}" [| 0uy; 0uy; 0uy |]))

      torchTest "another model's file is refused" (fun () ->
          let own = "its metadata lack 'activations': it is not the weights.safetensors of a run of Noisy"
          let old = "its metadata lack 'activations': it comes from an older version of Noisy; train the run anew in another folder"
          refused own (written [ "w", filled 1L [ 2L ] ] [])
          refused old (written [ "w", filled 1L [ 2L ] ] [ "config", "{}" ])
          refused "it has no tensor 'encoder'" (written [ "w", filled 1L [ 2L ] ] (metadata ()))
          let tensors =
              SafetensorsReader.Read(new MemoryStream(snd nah.Value)).Tensors.Values
              |> Seq.map (fun t -> t.Name, torch.tensor(t.Values).reshape [| for s in t.Shape -> int64 s |]) |> List.ofSeq
          let without name = List.filter (fun (n, _) -> n <> name) tensors
          refused "it has no tensor 'lstm.p_l1'" (written (without "lstm.p_l1") (metadata ()))
          refused
              "the tensor lstm.bias_ih_l0 [3] should be [80]: these are weights of another model"
              (written (("lstm.bias_ih_l0", filled 1L [ 3L ]) :: without "lstm.bias_ih_l0") (metadata ()))
          refused "it has tensors of the layer 1, but no 'lstm.weight_hh_l1'" (written (without "lstm.weight_hh_l1") (metadata ()))
          let words = data.Value.Vocabulary.Count
          refused
              $"the tensor encoder [{words}, 20] should be [1, 20]: these are weights of another model"
              (written tensors (("vocabulary", "[\"<eos>\"]") :: List.filter (fun (n, _) -> n <> "vocabulary") (metadata ())))
          refused
              "its metadata 'noise' cannot be read (Requested value 'loud' was not found)"
              (written tensors (("noise", """{"mode":"loud"}""") :: List.filter (fun (n, _) -> n <> "noise") (metadata ())))
          refused
              "its metadata 'activations' cannot be read (the name is null)"
              (written tensors [ for n, text in metadata () -> n, (if n = "activations" then text.Replace("\"name\":\"nah\"", "\"name\":null") else text) ])) ]

let private codec =
    [ test "many words that a long token stands for do not each read it" {
          // Reading it for each word is 10^11 characters: the suite would not end.
          let unknown = String('u', 1_000_000)
          let encoded = (TextCodec([ "a"; unknown ], unknown, null)).Encode(String.replicate 100_000 "b ")
          Expect.equal encoded.Replaced 100_000 "replaced"
          Expect.allEqual encoded.Tokens 1 "ids"
      }

      test "words become ids, line feeds the end-of-line token, and back" {
          let codec = TextCodec([| "<eos>"; "a"; "b"; "<unk>" |], "<unk>", "<eos>")
          let encoded = codec.Encode " a b \r\n\n b zebra\ta"
          Expect.equal encoded.Tokens [| 1; 2; 0; 0; 2; 3; 1 |] "ids"
          Expect.equal encoded.Replaced 1 "replaced"
          Expect.equal (codec.Decode encoded.Tokens) "a b\n\nb <unk> a" "text"
          let strict = TextCodec([| "a" |], null, null)
          Expect.equal (strict.Encode "a\na").Tokens [| 0; 0 |] "line feeds are dropped"
          Tol.throws<InvalidDataException> "the word 'b' in line 2 is not among the model's 1, and the model has no unknown word" (fun () -> strict.Encode "a\nb" |> ignore)
      }
      torchTest "the codec reads the treebank's form as its loader does" (fun () ->
          let text = model.Value.Codec.Decode data.Value.Test
          Expect.equal (model.Value.Codec.Encode text).Tokens data.Value.Test "ids") ]

let private run (arguments: string list) =
    use output = new StringWriter()
    use error = new StringWriter()
    let code = TextTool.Run(List.toArray arguments, output, error)
    code, output.ToString().ReplaceLineEndings "\n", error.ToString().TrimEnd()

let private tool =
    [ torchTest "the console scores a text and samples one" (fun () ->
          use folder = new TempFolder()
          let path, text = folder.In "m.safetensors", folder.In "text.txt"
          File.WriteAllBytes(path, snd nah.Value)
          File.WriteAllText(text, model.Value.Codec.Decode data.Value.Test)
          let code, output, error = run [ "score"; path; text ]
          Expect.equal (code, error) (0, "") "score"
          let lines = output.TrimEnd().Split '\n'
          Expect.equal lines[0] $"tokens      {data.Value.Test.Length - 1} predicted, 0 of them unknown to the model" "tokens"
          let perplexity = Double.Parse(lines[2].Replace("perplexity", ""), Globalization.CultureInfo.InvariantCulture)
          Tol.close windows (fst nah.Value) perplexity "perplexity"

          let sample options = run ([ "sample"; path; "--words"; "30" ] @ options)
          let code, first, error = sample [ "--seed"; "7" ]
          Expect.equal (code, error) (0, "") "sample"
          Expect.equal (sample [ "--seed"; "7" ]) (0, first, "") "again"
          Expect.notEqual (sample [ "--seed"; "8" ]) (0, first, "") "another seed"
          Expect.notEqual (sample [ "--seed"; "7"; "--temperature"; "3" ]) (0, first, "") "another temperature"
          let word = model.Value.Codec.Tokens |> Seq.find (fun t -> t <> "<eos>")
          let _, prompted, _ = sample [ "--prompt"; word ]
          Expect.stringStarts prompted word "prompt"
          let _, nothing, _ = run [ "sample"; path; "--words"; "0"; "--prompt"; word ]
          Expect.equal nothing (word + "\n") "no more than the prompt")

      torchTest "the console says in one line what is wrong" (fun () ->
          use folder = new TempFolder()
          let path = folder.In "m.safetensors"
          File.WriteAllBytes(path, snd nah.Value)
          let bad, text = folder.In "bad", folder.In "text"
          File.WriteAllText(bad, "no model, but long enough")
          File.WriteAllText(text, "qqq zzz\n")
          for arguments, code, message in
              [ [], 2, "a command is needed: score or sample; see textconsole --help"
                [ "score"; path ], 2, "'score' needs a model and a text; see textconsole --help"
                [ "sample" ], 2, "'sample' needs a model; see textconsole --help"
                [ "sample"; path; "--word"; "3" ], 2, "unknown option '--word'; known are --words, --temperature, --seed, --prompt"
                [ "sample"; path; "--words" ], 2, "--words needs a value"
                [ "sample"; path; "--words"; "-3" ], 2, "--words -3: must be an integer, 0 or more"
                [ "sample"; path; "--temperature"; "warm" ], 2, "--temperature warm: must be a number, 0 or more"
                [ "sample"; folder.In "none" ], 3, folder.In "none" + ": there is no such file"
                [ "sample"; bad ], 3, $"{bad}: its header has an impossible length: it is damaged or not a safetensors file" ] do
              Expect.equal (run arguments) (code, "", message) $"{arguments}"
          let code, _, message = run [ "score"; path; text ]
          Expect.equal code 3 "a word that is unknown, or a text that is too short"
          Expect.stringStarts message $"{text}: " "file") ]

let tests =
    testSequenced (testList "Inference" [
        testList "Agreement" agreement
        testList "Scoring" scoring
        testList "Files" files
        testList "Codec" codec
        testList "Console" tool ])
