/// Devices besides the CPU on which tests run.
module Noisy.Tests.SecondDevice

open System
open System.Runtime.InteropServices
open Expecto
open Noisy.Models
open Noisy.Tests.TorchHelpers
open TorchSharp

/// libtorch's own way to add kernels, in C.
module private Native =
    type Kernel = delegate of stack: nativeint * arguments: uint64 * results: uint64 -> unit

    [<DllImport("torch_cpu", CharSet = CharSet.Ansi)>]
    extern int aoti_torch_library_init_impl(string space, string key, string file, uint32 line, nativeint& library)

    [<DllImport("torch_cpu", CharSet = CharSet.Ansi)>]
    extern int aoti_torch_library_impl(nativeint library, string name, Kernel kernel)

/// What a kernel of ours threw: an exception must not pass through native code.
let private thrown = ResizeArray<exn>()

/// The device "meta" has shapes and no numbers, and operations on it throw where a tensor is on the CPU by mistake, all but products of
/// matrices and cat: so it stands for a GPU on machines without one. Some operations have their form for it in Python alone: here they have
/// one too, which says the results' shapes and types.
let private kernels: (string * (int64[] -> (int -> Tensor) -> Tensor list)) list =
    let like _ (t: int -> Tensor) = [ (t 0).clone () ]

    [ "where.self", fun _ t -> [ (t 0).to_type((t 1).dtype) + t 1 + t 2 ]
      "abs", like
      "relu", like
      "roll", like
      "logical_or_", fun _ t -> [ (t 0).bitwise_or_ (t 1) ]
      "logical_and_", fun _ t -> [ (t 0).bitwise_and_ (t 1) ]
      "logical_and", fun _ t -> [ (t 0).bitwise_and (t 1) ]
      "log_sigmoid_forward", fun _ t -> [ (t 0).clone (); (t 0).clone () ]
      "log_sigmoid_backward", fun _ t -> [ t 0 * t 1 * t 2 ]
      "index_select", fun arguments t ->
          let size = (t 0).shape
          size[int arguments[1]] <- (t 2).numel ()
          if (t 2).device_type <> (t 0).device_type then failwith $"index_select: rows on {(t 2).device_type}"
          [ torch.empty (size, (t 0).dtype, (t 0).device) ] ]

let private alive = ResizeArray<Native.Kernel>()

let private register library (name, form) =
    let kernel =
        Native.Kernel(fun stack count results ->
            let arguments = Array.init (int count) (fun i -> Marshal.ReadInt64(stack, 8 * i))
            let tensors = Collections.Generic.Dictionary<int, Tensor>()
            let tensor i =
                if not (tensors.ContainsKey i) then tensors[i] <- torch.Tensor.UnsafeCreateTensor(nativeint arguments[i])
                tensors[i]
            let give (results: Tensor list) =
                for i, result in List.indexed results do Marshal.WriteInt64(stack, 8 * i, int64 ((result.alias ()).DecoupleFromNativeHandle()))
            try
                use _ = torch.NewDisposeScope()
                give (form arguments tensor)
            with error ->
                lock thrown (fun () -> thrown.Add error)
                give [ for _ in 1 .. int results -> torch.empty ([| 0L |], device = torch.META) ]
            // The arguments are the kernel's.
            for t in tensors.Values do t.Dispose())
    alive.Add kernel
    if Native.aoti_torch_library_impl (library, name, kernel) <> 0 then failwith $"libtorch does not take a kernel for {name}"

let private metaDevice =
    lazy
        (TorchNative.EnsureLoaded()
         let mutable library = 0n
         if Native.aoti_torch_library_init_impl ("aten", "Meta", "SecondDevice.fs", 1u, &library) <> 0 then failwith "libtorch takes no kernels"
         List.iter (register library) kernels
         torch.META)

/// Does something on the device "meta", and throws what a kernel of ours threw.
let onMeta (body: torch.Device -> unit) =
    let meta = metaDevice.Value
    thrown.Clear()
    body meta
    for error in thrown.ToArray() do raise error

/// A test on the device "meta".
let metaTest name body = torchTest name (fun () -> onMeta body)
