using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace Noisy.Models;

/// <summary>
/// A Neural Turing Machine: a controller with noisy nonlinearities that reads and writes a memory through attention.
/// </summary>
/// <remarks>
/// <para>In a time step the controller sees the input and the last reads. A linear map of its output tells all heads what to
/// do; they take turns, readers first, each on the memory as it finds it. A linear map of the controller's output and the reads
/// gives the logits. The controller's nonlinearities alone are noisy (decision 22).</para>
/// <para>Parameters: <c>weight_ih</c> [G H, I + R M], <c>bias</c> [G H], of an LSTM also <c>weight_hh</c> [G H, H];
/// <c>head_weight</c> [·, H], <c>head_bias</c>; <c>output_weight</c> [O, H + R M], <c>output_bias</c>; what every sequence
/// starts from: <c>start_memory</c> [N, M], <c>start_attention</c> [R + W, N] (logits), <c>start_read</c> [R, M], of an LSTM
/// also <c>start_hidden</c>, <c>start_cell</c> [H]; <c>p</c> [sites, H] if the activations have gap gains.</para>
/// <para>Source: paper, Section 6.6; Graves, Wayne, Danihelka, "Neural Turing Machines", 2014; docs/paper.md, decision 22.</para>
/// </remarks>
public sealed class NeuralTuringMachine : nn.Module<Tensor, Tensor>, INoisySites
{
    private readonly ModuleNoise noise;
    private readonly RecurrentCell cell;

    /// <summary>Creates the machine; initial weights come from the clock's key.</summary>
    /// <param name="shape">Sizes.</param>
    /// <param name="activations">What replaces the controller's tanh and sigmoid.</param>
    /// <param name="clock">The model's clock; source of key, update and scale.</param>
    /// <exception cref="InvalidSpecException">Shape or activations break a rule.</exception>
    public NeuralTuringMachine(NtmShape shape, ActivationPair activations, NoiseClock clock)
        : base(nameof(NeuralTuringMachine))
    {
        Shape = shape.Validate();
        ArgumentNullException.ThrowIfNull(activations);
        activations.Tanh.Validate();
        activations.Sigmoid.Validate();
        noise = new ModuleNoise(clock);
        cell = shape.Controller == NtmController.Lstm ? new LstmCell(activations) : new DenseCell(activations.Tanh);
        var key = noise.Init;
        foreach (var (name, value) in NtmParameters.Initial(shape, cell, key)) register_parameter(name, Owned(new Parameter(value)));
        if (NtmParameters.Gains(shape, cell, key) is not { } gains) return;
        if (cell.LearnsP) register_parameter("p", Owned(new Parameter(gains)));
        else register_buffer("p", Owned(gains));
    }

    /// <summary>Sizes.</summary>
    public NtmShape Shape { get; }

    /// <summary>Which implementation to run on; default the fused engine where it can.</summary>
    public Backend Backend { get; set; } = FusedEngine.Default;

    /// <summary>Which implementation the last pass ran on: "fused-cpu" or "composed".</summary>
    public string LastBackend { get; private set; } = FusedEngine.ComposedName;

    /// <summary>Runs the machine in the module's mode, every sequence from the start.</summary>
    /// <param name="input">[T, B, I].</param>
    /// <returns>Logits [T, B, O]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public override Tensor forward(Tensor input)
    {
        Check(input);
        return forward(input, noise.Next(training, (int)input.shape[0]));
    }

    /// <summary>Runs the machine as the context says, whatever the module's mode.</summary>
    /// <param name="input">[T, B, I].</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <returns>Logits [T, B, O]; owned by the caller.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public Tensor forward(Tensor input, NoiseContext context)
    {
        Check(input);
        context = noise.Own(context);
        var fused = Fuses(input, context.Mode);
        LastBackend = fused ? FusedEngine.FusedName : FusedEngine.ComposedName;
        using var scope = NewDisposeScope();
        Tensor? Given(string name) => name == "p" ? cell.Gains(Value(name), context) : Value(name);
        Tensor Composed(Tensor x, Func<string, Tensor?> operand) => Compose(x, operand, context, null);
        return (fused ? FusedNtm.Run(Shape, cell, Given, input, context, Composed) : Composed(input, Value)).MoveToOuterDisposeScope();
    }

    /// <summary>Whether a pass can go through the fused engine: not on other devices or types, not for exact means, and not with anything of 2 GiB
    /// or more.</summary>
    internal bool Fuses(Tensor input, NoiseMode mode) =>
        Backend == Backend.Auto && mode != NoiseMode.ExactMean && FusedEngine.Takes(input) && parameters().All(FusedEngine.Takes)
        && FusedEngine.Fits(input.shape[0], input.shape[1], Shape.Outputs);

