"""What frames and bits add to layer terms, against figures of the released tool and formulas of another form."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mipdesign import SpecError
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.evaluator import Evaluator, default_scoring
from mipdesign.networks.scores.factors import MapShape, Quantisation, exact_quantised_variance, quantised_variance

DEVIATIONS = {
    (5, 2): 1.7924496624207404, (5, 3): 3.1121925246833811, (5, 4): 4.5281902063681929, (5, 5): 5.0020480504266997,
    (5, 6): 5.0083263997309131, (5, 7): 5.0083264004389064, (5, 8): 5.0083264004389064,
    (4, 2): 1.7388228634059973, (4, 3): 2.8903940182483055, (4, 4): 3.8504712566997666, (4, 5): 4.0101729734030671,
    (4, 6): 4.0104031385053174, (4, 7): 4.0104031385053216, (4, 8): 4.0104031385053216,
}  # fmt: skip
"""Deviation of a normal variable of deviation sigma after it is quantised to so many bits: the tool's table."""


@pytest.mark.parametrize(("sigma", "bits"), DEVIATIONS)
def test_deviation_after_quantisation(sigma: int, bits: int) -> None:
    assert math.sqrt(quantised_variance(float(sigma), bits)) == pytest.approx(DEVIATIONS[sigma, bits], rel=1e-15)


@given(st.floats(0.1, 100), st.integers(1, 12))
def test_variance_has_its_digits(sigma: float, bits: int) -> None:
    exact = exact_quantised_variance(sigma, bits, 40)
    assert float(exact) == pytest.approx(quantised_variance(sigma, bits), rel=1e-12)
    assert exact_quantised_variance(sigma, bits, 60) == pytest.approx(exact, rel=Decimal("1e-39"))


def test_many_bits_only_round() -> None:
    assert quantised_variance(7.5, 30) == pytest.approx(7.5**2 + 1 / 12, rel=1e-15)


def test_more_bits_count_more() -> None:
    values = [[Quantisation(5.0, 4.0, a, w).exact() for w in (3, 4, 5, 6)] for a in (3, 4, 5, 6)]
    assert all(low < high for row in values for low, high in itertools.pairwise(row))
    assert all(low < high for column in zip(*values, strict=True) for low, high in itertools.pairwise(column))
    assert float(values[2][1].ln() / 2) == pytest.approx(1.348605071365, abs=1e-12)


@given(st.integers(1, 64), st.integers(1, 400), st.sampled_from([1, 3, 5, 7]), st.sampled_from([3, 5, 7]))
def test_weight_of_a_kernel(f: int, r: int, kt: int, k: int) -> None:
    shape = MapShape(f, r, kt, k)
    with localcontext() as context:
        context.prec = 120
        cosine = Decimal(f * kt + 2 * r * k) / (Decimal(f * f + 2 * r * r) * (kt * kt + 2 * k * k)).sqrt()
        assert shape.infinite == (1 - cosine < Decimal("1e-100"))
        if shape.infinite:
            return
        plain = -(1 - cosine).ln()
        assert shape.exact() == pytest.approx(plain, rel=Decimal("1e-70"))
        assert shape.value == pytest.approx(float(plain), rel=1e-13)


def test_a_kernel_of_the_proportions_of_its_map_is_refused() -> None:
    stages = (Stage("inverted_3d", 2, 16, 32, 5, 2), Stage("inverted_3d", 2, 16, 32, 3, 1, 3))
    network = Architecture(64, Stem(8), stages, frames=8)  # 8 frames of 8 x 8, and 3 x 3 x 3
    evaluator = Evaluator(network, default_scoring("reference", network, "stentr"))
    with pytest.raises(SpecError, match="proportions") as caught:
        evaluator.exact_objective()
    assert caught.value.field == "stages.1.kernel"


def test_pictures_have_no_score_of_video() -> None:
    network = Architecture(64, Stem(8), (Stage("inverted", 2, 16, 32, 3, 2),))
    with pytest.raises(SpecError, match=r"objective\.score"):
        _ = Evaluator(network, default_scoring("reference", network, "stentr")).evaluation
