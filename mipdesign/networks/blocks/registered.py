"""Which block families there are: those that the package brings, and those of users and of installed packages."""

from __future__ import annotations

import math
from typing import TypeVar

from ...errors import SpecError, short
from ...registry import register, registered
from ..operation import existing, total
from .basic import Basic
from .bottleneck import Bottleneck
from .family import BlockFamily
from .inverted import Inverted
from .inverted_3d import Inverted3D
from .inverted_se import InvertedSE
from .linear_inverted import LinearInverted
from .mixed import Mixed
from .resnet_basic import ResNetBasic
from .resnet_bottleneck import ResNetBottleneck
from .separable import Separable

DEEPMAD = (Bottleneck, Inverted, InvertedSE, Basic, Mixed)
LIBRARIES = (ResNetBottleneck, ResNetBasic, LinearInverted, Separable)
BUILT_IN = (*DEEPMAD, *LIBRARIES, Inverted3D)
"""Families that the package brings: those of DeepMAD, those of torchvision's and timm's networks, and that of video."""
FAMILIES: dict[str, BlockFamily] = {family.name: family() for family in BUILT_IN}
"""Block families by name; :func:`register_family` adds to them."""
FAMILY_GROUP = "mipdesign.families"
"""Kind of the registry, and group of the entry points of installed packages, each of which names a class."""
_OWN = tuple(FAMILIES)
Family = TypeVar("Family", bound=BlockFamily | type[BlockFamily])


def register_family(family: Family) -> Family:
    """Adds a block family of one's own; it then takes part in everything: design, proofs, graph, torch module.

    Takes a class, as a decorator, or an instance, and returns it. The class has to stand in a plug-in file or in a module that
    can be imported, since the process of a design's engine needs it too.

    Raises
    ------
    SpecError
        If the name is taken, the class cannot be imported, or its figures do not have the form that the tables need: widths
        of which one is proportional to ``ci`` and the others do not depend on it, and counts that are affine in ``ci`` but
        for one value at ``ci = C``.
    """
    made = family() if isinstance(family, type) and issubclass(family, BlockFamily) else family
    if not isinstance(made, BlockFamily):
        raise SpecError(
            "family", f"{short(made)} is no block family", "derive a class from mipdesign.networks.blocks.BlockFamily"
        )
    kind, name, known = type(made), made.name, FAMILIES.get(made.name)
    if known is not None and type(known) is not kind and (name in _OWN or name in registered(FAMILY_GROUP)):
        raise SpecError("block", f"{name!r} is taken", "give the family another name")
    if kind.__module__ == "__main__" or "." in kind.__qualname__:
        raise SpecError("block", f"{name!r} is defined where no other process can import it", "put its class into a module")
    _check_family(made)
    register(FAMILY_GROUP, kind, name)
    FAMILIES[name] = made
    return family


def _check_family(family: BlockFamily) -> None:
    """Holds a family's methods against each other at a few sizes."""
    c, b, k, r = 48, 96, 3, 14
    for s in (1, 2):
        figures = {}
        for ci in (16, 24, 40):
            operations = existing(family.operations(ci, c, b, k, s, r, first=True))
            main = tuple(op.width for op in operations if op.kind == "conv" and op.role == "main")
            widths = tuple(int(w) for w in family.widths(ci, c, b, k))
            if main != widths or len(widths) != family.layers:
                fault = f"widths {widths}, but its {len(main)} main-path convolutions have {main} and layers is {family.layers}"
                raise SpecError("block", f"{family.name!r} states {fault}", "let widths(), operations() and layers agree")
            figures[ci] = (*total(operations).values(), math.prod(widths) * 1000 // ci)
        for low, middle, high in zip(figures[16], figures[24], figures[40], strict=True):
            if 2 * (middle - low) != high - middle or figures[16][-1] != figures[40][-1]:
                remedy = "let operations be affine in ci, and one width proportional to it"
                raise SpecError("block", f"{family.name!r} has counts or widths of another form", remedy)
