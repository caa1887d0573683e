"""Every figure of random networks against an evaluator that knows the schema of files alone."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import plain_architectures, quantised_architectures, unequal_architectures, video_architectures
from scale import examples

from mipdesign import SpecError
from mipdesign.networks.architecture import Architecture
from mipdesign.networks.evaluator import Evaluator, default_scoring
from mipdesign.networks.tool_counts import map_bytes

every_network = given(
    plain_architectures() | unequal_architectures() | quantised_architectures() | video_architectures(),
    st.sampled_from(["reference", "paper"]),
    st.none() | st.integers(40, 200),
)


def schema(network: Architecture) -> dict[str, Any]:
    """The file of a network, read again."""
    data: dict[str, Any] = json.loads(network.dumps())
    assert Architecture.from_dict(data) == network
    return data


@every_network
@examples(200)
def test_scores(network: Architecture, convention: str, resolution: int | None) -> None:
    video = network.frames is not None
    shapes_at = (resolution or network.resolution) if video else None
    scoring = default_scoring(convention, network, "stentr" if video else "madnas")
    alpha = tuple(float(3 * n % 5) for n in range(len(scoring.alpha)))
    scoring = dataclasses.replace(scoring, alpha=alpha, score_resolution=resolution if video else None)
    evaluator = Evaluator(network, scoring)
    factor = Fraction(1, 2) if convention == "reference" else Fraction(1)
    try:
        exact = evaluator.exact_objective()
    except SpecError as error:
        assert "proportions" in error.problem or "no map" in error.problem
        return
    with localcontext() as context:
        context.prec = 60
        ends = oracle.additive_stages(schema(network), shapes_at=shapes_at, factor=factor)
        expected = sum((int(weight) * end for weight, end in zip(alpha, ends, strict=True)), Decimal(0))
    assert abs(exact - expected) <= abs(expected) * Decimal("1e-38")
    assert evaluator.evaluation.objective == pytest.approx(float(expected), rel=1e-12, abs=1e-12)


@every_network
@examples(200)
def test_counts(network: Architecture, convention: str, resolution: int | None) -> None:
    data, evaluator = schema(network), Evaluator(network, default_scoring(convention, network, "madnas"))
    assert evaluator.exact_counts["tool_flops"] == oracle.flops(data)
    assert evaluator.exact_counts["bit_operations"] == 64 * oracle.flops(data)
    assert evaluator.exact_counts["model_size"] == oracle.model_size(data)
    assert evaluator.counts["layers"] == oracle.layers(data)
    if not network.quantised:
        assert evaluator.count("params_backbone") == oracle.model_size(data)
        if network.whole_maps:
            assert evaluator.count("reference_flops") == oracle.flops(data)
    held = map_bytes(network)
    if held is not None:
        assert list(held) == oracle.map_bytes(data)
        assert evaluator.exact_counts["max_feature"] == max(oracle.map_bytes(data))
    limit = oracle.flops(data)
    if convention == "reference":
        assert evaluator.within("flops", limit)
        assert evaluator.within("min_flops", limit)
        assert not evaluator.within("flops", limit - Fraction(1, 10**9))
        assert not evaluator.within("min_flops", limit + Fraction(1, 10**9))
