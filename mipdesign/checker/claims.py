"""What is claimed, how each claim came out, and the verdict of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HOLDS, FAILS, TRUST = "holds", "fails", "on trust"


@dataclass(frozen=True)
class Claim:
    """One claim of a certificate, whether it ``holds``, ``fails`` or was taken ``on trust``, and why."""

    claim: str
    outcome: str
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether it holds; what was taken on trust does not."""
        return self.outcome == HOLDS


def verdict(claims: Sequence[Claim]) -> str:
    """What the claims come to: ``proved``, ``proved up to ...`` what was taken on trust, or ``refuted``."""
    if any(claim.outcome == FAILS for claim in claims):
        return "refuted"
    return "proved" + "".join(f" up to {claim.claim}" for claim in claims if claim.outcome == TRUST)
