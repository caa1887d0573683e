"""discopt, a global solver of nonlinear models, as a plug-in: it reads the model from an .nl file. pip install discopt."""

import math
import tempfile
import time
from pathlib import Path

from mipdesign import register_solver
from mipdesign.mip.capabilities import Capability
from mipdesign.mip.solver import Answer, Solver

STATUS = {"optimal": "optimal", "infeasible": "infeasible", "time_limit": "limit", "feasible": "limit"}
"""What discopt's words mean; any other is a failure, and so is an optimum whose gap it does not certify."""


@register_solver
class Discopt(Solver):
    """discopt; see the module."""

    id = "discopt"
    title = "discopt by an .nl file"
    package = "discopt"
    extra = ""
    capabilities = frozenset({Capability.NONLINEAR, Capability.TIME_LIMIT, Capability.BOUND, Capability.NODES})

    def solve(self, form, options):
        """Solves a model."""
        self.version()
        from discopt.modeling import from_nl

        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.nl"
            form.model.writeProblem(str(file), verbose=False)
            names = file.with_suffix(".col").read_text().split()  # in the order of the file, which calls them x0, x1, ...
            model = from_nl(str(file))
        started = time.monotonic()
        found = model.solve(time_limit=min(options.time_limit, 1e9), gap_tolerance=max(options.gap, 1e-9), threads=1)
        seconds, status = time.monotonic() - started, STATUS.get(found.status, "failed")
        if status == "optimal" and not found.gap_certified:
            status = "failed"
        values = None
        if found.x is not None:
            values = {name: float(found.x[f"x{at}"]) for at, name in enumerate(names)}
        return Answer(
            status=status,
            values=values,
            objective=None if values is None else found.objective * form.objective_scale,
            bound=-math.inf if status == "infeasible" else None if found.bound is None else found.bound * form.objective_scale,
            nodes=found.node_count,
            build_seconds=started - began,
            solver_seconds=seconds,
            message=found.status,
        )
