using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>All that a pass changes besides parameters: buffers, the clocks' call counts, torch's CPU generator, the modules' modes.</summary>
internal sealed class ModelState : IDisposable
{
    private readonly List<(Tensor Buffer, Tensor Value)> buffers;
    private readonly List<(NoiseClock Clock, NoiseClock.Calls Value)> clocks;
    private readonly List<(nn.Module Module, bool Training)> modes;
    private readonly Tensor generator;

    internal ModelState(nn.Module model, IEnumerable<NoiseClock> clocks)
    {
        using var _ = no_grad();
        buffers = [.. model.named_buffers().Select(b => (b.buffer, b.buffer.clone().DetachFromDisposeScope()))];
        this.clocks = [.. clocks.Select(c => (c, c.Save()))];
        modes = [.. new[] { model }.Concat(model.named_modules().Select(m => m.module)).Select(m => (m, m.training))];
        generator = random.get_rng_state().DetachFromDisposeScope();
    }

    /// <summary>Puts everything back.</summary>
    internal void Restore()
    {
        using var _ = no_grad();
        foreach (var (buffer, value) in buffers) buffer.copy_(value);
        foreach (var (clock, value) in clocks) clock.Restore(value);
        foreach (var (module, training) in modes) module.train(training); // a module's parts come after it and have the last word
#pragma warning disable RS0030 // nothing is drawn: the generator's state is put back
        random.set_rng_state(generator);
#pragma warning restore RS0030
    }

    /// <summary>Puts everything back, and frees the copies.</summary>
    public void Dispose()
    {
        Restore();
        foreach (var (_, value) in buffers) value.Dispose();
        generator.Dispose();
    }
}
