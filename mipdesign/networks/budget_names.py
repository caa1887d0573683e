"""Names of budgets, and which figure each is about."""

from __future__ import annotations

from .objective import Convention

SIZES = ("weights_bytes", "activation_memory")
"""Budgets that count numbers of so many bytes each."""
UPPER_ONLY = ("activation_memory", "latency", "effectiveness", "max_feature")
"""Budgets without a lower limit."""
LOWER = "min_"
"""What the name of a lower limit begins with."""
LATENCY = "latency"
"""The budget by a latency table; where there are several, ``latency.NAME`` is that of each."""


def kind_of_budget(name: str) -> str:
    """The field of a specification that a budget, or a lower limit, is from: ``latency`` of ``latency.phone``."""
    return name.removeprefix(LOWER).partition(".")[0]


def count_of_budget(name: str, convention: Convention, as_tool: bool = False) -> str:
    """Convention-free name of the figure that a budget, or a lower limit, is about.

    Parameters
    ----------
    as_tool:
        Whether the tool's operations are counted as it does, on maps that are not rounded and with bits.
    """
    figure = name.removeprefix(LOWER)
    flops = "tool_flops" if as_tool and convention.flops_metric == "reference_flops" else convention.flops_metric
    return {"flops": flops, "params": convention.params_metric}.get(figure, figure)
