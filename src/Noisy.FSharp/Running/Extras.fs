/// What a command leaves besides its runs: pictures, pages, results.csv. None of it decides about training.
module internal Noisy.FSharp.Extras

open System

/// Makes extras one by one; if one fails, that is told at once and the work resumes.
///
/// warn: receives what failed and why.
type Extras(warn: string -> unit) =
    let mutable failed = false

    /// Whether any failed.
    member _.Failed = failed

    /// Notes that one failed, of which the user has been told.
    member _.Fail() = failed <- true

    /// Makes one of them.
    member _.Try(what: string, make: unit -> unit) =
        try
            make ()
        with error ->
            failed <- true
            warn $"could not write {what}: {snd (Host.describe error)}"
