"""The exact evaluator reproduces the published designs, and the batch evaluator and the tables agree with it."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mipdesign.benchmarks.corpus.small import FAMILIES, small_problem
from networks import PRESETS, PUBLISHED, of_preset
from scale import examples

from mipdesign import Architecture, Problem, evaluate
from mipdesign.lattice.batch import evaluate_batch
from mipdesign.lattice.cell import Cell
from mipdesign.lattice.position import Position
from mipdesign.networks.architecture import Stage, Stem
from mipdesign.networks.blocks import Operation
from mipdesign.networks.evaluator import Evaluator, default_scoring
from mipdesign.networks.objective import depth_penalty, depth_variance, effectiveness, effectiveness_within
from mipdesign.search.coverage import build_tables


@pytest.mark.parametrize("record", PUBLISHED.values(), ids=lambda record: record["name"])
def test_published_designs_are_reproduced(record: dict[str, Any]) -> None:
    architecture = Architecture.from_dict(record)
    stated, with_classifier = record["reference_convention"], record["with_classifier_1000"]
    reference, paper = evaluate(architecture, "reference"), evaluate(architecture, "paper")
    assert (reference.params, reference.flops, reference.layers) == (stated["params"], stated["flops"], stated["layers"])
    assert (paper.params, paper.macs) == (with_classifier["params"], with_classifier["conv_and_linear_macs"])
    for name in ("effectiveness", "weighted_entropy", "penalty", "objective"):
        assert getattr(reference, name) == pytest.approx(stated[name], rel=1e-9)
    assert reference.weighted_stage_entropies == pytest.approx(stated["weighted_stage_entropies"], rel=1e-9)


def test_literal_paper_penalty_dwarfs_the_score_of_the_published_r18() -> None:
    paper = evaluate(Architecture.from_dict(PUBLISHED["deepmad-r18"]), "paper")
    assert paper.penalty > 2e7 > 100 * paper.weighted_entropy


def test_published_budgets_are_judged_exactly() -> None:
    """r18 exceeds its FLOPs by its own count, and keeps its other budgets."""
    record = PUBLISHED["deepmad-r18"]
    architecture = Architecture.from_dict(record)
    evaluator = Evaluator(architecture, default_scoring("reference", architecture))
    assert not evaluator.within("flops", Fraction(1_820_000_000))
    assert evaluator.within("params", Fraction(11_690_000))
    assert evaluator.within("effectiveness", Fraction(3, 10))


@given(st.lists(st.integers(2, 5000), min_size=1, max_size=60), st.fractions(Fraction(1, 100), Fraction(2)))
def test_exact_effectiveness_agrees_with_floats(widths: list[int], limit: Fraction) -> None:
    rho = effectiveness(widths)
    if abs(rho / float(limit) - 1) > 1e-9:
        assert effectiveness_within(widths, limit) == (rho < limit)


def test_exact_effectiveness_at_equality() -> None:
    assert effectiveness_within([10, 10, 10], Fraction(3, 10))
    assert not effectiveness_within([10, 10, 10], Fraction(3, 10) - Fraction(1, 10**30))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_depth_penalty_is_that_of_population_moments(depths: list[int]) -> None:
    assert float(depth_variance(depths)) == pytest.approx(float(np.var(depths)), abs=1e-9)
    if np.var(depths) < 600:
        assert depth_penalty("exp_var", depths) == pytest.approx(math.exp(np.var(depths)), rel=1e-9)
        assert depth_penalty("exp_std", depths) == pytest.approx(math.exp(np.std(depths)), rel=1e-9)
    assert depth_penalty("none", depths) == 0.0


@pytest.mark.parametrize("name", PRESETS)
def test_blocks_that_are_alike_are_counted_once_and_as_often_as_they_are(name: str) -> None:
    def figures(op: Operation) -> tuple[int, ...]:
        return tuple(int(n) for n in (op.params, op.macs, op.reference_flops, op.activations, op.map_elements))

    network, counted = of_preset(name), Counter[tuple[int, ...]]()
    for op, times in network.distinct_operations():
        counted[figures(op)] += times
    assert counted == Counter(map(figures, network.operations()))


@examples(60)
@given(st.integers(0, 10_000), st.sampled_from([*FAMILIES, None]), st.randoms(use_true_random=False))
def test_tables_and_batch_agree_with_the_evaluator(seed: int, block: str | None, random: Any) -> None:
    problem = small_problem(seed, block)
    tables = build_tables(problem)
    networks = Cell.whole(tables).networks(tables)
    evaluation = evaluate_batch(tables, networks)
    for _ in range(4):
        j = random.randrange(len(networks))
        position = Position(
            int(networks.stem[j]), tuple(networks.columns[:, j].tolist()), tuple(networks.depths[:, j].tolist())
        )
        architecture = tables.architecture(position)
        assert tables.position(architecture) == position
        evaluator = problem.evaluator(architecture)
        exact = evaluator.evaluation
        assert evaluation.counts[:, j].tolist() == [getattr(exact, name) for name in tables.counts]
        assert evaluation.objective[j] == pytest.approx(exact.objective, rel=1e-12, abs=1e-9)
        assert evaluation.effectiveness[j] == pytest.approx(exact.effectiveness, rel=1e-12)
        assert int(evaluation.layers[-1, j]) == exact.layers
        assert bool(evaluation.chained[j]) == (not problem.outside_space(architecture))
        precise = evaluator.exact_objective()
        assert abs(precise - Decimal(exact.objective)) <= Decimal("1e-12") * max(1, abs(precise))


@pytest.mark.parametrize("base", [2, 10])
def test_base_of_the_entropys_logarithms_scales_the_entropy_and_nothing_else(base: int) -> None:
    natural = Problem.preset("deepmad-r18")
    based = Problem.preset("deepmad-r18", [f"objective.log_base={base}"])
    network = Architecture.from_dict(PUBLISHED["deepmad-r18"])
    one, other = natural.evaluator(network), based.evaluator(network)
    assert other.evaluation.weighted_entropy == pytest.approx(one.evaluation.weighted_entropy / math.log(base) ** 2, rel=1e-12)
    assert other.evaluation.penalty == one.evaluation.penalty
    assert float(other.exact_objective()) == pytest.approx(other.evaluation.objective, rel=1e-12)


def test_figures_of_a_network_counted_by_hand() -> None:
    """Stem 3x3 at stride 2 on 8 x 8, then two bottleneck super-blocks of one block."""
    stages = (Stage("bottleneck", 1, 8, 4, 1, 1), Stage("bottleneck", 1, 8, 4, 1, 1))
    network = Architecture(8, Stem(4), stages, None, 3, 10)
    evaluation = evaluate(network, "paper")
    outputs = 16 * (4 + (4 + 4 + 8 + 8) * 2)  # stem; three convolutions and the projection of each block
    assert evaluation.activations == outputs
    assert evaluation.activation_memory == 4 * 16 * (8 + 8 + 8)  # an addition reads two maps and writes one
    assert evaluation.weights_bytes == 4 * evaluation.params_total
