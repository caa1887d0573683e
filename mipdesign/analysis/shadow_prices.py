"""Shadow prices: what the objective gains where a limit grows, from the multipliers of a bound.

The bound at multipliers ``lambda`` moves with a limit ``F`` as ``lambda F`` does; where it is least, ``lambda`` is therefore
the slope of the least bound in ``F`` (the envelope theorem). The optimum itself is a staircase that stays below that curve, so
a price says what a step of the limit buys on average, not what the next unit buys.

The bound is that of the choices that can be part of a network as good as the optimum. Which ones can is seen at multipliers
that are nearly those of the least bound of the whole space: those of a space with fewer channel counts, which takes an eighth
of the time.
"""

from __future__ import annotations

import numpy as np

from ..bounds.multipliers import Multipliers
from ..bounds.optimise import optimise
from ..bounds.relaxation import Relaxation
from ..lattice.additive_budgets import AdditiveBudget
from ..lattice.cell import Cell
from ..lattice.tables import Tables
from ..networks.budget_names import LATENCY, LOWER, kind_of_budget
from ..search.incumbents import OPTIMAL_GAP, cutoff_of

EVALUATIONS = 120
"""Most bound evaluations; some ninety are enough for a least bound of the r18 space."""
THINNED = 8
"""One in how many channel counts the first multipliers are taken from."""
NANOSECONDS = 1000
"""The tables count a latency in nanoseconds, budgets give it in microseconds."""

UNITS = {
    "flops": (1e6, "MFLOP"),
    "macs": (1e6, "MMAC"),
    "params": (1e3, "1000 parameters"),
    "params_backbone": (1e3, "1000 parameters"),
    "params_total": (1e3, "1000 parameters"),
    "activations": (1e3, "1000 activations"),
    "activation_memory": (1e3, "kB"),
    "weights_bytes": (1e3, "kB"),
    "model_size": (1e3, "kB"),
    "max_feature": (1e3, "kB"),
    "bit_operations": (1e6, "million bit operations"),
    "latency": (1.0, "microsecond"),
    "effectiveness": (0.01, "0.01"),
    "layers": (1.0, "layer"),
    "blocks": (1.0, "block"),
}
"""What a price is stated for, by budget."""


def unit_of(name: str) -> tuple[float, str]:
    """How many units of a budget its price is stated for, and what they are called."""
    return UNITS.get(kind_of_budget(name), (1.0, "unit"))


def shadow_prices(tables: Tables, objective: float) -> dict[str, float]:
    """Objective per unit of each limit, at a problem's optimum.

    Parameters
    ----------
    objective:
        That of the optimum; the bound is the one of networks that reach it.

    Returns
    -------
    dict
        By name, as :meth:`mipdesign.Problem.usage` names the budgets. A lower limit costs, so its price is not positive. A
        budget that limits single operations (``activation_memory``) has no multiplier and is left out.
    """
    multipliers, cell = Multipliers.initial(tables, abs(objective)), Cell.whole(tables)
    cutoff = cutoff_of(objective, OPTIMAL_GAP)
    thinned = Relaxation(tables, Cell.thinned(tables, THINNED), cutoff)
    if not thinned.empty:
        multipliers = optimise(thinned, multipliers, EVALUATIONS, tolerance=0.0).multipliers
        cell = Relaxation(tables, cell, cutoff).bound(multipliers).fix_by_reduced_cost() or cell
    relaxation = Relaxation(tables, cell, cutoff)
    best = optimise(relaxation, multipliers, EVALUATIONS, tolerance=0.0).multipliers
    found = {}
    for name, price in zip(tables.counts, best.budget.tolist(), strict=True):
        units = NANOSECONDS if kind_of_budget(name) == LATENCY else AdditiveBudget.of(name, tables.problem).units
        found[name] = units * (-price if name.startswith(LOWER) else price)
    if tables.rho is not None:
        found["effectiveness"] = _effectiveness_price(tables, relaxation, best)
    return {name: price + 0.0 for name, price in found.items()}  # no negative zero


def _effectiveness_price(tables: Tables, relaxation: Relaxation, multipliers: Multipliers) -> float:
    """Slope of ``sum_k max_n (pi_k n - mu_k n log(n / rho))`` in ``rho``, less the price that the objective puts on ``rho``."""
    rho, slope = tables.arrays.rho, 0.0
    for mu, pi, stage in zip(multipliers.rho.tolist(), multipliers.layer.tolist(), tables.rho_stages, strict=True):
        if mu > 0:
            dearest = rho * np.exp(min(pi / mu, 700.0) - 1.0)
            slope += mu * float(np.clip(dearest, relaxation.ranges.n_low[stage], relaxation.ranges.n_high[stage])) / rho
    return max(0.0, slope - tables.arrays.rho_price)
