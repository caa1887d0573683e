"""Units of limits: read exactly, refused where they do not fit, printed without rounding."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mipdesign.analysis.sweep import Sweep
from mipdesign.errors import SpecError
from mipdesign.numerals import exact
from mipdesign.problem.budgets import Budgets
from mipdesign.problem.problem import Problem
from mipdesign.units import DIMENSIONS, limit_text, without_unit

SMALL = "tests/data/small.yaml"


@pytest.mark.parametrize(
    ("budget", "text", "number"),
    [
        ("flops", "1.82G", 1_820_000_000),
        ("flops", "1.82 GFLOPs", 1_820_000_000),
        ("flops", "600 MFLOP", 600_000_000),
        ("macs", "300MMACs", 300_000_000),
        ("params_total", "11.69M", 11_690_000),
        ("params", "0.1k", 100),
        ("bit_operations", "2T", 2 * 10**12),
        ("weights_bytes", "4 MiB", 4 * 2**20),
        ("weights_bytes", "4 MB", 4_000_000),
        ("activation_memory", "0.3 KiB", Fraction(3072, 10)),
        ("max_feature", "256kB", 256_000),
        ("latency", "25 ms", 25_000),
        ("latency", "1 ns", Fraction(1, 1000)),
        ("latency", "1.5us", Fraction(3, 2)),
        ("latency", "1.5 \N{GREEK SMALL LETTER MU}s", Fraction(3, 2)),
        ("latency", "2s", 2_000_000),
        ("flops", "1e3M", 10**9),
    ],
)
def test_a_limit_with_a_unit_is_exact(budget: str, text: str, number: Fraction | int) -> None:
    assert without_unit(text, DIMENSIONS[budget]) == number


@pytest.mark.parametrize("text", ["1e5", "26/21", "0.3", "abc", "", "12", 7, 0.5, None, "80% of torchvision/resnet50"])
def test_what_has_no_unit_stays_as_it_is(text: object) -> None:
    assert without_unit(text, DIMENSIONS["flops"]) is text


@pytest.mark.parametrize(
    ("setting", "fragments"),
    [
        ("flops=4 ms", ("budgets.flops: '4 ms'", "a unit of a time", "1.82G")),
        ("flops.max=4 GMACs", ("budgets.flops", "unit of a count of multiply-accumulates")),
        ("params_total={min: 4 MB}", ("budgets.params_total.min: '4 MB'", "unit of a size")),
        ("weights_bytes=256KB", ("budgets.weights_bytes", "kB is 1000 and KiB is 1024")),
        ("weights_bytes=4 Mib", ("budgets.weights_bytes", "MiB is")),
        ("model_size=4 MB", ("budgets.model_size", "nothing has bits")),
        ("effectiveness=3k", ("budgets.effectiveness", "without a unit")),
        ("latency={max: 3M, table: mipdesign/none}", ("budgets.latency.max: '3M' is not a time",)),
        ("latency={a: {max: 3 MB, table: mipdesign/none}}", ("budgets.latency.a.max: '3 MB' is not a time",)),
        ("params=-3k", ("budgets.params",)),
        ("params=0M", ("budgets.params",)),
    ],
)
def test_a_unit_of_something_else_is_refused(setting: str, fragments: tuple[str, ...]) -> None:
    key, value = setting.split("=", 1)
    changes = ["budgets.flops=null"] if key == "flops.max" else []
    with pytest.raises(SpecError) as caught:
        Problem.load(SMALL, [*changes, f"budgets.{key}={value}"])
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)


def test_units_are_read_wherever_limits_are() -> None:
    numbers = Problem.load(SMALL, ["budgets.flops=3e6", "budgets.params={min: 30000, max: 60000}"])
    units = Problem.load(SMALL, ["budgets.flops=3 MFLOPs", "budgets.params={min: 30k, max: 60k}"])
    assert units == numbers and units.digest == numbers.digest
    assert Problem.from_dict(units.to_dict()) == units
    assert units.with_limits({"flops": "2.5M"}).budgets.limits()["flops"] == 2_500_000
    assert Budgets(flops="3M").limits() == {"flops": 3_000_000}  # type: ignore[arg-type]
    assert Sweep.parse("budgets.flops=1M:3M:3").values == (1_000_000, 2_000_000, 3_000_000)
    assert Sweep.parse("budgets.latency.gpu=10 ms,20ms") == Sweep("latency.gpu", (10_000.0, 20_000.0))
    with pytest.raises(SpecError, match="unit of a time"):
        Sweep.parse("budgets.flops=1 ms,2 ms")


@pytest.mark.parametrize(
    ("budget", "number", "text"),
    [
        ("flops", 1_820_000_000, "1.82 G"),
        ("flops", 1_812_345_678, "1,812,345,678"),
        ("params", 1500, "1,500"),
        ("params", 600, "600"),
        ("params", 60_000, "60 k"),
        ("weights_bytes", 4 * 2**20, "4 MiB"),
        ("weights_bytes", 4_000_000, "4 MB"),
        ("weights_bytes", 100, "100 B"),
        ("latency", 25_000, "25 ms"),
        ("latency", Fraction(4127, 10), "412.7 µs"),
        ("effectiveness", Fraction(3, 10), "0.3"),
        ("effectiveness", Fraction(26, 21), "26/21"),
    ],
)
def test_a_limit_is_printed_in_few_characters(budget: str, number: Fraction | int, text: str) -> None:
    assert limit_text(Fraction(number), DIMENSIONS[budget]) == text


@given(
    st.sampled_from(sorted(DIMENSIONS)),
    st.one_of(
        st.fractions(min_value=Fraction(1, 10**9), max_value=10**15),
        st.integers(1, 10**20).map(Fraction),
        st.builds(lambda a, b: Fraction(a * 10**b), st.integers(1, 9999), st.integers(0, 15)),
        st.builds(lambda a, b: Fraction(a << b), st.integers(1, 99), st.integers(0, 50)),
    ),
)
def test_a_printed_limit_is_never_another_one(budget: str, number: Fraction) -> None:
    text = limit_text(number, DIMENSIONS[budget]).replace(",", "")
    if "/" in text or budget == "model_size":
        text = text.removesuffix(DIMENSIONS[budget].bare)
    assert exact(without_unit(text, DIMENSIONS[budget])) == number
