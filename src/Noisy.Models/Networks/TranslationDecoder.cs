using Noisy.Core;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>A translation model as a beam search asks it: without noise, one word after the other.</summary>
/// <param name="Model">The model.</param>
/// <param name="Context">How noise is treated; not <see cref="NoiseMode.Sample"/>.</param>
public sealed record TranslationDecoder(TranslationModel Model, NoiseContext Context) : IStepDecoder<DecoderState>
{
    /// <inheritdoc/>
    public int Tokens => Model.Shape.TargetVocabulary;

    /// <inheritdoc/>
    public DecoderStep<DecoderState> Step(DecoderState state, int[] last)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (logs, next) = Model.Next(state, last[0] == BeamSearch.NoToken ? null : last, Context);
        next.Detach();
        return new([.. logs.to_type(ScalarType.Float32).cpu().contiguous().data<float>()], next);
    }

    /// <inheritdoc/>
    public DecoderState Select(DecoderState state, int[] rows)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var some = state.Rows(rows);
        some.Detach();
        return some;
    }
}