    /// <summary>Runs the machine, through tensor operations, and keeps what it did in every time step.</summary>
    /// <param name="input">[T, B, I].</param>
    /// <param name="context">Mode, key, update, first time step and scale.</param>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public NtmTrace Trace(Tensor input, NoiseContext context)
    {
        Check(input);
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        List<Tensor> attention = [], memory = [];
        var logits = Compose(input, Value, noise.Own(context), (heads, state) =>
        {
            attention.Add(stack(heads, 1).MoveToOuterDisposeScope());
            memory.Add(state.alias().MoveToOuterDisposeScope());
        });
        return new(logits.MoveToOuterDisposeScope(), stack(attention).MoveToOuterDisposeScope(), stack(memory).MoveToOuterDisposeScope());
    }

    /// <summary>The machine as tensor operations: what the fused engine is tested against.</summary>
    /// <param name="input">[T, B, I].</param>
    /// <param name="operand">What <see cref="Value"/> gives, or stands for it.</param>
    /// <param name="context">The pass as the machine draws in it.</param>
    /// <param name="watch">Told, within the scope of each time step, all attentions [B, N] and the memory [B, N, M].</param>
    /// <returns>Logits [T, B, O]; they and all else are the caller's scope's.</returns>
    private Tensor Compose(Tensor input, Func<string, Tensor?> operand, NoiseContext context, Action<Tensor[], Tensor>? watch)
    {
        Tensor Get(string name) => operand(name)!;
        var (steps, batch) = ((int)input.shape[0], input.shape[1]);
        var sites = new SiteNoise(cell.Sites, operand("p"), [steps, batch, Shape.Hidden], input.device, context, new SiteAddress(noise));
        var inputs = input.unbind(0);
        var recurrent = operand("weight_hh") is { } weight ? new StepLinear(weight, null, Backend.Composed) : null;
        Tensor Start(string name, params long[] size) => Get(name).reshape([1, .. size]).expand([batch, .. size]);
        var memory = Start("start_memory", Shape.MemoryRows, Shape.MemoryWidth);
        var attention = Get("start_attention").unbind(0).Select(row => row.expand(batch, Shape.MemoryRows)).ToArray();
        var reads = Start("start_read", Shape.Reads);
        string[] starts = recurrent is null ? [] : ["start_hidden", "start_cell"];
        Tensor[] state = [.. starts.Take(cell.Layout.States).Select(name => Start(name, Shape.Hidden))];
        var outputs = new Tensor[steps];
        for (var t = 0; t < steps; t++)
        {
            using var inner = NewDisposeScope();
            var step = t;
            var gates = F.linear(cat([inputs[t], reads], 1), Get("weight_ih"), Get("bias"));
            state = cell.Step(gates, h => recurrent!.Apply(h), state, (s, pre) => sites.Apply(s, step, pre));
            var heads = NtmHead.All(F.linear(state[0], Get("head_weight"), Get("head_bias")), Shape);
            var read = new Tensor[Shape.ReadHeads];
            for (var head = 0; head < heads.Length; head++)
            {
                attention[head] = NtmMemory.Attend(memory, attention[head], heads[head]);
                if (head < read.Length) read[head] = NtmMemory.Read(memory, attention[head]);
                else memory = NtmMemory.Write(memory, attention[head], heads[head]);
            }

            reads = cat(read, 1);
            outputs[t] = F.linear(cat([state[0], reads], 1), Get("output_weight"), Get("output_bias"));
            watch?.Invoke(attention, memory);
            foreach (var kept in state.Concat(attention).Append(memory).Append(reads).Append(outputs[t])) kept.MoveToOuterDisposeScope();
        }

        return stack(outputs);
    }

    /// <summary>A parameter or buffer by its name, the attention after its softmax; null if the machine has none such. By name, since
    /// moving the module replaces them.</summary>
    private Tensor? Value(string name)
    {
        var found = get_parameter(name) is { } parameter ? parameter : get_buffer(name);
        return name == "start_attention" ? found!.softmax(1) : found;
    }

    // The module owns what it registers, whatever scope it is built in.
    private static T Owned<T>(T tensor)
        where T : Tensor
    {
        tensor.DetachFromDisposeScope();
        return tensor;
    }

    ModuleNoise INoisySites.Noise => noise;

    string INoisySites.SiteName(SiteAddress site) => cell.SiteNames[site.Site];

    private void Check(Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (input.dim() != 3 || input.shape[2] != Shape.Inputs || input.shape[0] == 0 || input.shape[1] == 0)
            throw new ArgumentException($"input is [{string.Join(", ", input.shape)}]: must be [T, B, {Shape.Inputs}] and not empty", nameof(input));
        Operand.Like(get_parameter("weight_ih")!, input, nameof(input));
    }
}
