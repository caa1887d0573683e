"""Random small problems with limits of all parameters, and with several latency tables at once."""

from __future__ import annotations

import numpy as np

from mipdesign.problem.problem import Problem

from .small import every_network, random_table, varied_problem

TABLES = ("gpu", "cpu", "cpu16")
"""Names of the tables; that of prices is another one, alphabetical."""


def limited_problem(seed: int) -> Problem:
    """A varied problem with limits of all parameters, and with several latency tables, each with a limit of its own."""
    rng = np.random.default_rng([seed, 4000])
    problem = varied_problem(seed)
    evaluators = [problem.evaluator(network) for network in every_network(problem)]
    if not evaluators:
        return problem
    data = problem.to_dict()
    budgets = data["budgets"]
    budgets.pop("latency", None)
    totals = sorted(int(evaluator.count("params_total")) for evaluator in evaluators)
    budgets["params_total"] = {"max": totals[int(rng.integers(len(totals) // 2, len(totals)))]}
    if rng.random() < 0.4:
        budgets["params_total"]["min"] = totals[int(rng.integers(0, len(totals) // 2 + 1))]
    free = Problem.from_dict(data | {"budgets": {}})  # a table lacks what breaks a budget
    tables = {name: random_table(free, rng) for name in TABLES[: int(rng.integers(1, 4))]}
    unlimited = {name: {"max": 1e9, "table": table} for name, table in tables.items()}
    timed = Problem.from_dict(data | {"budgets": {"latency": unlimited}})
    limited = {}
    for name, limits in unlimited.items():
        times = sorted(timed.evaluator(e.architecture).figure(f"latency.{name}") for e in evaluators)
        limited[name] = limits | {"max": times[int(rng.integers(len(times) // 3, len(times)))]}
    return Problem.from_dict(data | {"budgets": budgets | {"latency": limited}})
