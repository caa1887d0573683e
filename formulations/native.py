r"""The native formulation: the design problem as one writes it down, left to SCIP's own handling of nonlinear functions.

It is the baseline that shows what the lattice formulation gains: right on small cells, out of reach on large ones. Logarithms
are ``log`` of the integers, and counts are polynomials of them; :mod:`mipdesign.formulations.nonlinear` has the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pyscipopt import log

from mipdesign.registry import register_formulation

from .nonlinear import NonlinearFormulation
from .nonlinear_writer import Number, Writer


class _Writer(Writer):
    """Integers with ``log`` and products."""

    logarithm_of_depth = False

    def log_row(self, log_value: Any, integer: Any, terms: Sequence[tuple[float, Any]]) -> Any:
        return log_value <= log(integer)

    def monomial(self, coefficient: float, factors: Sequence[Number]) -> Any:
        return coefficient * math.prod(factor.value for factor in factors)


@register_formulation
class Native(NonlinearFormulation):
    """Native nonlinear formulation; see the module."""

    id = "native"
    title = "integers with SCIP's own log, exp and products"
    reference = "The problem as stated: DeepMAD, CVPR 2023, arXiv 2303.02165, section 4; solver: SCIP 10, nonlinear constraints"
    writer = _Writer
