"""The ``mipdesign`` command, also as ``python -m mipdesign``."""

from __future__ import annotations

import sys

from .interrupts import INTERRUPTS


def main() -> int:
    """Takes over the signals before anything slow is imported, and runs the command line; returns its exit code."""
    INTERRUPTS.install()
    from .cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
