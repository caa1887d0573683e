"""The core as a library: where it is, and how its functions are called.

Calls release Python's lock, so that threads run side by side in the core. It checks nothing: callers pass arrays of the right
type and size (:func:`address` refuses others), and keep them alive.

A core that is missing, damaged or of other sources is built anew where these lie beside it, as in a checkout: in its place, or,
where that cannot be written, in a temporary folder. Anywhere else one line says what is to be done.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CoreError

KINDS: dict[str, Any] = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double, "b": ctypes.c_bool}
"""Types of arguments: pointer, integer, double, truth."""

DOUBLE, INTEGER = np.dtype(np.float64), np.dtype(np.int64)


PATH = Path(__file__).with_name("core.shared")
BUILDER, SOURCE = PATH.with_name("build_backend.py"), PATH.with_name("bounds.c")
"""What builds the core, and one of its sources, which a wheel does not have."""
SEAL_BYTES = hashlib.sha256().digest_size
"""Length of each of the two digests that a core ends with; see :func:`mipdesign.native.build_backend.seal`."""


def fault_of(path: Path) -> str:
    """What is wrong with the file of a core; empty if it is whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if sys.platform != "darwin" and hashlib.sha256(content[:-SEAL_BYTES]).digest() != content[-SEAL_BYTES:]:
        return "is damaged, or was not built by this version"
    sources = sorted(path.parent.glob("*.[ch]"))  # a wheel has none
    if sys.platform != "darwin" and sources:
        digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).digest()
        if content[-2 * SEAL_BYTES : -SEAL_BYTES] != digest:
            return "is not of the sources beside it"
    return ""


def load(path: Path) -> ctypes.CDLL:
    """The library in a file, which is built anew if it is not whole and its sources are there.

    Raises
    ------
    CoreError
        If there is no core that this machine can load.
    """
    fault = fault_of(path)
    if not fault:
        return _opened(path)
    if not SOURCE.exists():
        raise CoreError(path, fault)
    if os.access(path.parent, os.W_OK):
        return _built_anew(path, path, fault)
    with tempfile.TemporaryDirectory() as folder:  # what is loaded stays when its file goes
        return _built_anew(path, Path(folder) / path.name, fault)


def _built_anew(path: Path, target: Path, fault: str) -> ctypes.CDLL:
    done = subprocess.run([sys.executable, str(BUILDER), str(target)], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.splitlines() or [""])[-1]
        raise CoreError(path, f"{fault}, and could not be built anew ({said})")
    print(f"note: {path} {fault}; it was built anew{'' if target == path else ' for this run'}", file=sys.stderr)
    return _opened(target)


def _opened(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise CoreError(path, f"cannot be loaded ({error})") from None


CORE = load(PATH)


def function(name: str, result: str, arguments: str) -> Callable[..., Any]:
    """A function of the core, by the kinds of its result (empty if there is none) and of its arguments."""
    try:
        found = CORE[name]
    except AttributeError:
        raise CoreError(PATH, f"has no function {name!r}: it is of another version") from None
    found.restype = KINDS[result] if result else None
    found.argtypes = [KINDS[kind] for kind in arguments]
    return found


def address(array: NDArray[Any], dtype: np.dtype[Any]) -> int:
    """Where an array of a type begins that lies row by row."""
    if array.dtype != dtype or not array.flags.c_contiguous:
        wanted = f"an array of {dtype} that lies row by row is needed"
        raise TypeError(f"{wanted}, not one of {array.dtype} with strides {array.strides}")
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(array))  # type: ignore[arg-type]
    except (TypeError, ValueError):  # it is read only, or empty; this way takes four times as long
        return array.ctypes.data


def doubles(array: NDArray[np.float64]) -> int:
    """Where an array of doubles begins."""
    return address(array, DOUBLE)


def integers(array: NDArray[np.int64]) -> int:
    """Where an array of 64-bit integers begins."""
    return address(array, INTEGER)
