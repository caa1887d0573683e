"""Time to proven optimality of the presets in both conventions, with memory and verification.

``python -m mipdesign.benchmarks proofs [--runs N] [--workers N] [--others | --scores]`` prints the tables of
``benchmarks/results/proofs.md``.
"""

from __future__ import annotations

import argparse

from .measure import middle, run_design, table

PRESETS = {"deepmad-r18": 32085.39694913356, "deepmad-r34": 43107.866265132965, "deepmad-r50": 48884.470402907005}
"""Presets and the objective of the published network in the ``reference`` convention."""
OTHERS = (
    "deepmad-29m-224",
    "deepmad-29m-288",
    "deepmad-50m",
    "deepmad-89m",
    "mobilenetv2-like",
    "resnet-basic",
    "resnet-basic-34",
    "resnet-choice",
)
"""Presets without a published network in their space."""
SCORES = (
    *("maedet-s", "maedet-m", "maedet-l", "damoyolo-tiny", "damoyolo-small", "damoyolo-medium", "zennas-r50", "zennas-mbv2"),
    *("e3d-s", "e3d-m", "e3d-l", "mixed-7d0g", "mixed-19d2g", "mcu-256k"),
)
"""Presets of other scores than DeepMAD's, which are the released tool's own, in its convention."""


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--others", action="store_true", help="the presets without a published network in their space")
    parser.add_argument("--scores", action="store_true", help="the presets of other scores than DeepMAD's")
    arguments = parser.parse_args()
    header = (
        "preset",
        "convention",
        "status",
        "objective",
        "gap",
        "seconds",
        "first above published, s",
        "verify, s",
        "of it checking, s",
        "memory, MB",
    )
    rows = []
    presets = SCORES if arguments.scores else OTHERS if arguments.others else tuple(PRESETS)
    for preset in presets:
        for convention in ("reference",) if arguments.scores else ("reference", "paper"):
            options = ["--convention", convention, "--workers", str(arguments.workers)]
            runs = [run_design(preset, [*options, "--seed", str(seed)], verify=True) for seed in range(arguments.runs)]
            answers = {(run.result["status"], run.result["objective"], run.result["gap"]) for run in runs}
            if len(answers) > 1:
                raise SystemExit(f"{preset}: the answer depends on the seed: {answers}")
            status, objective, gap = answers.pop()
            published = PRESETS.get(preset) if convention == "reference" else None
            above = None if published is None else middle(run.seconds_to(published) for run in runs)
            memory = max(run.result["peak_rss_mb"] for run in runs)
            verified = (middle(run.verify_seconds for run in runs), middle(run.check_seconds for run in runs))
            times = (middle(run.seconds for run in runs), above, *verified)
            rows.append((preset, convention, status, objective, gap, *times, round(memory)))
            print(table(header, rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + table(header, rows))


if __name__ == "__main__":
    main()
