"""A checker of certificates: it repeats a proof from the problem alone and shares no code with the search.

It imports numpy and the standard library only, and runs on its own: ``python -m mipdesign.checker DIR``. Read it in the order
``families`` (what a block counts), ``scoring`` (what its layers are worth), ``super_block``, ``elements``, ``space`` (what a
specification means), ``network`` (the exact figures of one network), ``blocks``, ``tables``, ``cell``, ``multipliers``,
``level``, ``penalty``, ``terms`` (what prices make of objective and limits), ``bound`` (the bounds of cells), ``listing``,
``figures``, ``distance``, ``members``, ``lists`` (lists of networks), ``records``, ``tree`` (its nodes, settled), ``claims``,
``certificate`` (the claims, one by one). ``docs/certificate.md`` has the format of certificates, the theorem that each verdict
stands for, and what is taken on trust.
"""

from .certificate import FORMAT, LIST, SECTIONS, check, digest
from .claims import FAILS, HOLDS, TRUST, Claim, verdict
from .families import Family, Op
from .members import MEMBERS, MOST_MEMBERS, Networks, opener
from .records import Closed

__all__ = [
    "FAILS",
    "FORMAT",
    "HOLDS",
    "LIST",
    "MEMBERS",
    "MOST_MEMBERS",
    "SECTIONS",
    "TRUST",
    "Claim",
    "Closed",
    "Family",
    "Networks",
    "Op",
    "check",
    "digest",
    "opener",
    "verdict",
]
