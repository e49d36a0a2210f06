using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Noisy.Core;

/// <summary>Predicts token after token of one or several texts side by side.</summary>
/// <remarks>
/// Holds the states of B columns and all buffers, so that a call allocates nothing on one thread. Without drawn noise a column has the bits of the text alone,
/// at every number of columns and threads; drawn noise goes by column, as in a batch in training. For one caller at a time; a model may have
/// many sessions at once, of which those with several threads take turns, token by token.
/// </remarks>
/// <example>
/// <code>
/// using var session = model.CreateSession();
/// for (var i = 0; i &lt; 50; i++)
/// {
///     session.Next(token);
///     token = session.Sample(key.At(0, i), temperature: 0.8);
/// }
/// </code></example>
public sealed unsafe class LanguageModelSession : IDisposable
{
    // Threads take parts of the output layer as they come to them: one may have come late, or be slow. A part is worth coming for.
    private const int PartsOfThread = 4, LeastPart = 8;

    private readonly LanguageModel model;
    private readonly RecurrentPass pass;
    private readonly float[] logits; // pinned; the garbage collector's, so that a span of it is safe whatever becomes of the session
    private readonly Action<TeamMember> work;
    private readonly TaskQueue parts; // of the output layer
    private readonly bool[] predicted; // of each column, since its state was set
    private bool disposed;

    internal LanguageModelSession(LanguageModel model, int batch, int threads, NoiseContext noise)
    {
        (this.model, Batch, Threads) = (model, batch, threads);
        pass = model.Layers.Start(batch, 1, noise);
        logits = GC.AllocateArray<float>(checked(batch * model.Decoder.Padded), pinned: true);
        predicted = new bool[batch];
        work = Work;
        parts = new TaskQueue(threads == 1 ? 1 : Math.Clamp(model.Decoder.Panels / LeastPart, 1, PartsOfThread * threads));
    }

    /// <summary>Texts side by side B.</summary>
    public int Batch { get; }

    /// <summary>Threads.</summary>
    public int Threads { get; }

    /// <summary>A copy of the states of all columns; set, it is copied in.</summary>
    /// <exception cref="ArgumentException">The state is of another model or of another number of columns.</exception>
    public RecurrentState State
    {
        get
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            return pass.Save(0, Batch);
        }

        set
        {
            ArgumentNullException.ThrowIfNull(value);
            ObjectDisposedException.ThrowIf(disposed, this);
            model.Layers.Check(value);
            if (value.Batch != Batch) throw new ArgumentException($"the state has {value.Batch} columns, and the session {Batch}", nameof(value));
            pass.Load(value);
            Array.Clear(predicted);
        }
    }

    /// <summary>Sets the state of a column to zeros, for another text.</summary>
    /// <param name="column">Its number, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such column.</exception>
    public void Reset(int column)
    {
        Check(column);
        pass.Clear(column);
        predicted[column] = false;
    }

    /// <summary>Reads the next token of a text and predicts the one after it; for a session of one text.</summary>
    /// <param name="token">Id of the token.</param>
    /// <returns>Logits [V], valid until the next call.</returns>
    /// <exception cref="ArgumentException">The model does not have the token.</exception>
    /// <exception cref="InvalidOperationException">The session has several columns.</exception>
    public ReadOnlySpan<float> Next(int token)
    {
        if (Batch != 1) throw new InvalidOperationException($"the session has {Batch} columns: give it a token for each");
        Next([token]);
        return Logits(0);
    }

    /// <summary>Reads the next token of each column and predicts the ones after them: <see cref="Logits"/>.</summary>
    /// <param name="tokens">Ids [B].</param>
    /// <exception cref="ArgumentException">There are more or fewer than columns, or the model does not have one; no state has changed.</exception>
    public void Next(ReadOnlySpan<int> tokens)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (tokens.Length != Batch) throw new ArgumentException($"there are {tokens.Length} tokens for {Batch} columns", nameof(tokens));
        foreach (var token in tokens) model.Check(token);
        for (var b = 0; b < Batch; b++) model.Embed(tokens[b], pass.Input + ((nint)b * model.Layers.InputSize));
        parts.Restart();
        ThreadTeam.Shared.Run(Threads, work);
        pass.Advance(1);
        Array.Fill(predicted, true);
    }

    /// <summary>What a column's text is expected to go on with.</summary>
    /// <param name="column">Number of the column, from 0.</param>
    /// <returns>Logits [V], valid until the next call.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such column.</exception>
    /// <exception cref="InvalidOperationException">The column has read no token since it began, was reset or got a state.</exception>
    public ReadOnlySpan<float> Logits(int column)
    {
        Check(column);
        if (!predicted[column]) throw new InvalidOperationException("no token has been read yet: call Next first");
        return logits.AsSpan(column * model.Decoder.Padded, model.Vocabulary);
    }

    /// <summary>Draws the next token of a column.</summary>
    /// <param name="stream">Where chance comes from: take another time step for each token.</param>
    /// <param name="temperature">1 for the model's own probabilities; less prefers the probable; 0 takes the most probable token.</param>
    /// <param name="column">Number of the column, from 0.</param>
    /// <returns>Id of the token; <see cref="Prediction.Sample"/> draws the same.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such column, or the temperature is negative or not finite.</exception>
    /// <exception cref="InvalidOperationException">The column has read no token since it began, was reset or got a state.</exception>
    public int Sample(NoiseStream stream, double temperature = 1, int column = 0) => TokenDraw.Sample(Logits(column), stream, temperature);

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        pass.Dispose();
    }

    private void Work(TeamMember member)
    {
        pass.Run(member, 1);
        var start = (float*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(logits));
        var panels = model.Decoder.Panels;
        while (parts.Take(out var part))
            model.Logits(pass.Top, pass.RowTop, Batch, start, model.Decoder.Padded, panels * part / parts.Count, panels * (part + 1) / parts.Count);
    }

    private void Check(int column)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if ((uint)column >= (uint)Batch) throw new ArgumentOutOfRangeException(nameof(column), column, $"there are the columns 0 to {Batch - 1}");
    }
}
