"""SCIP plug-ins that solve design problems: a Lagrangian relaxator, branching on its cells, heuristics, and the exact check.

:func:`install` adds them to a SCIP model of a design problem, be it built here, by a researcher, or read from a ``.cip`` file.
``docs/scip.md`` describes the design.
"""

from .install import install, parameters_for

__all__ = ["install", "parameters_for"]
