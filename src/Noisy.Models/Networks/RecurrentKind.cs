namespace Noisy.Models;

/// <summary>Which cell a recurrent model is made of.</summary>
public enum RecurrentKind
{
    /// <summary>Long short-term memory: a hidden and a cell state.</summary>
    Lstm,

    /// <summary>Gated recurrent unit: a hidden state.</summary>
    Gru,
}
