/// A Neural Turing Machine in scalar double precision, one example, by its definition: what both paths are tested against.
module Noisy.Tests.NtmReference

open System
open Noisy.Core
open Noisy.Models
open Noisy.Experiments

let private softplus (x: float) = max x 0.0 + Math.Log(1.0 + Math.Exp(-abs x))
let private sigmoid (x: float) = 1.0 / (1.0 + Math.Exp(-x))

let private softmax (x: float[]) =
    let e = x |> Array.map (fun v -> Math.Exp(v - Array.max x))
    e |> Array.map (fun v -> v / Array.sum e)

let private dot (a: float[]) (b: float[]) = Array.fold2 (fun sum x y -> sum + x * y) 0.0 a b

/// W x + b, W row by row.
let private linear (weight: float[]) (bias: float[]) (x: float[]) =
    bias |> Array.mapi (fun i b -> b + dot weight[i * x.Length .. (i + 1) * x.Length - 1] x)

let private attend (memory: float[][]) (before: float[]) (numbers: float[]) width =
    let key = numbers[.. width - 1] |> Array.map tanh
    let scalars = numbers[width .. width + 5]
    let strength, gate, sharpening = softplus scalars[0], sigmoid scalars[1], 1.0 + softplus scalars[5]
    let shift = softmax scalars[2..4]
    let length (v: float[]) = sqrt (dot v v + 1e-6)
    let content = memory |> Array.map (fun row -> strength * dot key row / (length key * length row)) |> softmax
    let gated = Array.map2 (fun c b -> gate * c + (1.0 - gate) * b) content before
    let n = gated.Length
    let shifted = Array.init n (fun i -> shift[0] * gated[(i + 1) % n] + shift[1] * gated[i] + shift[2] * gated[(i + n - 1) % n])
    shifted |> Array.map (fun a -> sharpening * Math.Log(a + 1e-16)) |> softmax

/// Logits of every time step.
///
/// get: a parameter by its name, row-major; noise: ξ of (site, time step, unit); activate: φ of (site, x, ξ, p).
let logits (s: NtmShape) (get: string -> float[]) (noise: int -> int -> int -> float) (activate: int -> float -> float -> float -> float) (inputs: float[][]) =
    let h, m, n = s.Hidden, s.MemoryWidth, s.MemoryRows
    let phi site t (x: float[]) = x |> Array.mapi (fun u v -> activate site v (noise site t u) ((get "p")[site * h + u]))
    let mutable memory = get "start_memory" |> Array.chunkBySize m
    let attention = get "start_attention" |> Array.chunkBySize n |> Array.map softmax
    let mutable reads = get "start_read"
    let mutable hidden, cell = [||], [||]
    if s.Controller = NtmController.Lstm then
        hidden <- get "start_hidden"
        cell <- get "start_cell"
    [| for t in 0 .. inputs.Length - 1 do
           let gates = linear (get "weight_ih") (get "bias") (Array.append inputs[t] reads)
           if s.Controller = NtmController.Lstm then
               let gates = Array.map2 (+) gates (linear (get "weight_hh") (Array.zeroCreate gates.Length) hidden)
               let gate i = gates[i * h .. (i + 1) * h - 1]
               let input, forget, candidate, output = phi 0 t (gate 0), phi 1 t (gate 1), phi 2 t (gate 2), phi 3 t (gate 3)
               cell <- Array.init h (fun u -> forget[u] * cell[u] + input[u] * candidate[u])
               hidden <- Array.map2 (*) output (phi 4 t cell)
           else
               hidden <- phi 0 t gates
           let numbers = linear (get "head_weight") (get "head_bias") hidden
           let mutable next = 0
           let read =
               [| for head in 0 .. s.Heads - 1 do
                      let writes = head >= s.ReadHeads
                      let own = numbers[next .. next + m + 5 + (if writes then 2 * m else 0)]
                      next <- next + own.Length
                      attention[head] <- attend memory attention[head] own m
                      if writes then
                          let erase, add = own[m + 6 .. 2 * m + 5] |> Array.map sigmoid, own[2 * m + 6 ..] |> Array.map tanh
                          memory <- memory |> Array.mapi (fun i row -> row |> Array.mapi (fun j v -> v * (1.0 - attention[head][i] * erase[j]) + attention[head][i] * add[j]))
                      else
                          yield! Array.init m (fun j -> Array.fold2 (fun sum a (row: float[]) -> sum + a * row[j]) 0.0 attention[head] memory) |]
           reads <- read
           linear (get "output_weight") (get "output_bias") (Array.append hidden reads) |]
