"""The oracle of :mod:`mipdesign.benchmarks.experiments.hard`: the answer of a problem by enumeration in exact arithmetic.

It reads :meth:`mipdesign.Problem.to_dict` by its own code, lists every network and judges each by the exact evaluator.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from mipdesign.errors import SpecError
from mipdesign.networks.architecture import Architecture, Stage, Stem
from mipdesign.networks.evaluator import Evaluator
from mipdesign.problem.problem import Problem

FINE = Context(prec=80)
"""Decimal arithmetic with more digits than any number here has."""


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
                _ = evaluator.nanoseconds()
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
