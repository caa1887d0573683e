"""The exact evaluator: every figure of one network, counts in Python integers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

from ..arguments import arguments, instance, one_of, optional
from ..errors import SpecError
from .architecture import Architecture
from .blocks import FAMILIES
from .budget_names import LATENCY, LOWER, count_of_budget, kind_of_budget
from .evaluation import Evaluation
from .latency import LatencyModel
from .layer_factors import Factors, layer_factors
from .objective import (
    CONVENTIONS,
    Convention,
    depth_cost,
    effectiveness,
    effectiveness_within,
    exact_objective,
    penalised_super_blocks,
)
from .scores import DEFAULT_SCORE, score_named
from .scoring import Scoring
from .tool_counts import map_bytes, tool_counts

DEFAULT_BYTES = 4
"""Bytes per number where nothing else is said."""


def convention_named(name: str) -> Convention:
    """The convention of that name.

    Raises
    ------
    SpecError
        If there is none.
    """
    if name not in CONVENTIONS:
        raise SpecError("convention", f"{name!r} is not a convention", f"use one of: {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]


def default_scoring(convention: str, architecture: Architecture, score: str = DEFAULT_SCORE) -> Scoring:
    """A score's own objective for a network, DeepMAD's where none is named: alpha 1, ..., 1, 8 and beta 10."""
    conv, formula = convention_named(convention), score_named(score)
    alpha = formula.alpha(1 + architecture.stage_of[-1])
    penalised = penalised_super_blocks(conv, [s.block for s in architecture.stages], len(architecture.stages))
    return Scoring(conv, alpha, formula.beta, conv.penalty_form, penalised, score=score, exponents=formula.exponents)


def natural_score(architecture: Architecture) -> str:
    """The released tool's score for a kind of network: of video, quantised, or other."""
    return "stentr" if architecture.frames is not None else "madnas" if architecture.quantised else DEFAULT_SCORE


