using System.Runtime.CompilerServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Noisy.Models;

/// <summary>
/// Lets a module of torch's stay where no other class fits, and its <c>call</c> give what the noisy module computes: one hook puts
/// next to nothing in the place of the input, another the noisy result in the place of the output.
/// </summary>
/// <remarks>
/// The old module runs on one element for each call, which costs some 50 µs for a cell and 100 µs for a layer. Its <c>train()</c> and <c>eval()</c> pass on
/// to the noisy module, whose own <c>training</c> alone tells the mode, and its parameters are those of the noisy module, gap gains included;
/// whatever else is done to it alone does not pass on.
/// <c>forward</c> called directly runs no hook, so <see cref="DirectCalls"/> looks for that first.
/// </remarks>
internal sealed class CallHook
{
    private static readonly ConditionalWeakTable<nn.Module, CallHook> Installed = [];

    private readonly nn.Module old, made;
    private readonly int hooks;
    private readonly Lock gate = new();
    private volatile bool settling; // whether the old module goes to eval for itself alone

    private CallHook(nn.Module old, nn.Module made)
    {
        (this.old, this.made) = (old, made);
        ModuleHooks.Clear(old); // they were the new module's too
        old.eval(); // draws no dropout for nothing
        switch (old, made)
        {
            case (LSTM lstm, NoisyLstm to):
                var states = New(lstm, States(lstm), 1, Columns("weight_hh_l0"));
                Install(lstm, to, New(lstm, 1, 1, Columns("weight_ih_l0")), (states, states));
                break;
            case (GRU gru, NoisyGru to):
                Install(gru, to, New(gru, 1, 1, Columns("weight_ih_l0")), New(gru, States(gru), 1, Columns("weight_hh_l0")));
                break;
            case (LSTMCell cell, NoisyLstmCell to):
                var state = New(cell, 1, Columns("weight_hh"));
                Install(cell, to, New(cell, 1, Columns("weight_ih")), (state, state));
                break;
            case (GRUCell cell, NoisyGruCell to):
                Install(cell, to, New(cell, 1, Columns("weight_ih")), New(cell, 1, Columns("weight_hh")));
                break;
            case (Embedding embedding, EmbeddingRows to):
                Install(embedding, to, zeros(1, dtype: ScalarType.Int64, device: embedding.weight!.device).DetachFromDisposeScope());
                break;
            default:
                Install((nn.Module<Tensor, Tensor>)old, (nn.Module<Tensor, Tensor>)made, New(null, 1));
                break;
        }

        // The very table: when the model is moved or converted, torch disposes the parameters and puts new ones there.
        RegisteredParameters.Share(made, old);
        old.register_module("noisy", new ModePass(on =>
        {
            if (!settling) made.train(on);
        }));
        hooks = ModuleHooks.Count(old);
        Installed.Add(old, this);

        long Columns(string weight) => old.get_parameter(weight)!.shape[1];
    }

    /// <summary>Has the calls of a module answered by another.</summary>
    /// <param name="old">The module of torch's; without hooks.</param>
    /// <param name="made">Its counterpart.</param>
    public static CallHook Install(nn.Module old, nn.Module made) => new(old, made);

    /// <summary>Whether another answers the calls of a module.</summary>
    public static bool Has(nn.Module module) => Installed.TryGetValue(module, out _);

    private void Install(nn.Module<Tensor, Tensor> from, nn.Module<Tensor, Tensor> to, Tensor nothing)
    {
        var pending = new ThreadLocal<Tensor?>();
        from.register_forward_pre_hook((_, input) =>
        {
            Begin();
            pending.Value = input;
            return nothing;
        });
        from.register_forward_hook((_, _, output) =>
        {
            if (!ReferenceEquals(output, nothing)) output.Dispose();
            return to.call(Take(pending)!);
        });
    }

    private void Install<T, TResult>(nn.Module<Tensor, T, TResult> from, nn.Module<Tensor, T, TResult> to, Tensor input, T state)
        where TResult : notnull
    {
        var pending = new ThreadLocal<(Tensor, T)>();
        from.register_forward_pre_hook((_, x, s) =>
        {
            Begin();
            pending.Value = (x, s);
            return (input, state);
        });
        from.register_forward_hook((_, _, _, output) =>
        {
            Dispose(output);
            var (x, s) = Take(pending);
            return to.call(x, s);
        });
    }

    private void Begin()
    {
        if (ModuleHooks.Count(old) != hooks)
        {
            throw new InvalidOperationException(
                $"a hook was registered on a {old.GetType().Name} that is noisy by a hook itself, and would not see its input: "
                + $"register it on the {made.GetType().Name}, property Now of its entry in the report");
        }

        if (!old.training) return;
        lock (gate)
        {
            settling = true;
            try
            {
                old.eval(); // draws no dropout for nothing
            }
            finally
            {
                settling = false;
            }
        }
    }

    /// <summary>A part of the old module, to which torch passes its train() and eval() on. Of the only kind that torch takes as a part of any module;
    /// and it holds no module that torch could find.</summary>
    private sealed class ModePass(Action<bool> pass) : ParameterLessModule<Tensor, Tensor>(nameof(ModePass))
    {
        public override Tensor forward(Tensor input) => throw new NotSupportedException("this part computes nothing");

        public override void train(bool train = true)
        {
            base.train(train);
            pass(train);
        }
    }

    private static T? Take<T>(ThreadLocal<T> pending)
    {
        var value = pending.Value;
        pending.Value = default!;
        return value;
    }

    private static void Dispose(object output)
    {
        if (output is Tensor tensor) tensor.Dispose();
        else if (output is ITuple tuple)
            for (var i = 0; i < tuple.Length; i++) Dispose(tuple[i]!);
    }

    /// <summary>Layers times directions.</summary>
    private static long States(nn.Module module) =>
        module.named_parameters().Count(n => n.name.StartsWith("weight_hh_l", StringComparison.Ordinal));

    /// <summary>Zeros of the type and on the device of a module's weights.</summary>
    private static Tensor New(nn.Module? like, params long[] size)
    {
        var weight = like?.parameters().First();
        return zeros(size, dtype: weight?.dtype ?? ScalarType.Float32, device: weight?.device ?? CPU).DetachFromDisposeScope();
    }
}
