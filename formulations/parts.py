"""Parts of a formulation that combine: what they have in common, and their registries.

A part is a class that is registered where it stands (:mod:`mipdesign.registry`), so a part can be added without touching this
package. A part with a parameter is named ``id-parameter``, for example ``uniform-5``.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from typing import ClassVar, Self

from mipdesign.errors import SpecError
from mipdesign.mip.formulation import Claim
from mipdesign.registry import load, registered

KINDS = ("encodings", "breakpoints", "products")
"""Kinds of parts, in the order in which they are named; in the registry they are ``mipdesign.<kind>``."""


class Part(ABC):
    """One way to write one piece of a model. Instances are stateless.

    Attributes
    ----------
    id:
        Name in the registry.
    title:
        One line for people.
    claim:
        Whether the piece is exact, or lets the optimum only rise (``upper``) or only fall (``lower``).
    reference:
        The literature that it follows.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    claim: Claim
    reference: ClassVar[str]

    @classmethod
    def with_parameter(cls, parameter: str) -> Self:
        """The part with a parameter, empty for none.

        Raises
        ------
        SpecError
            If the part does not know the parameter.
        """
        if parameter:
            raise SpecError("formulation", f"{cls.id!r} takes no parameter, not {parameter!r}", f"write {cls.id!r}")
        return cls()


def registered_parts(kind: str) -> list[Part]:
    """The registered parts of a kind, without a parameter."""
    return [point.load()() for point in registered(f"mipdesign.{kind}").values()]


def part_named(kind: str, name: str) -> Part:
    """The part of that name, with its parameter.

    Raises
    ------
    SpecError
        If there is none.
    """
    part_id, _, parameter = name.partition("-")
    part: Part = load(f"mipdesign.{kind}", part_id, f"formulation: {kind}").with_parameter(parameter)
    return part


def joint_claim(parts: Iterable[Part]) -> Claim:
    """What a model says that consists of these parts.

    Raises
    ------
    SpecError
        If some let the optimum rise and others let it fall.
    """
    claims = {part.claim for part in parts} - {"exact"}
    if len(claims) > 1:
        problem = "an inner approximation within a relaxation bounds nothing"
        raise SpecError("formulation", problem, "make the breakpoints outer ones, or the products exact")
    return claims.pop() if claims else "exact"
