/// LSTM and GRU in scalar double precision, unit by unit, from their formulas; noise from its addresses.
module Noisy.Tests.RecurrentReference

open System
open System.Collections.Generic
open Noisy.Core
open Noisy.Models
open Noisy.Experiments

type Cell =
    | Lstm
    | Gru

let gates = function Lstm -> 4 | Gru -> 3
let sites = function Lstm -> 5 | Gru -> 3

/// Loss of a stack of layers in one direction; every number that it depends on comes from a map by name.
let run cell (activations: ActivationPair) (key: NoiseKey) update layers inputs hidden steps batch (data: IReadOnlyDictionary<string, float[]>) =
    let noise = Dictionary<struct (int * int * int), float32[]>()
    let draw layer site t element =
        let address = struct (layer, site, t)
        match noise.TryGetValue address with
        | true, values -> float values[element]
        | _ ->
            let values = Array.zeroCreate<float32> (batch * hidden)
            NoiseSampler.Normal(key.Child(uint32 layer).Child(uint32 site).At(update, t), 0L, values.AsSpan())
            noise[address] <- values
            float values[element]
    let mutable x = data["x"]
    let mutable width = inputs
    let finals = ResizeArray()
    for layer in 0 .. layers - 1 do
        let w name = data[$"{name}_l{layer}"]
        let h = Array.sub data["h"] (layer * batch * hidden) (batch * hidden)
        let c = if cell = Lstm then Array.sub data["c"] (layer * batch * hidden) (batch * hidden) else [||]
        let outputs = Array.zeroCreate (steps * batch * hidden)
        for t in 0 .. steps - 1 do
            let before = Array.copy h
            for b in 0 .. batch - 1 do
                for j in 0 .. hidden - 1 do
                    let fromInput gate =
                        let row = gate * hidden + j
                        (w "bias_ih")[row] + Seq.sum (seq { for k in 0 .. width - 1 -> (w "weight_ih")[row * width + k] * x[(t * batch + b) * width + k] })
                    let fromState gate =
                        let row = gate * hidden + j
                        (w "bias_hh")[row] + Seq.sum (seq { for k in 0 .. hidden - 1 -> (w "weight_hh")[row * hidden + k] * before[b * hidden + k] })
                    let at = b * hidden + j
                    let unit site (spec: NoisyActivationSpec) pre =
                        let p = if spec.UsesP then (w "p")[site * hidden + j] else 1.0
                        NoisyFunction.Value(spec, pre, (if spec.Noise = NoiseKind.None then 0.0 else draw layer site t at), p, spec.C)
                    let sigmoid site pre = unit site activations.Sigmoid pre
                    let tanh site pre = unit site activations.Tanh pre
                    match cell with
                    | Lstm ->
                        let full gate = fromInput gate + fromState gate
                        c[at] <- sigmoid 1 (full 1) * c[at] + sigmoid 0 (full 0) * tanh 2 (full 2)
                        h[at] <- sigmoid 3 (full 3) * tanh 4 c[at]
                    | Gru ->
                        let r = sigmoid 0 (fromInput 0 + fromState 0)
                        let z = sigmoid 1 (fromInput 1 + fromState 1)
                        let n = tanh 2 (fromInput 2 + r * fromState 2)
                        h[at] <- (1.0 - z) * n + z * before[at]
                    outputs[t * batch * hidden + at] <- h[at]
        x <- outputs
        width <- hidden
        finals.Add(h, c)
    [ x; Array.concat (Seq.map fst finals); if cell = Lstm then Array.concat (Seq.map snd finals) ]
