using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Theirs = TorchSharp.Modules;

namespace Noisy.Models;

/// <summary>Fused optimisers with torch's face: <c>torch.optim.SGD(…)</c> becomes <c>FusedOptim.SGD(…)</c>, and the loop stays.</summary>
/// <remarks>
/// <para>What is made is torch's own class with another <c>step</c>, which is one pass over all parameters, by the formulas of torch:
/// the same numbers but for rounding. Parameter groups, schedulers, <c>state_dict</c> and files of it are torch's, and may be exchanged with
/// its optimisers.</para>
/// <para>A step is torch's own where a parameter is not in single precision on the CPU, where a gradient is sparse, and with the options that
/// say so. Rows of an embedding that a lookup of ours did not touch are left out of a step of plain SGD, and of <see cref="clip_grad_norm_"/>,
/// if their gradient is 0; <c>zero_grad</c> fills with zeros, as in TorchSharp, what differs from zero.</para>
/// </remarks>
public static class FusedOptim
{
    /// <summary>Gradient descent, with momentum if asked.</summary>
    /// <param name="parameters">What is trained: <c>model.parameters()</c>, <c>model.named_parameters()</c>, or groups with options of their own;
    /// what these do not say, the other arguments do.</param>
    /// <param name="learningRate">Learning rate, ≥ 0.</param>
    /// <param name="momentum">Share of the last step that is repeated, ≥ 0.</param>
    /// <param name="dampening">What is left out of the gradient in the velocity; torch's own step if it is not 0.</param>
    /// <param name="weight_decay">λ, ≥ 0.</param>
    /// <param name="nesterov">Nesterov's momentum; torch's own step.</param>
    /// <param name="maximize">Whether to ascend; torch's own step.</param>
    /// <returns>torch's class with a fused step.</returns>
    /// <exception cref="ArgumentException">A value breaks one of torch's rules.</exception>
    public static Theirs.SGD SGD(
        IEnumerable<Parameter> parameters, double learningRate, double momentum = 0.0, double dampening = 0.0, double weight_decay = 0.0,
        bool nesterov = false, bool maximize = false) =>
        SGD([new Theirs.SGD.ParamGroup { Parameters = parameters }], learningRate, momentum, dampening, weight_decay, nesterov, maximize);

    /// <inheritdoc cref="SGD(IEnumerable{Parameter}, double, double, double, double, bool, bool)"/>
    public static Theirs.SGD SGD(
        IEnumerable<(string name, Parameter parameter)> parameters, double learningRate, double momentum = 0.0, double dampening = 0.0,
        double weight_decay = 0.0, bool nesterov = false, bool maximize = false) =>
        SGD(parameters.Select(p => p.parameter), learningRate, momentum, dampening, weight_decay, nesterov, maximize);

    /// <inheritdoc cref="SGD(IEnumerable{Parameter}, double, double, double, double, bool, bool)"/>
    public static Theirs.SGD SGD(
        IEnumerable<Theirs.SGD.ParamGroup> parameters, double learningRate, double momentum = 0.0, double dampening = 0.0,
        double weight_decay = 0.0, bool nesterov = false, bool maximize = false) =>
        new FusedMethods.SGD(parameters, learningRate, momentum, dampening, weight_decay, nesterov, maximize);

    /// <summary>Adam.</summary>
    /// <param name="parameters">What is trained: <c>model.parameters()</c>, <c>model.named_parameters()</c>, or groups with options of their own;
    /// what these do not say, the other arguments do.</param>
    /// <param name="lr">Learning rate, ≥ 0.</param>
    /// <param name="beta1">Decay of the running mean, in [0, 1).</param>
    /// <param name="beta2">Decay of the running mean square, in [0, 1).</param>
    /// <param name="eps">ε, ≥ 0.</param>
    /// <param name="weight_decay">λ, ≥ 0, added to the gradient as λ w.</param>
    /// <param name="amsgrad">The variant AMSGrad; torch's own step.</param>
    /// <param name="maximize">Whether to ascend; torch's own step.</param>
    /// <returns>torch's class with a fused step.</returns>
    /// <exception cref="ArgumentException">A value breaks one of torch's rules.</exception>
    public static Theirs.Adam Adam(
        IEnumerable<Parameter> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1E-08,
        double weight_decay = 0.0, bool amsgrad = false, bool maximize = false) =>
        Adam([new Theirs.Adam.ParamGroup { Parameters = parameters }], lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);

    /// <inheritdoc cref="Adam(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
    public static Theirs.Adam Adam(
        IEnumerable<(string name, Parameter parameter)> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999,
        double eps = 1E-08, double weight_decay = 0.0, bool amsgrad = false, bool maximize = false) =>
        Adam(parameters.Select(p => p.parameter), lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);

    /// <inheritdoc cref="Adam(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
    public static Theirs.Adam Adam(
        IEnumerable<Theirs.Adam.ParamGroup> parameters, double lr = 0.001, double beta1 = 0.9, double beta2 = 0.999, double eps = 1E-08,
        double weight_decay = 0.0, bool amsgrad = false, bool maximize = false) =>
        new FusedMethods.Adam(parameters, lr, beta1, beta2, eps, weight_decay, amsgrad, maximize);

