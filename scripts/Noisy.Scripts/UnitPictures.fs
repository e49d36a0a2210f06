/// Pictures of the units of a perceptron: what each makes of its pre-activation, and how much of a gradient it lets pass.
module internal Noisy.Scripts.UnitPictures

open System
open System.IO
open Noisy.Core
open Noisy.Models
open Noisy.Experiments
open Noisy.FSharp
open Noisy.FSharp.Plots
open TorchSharp

let private examples = 400L

/// A figure with a column for each hidden layer, activations above slopes; a colour for each unit.
let figure title (traces: LayerTrace list) =
    let name (trace: LayerTrace) unit =
        let gain = if trace.Gains.Length = 0 then "" else $", p %.2f{trace.Gains[unit]}"
        $"unit {unit + 1}{gain}"

    let panel layer what vertical named (values: LayerTrace -> float[][]) (trace: LayerTrace) =
        { Title = $"layer {layer + 1}: {what}"
          Horizontal = "pre-activation x"
          Vertical = vertical
          Scale = Linear
          Legend = None
          Items =
            [ for unit in 0 .. trace.PreActivation.Length - 1 do
                  { Name = (if named then name trace unit else "")
                    Colour = palette[unit % palette.Length]
                    Mark = Dots(trace.PreActivation[unit], (values trace)[unit]) } ] }

    { Title = title
      Columns = traces.Length
      Panels =
        (traces |> List.mapi (fun i -> panel i "activation" "φ(x, ξ)" false _.Activation))
        @ (traces |> List.mapi (fun i -> panel i "slope" "∂φ/∂x" true _.Slope)) }

/// Draws units.html and units.png in a run's folder, on test examples and with the noise of training: the paper's pictures of
/// its Section 6.1.
let draw (folder: string) (task: ITrainingTask) (config: RunConfig) =
    match task with
    | :? MlpTask as mlp ->
        use _ = torch.NewDisposeScope()
        let count = mlp.Examples.Count Split.Test |> Option.ofNullable |> Option.fold min examples
        let struct (inputs, _) = mlp.Batch(Split.Test, Array.init (int count) int64)

        let scale =
            match config.Training.Schedule with
            | null -> Nullable()
            | schedule -> Nullable(schedule.At(int64 config.Training.Epochs * task.UpdatesPerEpoch))

        let context = NoiseContext(NoiseMode.Sample, NoiseKey.FromSeed(config.Seed).Child("picture"), 0L, 0, scale)
        let figure = figure $"{config.Experiment}: the units of {Path.GetFileName folder}" (List.ofSeq (mlp.Network.Trace(inputs, context)))
        Pages.saveFigure folder "units" (560, 420) figure
    | _ -> ()
