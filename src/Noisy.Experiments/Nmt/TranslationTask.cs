using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>Translation with attention.</summary>
/// <remarks>
/// The objective is the negative log-likelihood summed over a sentence's words, averaged over the batch; validation is judged by
/// the same number, without noise. The test has BLEU besides, of a beam search's best hypotheses, over the words as they are in the
/// text (no tokenisation, unknown words as such). An epoch goes through all training pairs in batches of similar length.
/// Source: paper, Section 6.4; docs/paper.md, reference systems.
/// </remarks>
public sealed class TranslationTask : ITrainingTask
{
    // Sentences that are evaluated side by side; no result depends on it but by roundings.
    private const int Chunk = 50, Together = 16;

    private readonly TranslationSettings settings;
    private readonly Device device;
    private readonly TranslationModel model;
    private readonly NoiseKey orders;
    private readonly Vocabulary source, target;
    private readonly IReadOnlyList<Encoded> train, valid, test;
    private readonly int[] lengths;
    private (int Epoch, int[][] Batches)? current;

    /// <summary>Builds the vocabularies and the model.</summary>
    /// <param name="config">A valid config.</param>
    /// <param name="data">The text.</param>
    /// <param name="device">Where the model lives.</param>
    /// <exception cref="UsageException">No training pair is short enough.</exception>
    public TranslationTask(RunConfig config, TranslationData data, Device device)
    {
        (settings, this.device, Data, DataNotes) = (config.SettingsAs<TranslationSettings>(), device, data.Identity, data.Notes ?? []);
        var pairs = data.Train.Where(p => Math.Max(p.Source.Length, p.Target.Length) < settings.MaxLength);
        if (settings.TrainPairs > 0) pairs = pairs.Take(settings.TrainPairs);
        SentencePair[] kept = [.. pairs];
        if (kept.Length == 0) throw new UsageException($"no training pair has fewer than {settings.MaxLength} words on both sides: raise maxLength");
        source = SentenceVocabulary.FromSentences(kept.Select(p => p.Source), settings.Vocabulary);
        target = SentenceVocabulary.FromSentences(kept.Select(p => p.Target), settings.Vocabulary);
        (train, valid, test) = (Encode(kept), Encode(data.Valid), Encode(data.Test));
        lengths = [.. train.Select(p => p.Target.Length)];
        orders = NoiseKey.FromSeed(config.Seed).Child("sentences");
        var scheme = settings.Init ?? (config.Activation.Tanh.UseSoft ? InitialScheme.Reference : InitialScheme.ScaledOrthogonal);
        model = new TranslationModel(
            new(source.Count, target.Count, settings.Embedding, settings.Hidden, settings.Attention), config.Activations(), scheme, new NoiseClock(config.Seed));
        model.to(device);
    }

    /// <inheritdoc/>
    public nn.Module Model => model;

    /// <inheritdoc/>
    public string Backend => model.LastBackend;

