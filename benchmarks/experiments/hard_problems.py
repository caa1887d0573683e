"""The problems of the experiment ``hard``: random specifications at the edges of what numbers tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture
from mipdesign.networks.blocks import FAMILIES
from mipdesign.networks.evaluator import Evaluator
from mipdesign.networks.objective import depth_cost
from mipdesign.problem.problem import Problem

from ..corpus.small import random_table
from .hard_oracle import FINE, every_chain, keeps_ties, network_of, number

MOST_NETWORKS = 400
"""Most networks of a space, ties aside: each goes through the exact evaluator."""
WEIGHTS = (0.0, 1e-300, 1e-20, 1.0, 1.0, 8.0, 1e6)
SUMS = ("flops", "params", "macs", "params_backbone", "params_total", "layers", "blocks", "activations", "weights_bytes")
"""Budgets that have a lower limit too."""


class Maker:
    """Random plain data of one seed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 77])

    def chance(self, share: float) -> bool:
        """True so often."""
        return bool(self.rng.random() < share)

    def pick(self, values: Sequence[Any]) -> Any:
        """One of some values."""
        return values[int(self.rng.integers(len(values)))]

    def some(self, values: Sequence[int], most: int) -> list[int]:
        """A few of some values, increasing."""
        count = int(self.rng.integers(1, min(most, len(values)) + 1))
        return sorted(int(v) for v in self.rng.choice(values, count, replace=False))

    def spelled(self, value: Fraction) -> float | str:
        """A positive number as a specification may write it: exactly, or off by what is lost on the way."""
        way = int(self.rng.integers(7))
        if way == 0:
            return f"{value.numerator}/{value.denominator}"
        if way == 1:
            return float(value)
        if way == 2:
            return float(f"{float(value):.15g}")
        if way == 3:
            return math.nextafter(float(value), math.inf if self.chance(0.5) else 0.0)
        tiny = Fraction(1, 10 ** int(self.pick([17, 20, 40, 150])))
        if way == 4:
            off = value * (1 + tiny) if self.chance(0.5) else value * (1 - tiny)
            return f"{off.numerator}/{off.denominator}"
        digits = int(self.pick([16, 17, 20, 40]))
        rounding = ROUND_CEILING if way == 5 else ROUND_FLOOR
        return str(Context(prec=digits, rounding=rounding).divide(Decimal(value.numerator), Decimal(value.denominator)))

    def ratio(self, above: Sequence[int], below: Sequence[int]) -> float | str:
        """A bound of a quotient, right at a quotient that occurs, or far out."""
        if self.chance(0.1):
            return self.pick([1e-30, 1e-300, "1/" + "7" * 300, 1e-6])  # type: ignore[no-any-return]
        return self.spelled(Fraction(int(self.pick(above)), int(self.pick(below))))

    def stage(self, before: list[int]) -> dict[str, Any]:
        """A super-block whose bounds are right at what its lattices have."""
        families = [str(n) for n in self.rng.choice(sorted(FAMILIES), int(self.rng.integers(1, 3)), replace=False)]
        channels = self.some([4, 6, 7, 8, 12, 16, 21, 24, 26, 32, 168, 208], 3)
        widths = self.some([2, 3, 4, 7, 8, 12, 24, 52], 2)
        growth: dict[str, Any] = {"min": self.ratio(channels, before)}
        if self.chance(0.6):
            growth["max"] = self.ratio(channels, before)
        ratio: dict[str, Any] = {"min": self.ratio(widths, channels), "to_rounding": self.pick([[], ["min"], ["min", "max"]])}
        if self.chance(0.6):
            ratio["max"] = self.ratio(widths, channels)
        depth = self.pick([[1], [1, 2], [2, 3], [1, 3, 8], [1, 60], [1, 80], [60, 64]])
        stage = {
            "block": families,
            "stride": int(self.rng.integers(1, 3)),
            "channels": channels,
            "growth": growth,
            "bottleneck": widths,
            "bottleneck_ratio": ratio,
            "kernels": self.some([1, 3, 5], 2),
            "depth": depth,
        }
        if self.chance(0.2):
            stage["multiple_of"] = self.pick([2, 3, 4])
        if self.chance(0.2):
            stage["forbidden"] = [
                {"block": families[-1], "bottleneck": [widths[0]]},
                {"channels": [channels[-1]], "kernels": [3]},
            ]
        if self.chance(0.15):
            stage["per_block"] = {
                families[0]: {"bottleneck": [4, 16], "bottleneck_ratio": {"min": self.ratio([4, 16], channels)}}
            }
        return stage

    def space(self) -> dict[str, Any]:
        """A specification without budgets."""
        before = stem = self.some([4, 8, 12, 17, 168], 2)
        stages: list[dict[str, Any]] = []
        for _ in range(int(self.rng.integers(2, 4))):
            stages.append(self.stage(before))
            before = stages[-1]["channels"]
        n_stages = 1 + sum(stage["stride"] == 2 for stage in stages)
        objective: dict[str, Any] = {"beta": self.pick((*WEIGHTS, 10.0))}
        if self.chance(0.5):
            objective["alpha"] = [0.0] * n_stages if self.chance(0.2) else [self.pick(WEIGHTS) for _ in range(n_stages)]
        if self.chance(0.6):
            objective["penalty"] = {"form": self.pick(["exp_std", "exp_var", "none"])}
        if self.chance(0.3):
            objective["effectiveness_price"] = self.pick(WEIGHTS)
        if self.chance(0.2):
            objective["log_base"] = self.pick([2, 10])
        data = {
            "name": "hard",
            "convention": self.pick(["paper", "reference"]),
            "input": {"resolution": int(self.rng.integers(20, 70))},
            "stem": {"channels": stem, "stride": int(self.rng.integers(1, 3))},
            "stages": stages,
            "head": {"channels": 20} if self.chance(0.3) else None,
            "classes": 10,
            "objective": objective,
        }
        if self.chance(0.25):
            tied = self.rng.choice(len(stages), 2, replace=False) + 1
            same = self.pick([["block"], ["channels"], ["bottleneck", "kernel"], ["depth"]])
            data["ties"] = [{"stages": tied.tolist(), "same": same}]
        return data

    def near(self, problem: Problem, networks: list[Architecture]) -> dict[str, Any]:
        """A neighbourhood of a network of a problem, whose share is right at another one's distance."""
        centre, other = self.pick(networks), self.pick(networks)
        apart = [Fraction(abs(a.channels - b.channels), b.channels) for a, b in zip(other.stages, centre.stages, strict=True)]
        share = max(apart)
        near: dict[str, Any] = {"network": centre.to_dict(), "ratio": self.spelled(share) if share else 0.0}
        if self.chance(0.3):
            near["same"] = ["kernel"]
        return near

    def budgets(self, problem: Problem, networks: list[Architecture]) -> dict[str, Any]:
        """Limits right at the figures of networks."""
        budgets: dict[str, Any] = {}
        for name in (*SUMS, "activation_memory"):
            if not self.chance(0.2):
                continue
            figure = int(problem.evaluator(self.pick(networks)).figure(name))
            limits: dict[str, Any] = {"max": self.pick([figure, figure - 1, figure + 1, f"{2 * figure - 1}/2", 2 * figure])}
            if self.chance(0.3):
                limits["max"] = self.pick([2**53 - 1, 2**53 + 1, 2**63 + 1, 1e19, 1e300, 10**30, 10**300])
            if name in SUMS and self.chance(0.3):
                least = int(problem.evaluator(self.pick(networks)).figure(name))
                limits["min"] = self.pick([least, least + 1, f"{2 * least + 1}/2"])
                if self.chance(0.1):
                    limits["min"] = self.pick([2**53 + 1, 1e19])
                if number(limits["min"]) > number(limits["max"]):
                    del limits["max"]
            if all(number(limit) > 0 for limit in limits.values()):
                budgets[name] = limits
        if self.chance(0.4):
            budgets["effectiveness"] = self.effectiveness(problem.evaluator(self.pick(networks)))
        if self.chance(0.3):
            self.add_latency(problem, networks, budgets)
        return budgets

    @staticmethod
    def balanced(evaluator: Evaluator) -> float:
        """A weight of the penalty at which a network's objective is the rounding error of its entropy."""
        scoring = evaluator.scoring
        q = depth_cost(scoring.penalty_form, 1.0, evaluator.depths)
        return min(1e6, evaluator.evaluation.weighted_entropy / q) if 0 < q < math.inf else 1.0

    def effectiveness(self, evaluator: Evaluator) -> float | str:
        """A limit a hair above or below a network's effectiveness."""
        rho = max(len(p) / FINE.exp(sum((FINE.ln(Decimal(w)) for w in p), Decimal(0)) / len(p)) for p in evaluator.prefixes)
        if self.chance(0.1):
            return self.pick([1e-300, "1/" + "9" * 390, 1e300])  # type: ignore[no-any-return]
        digits, rounding = int(self.pick([15, 16, 17, 25, 40])), self.pick([ROUND_CEILING, ROUND_FLOOR])
        text = str(Context(prec=digits, rounding=rounding).plus(rho))
        return float(text) if self.chance(0.4) else text

    def add_latency(self, problem: Problem, networks: list[Architecture], budgets: dict[str, Any]) -> None:
        """A latency budget at a network's latency, or one nanosecond below; some tables have gaps."""
        table = random_table(problem, self.rng)
        model = (
            Problem.from_dict(problem.to_dict() | {"budgets": {"latency": {"max": 1, "table": table}}})
            .budgets.latencies["latency"]
            .model
        )
        nanoseconds = model.total(self.pick(networks).operations()) - int(self.pick([0, 0, 1]))
        if nanoseconds <= 0:
            return
        if self.chance(0.5):
            table = [table[0], *(line for line in table[1:] if not self.chance(self.pick([0.02, 0.1])))]
        if len(table) > 1:
            budgets["latency"] = {"max": f"{nanoseconds}/1000", "table": table}
            if self.chance(0.3):
                budgets["latency"]["free"] = ["norm", "relu"]

    def twins(self) -> Problem:
        """A space in which super-blocks may exchange widths, with the optimum near 0: in floating point, equal optima differ by
        as much as they are.
        """
        widths, c = self.some([3, 5, 7, 11, 13, 17, 19, 23], 3), int(self.pick([8, 12, 24]))
        stage = {
            "stride": 1,
            "channels": [c],
            "bottleneck": widths,
            "bottleneck_ratio": {"min": 0.01, "max": 100.0},
            "kernels": [3, 5],
            "depth": [self.pick([1, 2, 3])],
        }
        data = {
            "name": "twins",
            "convention": "paper",
            "input": {"resolution": self.pick([31, 47, 64])},
            "stem": {"channels": [c]},
            "stages": [stage] * 3,
            "classes": 10,
        }
        problem = Problem.from_dict(data)
        plain = problem.to_dict()
        evaluators = [problem.evaluator(network_of(plain, *chain)) for chain in every_chain(plain)]
        most = int(0.8 * max(evaluator.figure("params") for evaluator in evaluators))
        fitting = [evaluator for evaluator in evaluators if evaluator.figure("params") <= most] or evaluators
        best = max(fitting, key=lambda evaluator: evaluator.evaluation.weighted_entropy)
        return Problem.from_dict(data | {"budgets": {"params": most}, "objective": {"beta": self.balanced(best)}})

    def problem(self) -> Problem | None:
        """A problem, or ``None`` where the draw has no answer to compare: an empty or a large space."""
        if self.chance(0.1):
            return self.twins()
        data = self.space()
        try:
            problem = Problem.from_dict(data)
        except SpecError as error:
            if error.field == "objective.penalty":
                raise
            return None
        if problem.size() > MOST_NETWORKS:
            return None
        plain = problem.to_dict()
        networks = [network_of(plain, *chain) for chain in every_chain(plain) if keeps_ties(plain, chain[1])]
        if not networks:
            return problem
        more: dict[str, Any] = {"budgets": self.budgets(problem, networks)}
        if self.chance(0.15):
            more["objective"] = data["objective"] | {"beta": self.balanced(problem.evaluator(self.pick(networks)))}
        if self.chance(0.15):
            more["near"] = self.near(problem, networks)
        try:
            return Problem.from_dict(data | more)
        except SpecError as error:
            if error.field == "objective.penalty":
                raise
            return None


def hard_problem(seed: int) -> Problem | None:
    """The problem of a seed; ``None`` where its specification is refused because of its penalty."""
    maker = Maker(seed)
    while True:
        try:
            problem = maker.problem()
        except SpecError:
            return None
        if problem is not None:
            return problem
