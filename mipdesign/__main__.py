"""The ``mipdesign`` command, also as ``python -m mipdesign``."""

from __future__ import annotations

import gc
import sys

from .interrupts import INTERRUPTS

COLLECT_AFTER = 50_000
"""New objects after which cycles are looked for: what is imported has some hundred thousand, and none of them is garbage."""


def main() -> int:
    """Takes over the signals before anything slow is imported, and runs the command line; returns its exit code."""
    INTERRUPTS.install()
    gc.set_threshold(COLLECT_AFTER)
    from .cli.main import main as run

    code = run()
    gc.freeze()  # the end of the process gives all memory back, and need not look for cycles first
    return code


if __name__ == "__main__":
    sys.exit(main())
