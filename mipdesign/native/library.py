"""The core as a library: where it is, and how its functions are called.

Calls release Python's lock, so that threads run side by side in the core. It checks nothing: callers pass arrays of the right
type and size (:func:`address` refuses others), and keep them alive.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS: dict[str, Any] = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double, "b": ctypes.c_bool}
"""Types of arguments: pointer, integer, double, truth."""

DOUBLE, INTEGER = np.dtype(np.float64), np.dtype(np.int64)


def _load() -> ctypes.CDLL:
    path = Path(__file__).with_name("core.shared")
    if not path.exists():
        raise ImportError(f"{path} is missing: install mipdesign (pip install .), which builds it")
    return ctypes.CDLL(str(path))


CORE = _load()


def function(name: str, result: str, arguments: str) -> Callable[..., Any]:
    """A function of the core, by the kinds of its result (empty if there is none) and of its arguments."""
    found = CORE[name]
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
