"""Programs that tests run in processes of their own, and plug-ins that they install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
PROGRAMS = TESTS / "programs"


def command(program: str, *arguments: str | Path) -> list[str]:
    """What runs a program of ``tests/programs``."""
    return [sys.executable, str(PROGRAMS / f"{program}.py"), *map(str, arguments)]


def run(program: str, *arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[Any]:
    """Runs a program to its end."""
    return subprocess.run(command(program, *arguments), **{"capture_output": True, "text": True, "check": False} | options)


def said(program: str, *arguments: str | Path, **options: Any) -> Any:
    """What a program prints as JSON in its last line."""
    process = run(program, *arguments, **options)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def install(folder: Path, group: str, **points: str) -> None:
    """Makes a folder of modules a plug-in with entry points, as pip would."""
    metadata = folder / f"{next(iter(points))}-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {metadata.name.removesuffix('-1.dist-info')}\nVersion: 1\n"
    )
    lines = [f"{name} = {target}" for name, target in points.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))


def path_with(*folders: Path) -> str:
    """``PYTHONPATH`` with folders before what it has."""
    return os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])
