"""Validation passes on the published networks, and fails on wrong theories and on wrong modules."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from networks import PUBLISHED, architectures, published, small
from scale import examples, few

from mipdesign.errors import SpecError
from mipdesign.io.exchange import read_network
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES, Bottleneck, Inverted, Operation
from mipdesign.networks.evaluator import Evaluator, default_scoring
from mipdesign.nn.graph import to_graph
from mipdesign.nn.validation import (
    Check,
    Estimate,
    Figure,
    layer_stages,
    stage_estimates,
    validate,
    variance_checks,
    whole,
)
from mipdesign.report.validation_tables import validation_table

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from mipdesign.nn import block as network_block  # noqa: E402
from mipdesign.nn.tracing import main_path, meta_network, variance_ratios  # noqa: E402


def widths_of(architecture: Architecture) -> list[list[int]]:
    """Widths of each stage, from the theory."""
    evaluator = Evaluator(architecture, default_scoring("paper", architecture))
    return [list(widths) for _, widths in evaluator.stages]


def measured(architecture: Architecture, draws: int = 16, map_size: int = 8, seed: int = 0) -> list[Estimate]:
    """Log-variance that each stage adds, from the module."""
    convs, stages = layers(architecture)
    return stage_estimates(variance_ratios(convs, draws, map_size, seed), stages)


@cache
def layers(architecture: Architecture) -> tuple[list[nn.Conv2d], npt.NDArray[np.int64]]:
    """The convolutions that the theory counts, and the stage of each."""
    graph = to_graph(architecture)
    convs = main_path(meta_network(graph), graph)
    return list(convs.values()), layer_stages(graph, list(convs), architecture)


def number(figure: Figure) -> float:
    """A figure that is not a shape."""
    assert not isinstance(figure, tuple)
    return float(figure)


def failed(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if not check.passed}


@pytest.mark.parametrize("name", few(PUBLISHED, 2))
def test_published_networks_are_what_the_theory_says(name: str) -> None:
    """Of seven presets: every stage of the plain chain within three standard errors."""
    report = validate(published(name), draws=8, sigmas=3.0)
    assert report.failures == ()
    assert report["macs"].measured == PUBLISHED[name]["with_classifier_1000"]["conv_and_linear_macs"]
    assert report["params_total"].measured == PUBLISHED[name]["with_classifier_1000"]["params"]
    assert report["params_backbone"].measured == PUBLISHED[name]["reference_convention"]["params"]
    assert report["layers"].measured == PUBLISHED[name]["reference_convention"]["layers"]
    # the measurement is sharp: better than 0.1 % of hundreds of nats, a small part of what one layer adds
    assert report["log_variance"].standard_error < 1e-3 * number(report["log_variance"].expected)


@pytest.mark.parametrize("name", few(["mobilenet_v2", "resnet34", "resnet18", "resnet50"], 2))
def test_networks_of_torchvision_are_what_the_theory_says(name: str) -> None:
    """Of the other presets: those of mobilenetv2-like, resnet-basic, resnet-basic-34 and resnet-choice."""
    assert validate(read_network(f"torchvision/{name}"), draws=8, sigmas=3.0).failures == ()


def test_three_standard_errors_are_sharp() -> None:
    """A theory that is off by a twentieth in every width fails in every stage of the published networks but a lone stem."""
    for name in ("deepmad-r18", "deepmad-29m-224"):
        estimates, right = measured(published(name), draws=8), widths_of(published(name))
        for factor in (0.95, 1.05):
            expected = [math.fsum(math.log(factor * w) for w in stage) for stage in right]
            off = [abs(e - m.value) / m.standard_error for e, m in zip(expected, estimates, strict=True)]
            assert all(sigmas > 3 for sigmas, stage in zip(off, right, strict=True) if len(stage) > 1), off


@given(architectures())
@examples(15)
def test_exact_figures_hold_for_random_networks(architecture: Architecture) -> None:
    report = validate(architecture, draws=2, map_size=2, sigmas=1e9)
    assert report.failures == ()


@pytest.mark.parametrize("family", FAMILIES)
def test_small_networks_of_every_family_pass(family: str) -> None:
    assert validate(small(family)).failures == ()


def test_figures_and_report() -> None:
    architecture = published("deepmad-29m-288")
    report = validate(architecture, draws=2)
    names = [check.name for check in report.checks]
    assert names == [
        *("params_total", "params_backbone", "macs", "layers", "activations", "activation_memory"),
        *("shape.stem", *(f"shape.stages.{i}" for i in range(5)), "shape.head", "shape.classifier"),
        *(f"log_variance.stage{j}" for j in range(5)),
        *("log_variance", "effectiveness", "entropy"),
    ]
    rows = validation_table(report.checks).texts()
    assert rows[0] == ("params_total", *[str(report["params_total"].expected)] * 2, "", "exact", "ok")
    assert rows[names.index("shape.head")][1] == "1792 x 9 x 9"
    assert json.loads(json.dumps(report.to_dict()))["passed"] is True
    assert report["log_variance"].tolerance > 4 * report["log_variance"].standard_error  # with two draws
    stages = [number(check.measured) for check in report.checks if check.name.startswith("log_variance.")]
    assert math.fsum(stages) == pytest.approx(report["log_variance"].measured)


def test_the_outcome_is_a_function_of_the_seed() -> None:
    reports = [validate(small("basic"), seed=seed) for seed in (3, 3, 4)]
    assert reports[0] == reports[1]
    assert reports[0]["log_variance"].measured != reports[2]["log_variance"].measured


def test_a_failed_check_says_so() -> None:
    check = Check("log_variance", 10.0, 10.5, 0.4, 0.1)
    assert not check.passed
    assert validation_table([check]).texts()[0] == ("log_variance", "10", "10.5", "0.1", "+5.00 s.e.", "FAILED")
    assert not Check("log_variance", 10.0, math.nan, 0.4, 0.1).passed
    assert not Check("shape.stem", (8, 4, 4), (8, 5, 5)).passed
    assert not Check("macs", 10**18, 10**18 + 1).passed


@pytest.mark.parametrize(
    ("options", "field"),
    [({"draws": 1}, "draws"), ({"map_size": 0}, "map_size"), ({"sigmas": math.inf}, "sigmas"), ({"seed": -1}, "seed")],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError, match=f"^{field}: "):
        validate(small("basic"), **options)


# --------------------------------------------------------------------------------------------------- the test can fail


def forget_groups(self: Inverted, ci: int, c: int, b: int, k: int) -> tuple[int, ...]:
    return ci, b * k**2, b


def forget_kernel(self: Bottleneck, ci: int, c: int, b: int, k: int) -> tuple[int, ...]:
    return ci, b, b


def outputs_for_inputs(self: Bottleneck, ci: int, c: int, b: int, k: int) -> tuple[int, ...]:
    return b, b * k**2, c


@pytest.mark.parametrize(
    ("family", "wrong"),
    [("inverted", forget_groups), ("bottleneck", forget_kernel), ("bottleneck", outputs_for_inputs)],
)
def test_a_wrong_theory_is_found(family: str, wrong: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(FAMILIES[family]), "widths", wrong)
    report = validate(small(family))
    assert {"log_variance", "effectiveness", "entropy"} <= failed(list(report.checks))
    assert not any(name.startswith(("params", "macs", "shape", "layers")) for name in failed(list(report.checks)))


def test_one_wrong_layer_of_115_is_found_in_its_stage() -> None:
    architecture = published("deepmad-r18")
    right, estimates = widths_of(architecture), measured(architecture, draws=8)
    assert failed(variance_checks(right, estimates, 4.0)) == set()
    for stage, layer in ((2, 1), (4, 20)):
        wrong = [list(widths) for widths in right]
        wrong[stage][layer] *= 2
        assert f"log_variance.stage{stage}" in failed(variance_checks(wrong, estimates, 4.0))


def test_a_forgotten_layer_is_found() -> None:
    widths, estimates = widths_of(small("basic")), measured(small("basic"))
    wrong = [widths[0], widths[1][1:], widths[2]]
    assert failed(variance_checks(wrong, estimates, 4.0)) == {"log_variance.stage1", "log_variance"}


def ungrouped(op: Operation) -> nn.Module:
    return nn.Conv2d(op.in_channels, op.out_channels, op.kernel, op.stride, op.kernel // 2, bias=False)


def biased(op: Operation) -> nn.Module:
    return nn.Conv2d(op.in_channels, op.out_channels, op.kernel, op.stride, op.kernel // 2, groups=op.groups)


def unpadded(op: Operation) -> nn.Module:
    return nn.Conv2d(op.in_channels, op.out_channels, op.kernel, op.stride, groups=op.groups, bias=False)


@pytest.mark.parametrize(
    ("kind", "wrong", "found"),
    [
        ("conv", ungrouped, {"params_total", "params_backbone", "macs", "log_variance", "log_variance.stage1"}),
        ("conv", biased, {"params_total", "params_backbone"}),
        ("conv", unpadded, {"macs", "shape.stem", "shape.stages.0", "shape.head"}),
        ("norm", lambda op: nn.BatchNorm2d(op.out_channels, affine=False), {"params_total", "params_backbone"}),
    ],
)
def test_a_wrong_module_is_found(
    kind: str, wrong: Callable[[Operation], nn.Module], found: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(network_block.MODULES, kind, wrong)
    # channels grow and one block each: no shortcut whose shapes would clash before anything is measured
    architecture = Architecture(33, Stem(8), (Stage("inverted", 2, 12, 16, 5, 1), Stage("inverted", 1, 16, 8, 3, 1)), classes=5)
    assert found <= failed(list(validate(architecture).checks))


# -------------------------------------------------------------------------------------------------------- the sampling


def test_the_standard_error_is_one() -> None:
    """Over seeds, deviations in units of the standard error have mean 0 and standard deviation 1, stage by stage."""
    architecture = small("inverted")
    widths = widths_of(architecture)
    deviations = []
    for seed in range(100):
        checks = variance_checks(widths, measured(architecture, seed=seed), 4.0)
        deviations.append([(number(c.measured) - number(c.expected)) / c.standard_error for c in checks])
    assert np.abs(np.mean(deviations, axis=0)).max() < 0.4
    assert np.std(deviations, axis=0) == pytest.approx(1.0, abs=0.3)


def test_the_logarithm_of_the_mean_is_unbiased_where_ratios_scatter() -> None:
    """Ratios of a layer with four outputs on a single pixel: chi-square with 4 degrees of freedom, times the width."""
    rng = np.random.default_rng(0)
    ratios = 50.0 * rng.chisquare(4, size=(16, 20_000)) / 4
    stage = np.zeros(20_000, dtype=np.int64)
    (estimate,) = stage_estimates(ratios, stage)
    assert estimate.value / 20_000 == pytest.approx(math.log(50), abs=4e-3)
    assert np.log(ratios.mean(axis=0)).mean() < math.log(50) - 0.01  # without the correction
    assert np.log(ratios).mean() < math.log(50) - 0.2  # the mean of the logarithm is another quantity
    scatter = np.std([stage_estimates(ratios[:, i : i + 100], stage[:100])[0].value for i in range(0, 20_000, 100)])
    assert estimate.standard_error / math.sqrt(200) == pytest.approx(scatter, rel=0.2)


@pytest.mark.parametrize("map_size", [1, 3, 8])
def test_the_expectation_does_not_depend_on_the_map(map_size: int) -> None:
    """Circular padding loses no variance, however small the map; zero padding on 3 x 3 would lose more than half."""
    architecture = small("bottleneck", stem=Stem(16), stages=(Stage("bottleneck", 2, 32, 16, 5, 3),))
    estimates = measured(architecture, draws=64, map_size=map_size)
    assert failed(variance_checks(widths_of(architecture), estimates, 4.0)) == set()


def test_strides_do_not_enter() -> None:
    strided = small("basic")
    plain = replace(strided, stages=tuple(replace(stage, stride=1) for stage in strided.stages))
    assert whole(measured(strided)).value == pytest.approx(whole(measured(plain)).value, rel=1e-12)


def test_hundreds_of_layers_do_not_overflow() -> None:
    deep = small("basic", stages=(Stage("basic", 2, 16, 16, 5, 150),))
    report = validate(deep, draws=4)
    assert number(report["log_variance"].expected) > math.log(np.finfo(np.float64).max)
    assert report["log_variance"].passed
