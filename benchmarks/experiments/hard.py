"""Hard specifications, held against enumeration by exact arithmetic: numbers right at what decides, or beyond the doubles.

Ratios with 15 to 17 digits, with more, and as fractions; limits exactly at a network's figure and one unit off; effectiveness
limits a hair above and below a network's; weights from 0 and 1e-300 to 1e6, penalties that overflow; limits around 2^53 and
above 2^63; lattices of one value, forbidden combinations, ties, neighbourhoods, latency tables with gaps; all families.

The oracle reads :meth:`Problem.to_dict` by its own code, lists every network and judges each by the exact evaluator. The tree's
answer has to be the same network, infeasible where there is none, and a refusal where the specification has no answer.

``python -m mipdesign.benchmarks hard [--count N] [--first SEED]`` prints how many agree, and the seeds that do not.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from mipdesign.bounds.multipliers import Multipliers
from mipdesign.certificate.certificate import Certificate
from mipdesign.certificate.verification import claims
from mipdesign.errors import SpecError
from mipdesign.lattice.cell import Cell
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.blocks import FAMILIES
from mipdesign.networks.evaluator import Evaluator
from mipdesign.networks.objective import depth_cost
from mipdesign.problem.problem import Problem
from mipdesign.search.branching import LIST_STEPS, Node, expand
from mipdesign.search.coverage import build_tables
from mipdesign.search.driver import Run
from mipdesign.search.incumbents import OPTIMAL_GAP
from mipdesign.search.outcome import Options, WarmStart

from ..corpus.small import random_table

MOST_NETWORKS = 400
"""Most networks of a space, ties aside: each goes through the exact evaluator."""
FINE = Context(prec=80)
WEIGHTS = (0.0, 1e-300, 1e-20, 1.0, 1.0, 8.0, 1e6)
SUMS = ("flops", "params", "macs", "params_backbone", "layers", "blocks", "activations", "weights_bytes")
"""Budgets that have a lower limit too."""


# ---------------------------------------------------------------------------------------------------------------- the oracle


def number(value: float | str) -> Fraction:
    """The number that plain data means."""
    return Fraction(value) if isinstance(value, str) else Fraction(repr(value))


def values_of(lattice: Any) -> list[int]:
    """The values of a lattice."""
    if isinstance(lattice, list):
        return sorted(set(lattice))
    return list(range(lattice.get("min", lattice["step"]), lattice["max"] + 1, lattice["step"]))


def nearest(values: Sequence[int], target: Fraction) -> int:
    """The value nearest to a target; of two, the one at an even place, counted from 1."""
    least = min(abs(value - target) for value in values)
    places = [place for place, value in enumerate(values, 1) if abs(value - target) == least]
    return values[min(places, key=lambda place: place % 2) - 1]


def widths_of(values: list[int], ratio: dict[str, Any], channels: int) -> set[int]:
    """Bottleneck widths that go with a number of channels."""
    low = number(ratio["min"]) * channels
    high = number(ratio["max"]) * channels if ratio.get("max") is not None else None
    found = {b for b in values if low <= b and (high is None or b <= high)}
    if "min" in ratio["to_rounding"] and (high is None or nearest(values, low) <= high):
        found.add(nearest(values, low))
    if "max" in ratio["to_rounding"] and high is not None:
        found.add(nearest(values, high))
    return found


def super_blocks(stage: dict[str, Any], r: int, near: dict[str, Any] | None, centre: dict[str, Any] | None) -> list[Stage]:
    """What a super-block may be on a map of ``r x r``, whatever comes before."""
    found, multiple = [], stage.get("multiple_of", 1)
    names = stage["block"] if isinstance(stage["block"], list) else [stage["block"]]

    def close(value: int, other: int) -> bool:
        return near is None or near.get("ratio") is None or abs(value - other) <= number(near["ratio"]) * other

    for block in names:
        rules = stage.get("per_block", {}).get(block, {})
        lattice = values_of(rules.get("bottleneck") or stage["bottleneck"])
        kernels = [k for k in values_of(rules.get("kernels") or stage["kernels"]) if Fraction(3, 2) * k <= r]
        ratio = rules.get("bottleneck_ratio") or stage["bottleneck_ratio"]
        for c in values_of(stage["channels"]):
            for b, k, depth in itertools.product(widths_of(lattice, ratio, c), kernels, values_of(stage["depth"])):
                if c % multiple or b % multiple or forbidden(stage.get("forbidden", []), block, c, b, k):
                    continue
                if near is not None and centre is not None:
                    same = near.get("same", [])
                    apart = abs(depth - centre["depth"]) > near["blocks"] if near.get("blocks") is not None else False
                    apart |= not close(c, centre["channels"]) or not close(b, centre["bottleneck"])
                    apart |= ("block" in same and block != centre["block"]) or ("kernel" in same and k != centre["kernel"])
                    if apart:
                        continue
                found.append(Stage(block, stage["stride"], c, b, k, depth))
    return found


def forbidden(rules: list[dict[str, Any]], block: str, c: int, b: int, k: int) -> bool:
    """Whether a combination is left out."""
    for rule in rules:
        names = rule.get("block", [block])
        parts = [block in ([names] if isinstance(names, str) else names)]
        parts += [
            x in values_of(rule[name]) for name, x in (("channels", c), ("bottleneck", b), ("kernels", k)) if name in rule
        ]
        if all(parts):
            return True
    return False


def follows(growth: dict[str, Any], before: int, channels: int) -> bool:
    """Whether channels may follow others."""
    high = growth.get("max")
    return number(growth["min"]) * before <= channels and (high is None or channels <= number(high) * before)


def every_chain(data: dict[str, Any]) -> Iterator[tuple[int, tuple[Stage, ...]]]:
    """Stem channels and super-blocks of every network of a space, ties aside, from plain data alone."""
    near = data.get("near")
    r, choices = -(-data["input"]["resolution"] // data["stem"]["stride"]), []
    for i, stage in enumerate(data["stages"]):
        centre = near["network"]["stages"][i] if near else None
        choices.append(super_blocks(stage, r, near, centre))
        r = -(-r // stage["stride"])

    def onward(i: int, before: int) -> Iterator[tuple[Stage, ...]]:
        if i == len(choices):
            yield ()
            return
        for stage in choices[i]:
            if follows(data["stages"][i]["growth"], before, stage.channels):
                for rest in onward(i + 1, stage.channels):
                    yield (stage, *rest)

    for channels in values_of(data["stem"]["channels"]):
        for stages in onward(0, channels):
            yield channels, stages


def keeps_ties(data: dict[str, Any], stages: Sequence[Stage]) -> bool:
    """Whether tied super-blocks have in common what they have to."""
    for tie in data.get("ties", []):
        for axis in tie["same"]:
            if len({getattr(stages[i - 1], axis) for i in tie["stages"]}) > 1:
                return False
    return True


def network_of(data: dict[str, Any], channels: int, stages: tuple[Stage, ...]) -> Architecture:
    """A network of the space."""
    head, stem = (data.get("head") or {}).get("channels"), data["stem"]
    first = Stem(channels, stem["kernel"], stem["stride"])
    return Architecture(data["input"]["resolution"], first, stages, head, data["input"]["channels"], data["classes"])


@dataclass(frozen=True)
class Answer:
    """What a problem has for an answer: ``optimal`` with objective and network, ``infeasible`` or ``refused``."""

    status: str
    objective: Decimal | None = None
    network: Architecture | None = None
    reason: str = ""


def penalty_overflows(problem: Problem, depths: Sequence[int]) -> bool:
    """Whether the depth penalty of a network is more than a double holds."""
    scoring = problem.scoring
    penalised = [depths[i] for i in scoring.penalised]
    if not scoring.beta or scoring.penalty_form == "none" or not penalised:
        return False
    n = len(penalised)
    variance = Decimal(n * sum(d * d for d in penalised) - sum(penalised) ** 2) / (n * n)
    exponent = variance if scoring.penalty_form == "exp_var" else FINE.sqrt(variance)
    return Decimal(repr(scoring.beta)) * FINE.exp(exponent) > Decimal(sys.float_info.max)


def expected(problem: Problem) -> Answer:
    """The answer by enumeration.

    Raises
    ------
    AssertionError
        If the problem's own account of its space is another one.
    """
    data = problem.to_dict()
    assert Problem.from_dict(data) == problem, "plain data does not make the same problem"
    chains = list(every_chain(data))
    assert len(chains) == problem.size(), f"{len(chains)} networks, not {problem.size()}"
    feasible: list[tuple[Decimal, Evaluator]] = []
    overflows = False
    for channels, stages in chains:
        if not keeps_ties(data, stages):
            continue
        network = network_of(data, channels, stages)
        assert not problem.outside_space(network), f"{network} is in the space"
        evaluator = problem.evaluator(network)
        broken = problem.violations(network, evaluator)
        if broken in ([], ["latency"]) and "latency" in data["budgets"]:
            try:
                _ = evaluator.nanoseconds
            except SpecError:
                return Answer("refused", reason="latency")
        if broken:
            continue
        if penalty_overflows(problem, [stage.depth for stage in stages]):
            overflows = True
            continue
        feasible.append((evaluator.exact_objective(), evaluator))
    if not feasible:
        return Answer("refused", reason="penalty") if overflows else Answer("infeasible")
    most = max(objective for objective, _ in feasible)
    best = min((evaluator for objective, evaluator in feasible if objective == most), key=_order)
    return Answer("optimal", most, best.architecture)


def _order(evaluator: Evaluator) -> tuple[object, ...]:
    """The documented order of equal optima."""
    network, convention = evaluator.architecture, evaluator.scoring.convention
    stages = [(s.block, s.stride, s.channels, s.bottleneck, s.kernel, s.depth) for s in network.stages]
    counts = evaluator.counts
    return counts[convention.params_metric], counts[convention.flops_metric], network.stem.channels, stages


# --------------------------------------------------------------------------------------------------------------- the product


def found(problem: Problem, list_steps: int = LIST_STEPS) -> tuple[Answer, Certificate | None]:
    """The answer of a design run in this process: its tree, first for a network, then for the best, and what its driver
    makes of the networks; and its certificate.
    """
    try:
        tables = build_tables(problem)
    except SpecError as error:
        return Answer("refused", reason="latency" if error.field.startswith("budgets.latency") else str(error)), None
    run = Run(tables, Options(), lambda progress: None, None, WarmStart())
    run.begun = True
    for weight in (0.0, 1.0):
        run.feasibility_only = weight == 0.0
        run.state.records.clear()
        worth = 3.0 if weight == 0.0 else max(1.0, abs(run.cutoff))
        stack = [Node("", Cell.whole(tables), math.inf, Multipliers.initial(tables, worth, weight))]
        while stack and (weight or run.best is None):
            expansion = expand(tables, stack.pop(), run.cutoff if weight else 0.0, 0, list_steps)
            run.state.records.append(expansion.record)
            for candidate in expansion.candidates:
                run.incumbents.consider(candidate)
            stack += expansion.children
        if run.best is None:
            break
    try:
        outcome = run.outcome([], False)
    except SpecError as error:
        return Answer("refused", reason="penalty" if error.field == "objective.penalty" else str(error)), None
    certificate = Certificate.of(problem, tables, outcome, OPTIMAL_GAP)
    if outcome.best is None:
        return Answer(outcome.status), certificate
    network = tables.architecture(outcome.best.position)
    return Answer(outcome.status, problem.evaluator(network).exact_objective(), network), certificate


# -------------------------------------------------------------------------------------------------------------- the problems


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
        model = Problem.from_dict(problem.to_dict() | {"budgets": {"latency": {"max": 1, "table": table}}}).budgets.latency
        assert model is not None
        nanoseconds = model.model.total(self.pick(networks).operations()) - int(self.pick([0, 0, 1]))
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


def agreement(seed: int) -> tuple[str, str]:
    """Status of the answer by enumeration, and what differs, empty where nothing does."""
    problem = hard_problem(seed)
    if problem is None:
        return "refused at once", ""
    try:
        right = expected(problem)
    except AssertionError as error:
        return "space", str(error)
    answer, certificate = found(problem, (30, 200, LIST_STEPS)[seed % 3])
    if answer != right:
        return right.status, f"{answer} is not {right}"
    checked = [] if certificate is None else [claim for claim in claims(certificate) if not claim.passed]
    return right.status, f"its certificate is refused: {checked}" if checked else ""


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    arguments = parser.parse_args()
    statuses: Counter[str] = Counter()
    bad = []
    for seed in range(arguments.first, arguments.first + arguments.count):
        try:
            status, wrong = agreement(seed)
        except Exception as error:  # a crash is a disagreement like any other, and the next seed is of interest as well
            status, wrong = "crash", repr(error)
        statuses[status] += 1
        if wrong:
            bad.append(seed)
            print(f"seed {seed}: {wrong}", flush=True)
    kinds = ", ".join(f"{n} {status}" for status, n in sorted(statuses.items()))
    print(f"hard       {arguments.count - len(bad)} of {arguments.count} agree with exact enumeration ({kinds}){bad or ''}")


if __name__ == "__main__":
    main()