class Evaluator:
    """Computes the figures of one network lazily; :func:`evaluate` collects them.

    Parameters
    ----------
    latency_models:
        What tells how long it takes, by the names of the budgets: ``latency``, or ``latency.NAME``.
    """

    def __init__(
        self,
        architecture: Architecture,
        scoring: Scoring,
        byte_widths: Mapping[str, int] | None = None,
        latency_models: Mapping[str, LatencyModel] | None = None,
    ) -> None:
        self.architecture, self.scoring, self.latency_models = architecture, scoring, latency_models or {}
        self.byte_widths = byte_widths or {}
        self._nanoseconds: dict[str, int] = {}

    @cached_property
    def counts(self) -> dict[str, int]:
        """Exact integers by convention-free names."""
        arch = self.architecture
        classifier = sum(op.params for op in arch.classifier_operations)
        total, peak = {"params_total": 0, "macs": 0, "reference_flops": 0, "activations": 0}, 0
        for op, times in arch.distinct_operations():
            total["params_total"] += times * int(op.params)
            total["macs"] += times * int(op.macs)
            total["reference_flops"] += times * int(op.reference_flops)
            total["activations"] += times * int(op.activations)
            peak = max(peak, int(op.map_elements))
        blocks = sum(s.depth for s in arch.stages)
        return total | {
            "params_backbone": total["params_total"] - classifier,
            "layers": len(list(arch.widths())),
            "blocks": blocks,
            "weights_bytes": total["params_total"] * self.byte_widths.get("weights_bytes", DEFAULT_BYTES),
            "activation_memory": peak * self.byte_widths.get("activation_memory", DEFAULT_BYTES),
        }

    @cached_property
    def exact_counts(self) -> dict[str, Fraction]:
        """Counts of the released tool, which need not be whole; see :mod:`mipdesign.networks.tool_counts`."""
        held = map_bytes(self.architecture)
        return tool_counts(self.architecture) | ({} if held is None else {"max_feature": max(held)})

    @property
    def counts_as_tool(self) -> bool:
        """Whether ``flops`` counts on maps that are not rounded, and bits, where the convention is that of the tool."""
        return self.scoring.additive or self.architecture.frames is not None or self.architecture.quantised

    def count(self, name: str) -> Fraction | int:
        """The exact figure that a budget, or a lower limit, of that name is about.

        Raises
        ------
        SpecError
            If it is not defined for the network.
        """
        name = count_of_budget(name, self.scoring.convention, self.counts_as_tool)
        if name in self.counts:
            return self.counts[name]
        if name not in self.exact_counts:
            raise SpecError(f"budgets.{name}", "is not defined for such a network", "use activation_memory")
        return self.exact_counts[name]

    def nanoseconds(self, name: str = LATENCY) -> int:
        """Latency by the table of a budget.

        Raises
        ------
        SpecError
            If there is none, or it does not cover an operation.
        """
        if name not in self._nanoseconds:
            if name not in self.latency_models:
                raise SpecError(f"budgets.{name}", "is missing", "give a table")
            if self.architecture.frames is not None or self.architecture.quantised:
                raise SpecError(f"budgets.{name}", "has no tables of video or quantised operations", "leave it out")
            try:
                self._nanoseconds[name] = self.latency_models[name].total(self.architecture.operations())
            except SpecError as error:
                raise SpecError(f"budgets.{name}.{error.field}", error.problem, error.remedy) from None
        return self._nanoseconds[name]

    @cached_property
    def stages(self) -> tuple[tuple[tuple[int, int], tuple[int, ...]], ...]:
        """Per stage: ``(resolution, channels)`` at its end as the convention sees them, and the widths in it."""
        arch = self.architecture
        stage_of = arch.stage_of
        n_stages = 1 + stage_of[-1]
        widths: list[list[int]] = [[] for _ in range(n_stages)]
        ends = [(-(-arch.resolution // arch.stem.stride), arch.stem.channels)] + [(0, 0)] * (n_stages - 1)
        widths[0].append(arch.input_channels * arch.stem.kernel**2)
        se_seen = False
        for block in arch.blocks():
            j = stage_of[block.stage]
            widths[j].extend(block.widths)
            se_seen |= self.scoring.convention.forgets_resolution and FAMILIES[block.spec.block].has_se
            ends[j] = (1 if se_seen else -(-block.resolution // block.stride), block.spec.channels)
        if arch.head is not None:
            widths[-1].append(arch.stages[-1].channels)
            ends[-1] = (ends[-1][0], arch.head)
        return tuple((end, tuple(w)) for end, w in zip(ends, widths, strict=True))

    @cached_property
    def factors(self) -> tuple[Factors, ...]:
        """What frames and bits multiply the widths of each stage by in the entropy; empty where there are none.

        Raises
        ------
        SpecError
            If the score is one of video and the network is not, or a kernel has exactly the proportions of its map.
        """
        arch, scoring = self.architecture, self.scoring
        if scoring.formula.weighs_shapes and arch.frames is None:
            raise SpecError(
                "objective.score", f"{scoring.score} is a score of networks of video", "use madnas, or state frames"
            )
        if arch.frames is None and not (arch.quantised and scoring.formula.counts_bits):
            return ()
        shapes = (scoring.score_resolution or arch.resolution) if scoring.formula.weighs_shapes else None
        return layer_factors(arch, shapes_at=shapes, sigmas=scoring.sigmas if scoring.formula.counts_bits else None)

    @property
    def prefixes(self) -> list[list[int]]:
        """Width lists of which the effectiveness is taken: every stage prefix, or the whole network only."""
        lists: list[list[int]] = []
        for _, widths in self.stages:
            lists.append((lists[-1] if lists else []) + list(widths))
        return lists if self.scoring.convention.prefix_effectiveness else lists[-1:]

    @property
    def depths(self) -> list[int]:
        """Depths that the penalty counts."""
        return [self.architecture.stages[i].depth for i in self.scoring.penalised]

    @cached_property
    def evaluation(self) -> Evaluation:
        scoring, counts = self.scoring, self.counts
        terms: list[float] = []
        logs: list[float] = []
        every = self.factors or ({},) * len(self.stages)
        for weight, end_weight, (end, widths), factors in zip(
            scoring.weights, scoring.end_weights, self.stages, every, strict=True
        ):
            logs.extend(math.log(w) for w in widths)
            logs.extend(times * math.log(factor.value) for factor, times in factors.items())
            term = scoring.formula.term(weight, end_weight, scoring.effect_of_end(*end), math.fsum(logs))
            terms.append(term if weight else 0.0)
        weighted = math.fsum(terms)
        penalty = depth_cost(scoring.penalty_form, scoring.beta, self.depths)
        rho = max(effectiveness(p) for p in self.prefixes)
        by_table = None if scoring.values is None else float(self.value)
        conv = scoring.convention
        latencies = {name: time for name in self.latency_models if (time := self._latency(name)) is not None}
        figures = {name: plain_count(n) for name, n in self.exact_counts.items()} if self.counts_as_tool else {}
        return Evaluation(
            convention=conv.name,
            params=counts[conv.params_metric],
            flops=plain_count(self.count("flops")),
            **counts,
            effectiveness=rho,
            weighted_stage_entropies=tuple(terms),
            weighted_entropy=weighted,
            penalty=penalty,
            objective=weighted - penalty - scoring.effectiveness_price * rho + (by_table or 0.0),
            value=by_table,
            latency=latencies.pop(LATENCY, None),
            latencies=latencies,
            tool_flops=figures.get("tool_flops"),
            bit_operations=figures.get("bit_operations"),
            model_size=figures.get("model_size"),
            max_feature=figures.get("max_feature"),
        )

    def _latency(self, name: str) -> float | None:
        """Microseconds, where the table of a budget tells."""
        try:
            return self.nanoseconds(name) / 1000
        except SpecError:
            return None

    @cached_property
    def value(self) -> Fraction:
        """What the network is worth by the table, exactly.

        Raises
        ------
        SpecError
            If the table has no value of a super-block, or several and that is refused.
        """
        total = Fraction(0)
        for i, stage in enumerate(self.architecture.stages):
            value = self.scoring.value_of(i, stage)
            if value is None:
                raise SpecError("objective.table", f"excludes super-block {i + 1} of the network", "add a row")
            total += value
        return total

    def exact_objective(self) -> Decimal:
        """The objective to 40 digits."""
        s = self.scoring
        ends, widths = zip(*self.stages, strict=True)
        own = (s.convention, s.alpha, s.beta, s.penalty_form, self.depths, ends, widths, s.log_base, s.effectiveness_price)
        return exact_objective(
            *own, score=s.formula, exponents=s.exponents, factors_of_stages=self.factors, by_table=self.value
        )

    def figure(self, name: str) -> float:
        """The figure that a budget limits."""
        if kind_of_budget(name) == LATENCY:
            return self.nanoseconds(name) / 1000
        if name == "effectiveness":
            return self.evaluation.effectiveness
        return plain_count(self.count(name))

    def within(self, name: str, limit: Fraction) -> bool:
        """Whether a budget holds, in exact integer arithmetic."""
        if name == "effectiveness":
            return all(effectiveness_within(p, limit) for p in self.prefixes)
        if kind_of_budget(name) == LATENCY:
            return self._latency(name) is not None and self.nanoseconds(name) <= limit * 1000
        value = self.count(name)
        return value >= limit if name.startswith(LOWER) else value <= limit


def plain_count(value: Fraction | int) -> int | float:
    """A count as an integer where it is one, else as a float: denominators are powers of two, so it is exact below 2^53."""
    return int(value) if value.denominator == 1 else float(value)


@arguments(
    architecture=instance(Architecture, "a network", "an Architecture, such as mipdesign.read_network() reads"),
    convention=one_of("a convention", CONVENTIONS),
    scoring=optional(instance(Scoring, "a scoring", "problem.scoring")),
)
def evaluate(architecture: Architecture, convention: str = "reference", scoring: Scoring | None = None) -> Evaluation:
    """All figures of one network.

    Parameters
    ----------
    convention:
        ``paper`` or ``reference``; ignored if ``scoring`` is given.
    scoring:
        The resolved objective of a problem; by default the convention's own.
    """
    return Evaluator(architecture, scoring or default_scoring(convention, architecture)).evaluation


def violations(evaluator: Evaluator, budgets: Mapping[str, Fraction]) -> list[str]:
    """Names of the budgets that a network exceeds, by exact arithmetic."""
    return [name for name, limit in budgets.items() if not evaluator.within(name, limit)]
