using System.Runtime.InteropServices;
using Noisy.Core;
using Noisy.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Noisy.Experiments;

/// <summary>Captions of pictures, by a model that attends to places.</summary>
/// <remarks>
/// <para>The objective is the negative log-likelihood summed over a caption's words, averaged over the batch; for soft attention
/// with <see cref="CaptionSettings.AlphaC"/> also that times the mean over places of the sum over the batch of (1 − Σ attention over
/// time)². Validation is judged by the likelihood alone. The test has BLEU-1 to 4 and METEOR (exact + stem) of a beam search's best
/// captions against all references besides.</para>
/// <para>Hard attention learns from the likelihood in the steps that take the weighted mean, and by REINFORCE in those that take a
/// drawn place: for each caption (nats − baseline)/10 · Σ drawn · log attention, and the attention's negative entropy times 0.002,
/// averaged over the batch. The baseline is a moving average, 0.9, of the mean nats of a word, times the caption's words: a batch
/// has captions of one length, and without that a long one would speak against all that it drew. Source: paper, Section 6.5;
/// docs/paper.md, reference systems.</para>
/// </remarks>
public sealed class CaptionTask : ITrainingTask
{
    private const double BaselineDecay = 0.9, RewardScale = 0.1, EntropyWeight = 0.002;

    // Pictures that are evaluated side by side; no result depends on it but by roundings.
    private const int Chunk = 64, Together = 16;

    private readonly CaptionSettings settings;
    private readonly CaptionData data;
    private readonly Device device;
    private readonly Func<IReadOnlyList<int>, IReadOnlyList<Picture?>>? pictures;
    private readonly CaptionModel model;
    private readonly Vocabulary vocabulary;
    private readonly NoiseKey orders;
    private readonly IReadOnlyList<(int Image, int[] Words)> train, valid, test;
    private readonly int[] lengths;
    private readonly Tensor baseline;
    private (int Epoch, int[][] Batches)? current;

    /// <summary>Builds the vocabulary and the model.</summary>
    /// <param name="config">A valid config.</param>
    /// <param name="data">Pictures with captions.</param>
    /// <param name="device">Where the model lives.</param>
    /// <param name="pictures">Gives pictures of the test by their numbers, null for one that there is none of; null if there are no
    /// pictures to be seen.</param>
    /// <exception cref="UsageException">No training caption is short enough.</exception>
    public CaptionTask(RunConfig config, CaptionData data, Device device, Func<IReadOnlyList<int>, IReadOnlyList<Picture?>>? pictures = null)
    {
        (settings, this.data, this.device, this.pictures) = (config.SettingsAs<CaptionSettings>(), data, device, pictures);
        var images = settings.TrainImages > 0 ? settings.TrainImages : int.MaxValue;
        var kept = data.Train.Captions
            .Where(c => c.Image < images && data.Train.Images[c.Image].Captions[c.Caption].Length < settings.MaxLength).ToArray();
        if (kept.Length == 0) throw new UsageException($"no training caption has fewer than {settings.MaxLength} words: raise maxLength");
        vocabulary = SentenceVocabulary.FromSentences(kept.Select(c => data.Train.Images[c.Image].Captions[c.Caption]), settings.Vocabulary);
        train = Encode(data.Train, kept);
        valid = Encode(data.Valid, data.Valid.Captions);
        test = Encode(data.Test, data.Test.Captions);
        lengths = [.. train.Select(c => c.Words.Length)];
        orders = NoiseKey.FromSeed(config.Seed).Child("captions");
        var channels = data.Train.Features.Channels;
        var scheme = settings.Init ?? (config.Activation.Tanh.UseSoft ? InitialScheme.Reference : InitialScheme.ScaledOrthogonal);
        var sizes = new CaptionShape(
            vocabulary.Count, channels, settings.Embedding, settings.Hidden, settings.Attention ?? channels, settings.Selector, settings.WordToOutput,
            settings.ContextToOutput, settings.Dropout);
        model = new CaptionModel(sizes, config.Activations(), scheme, new NoiseClock(config.Seed));
        model.to(device);
        baseline = zeros([1]).DetachFromDisposeScope();
        UpdatesPerEpoch = Batches(1).Length;
    }

    /// <inheritdoc/>
    public nn.Module Model => model;

    /// <inheritdoc/>
    public string Backend => model.LastBackend;

    /// <inheritdoc/>
    public DataIdentity Data => data.Identity;

