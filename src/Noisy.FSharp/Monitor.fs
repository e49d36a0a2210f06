namespace Noisy.FSharp

open System
open System.Globalization
open Noisy.Core
open Noisy.Models
open TorchSharp

/// What saturation and noise do at the nonlinearities of a model.
[<RequireQualifiedAccess>]
module Monitor =
    /// Measures every noisy nonlinearity of a model in one pass, by name: Monitor.sites model (fun () -> loss (model.call x) y). It leaves
    /// weights, gradients, clocks and generators as they were, and takes several times as long as a training step.
    let sites (model: torch.nn.Module) (loss: unit -> torch.Tensor) : (string * SiteStatistics) list =
        [ for site in SiteMonitor.Observe(model, Func<_> loss) -> site.Key, site.Value ]

    /// The same with the share of outputs exactly at a bound at test time: test is the forward pass of the same batch.
    let sitesWithTest (model: torch.nn.Module) (loss: unit -> torch.Tensor) (test: unit -> torch.Tensor) : (string * SiteStatistics) list =
        [ for site in SiteMonitor.Observe(model, Func<_> loss, Action(fun () -> test().Dispose())) -> site.Key, site.Value ]

    /// Prints what was measured as a table, a line a nonlinearity.
    let print (sites: (string * SiteStatistics) list) =
        let percent (value: float Nullable) = if value.HasValue then (100.0 * value.Value).ToString("0.00", CultureInfo.InvariantCulture) else "–"
        let number (value: float Nullable) = if value.HasValue then value.Value.ToString("G3", CultureInfo.InvariantCulture) else "–"
        let head = [ "nonlinearity"; "saturated %"; "carried back %"; "σ"; "signal / noise"; "|p|"; "gradient"; "through saturated"; "at a bound %" ]

        Results.printTable [ "nonlinearity" ] [ "nonlinearity" ] head
            [ for name, s in sites ->
                  [ name; percent (Nullable s.Saturated); percent s.Returned; number s.Sigma; number s.SignalToNoise; number s.Gain; number s.Gradient
                    number s.SaturatedGradient; percent s.AtBound ] ]
