"""Where temporary files and the caches of libraries go, when the usual places cannot be written: in containers, the home and
all folders but that of the results may be read only.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")


def ensure_temporary(*places: Path) -> None:
    """Makes sure that temporary files can be made, as matplotlib, torch and SCIP's writer do: where the system's folders cannot
    be written, in a hidden folder in one of the ``places`` or in shared memory, which goes when this process ends. Says so on
    one line. Where nothing can be written, nothing is done.
    """
    try:
        tempfile.gettempdir()
    except OSError:
        parents = [next((p for p in (place, *place.absolute().parents) if p.is_dir()), place) for place in places]
        for folder in (*parents, SHARED_MEMORY):
            if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
                tempfile.tempdir = tempfile.mkdtemp(prefix=".mipdesign-", dir=folder.absolute())
                os.environ["TMPDIR"] = tempfile.tempdir  # of processes that are started
                atexit.register(shutil.rmtree, tempfile.tempdir, ignore_errors=True)
                print(f"note: no folder for temporary files can be written (see TMPDIR); they go to {folder}", file=sys.stderr)
                return


def ensure_matplotlib_folder() -> None:
    """Gives matplotlib a folder for its list of fonts that stays from run to run, in place of a new one each time and of two
    lines about it; to be called before it is imported.
    """
    if "matplotlib" in sys.modules or all(map(_can_be_made, _matplotlib_folders())):
        return
    folder = Path(tempfile.gettempdir()) / f"mipdesign-matplotlib-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
        os.environ["MPLCONFIGDIR"] = str(folder)


def _matplotlib_folders() -> list[Path]:
    """Where matplotlib has its settings and its list of fonts."""
    if os.environ.get("MPLCONFIGDIR"):
        return [Path(os.environ["MPLCONFIGDIR"]).absolute()]
    home = Path(os.path.expanduser("~"))  # not absolute where the system does not know the user
    names = (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))
    return [Path(os.environ.get(variable) or home / name) / "matplotlib" for variable, name in names]


def _can_be_made(folder: Path) -> bool:
    """Whether a folder is there or can be made, and can be written to."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), None)
    return folder.is_absolute() and existing is not None and existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
