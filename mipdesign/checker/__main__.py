"""``python -m mipdesign.checker DIR``: checks ``DIR/certificate.json`` by this folder's code alone.

Exit codes: 0 proved, 1 refuted, 2 there is no certificate, 5 proved up to what was taken on trust.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from . import check, opener, verdict


def main() -> int:
    """Runs and prints."""
    if len(sys.argv) != 2:
        print("usage: python -m mipdesign.checker DIR", file=sys.stderr)
        return 2
    try:
        data = json.loads((Path(sys.argv[1]) / "certificate.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        print(f"error: {sys.argv[1]}: no certificate can be read ({type(error).__name__})", file=sys.stderr)
        return 2
    claims = []
    for claim in check(data, networks=opener(Path(sys.argv[1]))):
        claims.append(claim)
        print(f"{claim.outcome:8} {claim.claim}" + (f": {claim.detail}" if claim.detail else ""))
    found = verdict(claims)
    print(found)
    return {"proved": 0, "refuted": 1}.get(found, 5)


if __name__ == "__main__":
    sys.exit(main())
