"""Block families: which operations a block is made of, and what each operation costs.

There is one file per family. A family says once, in :meth:`BlockFamily.operations`, which operations one block consists of and
how they are wired. Everything else is read off that list: main-path widths, parameters, MACs, the reference tool's FLOPs, the
graph and the torch module.

Notation of the specification: ``ci`` input channels, ``c`` output channels, ``b`` bottleneck width, ``k`` kernel, ``s`` stride,
``r`` input resolution. All convolutions are bias-free and followed by batch normalisation.
"""

from __future__ import annotations

from ...registry import installed
from ..operation import BLOCK_INPUT, Bits, Int, Operation, OperationChain, existing, plain_conv, total
from .basic import Basic
from .bottleneck import Bottleneck
from .family import BlockFamily
from .inverted import Inverted
from .inverted_3d import Inverted3D
from .inverted_se import InvertedSE
from .linear_inverted import LinearInverted
from .mixed import Mixed
from .registered import BUILT_IN, FAMILIES, FAMILY_GROUP, register_family
from .resnet_basic import ResNetBasic
from .resnet_bottleneck import ResNetBottleneck
from .separable import Separable
from .shortcut import with_identity, with_shortcut

__all__ = [
    "BLOCK_INPUT",
    "BUILT_IN",
    "FAMILIES",
    "FAMILY_GROUP",
    "Basic",
    "Bits",
    "BlockFamily",
    "Bottleneck",
    "Int",
    "Inverted",
    "Inverted3D",
    "InvertedSE",
    "LinearInverted",
    "Mixed",
    "Operation",
    "OperationChain",
    "ResNetBasic",
    "ResNetBottleneck",
    "Separable",
    "existing",
    "plain_conv",
    "register_family",
    "total",
    "with_identity",
    "with_shortcut",
]

for _point in installed()[FAMILY_GROUP].values():
    register_family(_point.load())
