r"""Holding the theory against torch: every figure of a network, as computed and as measured on the lowered module.

Exact figures (tolerance 0): parameters and MACs of the module (MACs by torch's own flop counter), the number of main-path
layers, the outputs of all convolutions, the largest maps of one operation (the budget ``activation_memory``), and the shape of
every part's output in a forward pass. All of this happens on torch's ``meta`` device, without memory
or arithmetic.

Sampled figures: the log-variance :math:`\sum_l \log w_l` per stage and in whole, and the effectiveness and the entropy that
follow from it. The theory (DeepMAD, section 3.1, arXiv 2303.02165) says that a convolution with ``c`` input channels, kernel
``k`` and ``g`` groups multiplies the variance of a map by ``w = c k^2 / g``, when weights and input are independent unit
Gaussians. What is measured is the actual chain of the module's main-path convolutions
(:func:`mipdesign.nn.tracing.variance_ratios`), not each layer on fresh noise. In that chain the ratio :math:`R_l` of mean
squares after and before layer ``l`` has expectation :math:`w_l` given all layers before. Two things follow, and both are
exact:

* the mean of :math:`R_l` over ``D`` independent draws is an unbiased measurement of :math:`w_l`;
* the deviations :math:`R_l - w_l` are martingale differences, hence uncorrelated between layers, and the variance of a sum over
  layers is the sum of their variances.

So a stage's log-variance is measured as :math:`\sum_l (\log \bar R_l + v_l / 2)` with standard error
:math:`(\sum_l v_l)^{1/2}`, where :math:`v_l = s_l^2 / (D \bar R_l^2)` is the sample variance of the mean, relative to it. The
term :math:`v_l / 2` takes away the bias of the logarithm of a mean; what is left of it is of order :math:`D^{-2}`. (The mean of
the logarithms would measure something else, lower by half the relative variance of :math:`R_l` in every layer, which narrow
layers notice. The theory speaks of the variance over the weights, hence of the mean.)

In a quantised network, the log-variance with the rounding of the score's model
(:func:`mipdesign.nn.tracing.quantised_ratios`) is measured too: layer by layer on fresh noise, because the model says nothing
of what rounding does to the maps of the layers before.

A sampled figure passes if it lies within ``sigmas`` standard errors. The standard error is itself an estimate, with ``D - 1``
degrees of freedom per layer. With the defaults, 16 draws and 4 standard errors, a correct network fails at a stage of one layer
(a lone stem) for one seed in 900, at a stage of many layers for fewer than one in 10 000; layers of one or two channels are
too skewed for such a promise. With fewer than 16 draws more standard errors are allowed, so that this stays so
(:func:`mipdesign.nn.student.allowance`): 549 of a lone layer with two draws, which then says little, as it should.
The outcome is a function of the seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..arguments import arguments, instance, real
from ..arguments import whole as whole_number
from ..errors import require
from ..networks.architecture import Architecture
from ..networks.evaluator import DEFAULT_BYTES, Evaluator, default_scoring, plain_count
from ..networks.layer_factors import layer_factors
from ..networks.objective import effectiveness, entropy
from ..networks.scoring import DEFAULT_SIGMAS
from .graph import Graph, input_shape, map_shape, to_graph
from .student import allowance

if TYPE_CHECKING:
    from .known_networks import KnownNetwork
    from .measurements import Measurements
    from .module import DesignedNetwork
    from .profiling import Prediction
    from .tracing import Trace

Figure: TypeAlias = int | float | tuple[int, ...]


@dataclass(frozen=True)
class Estimate:
    """A sampled number, its standard error, and the degrees of freedom of that."""

    value: float
    standard_error: float
    freedom: float = math.inf


@dataclass(frozen=True)
class Check:
    """One figure as expected by the theory and as measured.

    Attributes
    ----------
    tolerance:
        Largest absolute difference that passes; 0 for exact figures.
    standard_error:
        Of a sampled measurement; 0 for exact figures.
    """

    name: str
    expected: Figure
    measured: Figure
    tolerance: float = 0.0
    standard_error: float = 0.0

    @property
    def passed(self) -> bool:
        if isinstance(self.expected, tuple) or isinstance(self.measured, tuple):
            return self.expected == self.measured
        return abs(self.expected - self.measured) <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return vars(self) | {"passed": self.passed}


@dataclass(frozen=True)
class ValidationReport:
    """All checks of one network, and what they were made with; see :func:`validate`.

    Attributes
    ----------
    measurements, known:
        What :func:`mipdesign.nn.measurements.measurements` and :func:`mipdesign.nn.known_networks.known_networks` found,
        where they were asked. Nothing of it can fail.
    prediction:
        A latency table's, and what was measured in its mode; see :func:`mipdesign.nn.profiling.predict`.
    """

    checks: tuple[Check, ...]
    draws: int
    map_size: int
    sigmas: float
    seed: int
    measurements: Measurements | None = None
    known: tuple[KnownNetwork, ...] = ()
    prediction: Prediction | None = None

    @property
    def passed(self) -> bool:
        return not self.failures

    def __repr__(self) -> str:
        return f"<ValidationReport: {len(self.checks) - len(self.failures)} of {len(self.checks)} figures agree>"

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def __getitem__(self, name: str) -> Check:
        """The check of that name."""
        return {check.name: check for check in self.checks}[name]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "checks": [check.to_dict() for check in self.checks],
            "draws": self.draws,
            "map_size": self.map_size,
            "sigmas": self.sigmas,
            "seed": self.seed,
            "behaviour": None if self.measurements is None else self.measurements.to_dict(),
            "standings": [network.to_dict() for network in self.known],
            "passed": self.passed,
        } | ({} if self.prediction is None else {"prediction": self.prediction.to_dict()})


@arguments(
    architecture=instance(Architecture, "a network", "an Architecture, such as mipdesign.read_network() reads"),
    draws=whole_number(2),
    map_size=whole_number(1),
    sigmas=real("a number of standard errors", lambda sigmas: 0 < sigmas < math.inf, "a positive number, such as 4"),
    seed=whole_number(0, 2**63 - 1),
)
def validate(
    architecture: Architecture, *, draws: int = 16, map_size: int = 8, sigmas: float = 4.0, seed: int = 0
) -> ValidationReport:
    """Measures every figure of a network on its torch module; the module's description has the method.

    Takes a second to a few on one core: every draw makes Gaussian numbers as many as the network has weights.

    Parameters
    ----------
    draws:
        Independent draws of weights and input, at least 2.
    map_size:
        Height and width of the sampled maps; the expectation does not depend on it, the standard error does.
    sigmas:
        Standard errors by which a sampled figure may be off with 16 draws; with fewer more.
    seed:
        Of the sampling.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    SpecError
        If an option is out of range.
    """
    require("torch", "torch", "validation")
    from . import tracing as measurement

    graph = to_graph(architecture)
    network = measurement.meta_network(graph)
    trace = measurement.trace(network, graph.nodes["input"]["out_shape"])
    convs = measurement.main_path(network, graph)
    ratios = measurement.variance_ratios(list(convs.values()), draws, map_size, seed)
    evaluator = Evaluator(architecture, default_scoring("paper", architecture))
    widths = [widths for _, widths in evaluator.stages]
    of_layers = layer_stages(graph, list(convs), architecture)
    stages = stage_estimates(ratios, of_layers)
    spans = np.array([graph.nodes[node].get("kernel_t", 1) for node in convs])
    of_frames = [math.fsum(np.log(spans[of_layers == j])) for j in range(len(widths))]
    checks = [
        *_exact_checks(architecture, network, trace, len(convs)),
        *variance_checks(widths, stages, sigmas, of_frames),
        *derived_checks(widths, stages, evaluator.stages[-1][0], trace.shapes["head"], sigmas, math.fsum(of_frames)),
    ]
    if architecture.quantised:
        rounded = measurement.quantised_ratios(list(convs.values()), DEFAULT_SIGMAS, draws, map_size, seed)
        factors = layer_factors(architecture, sigmas=DEFAULT_SIGMAS)
        of_bits = [math.fsum(times * math.log(factor.value) for factor, times in stage.items()) for stage in factors]
        checks += variance_checks(widths, stage_estimates(rounded, of_layers), sigmas, of_bits, "quantised_log_variance")
    return ValidationReport(tuple(checks), draws, map_size, sigmas, seed)


def exact_checks(architecture: Architecture) -> list[Check]:
    """The checks that need no sampling: parameters, MACs, layers, maps, and the shape of every part's output.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    """
    require("torch", "torch", "validation")
    from . import tracing as measurement

    graph = to_graph(architecture)
    network = measurement.meta_network(graph)
    trace = measurement.trace(network, graph.nodes["input"]["out_shape"])
    return _exact_checks(architecture, network, trace, len(measurement.main_path(network, graph)))


