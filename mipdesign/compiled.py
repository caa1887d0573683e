"""The decorator of compiled loops.

numba keeps compiled code beside the sources and compiles again when a function's own file has changed, but not when a function
that it calls has changed in another file. Here the folder's name is a digest of all files with compiled loops instead.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.core import config as _config

SOURCES = ("compiled.py", "networks/objective.py", "lattice/*.py", "bounds/*.py", "search/heuristics.py")
"""Files with compiled loops, and with the types and constants of what is passed to them, as patterns."""

config: Any = _config
"""Its settings are made at run time."""

Loop = TypeVar("Loop", bound=Callable[..., object])


def _folder() -> str:
    here = Path(__file__).parent
    sources = [path for pattern in SOURCES for path in sorted(here.glob(pattern))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]
    root = Path(config.CACHE_DIR) if config.CACHE_DIR else here / "__pycache__"
    if not os.access(root if root.exists() else here, os.W_OK):
        root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mipdesign"
    return str(root / f"compiled-{digest}")


FOLDER = _folder()


def compiled(function: Loop) -> Loop:
    """Compiles a function at its first call, once per machine; other threads may run meanwhile."""
    before, config.CACHE_DIR = config.CACHE_DIR, FOLDER
    try:
        loop: Any = njit(cache=True, nogil=True)(function)
        return cast(Loop, loop)
    finally:
        config.CACHE_DIR = before
