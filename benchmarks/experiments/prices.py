"""Prices against what they foretell: one limit at a time is relaxed and the problem solved again.

``python -m mipdesign.benchmarks prices [--problem NAME] [--budgets NAME ...] [--flops VALUE ...]`` prints a row per point and
limit: the price, and for each step what it foretells and what the new optimum gains.
"""

from __future__ import annotations

import argparse

from mipdesign.analysis.shadow_prices import shadow_prices, unit_of
from mipdesign.designs.run import design
from mipdesign.engine.engine import Engine
from mipdesign.machine import processors
from mipdesign.problem.problem import Problem
from mipdesign.search.coverage import build_tables

from .measure import table

STEPS = (0.01, 0.05)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problem", default="deepmad-r18")
    parser.add_argument("--budgets", nargs="+", default=["flops", "params", "effectiveness"])
    parser.add_argument("--flops", nargs="+", type=float, default=[0.8e9, 1.3e9, 1.82e9, 2.5e9, 3.5e9])
    arguments = parser.parse_args()
    header = ["flops", "objective", "limit", "used, %", "price", "per"]
    header += [f"{100 * step:+g} %, {what}" for step in STEPS for what in ("foretold", "solved")]
    rows: list[tuple[object, ...]] = []
    engine = Engine(processors())
    try:
        for flops in arguments.flops:
            problem = Problem.named(arguments.problem).with_limits({"flops": flops})
            for row in prices_of(problem, arguments.budgets, engine):
                rows.append((f"{flops:.3g}", *row))
                print(table(header, rows[-1:]).splitlines()[-1], flush=True)
    finally:
        engine.close()
    print("\n" + table(header, rows))


def prices_of(problem: Problem, budgets: list[str], engine: Engine) -> list[tuple[object, ...]]:
    """One row per limit."""
    found = design(problem, engine=engine)
    if found.objective is None or found.architecture is None or found.status != "optimal":
        raise SystemExit(f"ended {found.status}")
    prices, rows = shadow_prices(build_tables(problem), found.objective), []
    usage = {budget.name: budget for budget in found.budgets}
    for name in budgets:
        gains: list[object] = []
        for step in STEPS:
            limit = usage[name].limit * (1 + step)
            relaxed = design(problem.with_limits({name: limit}), near=[found], engine=engine)
            if relaxed.objective is None or relaxed.status != "optimal":
                raise SystemExit(f"ended {relaxed.status}")
            gains += [round(prices[name] * usage[name].limit * step, 2), round(relaxed.objective - found.objective, 2)]
        share = round(100 * usage[name].value / usage[name].limit, 2)
        unit, called = unit_of(name)
        rows.append((round(found.objective, 3), name, share, f"{prices[name] * unit:.4g}", called, *gains))
    return rows


if __name__ == "__main__":
    main()
