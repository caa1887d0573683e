r"""The formulation in log space: logarithms of all numbers are the variables in which objective and constraints are written.

``x_n = sum_v log(v) z_v`` for each number ``n`` with one-hot binaries ``z``: linear, and exact at integers, where ``native``
has a ``log`` of an integer. Log-width sums and entropies are then linear and bilinear in ``x``, and a product of numbers in a
count is ``exp`` of a sum of their logarithms, so a count with positive coefficients is convex: a posynomial, as in geometric
programming (Boyd, Kim, Vandenberghe, Hassibi 2007). The ``L - 1`` further blocks of a super-block make it a difference of
posynomials, which is left to SCIP, as the products are in ``native``. Monomials of a single number are that number, which is
linear in the binaries.

An ``exp`` holds to SCIP's feasibility tolerance, and so do budgets: networks that exceed one by less than that are reported and
refuted by the exact check. The other way round, a network within a relative 1e-6 of a cutoff may be lost.
:mod:`mipdesign.formulations.nonlinear` has the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pyscipopt import exp, quicksum

from mipdesign.registry import register_formulation

from .nonlinear import NonlinearFormulation
from .nonlinear_writer import Number, Writer
from .scaling import NONLINEAR_PARAMETERS

PARAMETERS = {**NONLINEAR_PARAMETERS, "nlhdlr/convex/enabled": False}
"""SCIP 10.0.2 loses optima where its handler of convex expressions cuts at sums of ``exp``: each one is handled alone."""


class _Writer(Writer):
    """Logarithms with ``exp``."""

    logarithm_of_depth = True
    parameters = PARAMETERS

    def log_row(self, log_value: Any, integer: Any, terms: Sequence[tuple[float, Any]]) -> Any:
        return quicksum(x * binary for x, binary in terms) == log_value

    def monomial(self, coefficient: float, factors: Sequence[Number]) -> Any:
        if not factors:
            return coefficient
        if len(factors) == 1:
            return coefficient * factors[0].value
        logarithm = quicksum(factor.logarithm.value for factor in factors) + math.log(abs(coefficient))
        return exp(logarithm) if coefficient > 0 else -exp(logarithm)


@register_formulation
class LogSpace(NonlinearFormulation):
    """Formulation in log space; see the module."""

    id = "logspace"
    title = "logarithms as variables, with SCIP's own exp and products"
    reference = (
        "Posynomials: Boyd, Kim, Vandenberghe, Hassibi, Optimization and Engineering 8(1), 2007. "
        "Problem: DeepMAD, CVPR 2023, arXiv 2303.02165"
    )
    writer = _Writer
