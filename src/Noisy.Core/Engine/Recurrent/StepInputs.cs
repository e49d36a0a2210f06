namespace Noisy.Core;

/// <summary>What a single time step takes. Null means zeros.</summary>
internal unsafe struct StepInputs
{
    /// <summary>Product with the input, biases added as its maker likes, [B, G H] in torch's gate order.</summary>
    internal float* FromInput;

    /// <summary>The recurrent weights as <see cref="RecurrentKernel.PackStep"/> has packed them.</summary>
    internal float* PackedHh;

    /// <summary>What is added to the product with the state, [G H].</summary>
    internal float* BiasHh;

    /// <summary>[sites, H]; read if the cell reads p.</summary>
    internal float* Gains;

    /// <summary>States before the step, [B, H] each.</summary>
    internal float* Hidden, Cell;
}
