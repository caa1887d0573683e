"""mipdesign designs convolutional networks to proven optimality.

The public names below are imported when they are first used, so that ``import mipdesign`` is quick and needs no optional
package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .architecture import Architecture
    from .blocks import register_family
    from .certificate import Certificate
    from .comparison import Comparison, compare
    from .errors import MipdesignError, MissingExtraError, SpecError
    from .evaluation import Evaluation, evaluate
    from .exchange import network_text, read_network
    from .explanation import Explanation, explain
    from .frontier import Frontier
    from .graph import to_graph
    from .lanes import pareto
    from .lowering import to_module
    from .pretrained import from_pretrained, save_pretrained
    from .problem import Problem
    from .profiling import profile
    from .run import Design, design
    from .sweep import Sweep
    from .validation import validate

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
    "network_text",
    "pareto",
    "profile",
    "read_network",
    "register_family",
    "save_pretrained",
    "to_graph",
    "to_module",
    "validate",
]

_HOME = {
    "Architecture": "architecture",
    "Certificate": "certificate",
    "Comparison": "comparison",
    "Design": "run",
    "Evaluation": "evaluation",
    "Explanation": "explanation",
    "Frontier": "frontier",
    "MipdesignError": "errors",
    "MissingExtraError": "errors",
    "Problem": "problem",
    "SpecError": "errors",
    "Sweep": "sweep",
    "compare": "comparison",
    "design": "run",
    "evaluate": "evaluation",
    "explain": "explanation",
    "from_pretrained": "pretrained",
    "network_text": "exchange",
    "pareto": "lanes",
    "profile": "profiling",
    "read_network": "exchange",
    "register_family": "blocks",
    "save_pretrained": "pretrained",
    "to_graph": "graph",
    "to_module": "lowering",
    "validate": "validation",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
