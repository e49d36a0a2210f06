using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>What torch's recurrent classes offer beyond their general type, for fields of that type: a model whose
/// field is declared as <c>nn.Module&lt;Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)&gt;</c> instead of <c>LSTM</c> needs no other change.</summary>
public static class RecurrentCalls
{
    /// <summary>Runs an LSTM from zeros.</summary>
    /// <param name="lstm">The module: torch's or a noisy one.</param>
    /// <param name="input">[T, B, I], or [B, T, I] if batch first.</param>
    /// <returns>Output, final hidden and cell state; owned by the caller.</returns>
    public static (Tensor Output, Tensor Hidden, Tensor Cell) call(
        this nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> lstm, Tensor input) => lstm.call(input, null);

    /// <summary>Runs an LSTM from zeros, past its hooks.</summary>
    /// <inheritdoc cref="call(nn.Module{Tensor, ValueTuple{Tensor, Tensor}?, ValueTuple{Tensor, Tensor, Tensor}}, Tensor)"/>
    public static (Tensor Output, Tensor Hidden, Tensor Cell) forward(
        this nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> lstm, Tensor input) => lstm.forward(input, null);

    /// <summary>Runs a GRU from zeros.</summary>
    /// <param name="gru">The module: torch's or a noisy one.</param>
    /// <param name="input">[T, B, I], or [B, T, I] if batch first.</param>
    /// <returns>Output and final hidden state; owned by the caller.</returns>
    public static (Tensor Output, Tensor Hidden) call(this nn.Module<Tensor, Tensor, (Tensor, Tensor)> gru, Tensor input) =>
        gru.call(input, null!);

    /// <summary>Runs a GRU from zeros, past its hooks.</summary>
    /// <inheritdoc cref="call(nn.Module{Tensor, Tensor, ValueTuple{Tensor, Tensor}}, Tensor)"/>
    public static (Tensor Output, Tensor Hidden) forward(this nn.Module<Tensor, Tensor, (Tensor, Tensor)> gru, Tensor input) =>
        gru.forward(input, null!);

    /// <summary>Runs an LSTM over examples of different lengths.</summary>
    /// <param name="lstm">The module: torch's or a noisy one.</param>
    /// <param name="input">Examples packed by <c>nn.utils.rnn</c>.</param>
    /// <param name="state">Initial hidden and cell state; null starts from zeros.</param>
    /// <returns>Output, packed as the input is; final hidden and cell state; owned by the caller.</returns>
    /// <exception cref="NotSupportedException">The module is neither.</exception>
    public static (nn.utils.rnn.PackedSequence Output, Tensor Hidden, Tensor Cell) call(
        this nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> lstm, nn.utils.rnn.PackedSequence input, (Tensor, Tensor)? state = null) =>
        lstm switch
        {
            LSTM theirs => theirs.call(input, state),
            NoisyLstm ours => ours.call(input, state),
            _ => throw new NotSupportedException($"{lstm.GetType().Name} takes no packed sequence: LSTM and NoisyLstm do"),
        };

    /// <summary>Runs a GRU over examples of different lengths.</summary>
    /// <param name="gru">The module: torch's or a noisy one.</param>
    /// <param name="input">Examples packed by <c>nn.utils.rnn</c>.</param>
    /// <param name="state">Initial hidden state; null starts from zeros.</param>
    /// <returns>Output, packed as the input is, and final hidden state; owned by the caller.</returns>
    /// <exception cref="NotSupportedException">The module is neither.</exception>
    public static (nn.utils.rnn.PackedSequence Output, Tensor Hidden) call(
        this nn.Module<Tensor, Tensor, (Tensor, Tensor)> gru, nn.utils.rnn.PackedSequence input, Tensor? state = null) =>
        gru switch
        {
            GRU theirs => theirs.call(input, state!),
            NoisyGru ours => ours.call(input, state),
            _ => throw new NotSupportedException($"{gru.GetType().Name} takes no packed sequence: GRU and NoisyGru do"),
        };

    /// <summary>Takes a step of a GRU cell from zeros.</summary>
    /// <param name="cell">The module: torch's or a noisy one.</param>
    /// <param name="input">[B, I].</param>
    /// <returns>Hidden state [B, H]; owned by the caller.</returns>
    /// <exception cref="NotSupportedException">The module is another of torch's with two inputs, a loss for example.</exception>
    public static Tensor call(this nn.Module<Tensor, Tensor, Tensor> cell, Tensor input) => Cell(cell).call(input, null!);

    /// <summary>Takes a step of a GRU cell from zeros, past its hooks.</summary>
    /// <inheritdoc cref="call(nn.Module{Tensor, Tensor, Tensor}, Tensor)"/>
    public static Tensor forward(this nn.Module<Tensor, Tensor, Tensor> cell, Tensor input) => Cell(cell).forward(input, null!);

    // Losses have the type of a cell, and null is no target.
    private static nn.Module<Tensor, Tensor, Tensor> Cell(nn.Module<Tensor, Tensor, Tensor> module) =>
        module is GRUCell or RNNCell or NoisyGruCell
        || (module is not TorchSharp.Loss<Tensor, Tensor, Tensor> && module.GetType().Assembly != typeof(GRUCell).Assembly)
            ? module
            : throw new NotSupportedException($"{module.GetType().Name} takes two tensors: only a cell begins from zeros without the second one");

    /// <summary>Puts the weights of an LSTM of torch's in one piece of memory; does nothing to a noisy one, whose engine packs them
    /// itself.</summary>
    /// <param name="lstm">The module.</param>
    public static void flatten_parameters(this nn.Module<Tensor, (Tensor, Tensor)?, (Tensor, Tensor, Tensor)> lstm) =>
        (lstm as LSTM)?.flatten_parameters();

    /// <summary>Puts the weights of a GRU of torch's in one piece of memory; does nothing to a noisy one, whose engine packs them
    /// itself.</summary>
    /// <param name="gru">The module.</param>
    public static void flatten_parameters(this nn.Module<Tensor, Tensor, (Tensor, Tensor)> gru) => (gru as GRU)?.flatten_parameters();
}
