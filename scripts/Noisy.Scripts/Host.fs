namespace Noisy.Scripts

/// What every script does first and last.
module Host =
    /// The library's version, for banners and logs.
    let version = Noisy.Core.NoisyVersion.Current
