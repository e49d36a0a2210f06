using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.PublicModels;

/// <summary>A sentiment classifier: embedding, LSTM, its last output, a probability by a sigmoid in a field.</summary>
public sealed class SentimentNet : nn.Module<Tensor, Tensor>
{
    private readonly Embedding embedding = nn.Embedding(20, 6);
    private readonly LSTM lstm = nn.LSTM(6, 8, numLayers: 2, batchFirst: true, dropout: 0.2);
    private readonly Linear fc = nn.Linear(8, 1);
    private readonly Sigmoid sigmoid = nn.Sigmoid();

    public SentimentNet()
        : base(nameof(SentimentNet)) => RegisterComponents();

    /// <summary>What a caller outside the model may do.</summary>
    public LSTM Lstm => lstm;

    public override Tensor forward(Tensor input)
    {
        using var scope = NewDisposeScope();
        var (output, _, _) = lstm.call(embedding.call(input));
        return sigmoid.call(fc.call(output[.., -1, ..])).squeeze(1).MoveToOuterDisposeScope();
    }
}

/// <summary>The same with forward instead of call, which no hook sees.</summary>
public sealed class SentimentByForward : nn.Module<Tensor, Tensor>
{
    private readonly Embedding embedding = nn.Embedding(20, 6);
    private readonly LSTM lstm = nn.LSTM(6, 8, batchFirst: true);
    private readonly Linear fc = nn.Linear(8, 1);

    public SentimentByForward()
        : base(nameof(SentimentByForward)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        var (output, _, _) = lstm.forward(embedding.forward(input));
        return fc.forward(output.select(1, -1));
    }
}

/// <summary>A character model whose state its caller carries.</summary>
public sealed class CharRnn : nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, (Tensor, Tensor))>
{
    private readonly Embedding encoder = nn.Embedding(20, 6);
    private readonly LSTM rnn = nn.LSTM(6, 8, numLayers: 2);
    private readonly Linear decoder = nn.Linear(8, 20);

    public CharRnn()
        : base(nameof(CharRnn)) => RegisterComponents();

    public override (Tensor, (Tensor, Tensor)) forward(Tensor input, (Tensor, Tensor)? state)
    {
        rnn.flatten_parameters();
        var (output, hidden, cell) = rnn.call(encoder.call(input), state);
        return (decoder.call(output), (hidden, cell));
    }
}

/// <summary>A GRU classifier with its hidden state started by hand.</summary>
public sealed class GruClassifier : nn.Module<Tensor, Tensor>
{
    private readonly GRU gru = nn.GRU(6, 8, batchFirst: true, bidirectional: true);
    private readonly Tanh tanh = nn.Tanh();
    private readonly Linear fc = nn.Linear(16, 3);

    public GruClassifier()
        : base(nameof(GruClassifier)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        var start = zeros(2, input.shape[0], 8);
        var (output, _) = gru.call(input, start);
        return fc.call(tanh.call(output.mean([1])));
    }
}

/// <summary>Encoder and decoder, the decoder step by step.</summary>
public sealed class Seq2Seq : nn.Module<Tensor, Tensor>
{
    private readonly SeqEncoder encoder = new();
    private readonly SeqDecoder decoder = new();

    public Seq2Seq()
        : base(nameof(Seq2Seq)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        var state = encoder.call(input);
        var outputs = new List<Tensor>();
        var x = zeros(input.shape[1], 6);
        for (var t = 0; t < 3; t++)
        {
            (x, state) = decoder.call(x, state);
            outputs.Add(x);
        }

        return stack(outputs);
    }

    private sealed class SeqEncoder : nn.Module<Tensor, (Tensor, Tensor)>
    {
        private readonly LSTM lstm = nn.LSTM(6, 8);

        public SeqEncoder()
            : base(nameof(SeqEncoder)) => RegisterComponents();

        public override (Tensor, Tensor) forward(Tensor input)
        {
            var (_, hidden, cell) = lstm.call(input);
            return (hidden[0], cell[0]);
        }
    }

    private sealed class SeqDecoder : nn.Module<Tensor, (Tensor, Tensor), (Tensor, (Tensor, Tensor))>
    {
        private readonly LSTMCell cell = nn.LSTMCell(6, 8);
        private readonly Linear output = nn.Linear(8, 6);

        public SeqDecoder()
            : base(nameof(SeqDecoder)) => RegisterComponents();

        public override (Tensor, (Tensor, Tensor)) forward(Tensor input, (Tensor, Tensor) state)
        {
            var next = cell.call(input, state);
            return (output.call(next.Item1), next);
        }
    }
}

/// <summary>Layers of LSTMs in a list, one of whose widths differs.</summary>
public sealed class StackedRnn : nn.Module<Tensor, Tensor>
{
    private readonly ModuleList<LSTM> layers = nn.ModuleList(nn.LSTM(6, 8), nn.LSTM(8, 4));
    private readonly GRUCell last = nn.GRUCell(4, 4);

    public StackedRnn()
        : base(nameof(StackedRnn)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        var x = input;
        foreach (var layer in layers) (x, _, _) = layer.call(x);
        var h = zeros(x.shape[1], 4);
        foreach (var step in x.unbind(0)) h = last.call(step, h);
        return h;
    }
}

/// <summary>The same with forward, on elements of the list.</summary>
public sealed class StackedByForward : nn.Module<Tensor, Tensor>
{
    private readonly ModuleList<LSTM> layers = nn.ModuleList(nn.LSTM(6, 8), nn.LSTM(8, 4));

    public StackedByForward()
        : base(nameof(StackedByForward)) => RegisterComponents();

    public override Tensor forward(Tensor input) => layers.Aggregate(input, (x, layer) => layer.forward(x).Item1);
}

/// <summary>A packed sequence into an LSTM.</summary>
public sealed class PackedNet : nn.Module<Tensor, Tensor, Tensor>
{
    private readonly LSTM lstm = nn.LSTM(6, 8);

    public PackedNet()
        : base(nameof(PackedNet)) => RegisterComponents();

    public override Tensor forward(Tensor input, Tensor lengths)
    {
        var packed = nn.utils.rnn.pack_padded_sequence(input, lengths);
        var (output, _, _) = lstm.call(packed);
        return nn.utils.rnn.pad_packed_sequence(output).Item1;
    }
}

/// <summary>A trainer in the model's constructor, as some write it.</summary>
public sealed class OwnOptimiser : nn.Module<Tensor, Tensor>
{
    private readonly LSTM lstm = nn.LSTM(6, 4, batchFirst: true);
    private readonly optim.Optimizer optimiser;

    public OwnOptimiser(bool bias = true)
        : base(nameof(OwnOptimiser))
    {
        if (!bias) lstm = nn.LSTM(6, 4, bias: false, batchFirst: true);
        RegisterComponents();
        optimiser = optim.Adam(parameters());
    }

    public override Tensor forward(Tensor input) => lstm.call(input).Item1;

    public void Train(Tensor input)
    {
        optimiser.zero_grad();
        call(input).square().mean().backward();
        optimiser.step();
    }
}
