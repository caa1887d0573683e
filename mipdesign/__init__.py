"""mipdesign designs convolutional networks to proven optimality::

    from mipdesign import design

    found = design("deepmad-r18")  # a preset, the path of a specification, its content, or a Problem
    found.status, found.objective, found.bound, found.architecture

problems and designs    Problem, design, Design, Certificate
frontiers, reasons      pareto, rho_sweep, Frontier, Sweep, explain, Explanation, compare, Comparison
networks                Architecture, read_network, network_text, evaluate, Evaluation
torch                   to_graph, to_module, validate, save_pretrained, from_pretrained, profile
variants of one's own   load_plugin, register_formulation, register_encoding, register_breakpoints, register_product,
                        register_solver, register_family
errors                  MipdesignError, SpecError, MissingExtraError

A wrong argument is a SpecError that names it. The names are imported when they are first used, so that ``import mipdesign``
is quick and needs no optional package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import moved

if TYPE_CHECKING:
    from .analysis.comparison import Comparison, compare
    from .analysis.explanation import explain
    from .analysis.explanation_file import Explanation
    from .analysis.frontier_file import Frontier
    from .analysis.frontier_runner import pareto
    from .analysis.rho_sweep import rho_sweep
    from .analysis.sweep import Sweep
    from .certificate.certificate import Certificate
    from .designs.design import Design
    from .designs.run import design
    from .errors import MipdesignError, MissingExtraError, SpecError
    from .io.exchange import network_text
    from .networks.architecture import Architecture
    from .networks.blocks import register_family
    from .networks.evaluation import Evaluation
    from .networks.evaluator import evaluate
    from .nn.graph import to_graph
    from .nn.lowering import to_module
    from .nn.pretrained import from_pretrained, save_pretrained
    from .nn.profiling import profile
    from .nn.reading import read_network
    from .nn.validation import validate
    from .plugins import load_plugin
    from .problem.problem import Problem
    from .registry import (
        register_breakpoints,
        register_encoding,
        register_formulation,
        register_product,
        register_solver,
    )

__all__ = [
    "Architecture",
    "Certificate",
    "Comparison",
    "Design",
    "Evaluation",
    "Explanation",
    "Frontier",
    "MipdesignError",
    "MissingExtraError",
    "Problem",
    "SpecError",
    "Sweep",
    "compare",
    "design",
    "evaluate",
    "explain",
    "from_pretrained",
    "load_plugin",
    "network_text",
    "pareto",
    "profile",
    "read_network",
    "register_breakpoints",
    "register_encoding",
    "register_family",
    "register_formulation",
    "register_product",
    "register_solver",
    "rho_sweep",
    "save_pretrained",
    "to_graph",
    "to_module",
    "validate",
]

_HOME = {
    "Architecture": "networks.architecture",
    "Certificate": "certificate.certificate",
    "Comparison": "analysis.comparison",
    "Design": "designs.design",
    "Evaluation": "networks.evaluation",
    "Explanation": "analysis.explanation_file",
    "Frontier": "analysis.frontier_file",
    "MipdesignError": "errors",
    "MissingExtraError": "errors",
    "Problem": "problem.problem",
    "SpecError": "errors",
    "Sweep": "analysis.sweep",
    "compare": "analysis.comparison",
    "design": "designs.run",
    "evaluate": "networks.evaluator",
    "explain": "analysis.explanation",
    "from_pretrained": "nn.pretrained",
    "load_plugin": "plugins",
    "network_text": "io.exchange",
    "pareto": "analysis.frontier_runner",
    "profile": "nn.profiling",
    "read_network": "nn.reading",
    "register_breakpoints": "registry",
    "register_encoding": "registry",
    "register_family": "networks.blocks",
    "register_formulation": "registry",
    "register_product": "registry",
    "register_solver": "registry",
    "rho_sweep": "analysis.rho_sweep",
    "save_pretrained": "nn.pretrained",
    "to_graph": "nn.graph",
    "to_module": "nn.lowering",
    "validate": "nn.validation",
}


moved.install()


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    """The public names: what else is there are modules, which are imported from where they are."""
    return sorted(__all__)
