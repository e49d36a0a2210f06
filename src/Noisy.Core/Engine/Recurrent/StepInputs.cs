namespace Noisy.Core;

/// <summary>What a single time step takes.</summary>
internal unsafe struct StepInputs
{
    /// <summary>Products with the input and with the last output, biases added: [B, G H] each, in torch's gate order.</summary>
    internal float* FromInput, FromState;

    /// <summary>[sites, H]; read if the cell reads p.</summary>
    internal float* Gains;

    /// <summary>The state that the gates read beside the products, [B, H]: an LSTM's c, a GRU's h.</summary>
    internal float* Carried;
}
