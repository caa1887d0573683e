"""Published networks held against the proven optima of their own search spaces: how far the searches stopped from the optimum.

``python -m mipdesign.benchmarks audit [--only NAME ...] [--add NETWORK.json PROBLEM ...] [--out docs/audit.md]`` takes each
network of ``benchmarks/corpus/published.json`` and each one added (a network file, and the preset or specification that says in
which space and under which score and budgets it is to stand), and writes its score, the rules of the space and the budgets that
it breaks, and two proven optima: within the budgets of the problem, and within what the network itself spends.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

from mipdesign import Architecture, Problem, design
from mipdesign.io.exchange import read_network
from mipdesign.networks.architecture import Stage, single
from mipdesign.networks.budget_names import LOWER
from mipdesign.networks.operation import kernel_code
from mipdesign.problem.space import SuperBlockSpace
from mipdesign.search.incumbents import OPTIMAL_GAP

from .measure import table

HEAD = """# How far from the optimum did the searches stop?

Every network below was found by an evolutionary search with the score, and within the kind of space, that its preset has. No
bound came with it. Here its score stands beside two optima that are proven:

* *at its cost*: the best network that spends no more than the published one does of what the budgets limit, in a space that
  holds the published one: that of the preset and, where its rules are broken, the least additions to its lattices that let it
  in. A gap of 10 % says that the published network reaches 90 % of that score. This gap is what the search left.
* *of the preset*: the best network of the preset as it is, within its budgets. A published network that breaks rules or budgets
  may score more.

A score is not an accuracy: the gap says how well a search did what it was asked to do, not how well the network trains.