    /// <summary>RMSProp.</summary>
    /// <param name="parameters">What is trained: <c>model.parameters()</c>, <c>model.named_parameters()</c>, or groups with options of their own;
    /// what these do not say, the other arguments do.</param>
    /// <param name="lr">Learning rate, ≥ 0.</param>
    /// <param name="alpha">Decay of the running mean square, ≥ 0.</param>
    /// <param name="eps">ε, ≥ 0.</param>
    /// <param name="weight_decay">λ, ≥ 0.</param>
    /// <param name="momentum">Momentum; torch's own step if it is not 0.</param>
    /// <param name="centered">The centred form; torch's own step.</param>
    /// <param name="maximize">Whether to ascend; torch's own step.</param>
    /// <returns>torch's class with a fused step.</returns>
    /// <exception cref="ArgumentException">A value breaks one of torch's rules.</exception>
    public static Theirs.RMSProp RMSProp(
        IEnumerable<Parameter> parameters, double lr = 0.01, double alpha = 0.99, double eps = 1E-08, double weight_decay = 0.0,
        double momentum = 0.0, bool centered = false, bool maximize = false) =>
        RMSProp([new Theirs.RMSProp.ParamGroup { Parameters = parameters }], lr, alpha, eps, weight_decay, momentum, centered, maximize);

    /// <inheritdoc cref="RMSProp(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
    public static Theirs.RMSProp RMSProp(
        IEnumerable<(string name, Parameter parameter)> parameters, double lr = 0.01, double alpha = 0.99, double eps = 1E-08,
        double weight_decay = 0.0, double momentum = 0.0, bool centered = false, bool maximize = false) =>
        RMSProp(parameters.Select(p => p.parameter), lr, alpha, eps, weight_decay, momentum, centered, maximize);

    /// <inheritdoc cref="RMSProp(IEnumerable{Parameter}, double, double, double, double, double, bool, bool)"/>
    public static Theirs.RMSProp RMSProp(
        IEnumerable<Theirs.RMSProp.ParamGroup> parameters, double lr = 0.01, double alpha = 0.99, double eps = 1E-08, double weight_decay = 0.0,
        double momentum = 0.0, bool centered = false, bool maximize = false) =>
        new FusedMethods.RMSProp(parameters, lr, alpha, eps, weight_decay, momentum, centered, maximize);

    /// <summary>Adadelta.</summary>
    /// <param name="parameters">What is trained: <c>model.parameters()</c>, <c>model.named_parameters()</c>, or groups with options of their own;
    /// what these do not say, the other arguments do.</param>
    /// <param name="lr">Factor of the steps, ≥ 0.</param>
    /// <param name="rho">Decay of the running means, in [0, 1].</param>
    /// <param name="eps">ε, ≥ 0.</param>
    /// <param name="weight_decay">λ, ≥ 0.</param>
    /// <param name="maximize">Whether to ascend; torch's own step.</param>
    /// <returns>torch's class with a fused step.</returns>
    /// <exception cref="ArgumentException">A value breaks one of torch's rules.</exception>
    public static Theirs.Adadelta Adadelta(
        IEnumerable<Parameter> parameters, double lr = 1.0, double rho = 0.9, double eps = 1E-06, double weight_decay = 0.0, bool maximize = false) =>
        Adadelta([new Theirs.Adadelta.ParamGroup { Parameters = parameters }], lr, rho, eps, weight_decay, maximize);

    /// <inheritdoc cref="Adadelta(IEnumerable{Parameter}, double, double, double, double, bool)"/>
    public static Theirs.Adadelta Adadelta(
        IEnumerable<(string name, Parameter parameter)> parameters, double lr = 1.0, double rho = 0.9, double eps = 1E-06,
        double weight_decay = 0.0, bool maximize = false) =>
        Adadelta(parameters.Select(p => p.parameter), lr, rho, eps, weight_decay, maximize);

    /// <inheritdoc cref="Adadelta(IEnumerable{Parameter}, double, double, double, double, bool)"/>
    public static Theirs.Adadelta Adadelta(
        IEnumerable<Theirs.Adadelta.ParamGroup> parameters, double lr = 1.0, double rho = 0.9, double eps = 1E-06, double weight_decay = 0.0,
        bool maximize = false) =>
        new FusedMethods.Adadelta(parameters, lr, rho, eps, weight_decay, maximize);

    /// <summary>Scales all gradients so that their common norm is at most so large, as <c>torch.nn.utils.clip_grad_norm_</c> does, which it calls
    /// for other norms than the Euclidean one and for what is not in single precision on the CPU.</summary>
    /// <param name="tensors">The parameters; those without a gradient do not count.</param>
    /// <param name="max_norm">The largest norm, &gt; 0.</param>
    /// <param name="norm_type">Which norm; 2 is the Euclidean one.</param>
    /// <returns>The norm before; NaN or infinite if the gradient is, and then all gradients become NaN or 0, as in torch.</returns>
    public static double clip_grad_norm_(IEnumerable<Parameter> tensors, double max_norm, double norm_type = 2.0) =>
        FusedUpdate.Clip([.. tensors], max_norm, norm_type);
}
