"""From the graph of a network to a torch module that can be trained.

torch is an optional extra: importing this module does not need it, calling :func:`to_module` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..arguments import FLAG, RATE, arguments
from ..errors import require
from .graph import Graph
from .graph_checks import check_graph

if TYPE_CHECKING:
    from .module import DesignedNetwork


@arguments(drop_rate=RATE, drop_path_rate=RATE, zero_init_last=FLAG)
def to_module(
    graph: Graph, *, drop_rate: float = 0.0, drop_path_rate: float = 0.0, zero_init_last: bool = False
) -> DesignedNetwork:
    """The torch module of a network, Kaiming-initialised from torch's global generator.

    Under ``with torch.device("meta")`` it takes no memory; see :class:`~mipdesign.nn.module.DesignedNetwork` for its interface
    and what the parameters mean.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    SpecError
        If the graph is not one that :func:`~mipdesign.nn.graph_checks.check_graph` accepts, or a rate is not a probability
        below 1.
    """
    require("torch", "torch", "a torch module")
    from .module import DesignedNetwork

    check_graph(graph)
    return DesignedNetwork(graph, drop_rate=drop_rate, drop_path_rate=drop_path_rate, zero_init_last=zero_init_last)
