/// The repository that the tests were built from.
module Noisy.Tests.Repository

open System.IO

let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "..", ".."))

/// A file of it.
let file (parts: string list) = Path.Combine(Array.ofList (root :: parts))