    /// <inheritdoc/>
    public DataIdentity Data { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> DataNotes { get; }

    /// <inheritdoc/>
    public long UpdatesPerEpoch => (train.Count + settings.Batch - 1) / settings.Batch;

    /// <inheritdoc/>
    public string ItemName => "sentence";

    /// <inheritdoc/>
    public string Metric => "nll";

    /// <summary>How the test's BLEU is computed, as scorers write it.</summary>
    public static CorpusBleu Bleu => CorpusBleu.Default;

    /// <inheritdoc/>
    public BatchLoss Loss(BatchPosition position, NoiseContext context)
    {
        if (current?.Epoch != position.Epoch) current = (position.Epoch, SentenceBatches.Blocks(orders, position.Epoch, lengths, settings.Batch));
        var batch = current!.Value.Batches[position.Index].Select(i => train[i]).ToArray();
        var sum = Sum(batch, context);
        return new BatchLoss(sum.Times(1.0 / batch.Length), sum.detach(), batch.Length);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Metrics(LossSums sums) => new Dictionary<string, double> { ["nll"] = sums.MeanNll };

    /// <summary>Nats a sentence, and perplexity of its words; in the test BLEU-4 too.</summary>
    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Evaluate(Split split, int stage, NoiseContext context, CancellationToken stop)
    {
        using var _ = no_grad();
        var sentences = split switch
        {
            Split.Valid => valid,
            Split.Test => test,
            _ => throw new ArgumentOutOfRangeException(nameof(split), split, "only validation and test are evaluated"),
        };
        double nats = 0;
        foreach (var some in sentences.OrderBy(p => p.Target.Length).Chunk(Chunk))
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            nats += Sum(some, context).item<float>();
        }

        var metrics = new Dictionary<string, double>(Metrics(new LossSums(nats, double.NaN, sentences.Count)))
        {
            ["perplexity"] = Math.Exp(nats / sentences.Sum(p => p.Target.Length)),
        };
        if (split == Split.Test)
        {
            var found = Translate(test.Count, context, stop);
            metrics["bleu"] = Bleu.ScoreTokens([.. found.Select(f => f.Found)], [.. found.Select(f => new[] { f.Reference })]).Bleu;
        }

        return metrics;
    }

    /// <summary>Translates the first sentences of the test by beam search.</summary>
    /// <param name="count">How many, ≥ 0.</param>
    /// <param name="context">How noise is treated.</param>
    /// <param name="stop">Asks to give up.</param>
    /// <returns>In the order of the test.</returns>
    public IReadOnlyList<TranslatedSentence> Translate(int count, NoiseContext context, CancellationToken stop)
    {
        using var _ = no_grad();
        var decoder = new TranslationDecoder(model, context);
        var search = new BeamSearch(settings.Beam, MostWords, SentenceVocabulary.End, settings.LengthPower, KeepGreedy: true);
        var found = new TranslatedSentence[Math.Min(count, test.Count)];
        foreach (var some in Enumerable.Range(0, found.Length).OrderBy(i => test[i].Source.Length).Chunk(Together))
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using var start = model.Start(SentenceBatch.Create([.. some.Select(i => test[i].Source)]), context);
            var best = search.Search(decoder, start, some.Length);
            foreach (var (row, i) in some.Index())
                found[i] = new(test[i].Pair.Source, test[i].Pair.Target, SentenceVocabulary.Decode(target, best[row][0].Tokens));
        }

        return found;
    }

    /// <summary>The attention of a translation of the test to its source.</summary>
    /// <param name="index">Which sentence of the test.</param>
    /// <param name="translation">Its translation; the reference, or what <see cref="Translate"/> found.</param>
    /// <param name="context">How noise is treated.</param>
    public TranslationAlignment Align(int index, string[] translation, NoiseContext context)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var (from, to) = (test[index].Source, SentenceVocabulary.Encode(target, translation));
        var (_, attention) = model.Loss(SentenceBatch.Create([from]), SentenceBatch.Create([to]), context);
        var weights = attention.cpu().contiguous().data<float>().ToArray().Chunk(from.Length).ToArray();
        return new(
            [.. test[index].Pair.Source, PennTreebank.EndOfSentence], [.. translation, PennTreebank.EndOfSentence], weights);
    }

    /// <inheritdoc/>
    public void Dispose() => model.Dispose();

    // A translation is hardly ever twice as long as the longest that was learned.
    private int MostWords => 2 * settings.MaxLength;

    private Tensor Sum(IReadOnlyList<Encoded> batch, NoiseContext context) =>
        model.Loss(SentenceBatch.Create([.. batch.Select(p => p.Source)]), SentenceBatch.Create([.. batch.Select(p => p.Target)]), context).Sum;

    private IReadOnlyList<Encoded> Encode(IReadOnlyList<SentencePair> pairs) =>
        [.. pairs.Select(p => new Encoded(p, SentenceVocabulary.Encode(source, p.Source), SentenceVocabulary.Encode(target, p.Target)))];

    private sealed record Encoded(SentencePair Pair, int[] Source, int[] Target);
}
