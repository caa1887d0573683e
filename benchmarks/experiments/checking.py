"""Time and memory of the independent checker, beside the verification by the search's own code, on the proofs of the presets.

``python -m mipdesign.benchmarks checking [--runs N] [--paper] [PRESET ...]`` proves each preset, then verifies its certificate
with and without ``--quick`` in turn, as whole processes, and prints the table of ``benchmarks/results/checking.md``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from mipdesign.machine import resident_mb
from mipdesign.problem.problem import preset_names

from .measure import command, middle, table


def timed(arguments: list[str]) -> tuple[float, float]:
    """Seconds and megabytes of one command."""
    ended = command(arguments)
    return ended.seconds, resident_mb(ended.usage)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("presets", nargs="*", default=preset_names())
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--paper", action="store_true", help="in the paper's convention too")
    arguments = parser.parse_args()
    header = ("preset", "convention", "nodes", "verify, s", "--quick, s", "ratio", "memory, MB")
    rows = []
    for preset in arguments.presets:
        for convention in ("reference", "paper") if arguments.paper else ("reference",):
            with tempfile.TemporaryDirectory() as name:
                timed(["design", preset, "--convention", convention, "--out", name])
                nodes = len(json.loads((Path(name) / "certificate.json").read_text())["tree"])
                pairs = [(timed(["verify", name]), timed(["verify", name, "--quick"])) for _ in range(arguments.runs)]
            seconds, quick = (middle(pair[way][0] for pair in pairs) for way in (0, 1))
            ratio = middle(full[0] / fast[0] for full, fast in pairs)
            rows.append((preset, convention, nodes, seconds, quick, ratio, round(max(full[1] for full, _ in pairs))))
            print(table(header, rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + table(header, rows))


if __name__ == "__main__":
    main()
