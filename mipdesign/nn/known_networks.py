"""Where the effectiveness of a network stands against that of known ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..io.library_networks import NETWORKS, network_named
from ..networks.architecture import Architecture
from ..networks.evaluator import evaluate


@dataclass(frozen=True)
class KnownNetwork:
    """Figures of one network that do not depend on its resolution.

    Attributes
    ----------
    effectiveness:
        Of the whole network (convention ``paper``).
    prefix_effectiveness:
        The largest of its stage prefixes (convention ``reference``).
    mean_width:
        Geometric mean of the widths of its layers.
    given:
        Whether it is the network that is compared, not a known one.
    """

    name: str
    layers: int
    effectiveness: float
    prefix_effectiveness: float
    params: int
    given: bool = False

    @property
    def mean_width(self) -> float:
        return self.layers / self.effectiveness

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"mean_width": self.mean_width}


DEEPMAD = (
    KnownNetwork("DeepMAD-R18", 115, 0.2990955537315483, 0.2990955537315483, 11_826_088),
    KnownNetwork("DeepMAD-R34", 148, 0.2999905763894329, 0.2999905763894329, 21_690_160),
    KnownNetwork("DeepMAD-R50", 157, 0.2997522679156547, 0.2997522679156547, 25_441_144),
    KnownNetwork("DeepMAD-29M-224", 71, 0.49647882624974066, 0.49647882624974066, 28_669_956),
    KnownNetwork("DeepMAD-29M-288", 71, 0.4966305105549275, 0.4966305105549275, 28_703_630),
    KnownNetwork("DeepMAD-50M", 83, 0.49302047889972933, 0.49302047889972933, 49_408_964),
    KnownNetwork("DeepMAD-89M", 95, 0.49513852715821605, 0.49513852715821605, 88_325_780),
)
"""The networks that DeepMAD's authors published and trained (CVPR 2023); a test computes them from their structures."""


def known_network(architecture: Architecture, name: str) -> KnownNetwork:
    """The figures of one network."""
    paper, reference = (evaluate(architecture, convention) for convention in ("paper", "reference"))
    return KnownNetwork(name, paper.layers, paper.effectiveness, reference.effectiveness, paper.params_total)


def known_networks(architecture: Architecture) -> tuple[KnownNetwork, ...]:
    """The network among those of torchvision and DeepMAD, by increasing effectiveness of the whole network."""
    known = [known_network(network_named(name), name) for name in NETWORKS]
    given = replace(known_network(architecture, "this network"), given=True)
    return tuple(sorted([*known, *DEEPMAD, given], key=lambda s: (s.effectiveness, s.name)))
