/// Modules of one's own in ONNX: what their input is; and the file that a model is saved to.
module Noisy.Tests.OnnxOwnTests

open System
open System.IO
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Tests.OnnxHelpers
open Noisy.Tests.TorchHelpers
open TorchSharp

/// Gives each word of a sentence scores.
type private Tagger(batchFirst: bool) as this =
    inherit torch.nn.Module<Tensor, Tensor>("Tagger")
    let embedding = torch.nn.Embedding(7L, 4L)
    let lstm = new NoisyLstm(4L, 5L, Variants.Nah, NoiseClock 7L, batchFirst = batchFirst)
    let readout = torch.nn.Linear(5L, 3L)

    do
        this.register_module ("embedding", embedding)
        this.register_module ("lstm", lstm)
        this.register_module ("readout", readout)

    override _.forward x =
        let struct (output, _, _) = lstm.call (embedding.call x)
        readout.call output

    interface IOnnxModule with
        member _.ToOnnx(graph, input) = graph.Apply(readout, graph.Apply(lstm, graph.Apply(embedding, input)))

/// The same behind an operation of its own.
type private Handing(tagger: Tagger) as this =
    inherit torch.nn.Module<Tensor, Tensor>("Handing")
    do this.register_module ("tagger", tagger)
    override _.forward x = tagger.call x

    interface IOnnxModule with
        member _.ToOnnx(graph, input) = graph.Apply(tagger, graph.Node("Identity", [| input |]))

/// Layers that give their output alone.
type private Layers(lstm: NoisyLstm) as this =
    inherit torch.nn.Module<Tensor, Tensor>("Layers")
    do this.register_module ("lstm", lstm)

    override _.forward x =
        let struct (output, _, _) = lstm.call x
        output

    interface IOnnxModule with
        member _.ToOnnx(graph, input) = graph.Apply(lstm, input)

let private words () : Tensor = torch.tensor([| 3L; 1L; 4L; 1L; 5L; 6L; 2L; 0L |]).reshape (4L, 2L)

let private inputs =
    testList "inputs" [
        torchTest "tokens of a module of one's own are whole numbers" (fun () ->
            for batchFirst in [ false; true ] do
                let model = new Tagger(batchFirst)
                settle model
                let names = if batchFirst then [ "batch"; "time" ] else [ "time"; "batch" ]
                let bytes = exported model (Some names) None
                Tol.atMost (difference [ "output", model.forward (words ()) ] (run bytes [ "input", words () ])) 1e-5 $"{names}"
                Expect.equal (axes bytes "input") names "axes")

        torchTest "numbers that an operation has passed on are made whole before an embedding takes them" (fun () ->
            let model = new Handing(new Tagger(false))
            settle model
            let bytes = exported model (Some [ "time"; "batch" ]) None
            let x = (words ()).to_type torch.ScalarType.Float32
            Tol.atMost (difference [ "output", model.forward (words ()) ] (run bytes [ "input", x ])) 1e-5 "difference")

        torchTest "axes of layers in a module of one's own are named as the layers take them" (fun () ->
            for batchFirst, names in [ false, [ "time"; "batch"; "features" ]; true, [ "batch"; "time"; "features" ] ] do
                let model = new Layers(new NoisyLstm(3L, 4L, Variants.Nah, NoiseClock 7L, batchFirst = batchFirst))
                settle model
                Expect.equal (axes (exported model None None) "input") names $"batch first: {batchFirst}")
    ]

let private files =
    testList "files" [
        torchTest "a saved model replaces the file that was there whole, and leaves nothing beside it" (fun () ->
            use folder = new TempFolder()
            let path = folder.In "model.onnx"
            OnnxExport.Save(new NoisyMlp([| 20L; 30L |], Variants.Nah.Tanh, NoiseClock 1L), path)
            let before = File.ReadAllBytes path

            // Who has opened the old file reads all of it; Windows would have the new one wait.
            if not (OperatingSystem.IsWindows()) then
                use old = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite ||| FileShare.Delete)
                OnnxExport.Save(torch.nn.Tanh(), path)
                let read = Array.zeroCreate<byte> before.Length
                old.ReadExactly(read, 0, read.Length)
                Expect.equal read before "the old file"
                Tol.below (FileInfo path).Length before.LongLength "the new file"
            Expect.equal (Directory.GetFiles folder.Path) [| path |] "files")

        torchTest "a model that cannot be saved leaves no file" (fun () ->
            use folder = new TempFolder()
            Directory.CreateDirectory(folder.In "taken") |> ignore
            Expect.throws (fun () -> OnnxExport.Save(torch.nn.Tanh(), folder.In "taken")) "the name of a folder"
            Expect.isEmpty (Directory.GetFiles folder.Path) "files")
    ]

let tests = testList "onnx of one's own" [ inputs; files ]
