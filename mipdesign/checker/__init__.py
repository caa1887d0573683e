"""A checker of certificates: it repeats a proof from the problem alone and shares no code with the search.

It imports numpy and the standard library only, and runs on its own: ``python -m mipdesign.checker DIR``. Read it in the order
``families`` (what a block counts), ``space`` (what a specification means), ``network`` (the exact figures of one network),
``tables``, ``cell``, ``bound`` (the bound of a cell), ``listing``, ``certificate`` (the claims). ``docs/certificate.md`` has
the format of certificates, the theorem that each verdict stands for, and what is taken on trust.
"""

from .certificate import FAILS, FORMAT, HOLDS, SECTIONS, TRUST, Claim, Closed, check, digest, verdict
from .families import Family, Op

__all__ = ["FAILS", "FORMAT", "HOLDS", "SECTIONS", "TRUST", "Claim", "Closed", "Family", "Op", "check", "digest", "verdict"]