`python -m mipdesign.benchmarks audit --out docs/audit.md` writes this page; `--add NETWORK.json PROBLEM` adds a network of your
own, and the preset or specification that it is held against.
"""
COLUMNS = (
    "network",
    "problem",
    "score",
    "optimum at its cost",
    "gap, %",
    "optimum of the preset",
    "gap, %",
    "seconds of both proofs",
)


@dataclass(frozen=True)
class Published:
    """A network, and the problem that it is an answer to."""

    name: str
    problem: Problem
    network: Architecture
    source: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Published:
        return cls(row["name"], Problem.preset(row["problem"]), Architecture.from_dict(row["network"]), row["source"])


def published() -> list[dict[str, Any]]:
    """The networks that ship with the benchmarks."""
    text = (resources.files("mipdesign.benchmarks.corpus") / "published.json").read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def enlarged(problem: Problem, network: Architecture) -> Problem:
    """The problem with the least additions to its space that let it hold a network: the network's own super-blocks, and its
    values beside those of the lattices. Budgets and objective stay. It is the problem itself where that holds the network.
    """
    if not problem.outside_space(network):
        return problem
    data = problem.to_dict()
    stage_of = problem.stage_of
    rows, before = [], network.stem.channels
    for i, (stage, at) in enumerate(zip(network.stages, network.stage_of, strict=True)):
        alike = [k for k, j in enumerate(stage_of) if j >= at] or [len(stage_of) - 1]
        own = i if len(network.stages) == len(stage_of) else alike[0]
        row, space = dict(data["stages"][own]), problem.stages[own]
        row["stride"], row["block"] = stage.stride, row["block"] if stage.block in row["block"] else [stage.block]
        row["channels"] = sorted({*space.channels.values, stage.channels})
        row["depth"] = sorted({*space.depth.values, stage.depth})
        row["growth"] = _with_ratio(row["growth"], Fraction(stage.channels, before))
        for block in map(stage.block_at, range(stage.depth)):
            b, k = single(block.bottleneck), single(block.kernel)
            row["bottleneck"] = sorted({*space.bottleneck.values, b})
            row["bottleneck_ratio"] = _with_ratio(row["bottleneck_ratio"], Fraction(b, stage.channels))
            if kernel_code(stage.kernel_t, k) not in space.kernels.values:
                row["kernels"] = [*row["kernels"], [stage.kernel_t, k] if network.frames else k]
        rows.append(row)
        before = stage.channels
    data["stages"] = rows
    data["stem"] = {**data["stem"], "channels": sorted({*problem.stem.channels.values, network.stem.channels})}
    return Problem.from_dict(data)


def _with_ratio(bounds: dict[str, Any], value: Fraction) -> dict[str, Any]:
    """Bounds of a quotient, or a list of its values, widened to hold one more."""
    made = dict(bounds)
    if made.get("listed") is not None:
        return made | {"listed": [*made["listed"], str(value)]}
    low, high = Fraction(str(made["min"])), made.get("max")
    made["min"] = str(min(low, value))
    if high is not None:
        made["max"] = str(max(Fraction(str(high)), value))
    return made


def spent(problem: Problem, network: Architecture) -> Problem:
    """The problem whose upper limits are what a network spends of them; lower limits stay."""
    evaluator = problem.evaluator(network)
    limits: dict[str, float | Fraction] = {}
    for name in problem.budgets.limits():
        if not name.startswith(LOWER):
            limit = Fraction(evaluator.figure(name))
            while not evaluator.within(name, limit):  # a figure that is no integer was rounded down
                limit = Fraction(math.nextafter(float(limit), math.inf))
            limits[name] = limit
    return problem.with_limits(limits)


def broken(problem: Problem, larger: Problem, network: Architecture) -> list[str]:
    """In words what a network breaks of a problem: rules of the space, then budgets; ``larger`` holds it."""
    found, outside, before = [], problem.outside_space(network), network.stem.channels
    for i, stage in enumerate(network.stages):
        if f"stages.{i}" in outside:
            reasons = list(_reasons(problem.space[i], stage, before))
            found.append(f"super-block {i + 1}: {', '.join(reasons) or 'outside the space'}")
        before = stage.channels
    if "stages" in outside:
        found.append(f"{len(network.stages)} super-blocks, not {len(problem.stages)}")
    found += [field for field in outside if not field.startswith("stages")]
    for budget in larger.usage(network):
        if not budget.holds:
            found.append(f"{budget.name} {budget.value:.6g}, limit {budget.limit:.6g}")
    return found


def _reasons(space: SuperBlockSpace, stage: Stage, before: int) -> Iterable[str]:
    """Which rules of a super-block a stage breaks."""
    if stage.stride != space.stride:
        yield f"stride {stage.stride}, not {space.stride}"
    if stage.block not in space.blocks:
        yield f"a block {stage.block}"
        return
    if stage.channels not in space.channels:
        yield f"{stage.channels} channels are not on the lattice"
    else:
        choice, at = space.choices[space.blocks.index(stage.block)], space.channels.index(stage.channels)
        for block in {stage.block_at(index) for index in range(stage.depth)}:
            if block.bottleneck not in choice.widths[at]:
                yield f"width {block.bottleneck} with {stage.channels} channels"
            if kernel_code(stage.kernel_t, single(block.kernel)) not in choice.kernels:
                yield f"kernel {block.kernel}"
    if stage.depth not in space.depths:
        yield f"{stage.depth} blocks, at most {space.depths[-1]}" if stage.depth > space.depths[-1] else f"{stage.depth} blocks"
    if not space.follows(before, stage.channels):
        yield f"{stage.channels} channels after {before}"


@dataclass(frozen=True)
class Proven:
    """A proven optimum: what it scores (``None`` where no network keeps the limits) and how long the proof took."""

    score: float | None
    seconds: float

    @classmethod
    def of(cls, problem: Problem, name: str) -> Proven:
        found = design(problem)
        if found.status not in ("optimal", "infeasible"):
            raise SystemExit(f"{name}: the proof ended with {found.status!r}")
        return cls(found.objective, found.wall_seconds)

    def cells(self, score: float) -> tuple[str, str]:
        """It, and by how much of it a score stays below it."""
        return ("infeasible", "-") if self.score is None else (f"{self.score:.3f}", f"{100 * (1 - score / self.score):.2f}")


def audit(subjects: Sequence[Published]) -> str:
    """The page."""
    rows, notes = [], []
    for n, subject in enumerate(subjects):
        print(f"{n + 1} of {len(subjects)}: {subject.name}", file=sys.stderr, flush=True)
        larger = (
            enlarged(subject.problem, subject.network) if subject.problem.outside_space(subject.network) else subject.problem
        )
        score = larger.evaluator(subject.network).evaluation.objective
        at_cost, of_preset = (Proven.of(p, subject.name) for p in (spent(larger, subject.network), subject.problem))
        if at_cost.score is None or score > at_cost.score + abs(score) * OPTIMAL_GAP:
            raise SystemExit(f"{subject.name} scores {score}, more than the proven optimum {at_cost.score}")
        seconds = f"{at_cost.seconds:.1f} + {of_preset.seconds:.1f}"
        proven = *at_cost.cells(score), *of_preset.cells(score)
        rows.append((subject.name, subject.problem.name, f"{score:.3f}", *proven, seconds))
        notes.append((subject.name, subject.source, "; ".join(broken(subject.problem, larger, subject.network)) or "nothing"))
    broken_rules = table(("network", "source", "breaks"), notes)
    return "\n".join(
        (HEAD, table(COLUMNS, rows), "\nWhich rules and budgets of its preset each network breaks:\n", broken_rules, "")
    )


def main() -> None:
    """Runs and prints or writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", metavar="NAME", help="these of the published networks")
    parser.add_argument("--add", nargs=2, action="append", default=[], metavar=("NETWORK.json", "PROBLEM"))
    parser.add_argument("--out", type=Path, metavar="FILE.md")
    arguments = parser.parse_args()
    rows = {row["name"]: row for row in published()}
    unknown = set(arguments.only or ()) - set(rows)
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))}: use some of {', '.join(rows)}")
    subjects = [Published.of(rows[name]) for name in (rows if arguments.only is None else arguments.only)]
    for file, problem in arguments.add:
        subjects.append(Published(Path(file).stem, Problem.named(problem), read_network(file), file))
    page = audit(subjects)
    if arguments.out is None:
        print(page)
    else:
        arguments.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