    /// <inheritdoc/>
    public long UpdatesPerEpoch { get; }

    /// <inheritdoc/>
    public string ItemName => "caption";

    /// <inheritdoc/>
    public string Metric => "nll";

    /// <summary>Rows and columns of the grid of places.</summary>
    public (int Rows, int Columns) Grid => (data.Test.Features.Height, data.Test.Features.Width);

    /// <inheritdoc/>
    public IReadOnlyList<string> DataNotes => data.Notes;

    /// <summary>The first pictures of the test, to be shown; null where there is none.</summary>
    /// <param name="count">How many.</param>
    public IReadOnlyList<Picture?> Pictures(int count)
    {
        int[] wanted = [.. Enumerable.Range(0, Math.Min(count, data.Test.Images.Count))];
        return pictures?.Invoke(wanted) ?? new Picture?[wanted.Length];
    }

    /// <summary>The baseline of hard attention, nats a word.</summary>
    public IReadOnlyDictionary<string, Tensor> Carried => new Dictionary<string, Tensor> { ["baseline"] = baseline };

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> carried) => baseline.copy_(carried["baseline"]);

    /// <inheritdoc/>
    public BatchLoss Loss(BatchPosition position, NoiseContext context)
    {
        if (current?.Epoch != position.Epoch) current = (position.Epoch, Batches(position.Epoch));
        var batch = current!.Value.Batches[position.Index].Select(i => train[i]).ToArray();
        var hard = settings.AttentionKind == AttentionKind.Hard;
        var loss = Loss(data.Train, batch, context, hard);
        var objective = loss.Sum.Times(1.0 / batch.Length);
        if (settings.AlphaC > 0 && !hard)
            objective = objective.Plus(loss.Attention.sum([0]).Times(-1).Plus(1).Squared().sum([1]).mean().Times(settings.AlphaC));
        if (hard) objective = objective.Plus(Reinforce(loss, batch.Length));
        return new BatchLoss(objective, loss.Sum.detach(), batch.Length);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Metrics(LossSums sums) => new Dictionary<string, double> { ["nll"] = sums.MeanNll };

    /// <summary>Nats a caption, and perplexity of its words; in the test BLEU and METEOR too.</summary>
    /// <inheritdoc/>
    public IReadOnlyDictionary<string, double> Evaluate(Split split, int stage, NoiseContext context, CancellationToken stop)
    {
        using var _ = no_grad();
        var (from, captions) = split switch
        {
            Split.Valid => (data.Valid, valid),
            Split.Test => (data.Test, test),
            _ => throw new ArgumentOutOfRangeException(nameof(split), split, "only validation and test are evaluated"),
        };
        double nats = 0;
        foreach (var some in captions.OrderBy(c => c.Words.Length).Chunk(Chunk))
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            nats += Loss(from, some, context, draw: false).Sum.item<float>();
        }

        var metrics = new Dictionary<string, double>(Metrics(new LossSums(nats, double.NaN, captions.Count)))
        {
            ["perplexity"] = Math.Exp(nats / captions.Sum(c => c.Words.Length)),
        };
        if (split == Split.Test)
        {
            var found = Describe(data.Test.Images.Count, context, stop);
            string[][] words = [.. found.Select(f => f.Found)];
            string[][][] references = [.. found.Select(f => f.Image.Captions.ToArray())];
            var bleu = CorpusBleu.Default.ScoreTokens(words, references);
            for (var n = 1; n < bleu.Values.Count; n++) metrics[$"bleu{n}"] = bleu.Values[n - 1];
            metrics["bleu"] = bleu.Bleu;
            metrics["meteor"] = Meteor.English.Corpus(words, references).Value;
        }

        return metrics;
    }

    /// <summary>Describes the first pictures of the test by beam search.</summary>
    /// <param name="count">How many, ≥ 0.</param>
    /// <param name="context">How noise is treated.</param>
    /// <param name="stop">Asks to give up.</param>
    /// <returns>In the order of the test.</returns>
    public IReadOnlyList<CaptionedByModel> Describe(int count, NoiseContext context, CancellationToken stop)
    {
        var images = data.Test.Images;
        var found = new List<CaptionedByModel>();
        foreach (var some in Enumerable.Range(0, Math.Min(count, images.Count)).Chunk(Together))
        {
            stop.ThrowIfCancellationRequested();
            found.AddRange(some.Zip(Best(data.Test.Features, some, context), (image, words) => new CaptionedByModel(images[image], words)));
        }

        return found;
    }

    /// <summary>Where each word of a caption attends in a picture of the test.</summary>
    /// <param name="image">Index of the picture.</param>
    /// <param name="caption">Its caption's words.</param>
    /// <param name="context">How noise is treated.</param>
    /// <returns>A map for each word, places row by row, each summing to 1.</returns>
    public float[][] Attention(int image, string[] caption, NoiseContext context) => Attention(data.Test.Features, image, caption, context);

    /// <summary>Describes a picture that is not of the data by beam search.</summary>
    /// <param name="features">Features of one picture, of the kind and shape of the data's.</param>
    /// <param name="context">How noise is treated.</param>
    /// <returns>The caption's words, and for each where it attends, places row by row.</returns>
    internal (string[] Words, float[][] Attention) Describe(ImageFeatures features, NoiseContext context)
    {
        var words = Best(features, [0], context)[0];
        return (words, words.Length == 0 ? [] : Attention(features, 0, words, context));
    }

    /// <summary>The best captions that a beam search finds.</summary>
    private string[][] Best(ImageFeatures features, int[] images, NoiseContext context)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var decoder = new CaptionDecoder(model, context);
        var longest = Math.Min(settings.MaxLength, 2 * lengths.Max());
        var search = new BeamSearch(settings.Beam, longest, SentenceVocabulary.End, settings.LengthPower, KeepGreedy: true);
        using var start = model.Start(Annotations(features, images), context);
        return [.. search.Search(decoder, start, images.Length).Select(found => SentenceVocabulary.Decode(vocabulary, found[0].Tokens))];
    }

    private float[][] Attention(ImageFeatures features, int image, string[] caption, NoiseContext context)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        using var start = model.Start(Annotations(features, [image]), context);
        var loss = model.Loss(start, SentenceBatch.Create([SentenceVocabulary.Encode(vocabulary, caption)]), context);
        return [.. loss.Attention.cpu().contiguous().data<float>().ToArray().Chunk(features.Places).Take(caption.Length)];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        baseline.Dispose();
        model.Dispose();
    }

    /// <summary>What the attention learns from, in place of a gradient through what was drawn; moves the baseline.</summary>
    private Tensor Reinforce(CaptionLoss loss, int captions)
    {
        var words = loss.Nats.shape[0]; // of every caption
        var costs = loss.Nats.sum([0]);
        var expected = baseline.item<float>() * words;
        baseline.copy_(baseline.Times(BaselineDecay).PlusTimes(loss.Nats.mean().reshape(1).cpu(), 1 - BaselineDecay));
        var logs = loss.Attention.Between(1e-10, 1).log();
        var reward = (loss.Selected * logs).sum([0, 1]) * costs.Plus(-expected).Times(RewardScale);
        var entropy = (loss.Attention * logs).sum([0, 1]).Times(EntropyWeight);
        return reward.Plus(entropy).sum().Times(1.0 / captions);
    }

    private int[][] Batches(int epoch) => SentenceBatches.OneLength(orders, epoch, lengths, settings.Batch);

    private CaptionLoss Loss(CaptionSplit split, IReadOnlyList<(int Image, int[] Words)> captions, NoiseContext context, bool draw)
    {
        using var scope = NewDisposeScope();
        var state = model.Start(Annotations(split.Features, [.. captions.Select(c => c.Image)]), context);
        var loss = model.Loss(state, SentenceBatch.Create([.. captions.Select(c => c.Words)]), context, draw);
        foreach (var tensor in new[] { loss.Sum, loss.Nats, loss.Attention, loss.Selected }) tensor.MoveToOuterDisposeScope();
        return loss;
    }

    /// <summary>Annotations of pictures, [L, B, D].</summary>
    private Tensor Annotations(ImageFeatures features, int[] images)
    {
        using var scope = NewDisposeScope();
        var one = features.Places * features.Channels;
        var all = empty([images.Length, features.Places, features.Channels]);
        var values = MemoryMarshal.Cast<byte, float>(all.bytes);
        for (var b = 0; b < images.Length; b++) features.Fill(images[b], values.Slice(b * one, one));
        return all.transpose(0, 1).contiguous().to(device).MoveToOuterDisposeScope();
    }

    private (int Image, int[] Words)[] Encode(CaptionSplit split, IEnumerable<(int Image, int Caption)> captions) =>
        [.. captions.Select(c => (c.Image, SentenceVocabulary.Encode(vocabulary, split.Images[c.Image].Captions[c.Caption])))];
}