def _exact_checks(architecture: Architecture, network: DesignedNetwork, trace: Trace, layers: int) -> list[Check]:
    from . import tracing as measurement

    expected = Evaluator(architecture, default_scoring("paper", architecture)).counts
    total, linear = measurement.parameter_count(network), measurement.parameter_count(network.classifier)
    counts = {"params_total": total, "params_backbone": total - linear, "macs": trace.macs, "layers": layers}
    counts |= {"activations": trace.activations, "activation_memory": trace.map_elements * DEFAULT_BYTES}
    return [
        *(Check(name, expected[name], count) for name, count in counts.items()),
        *_tool_checks(architecture, network),
        *shape_checks(expected_shapes(architecture), trace.shapes),
    ]


def _tool_checks(architecture: Architecture, network: DesignedNetwork) -> list[Check]:
    """Counts of the released tool, of networks of video and of quantised ones.

    On odd maps the tool's counts are those of no network that runs, and only the size is compared.
    """
    if architecture.frames is None and not architecture.quantised:
        return []
    from .tool_tracing import tool_trace

    evaluator = Evaluator(architecture, default_scoring("paper", architecture))
    trace = tool_trace(network, input_shape(architecture))
    measured: dict[str, Fraction | int] = {"model_size": trace.model_size}
    if architecture.whole_maps:
        measured["bit_operations"] = trace.bit_operations
    if architecture.whole_maps and "max_feature" in evaluator.exact_counts:
        measured["max_feature"] = max(trace.map_bytes)
    return [Check(name, plain_count(evaluator.count(name)), plain_count(count)) for name, count in measured.items()]


