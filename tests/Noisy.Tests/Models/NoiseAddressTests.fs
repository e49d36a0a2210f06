/// One address for every draw: the clock's plain calls and contexts lead to the same numbers, and no number is used twice.
module Noisy.Tests.NoiseAddressTests

open System
open Expecto
open Noisy.Core
open Noisy.Models
open Noisy.Tests.TorchHelpers
open Noisy.Tests.ModuleFaces
open TorchSharp

let private same (expected: Tensor list) (actual: Tensor list) what =
    for i, (e, a) in List.indexed (List.zip expected actual) do sameTensor e a $"{what}, result {i}"

let private differs (a: Tensor list) (b: Tensor list) what = Expect.isFalse (a.Head.equal(b.Head).all().item<bool> ()) what

let private context update scale = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed(6L).Child "noise", update, 0, Nullable scale)

let tests =
    testSequenced
    <| testList "noise addresses" [
        for name, make in all do
            for backend in [ Backend.Auto; Backend.Composed ] do
                torchTest $"{name}: a plain call and a context of the same update draw the same, {backend}" (fun () ->
                    let clock = NoiseClock 6L
                    clock.NewModuleId() |> ignore // so that the module is not the first
                    let face = make Variants.Nani clock backend torch.CPU
                    clock.Advance(7L, 0.5)
                    let first, second = face.Plain(), face.Plain()
                    same (face.Pure(context 7L 0.5)) first "first call"
                    same (face.Pure((context 7L 0.5).Later face.Steps)) second "second call"
                    differs first second "they draw different numbers"
                    clock.Advance(8L, 0.5)
                    same (face.Pure(context 8L 0.5)) (face.Plain()) "the next update"
                    clock.Advance(7L, 0.5)
                    same first (face.Plain()) "the same update again"
                    face.Model.eval ()
                    same (face.Pure(NoiseContext(NoiseMode.Mean, Scale = Nullable 0.5))) (face.Plain()) "eval")

        torchTest "every module of the library is among them, but for the loss, which draws nothing" (fun () ->
            let tested = [ for _, make in all -> (make Variants.Nani (NoiseClock 1L) Backend.Auto torch.CPU).Model.GetType() ]
            let exported =
                [ for t in typeof<NoisyLstm>.Assembly.GetExportedTypes() do
                      if typeof<torch.nn.Module>.IsAssignableFrom t && not t.IsAbstract then t ]
            Expect.isEmpty (exported |> List.except (typeof<LinearCrossEntropyLoss> :: tested) |> List.map _.Name) "modules without a test")

        torchTest "modules of one model draw different numbers" (fun () ->
            let clock = NoiseClock 6L
            let make () = new NoisyActivation(Variants.Nani.Tanh, 5L, clock)
            let first, second = make (), make ()
            let x = filled 1L [ 3L; 5L ]
            differs [ first.forward (x, context 7L 0.5) ] [ second.forward (x, context 7L 0.5) ] "with the same context")

        torchTest "a module and its parts, called in one update, use no draw twice" (fun () ->
            let clock = NoiseClock 6L
            let m = new NoisyMlp([| 3L; 5L; 2L |], Variants.Nani.Tanh, clock)
            let part = m.Activations[0]
            let x, y = filled 1L [ 3L; 3L ], filled 2L [ 3L; 5L ]
            let later n = (context 7L 0.5).Later n
            clock.Advance(7L, 0.5)
            sameTensor (m.forward (x, later 0)) (m.forward x) "the whole"
            sameTensor (part.forward (y, later 1)) (part.forward y) "then a part"
            sameTensor (part.forward (y, later 2)) (part.forward y) "the part again"
            sameTensor (m.forward (x, later 3)) (m.forward x) "then the whole")

        torchTest "a cell draws what layers with its id draw" (fun () ->
            let layers, cell = new NoisyGru(RecurrentShape(4L, 6L), Variants.Nani, NoiseClock 6L), new NoisyGruCell(4L, 6L, Variants.Nani, NoiseClock 6L)
            cell.load_state_dict (dict [ for KeyValue(name, t) in layers.state_dict () -> name.Replace("_l0", ""), t ] |> Collections.Generic.Dictionary) |> ignore
            let x = filled 1L [ 1L; 2L; 4L ]
            let struct (_, h) = layers.forward (x, null, context 7L 0.5)
            closeTensor tensor32 (h.squeeze 0) (cell.forward (x.squeeze 0, null, context 7L 0.5)) "hidden")
    ]
