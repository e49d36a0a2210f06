using Noisy.Core;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Theirs = TorchSharp.Modules;

namespace Noisy.Models;

/// <summary>torch's optimisers with a step of ours.</summary>
/// <remarks>Everything else is inherited: groups, state, files. Their names are torch's, since a file of an optimiser's state begins with the
/// name of its class.</remarks>
internal static class FusedMethods
{
    internal sealed class SGD(
        IEnumerable<Theirs.SGD.ParamGroup> groups, double lr, double momentum, double dampening, double weight_decay, bool nesterov, bool maximize)
        : Theirs.SGD(groups, lr, momentum, dampening, weight_decay, nesterov, maximize)
    {
        public override Tensor? step(Func<Tensor>? closure = null) =>
            FusedUpdate.Make<Options, State>(_parameter_groups, _state, closure, Method, Values, Count, () => base.step());

        public override void zero_grad() => FusedUpdate.ZeroGrad(parameters());

        public override void add_param_group(Theirs.ParamGroup param_group)
        {
            base.add_param_group(param_group);
            FusedUpdate.Prepare(param_group);
        }

        private static OptimizerSpec? Method(Options o) =>
            o.dampening != 0 || o.nesterov == true || o.maximize == true ? null
                : new OptimizerSpec(OptimizerKind.Sgd, Momentum: o.momentum!.Value, WeightDecay: o.weight_decay!.Value);

        // torch's velocity begins as the first gradient: from zeros it becomes that.
        private static Running Values(State state, Parameter parameter, OptimizerSpec spec) =>
            new(spec.Momentum == 0 ? null : state.momentum_buffer ??= zeros_like(parameter).DetachFromDisposeScope(), null, 1);

        private static void Count(State state)
        {
        }
    }

    internal sealed class Adam(
        IEnumerable<Theirs.Adam.ParamGroup> groups, double lr, double beta1, double beta2, double eps, double weight_decay, bool amsgrad, bool maximize)
        : Theirs.Adam(groups, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize)
    {
        public override Tensor? step(Func<Tensor>? closure = null) =>
            FusedUpdate.Make<Options, State>(_parameter_groups, _state, closure, Method, Values, Count, () => base.step());

        public override void zero_grad() => FusedUpdate.ZeroGrad(parameters());

        public override void add_param_group(Theirs.ParamGroup param_group)
        {
            base.add_param_group(param_group);
            FusedUpdate.Prepare(param_group);
        }

        private static OptimizerSpec? Method(Options o) =>
            o.amsgrad == true || o.maximize == true ? null
                : new OptimizerSpec(
                    OptimizerKind.Adam, Beta1: o.beta1!.Value, Beta2: o.beta2!.Value, Epsilon: o.eps!.Value, WeightDecay: o.weight_decay!.Value);

        private static Running Values(State state, Parameter parameter, OptimizerSpec spec) => new(state.exp_avg, state.exp_avg_sq, state.step + 1);

        private static void Count(State state) => state.step++;
    }

    internal sealed class RMSProp(
        IEnumerable<Theirs.RMSProp.ParamGroup> groups, double lr, double alpha, double eps, double weight_decay, double momentum, bool centered, bool maximize)
        : Theirs.RMSProp(groups, lr, alpha, eps, weight_decay, momentum, centered, maximize)
    {
        public override Tensor? step(Func<Tensor>? closure = null) =>
            FusedUpdate.Make<Options, State>(_parameter_groups, _state, closure, Method, Values, Count, () => base.step());

        public override void zero_grad() => FusedUpdate.ZeroGrad(parameters());

        public override void add_param_group(Theirs.ParamGroup param_group)
        {
            base.add_param_group(param_group);
            FusedUpdate.Prepare(param_group);
        }

        private static OptimizerSpec? Method(Options o) =>
            o.momentum != 0 || o.centered == true || o.maximize == true ? null
                : new OptimizerSpec(OptimizerKind.RmsProp, Decay: o.alpha!.Value, Epsilon: o.eps!.Value, WeightDecay: o.weight_decay!.Value);

        private static Running Values(State state, Parameter parameter, OptimizerSpec spec) => new(state.square_avg, null, 1);

        private static void Count(State state) => state.step++;
    }

    internal sealed class Adadelta(IEnumerable<Theirs.Adadelta.ParamGroup> groups, double lr, double rho, double eps, double weight_decay, bool maximize)
        : Theirs.Adadelta(groups, lr, rho, eps, weight_decay, maximize)
    {
        public override Tensor? step(Func<Tensor>? closure = null) =>
            FusedUpdate.Make<Options, State>(_parameter_groups, _state, closure, Method, Values, Count, () => base.step());

        public override void zero_grad() => FusedUpdate.ZeroGrad(parameters());

        public override void add_param_group(Theirs.ParamGroup param_group)
        {
            base.add_param_group(param_group);
            FusedUpdate.Prepare(param_group);
        }

        private static OptimizerSpec? Method(Options o) =>
            o.maximize == true ? null
                : new OptimizerSpec(OptimizerKind.Adadelta, Decay: o.rho!.Value, Epsilon: o.eps!.Value, WeightDecay: o.weight_decay!.Value);

        private static Running Values(State state, Parameter parameter, OptimizerSpec spec) => new(state.square_avg, state.acc_delta, 1);

        private static void Count(State state)
        {
        }
    }
}