# ------------------------------------------------------------------------------------------------------------------ shapes


def expected_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Output shape of each part: ``stem``, ``stages.0``, ..., ``head`` (the last map, head or not), ``classifier``."""
    a = architecture
    shapes: dict[str, tuple[int, ...]] = {}
    r = a.stem_resolution
    shapes["stem"] = map_shape(a.stem.channels, a.frames, r)
    for i, stage in enumerate(a.stages):
        r = -(-r // stage.stride)
        shapes[f"stages.{i}"] = map_shape(stage.channels, a.frames, r)
    return shapes | {"head": map_shape(a.out_channels, a.frames, a.out_resolution), "classifier": (a.classes,)}


def shape_checks(expected: Mapping[str, tuple[int, ...]], measured: Mapping[str, tuple[int, ...]]) -> list[Check]:
    """One exact check per part; a part that was not measured has the empty shape."""
    return [Check(f"shape.{name}", shape, measured.get(name, ())) for name, shape in expected.items()]


# ----------------------------------------------------------------------------------------------------------------- entropy


def layer_stages(graph: Graph, layers: Sequence[str], architecture: Architecture) -> npt.NDArray[np.int64]:
    """Stage of the theory that each main-path node belongs to: the stem to the first, the head to the last."""
    of_super_block = architecture.stage_of
    outside = {"stem.conv": 0, "head.conv": of_super_block[-1]}
    return np.array([outside[node] if node in outside else of_super_block[graph.nodes[node]["stage"]] for node in layers])


def stage_estimates(ratios: npt.NDArray[np.float64], stages: npt.NDArray[np.int64]) -> list[Estimate]:
    """Log-variance that each stage adds.

    Parameters
    ----------
    ratios:
        Variance ratios, shape ``(draws, layers)``.
    stages:
        Stage of each layer, from 0 without holes.
    """
    mean = ratios.mean(axis=0)
    relative = ratios.var(axis=0, ddof=1) / len(ratios) / mean**2
    logs = np.log(mean) + relative / 2
    errors = np.sqrt(relative).tolist()
    layers = [Estimate(value, error, len(ratios) - 1) for value, error in zip(logs.tolist(), errors, strict=True)]
    return [whole([layers[k] for k in np.flatnonzero(stages == j)]) for j in range(stages.max() + 1)]


def whole(parts: Sequence[Estimate]) -> Estimate:
    """Sum of uncorrelated estimates; its degrees of freedom are those of Satterthwaite, Biometrics Bulletin 2(6), 1946."""
    error = math.hypot(*(e.standard_error for e in parts))
    share = math.fsum((e.standard_error / error) ** 4 / e.freedom for e in parts) if error else 0.0
    return Estimate(math.fsum(e.value for e in parts), error, 1 / share if share else math.inf)


def variance_checks(
    widths: Sequence[Sequence[int]],
    measured: Sequence[Estimate],
    sigmas: float,
    beside: Sequence[float] = (),
    name: str = "log_variance",
) -> list[Check]:
    """Log-variance of every stage and of the whole network.

    Parameters
    ----------
    widths:
        Widths of the main-path layers of each stage, from the theory.
    measured:
        Log-variance that each stage adds.
    beside:
        What the frames of its kernels, or its bits, add to that of each stage: a width is that of one frame, without bits.
    name:
        Of the figure.
    """
    beside = beside or [0.0] * len(widths)
    expected = [math.fsum([*map(math.log, stage), more]) for stage, more in zip(widths, beside, strict=True)]
    named = {f"{name}.stage{j}": pair for j, pair in enumerate(zip(expected, measured, strict=True))}
    named[name] = math.fsum(expected), whole(measured)
    return [_sampled(figure, theory, estimate, 1.0, sigmas) for figure, (theory, estimate) in named.items()]


def derived_checks(
    widths: Sequence[Sequence[int]],
    measured: Sequence[Estimate],
    end: tuple[int, int],
    last_map: Sequence[int],
    sigmas: float,
    of_frames: float = 0.0,
) -> list[Check]:
    """Effectiveness and entropy (convention ``paper``) of the whole network, from the measured log-variance.

    Parameters
    ----------
    end:
        Resolution and channels of the last map, from the theory.
    last_map:
        Measured shape ``(channels, height, width)`` of the last map.
    of_frames:
        What the frames of all kernels add to the log-variance: the entropy counts it, the effectiveness does not.
    """
    layers = [w for stage in widths for w in stage]
    log_variance = whole(measured)
    rho = len(layers) / math.exp((log_variance.value - of_frames) / len(layers))
    h = entropy(last_map[-1], last_map[0], log_variance.value)
    return [
        _sampled("effectiveness", effectiveness(layers), replace(log_variance, value=rho), rho / len(layers), sigmas),
        _sampled(
            "entropy",
            entropy(*end, math.fsum([*map(math.log, layers), of_frames])),
            replace(log_variance, value=h),
            entropy(last_map[-1], last_map[0], 1.0),
            sigmas,
        ),
    ]


def _sampled(name: str, expected: float, measured: Estimate, slope: float, sigmas: float) -> Check:
    """A check of a sampled figure whose standard error is ``slope`` times that of the estimate."""
    error = slope * measured.standard_error
    return Check(name, expected, measured.value, allowance(sigmas, measured.freedom) * error, error)
