"""Errors that a user can act on.

Each one carries what was wrong, where, and what would be right. The command line prints the message on one line and leaves
with :attr:`MipdesignError.exit_code`; a traceback is left for bugs.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable
from importlib import import_module
from typing import Any


class MipdesignError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 2


class SpecError(MipdesignError, ValueError):
    """A problem, an architecture file or an option that cannot be used as it stands.

    Parameters
    ----------
    field:
        Dotted path of the offending field, for example ``stages.2.kernels``; empty for a whole file.
    problem:
        What is wrong with it, with the value.
    remedy:
        What would be right.
    source:
        File or preset from which the value came, if known.
    """

    def __init__(self, field: str, problem: str, remedy: str, source: str | None = None) -> None:
        self.field, self.problem, self.remedy, self.source = field, problem, remedy, source
        where = ": ".join(part for part in (source, field) if part)
        text = f"{where}: {problem}; {remedy}" if where else f"{problem}; {remedy}"
        super().__init__(" ".join(text.split()))

    def __reduce__(self) -> tuple[type[SpecError], tuple[str, str, str, str | None]]:
        return type(self), (self.field, self.problem, self.remedy, self.source)

    def at(self, source: str) -> SpecError:
        """The same error with its file named."""
        return SpecError(self.field, self.problem, self.remedy, source)


class MissingExtraError(MipdesignError, ImportError):
    """An optional package is needed for what was asked; ``fault`` says why one that is installed cannot be loaded."""

    def __init__(self, package: str, extra: str, purpose: str, fault: str = "") -> None:
        self.package, self.extra, self.purpose, self.fault = package, extra, purpose, fault
        remedy = f", which cannot be loaded ({fault}); free memory, or install it again" if fault else "; install it"
        super().__init__(f"{purpose} needs the package '{package}'{remedy} with: pip install 'mipdesign[{extra}]'")

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str, str]]:
        return type(self), (self.package, self.extra, self.purpose, self.fault)


class CoreError(MipdesignError, ImportError):
    """The compiled core is missing, damaged, or of another version or machine."""

    def __init__(self, path: object, problem: str) -> None:
        self.core, self.problem = path, problem
        super().__init__(f"{path} {problem}; install mipdesign again, which builds it: pip install --force-reinstall --no-deps")

    def __reduce__(self) -> tuple[type[CoreError], tuple[object, str]]:
        return type(self), (self.core, self.problem)


class CertificateError(MipdesignError):
    """A claim of a certificate or of a result file does not hold."""

    exit_code = 1


def require(package: str, extra: str, purpose: str) -> None:
    """Makes sure that an optional package can be imported; ``purpose`` is what needs it, as the subject of a sentence.

    Raises
    ------
    MissingExtraError
        If it is not installed, or cannot be loaded; ``extra`` is what brings it.
    """
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtraError(package, extra, purpose) from error
    except ImportError as error:  # memory has no room for a library of it, or it belongs to another system
        raise MissingExtraError(package, extra, purpose, str(error)) from error


def one_of(name: str, known: Iterable[str]) -> str:
    """What is right in place of a name that is none of those known: the nearest one, if any is near, and all of them."""
    names = list(known)
    return f"{nearest(name, names)}use one of: {', '.join(names)}"


def short(value: Any) -> str:
    """A value as it is quoted in an error, cut off where it is long."""
    if isinstance(value, (list, tuple, set, dict)):
        return f"{a_thing(value)} of length {len(value)}" if len(value) > 8 else cut_off(reprlib.repr(value))
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}"
    try:
        return cut_off(repr(value))
    except ValueError:  # integers beyond the interpreter's digit limit
        return "a number of thousands of digits"


def a_thing(value: Any) -> str:
    """What kind of object a value is, with its article: ``an int``, ``a Sequential``."""
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeioAEIO' else 'a'} {kind}"


def cut_off(text: str) -> str:
    """A text as it is quoted in an error."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'resnet18'?`` and a space, for a word that is like a known one or its end; nothing where none is."""
    from difflib import get_close_matches

    ends = {name.rpartition("/")[2].lower(): name for name in known}
    found = get_close_matches(cut_off(word.rpartition("/")[2].lower()), ends, n=1, cutoff=0.7)
    return f"did you mean {ends[found[0]]!r}? " if found else ""


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: ``1 block``, ``2 blocks``."""
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"
