"""Module paths of version 0.1.0 that moved into packages: they can still be imported, with a ``DeprecationWarning``.

The next release drops this file. What ``import mipdesign`` itself offers has not moved.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

MOVED = {
    "mipdesign.architecture": ("mipdesign.networks.architecture",),
    "mipdesign.batch": ("mipdesign.lattice.batch",),
    "mipdesign.blocks": ("mipdesign.networks.blocks",),
    "mipdesign.cell": ("mipdesign.lattice.cell",),
    "mipdesign.comparison": ("mipdesign.analysis.comparison",),
    "mipdesign.evaluation": ("mipdesign.networks.evaluator",),
    "mipdesign.exchange": ("mipdesign.io.exchange",),
    "mipdesign.explanation": ("mipdesign.analysis.explanation", "mipdesign.analysis.explanation_file"),
    "mipdesign.exports": ("mipdesign.nn.exports", "mipdesign.nn.graph_files"),
    "mipdesign.formulation": ("mipdesign.mip.formulation",),
    "mipdesign.frontier": ("mipdesign.analysis.frontier", "mipdesign.analysis.frontier_file"),
    "mipdesign.graph": ("mipdesign.nn.graph",),
    "mipdesign.heuristics": ("mipdesign.search.heuristics",),
    "mipdesign.lanes": ("mipdesign.analysis.frontier_runner",),
    "mipdesign.latency": ("mipdesign.networks.latency",),
    "mipdesign.lattice": (
        "mipdesign.lattice.tables",
        "mipdesign.lattice.arrays",
        "mipdesign.lattice.position",
        "mipdesign.search.coverage",
    ),
    "mipdesign.linear": ("mipdesign.mip.linear", "mipdesign.mip.expressions"),
    "mipdesign.lowering": ("mipdesign.nn.lowering",),
    "mipdesign.network": ("mipdesign.nn.module", "mipdesign.nn.block"),
    "mipdesign.pretrained": ("mipdesign.nn.pretrained",),
    "mipdesign.problem": ("mipdesign.problem.problem",),
    "mipdesign.profiling": ("mipdesign.nn.profiling",),
    "mipdesign.refinement": ("mipdesign.mip.refinement",),
    "mipdesign.run": ("mipdesign.designs.run", "mipdesign.designs.design", "mipdesign.designs.verification"),
    "mipdesign.scip": ("mipdesign.mip.closing", "mipdesign.mip.model_files"),
    "mipdesign.solve": ("mipdesign.engine.driver", "mipdesign.search.outcome"),
    "mipdesign.solver": ("mipdesign.mip.solver", "mipdesign.mip.capabilities"),
    "mipdesign.sweep": ("mipdesign.analysis.sweep",),
    "mipdesign.theory": ("mipdesign.networks.objective",),
    "mipdesign.timm": ("mipdesign.nn.timm",),
    "mipdesign.validation": ("mipdesign.nn.validation",),
    "formulations": (),
    "formulations.columns": ("mipdesign.formulations.columns",),
    "formulations.piecewise": ("mipdesign.formulations.encodings.encoding", "mipdesign.formulations.encodings"),
}
"""The old path of a module, and where its names are now."""


def names_of(old: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module that was once at ``old``: finds a name where it is now."""

    def find(name: str) -> Any:
        if not name.startswith("__"):
            for new in MOVED[old]:
                module = import_module(new)
                if hasattr(module, name):
                    warnings.warn(f"{old}.{name} has moved to {new}", DeprecationWarning, stacklevel=2)
                    return getattr(module, name)
        raise AttributeError(f"module {old!r} has no attribute {name!r}")

    return find


class _Moved:
    """Makes an empty module of an old path, whose names are looked up where they are now: a finder and a loader, without the
    base classes of these, whose import takes longer than all of this.
    """

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in MOVED:
            return None
        return spec_from_loader(name, self, is_package=name == "formulations")  # type: ignore[arg-type]  # only old ones load

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__getattr__"] = names_of(module.__name__)


def install() -> None:
    """Lets the old paths be imported, after everything that can be imported otherwise."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
