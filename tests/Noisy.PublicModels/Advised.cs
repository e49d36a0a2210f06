using Noisy.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.PublicModels;

/// <summary><see cref="SentimentByForward"/> after the edit that its refusal names: the field's type, nothing else.</summary>
public sealed class AdvisedSentiment : nn.Module<Tensor, Tensor>
{
    private readonly Embedding embedding = nn.Embedding(20, 6);
    private readonly nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> lstm = nn.LSTM(6, 8, batchFirst: true);
    private readonly Linear fc = nn.Linear(8, 1);

    public AdvisedSentiment()
        : base(nameof(AdvisedSentiment)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        lstm.flatten_parameters();
        var (output, _, _) = lstm.forward(embedding.forward(input));
        return fc.forward(output.select(1, -1));
    }
}

/// <summary><see cref="StackedByForward"/> after it: the type of the list's elements.</summary>
public sealed class AdvisedStack : nn.Module<Tensor, Tensor>
{
    private readonly ModuleList<nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)>> layers =
        nn.ModuleList<nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)>>(nn.LSTM(6, 8), nn.LSTM(8, 4));

    public AdvisedStack()
        : base(nameof(AdvisedStack)) => RegisterComponents();

    public override Tensor forward(Tensor input) => layers.Aggregate(input, (x, layer) => layer.forward(x).Item1);
}

/// <summary>Every other recurrent module in a field of its general type, with the calls that its own type allows.</summary>
public sealed class AdvisedFields : nn.Module<Tensor, Tensor>
{
    private readonly nn.Module<Tensor, Tensor, (Tensor, Tensor)> gru = nn.GRU(6, 6);
    private readonly nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor)> cell = nn.LSTMCell(6, 6);
    private readonly nn.Module<Tensor, Tensor, Tensor> step = nn.GRUCell(6, 6);
    private readonly nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> lstm = nn.LSTM(6, 6);

    public AdvisedFields()
        : base(nameof(AdvisedFields)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        gru.flatten_parameters();
        var (x, _) = gru.call(gru.forward(input).Output);
        var (h, _) = cell.call(x[0], (zeros(x.shape[1], 6), zeros(x.shape[1], 6)));
        return lstm.call(step.call(step.forward(h)).unsqueeze(0)).Output;
    }
}

/// <summary><see cref="PackedNet"/> after it, with a GRU behind the LSTM: the fields' types.</summary>
public sealed class AdvisedPacked : nn.Module<Tensor, Tensor>
{
    private readonly nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> lstm = nn.LSTM(6, 8);
    private readonly nn.Module<Tensor, Tensor, (Tensor, Tensor)> gru = nn.GRU(8, 4);

    public AdvisedPacked()
        : base(nameof(AdvisedPacked)) => RegisterComponents();

    public override Tensor forward(Tensor input)
    {
        var packed = nn.utils.rnn.pack_padded_sequence(input, tensor(new long[] { 5, 3 }));
        var (output, _, _) = lstm.call(packed);
        return nn.utils.rnn.pad_packed_sequence(gru.call(output).Output).Item1;
    }
}
