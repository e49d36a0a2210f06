module Noisy.Tests.TorchNativeTests

open Expecto
open Noisy.Models
open TorchSharp

let tests =
    testSequenced
    <| testList "TorchNative" [
        test "libtorch loads and adds" {
            TorchNative.EnsureLoaded()
            use sum = torch.ones(3L).sum ()
            Expect.equal (sum.item<float32> ()) 3.0f "1 + 1 + 1"
        }
        test "the report says what was loaded" {
            Expect.notEqual TorchNative.Report "not loaded" "after a tensor was made"
        }
    ]
