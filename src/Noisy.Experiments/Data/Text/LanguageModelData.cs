using Noisy.Core;
using Noisy.Models;

namespace Noisy.Experiments;

/// <summary>A text cut into training, validation and test streams of token ids.</summary>
/// <param name="Identity">Which text this is.</param>
/// <param name="Vocabulary">Tokens and their ids; every id of the three streams is one of its.</param>
/// <param name="Train">Ids of the training stream, in order.</param>
/// <param name="Valid">Ids of the validation stream, in order.</param>
/// <param name="Test">Ids of the test stream, in order.</param>
/// <param name="Floor">The best attainable score, where it is known; null for real text.</param>
/// <param name="Unit">What a token is.</param>
/// <param name="Notes">How the text was cut, a sentence each, for the user; null if that is known of it.</param>
public sealed record LanguageModelData(
    DataIdentity Identity,
    Vocabulary Vocabulary,
    int[] Train,
    int[] Valid,
    int[] Test,
    SourceEntropy? Floor,
    TextUnit Unit = TextUnit.Word,
    IReadOnlyList<string>? Notes = null)
{
    /// <summary>From text to tokens and back, as a trained model takes it along.</summary>
    public TextCodec Codec
    {
        get
        {
            var end = Unit == TextUnit.Character ? CharacterText.LineFeed : PennTreebank.EndOfSentence;
            return new(Vocabulary.Tokens, Vocabulary.Unknown, Vocabulary.Contains(end) ? end : null, Unit);
        }
    }
}
