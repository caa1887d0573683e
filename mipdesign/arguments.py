"""Arguments of public functions, checked where the function is called: what is wrong with one is told in its name.

A check takes a value and returns what is used in its place, or raises a :class:`~mipdesign.errors.SpecError` without a field::

    @arguments(workers=optional(WORKERS), gap=GAP)
    def design(problem, *, workers=None, gap=1e-6): ...

A keyword that a function does not have, and a missing argument, are faults of the same kind. Integers and numbers of numpy are
taken, and become Python's: they come out of loops over arrays, and files and exact arithmetic know only Python's.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import math
import os
from collections.abc import Callable, Collection, Iterable
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeAlias, TypeVar

from .errors import SpecError, short

P = ParamSpec("P")
R = TypeVar("R")
Check: TypeAlias = Callable[[Any], Any]


def arguments(**checks: Check) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Has a function check arguments before it is run; those that are left out are not checked."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise _of_call(function.__name__, signature, kwargs, str(error)) from None
            for name, check in checks.items():
                if name in bound.arguments:
                    bound.arguments[name] = checked(name, check, bound.arguments[name])
            return function(*bound.args, **bound.kwargs)

        return call

    return decorate


def constructor(cls: type[R]) -> type[R]:
    """Has the constructor of a class refuse arguments that are not its own, as :func:`arguments` does.

    They are looked at only after a failure: some classes are made a million times.
    """
    init = cls.__init__
    signature = inspect.signature(init)

    @functools.wraps(init)
    def construct(self: R, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except TypeError:
            try:
                signature.bind(self, *args, **kwargs)
            except TypeError as error:
                raise _of_call(cls.__name__, signature, kwargs, str(error)) from None
            raise

    cls.__init__ = construct  # type: ignore[assignment]
    return cls


def checked(name: str, check: Check, value: Any) -> Any:
    """What a check makes of an argument.

    Raises
    ------
    SpecError
        Of the check, with the name of the argument.
    """
    try:
        return check(value)
    except SpecError as error:
        raise SpecError(name, error.problem, error.remedy, error.source) from None


def _of_call(function: str, signature: inspect.Signature, given: Collection[str], fault: str) -> SpecError:
    """Why arguments are not those of a function."""
    known = [name for name in signature.parameters if name not in ("self", "cls")]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            remedy = f"write {near[0]}=" if near else f"use some of: {', '.join(known)}"
            return SpecError(name, f"is not an argument of {function}()", remedy)
    return SpecError("", f"{function}(): {fault}", f"the arguments are {', '.join(known)}")


# ---------------------------------------------------------------------------------------------------------------- checks


def optional(check: Check) -> Check:
    """A check that lets ``None`` pass."""
    return lambda value: None if value is None else check(value)


def whole(low: int, high: int | None = None) -> Check:
    """A whole number within limits."""
    wanted = f"give a number from {low} up" if high is None else f"give a number from {low} to {high}"

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise SpecError("", f"{short(value)} is not a whole number", wanted)
        number = int(value)
        if number < low or (high is not None and number > high):
            raise SpecError("", f"{short(value)} is out of range", wanted)
        return number

    return check


def real(noun: str, holds: Callable[[float], bool], wanted: str) -> Check:
    """A number for which something holds; ``noun`` is what it is, ``wanted`` what would be right."""

    def check(value: Any) -> float:
        own = type(value) in (int, float)
        if isinstance(value, bool) or not isinstance(value, Real) or not holds(float(value)):
            raise SpecError("", f"{short(value)} is not {noun}", f"give {wanted}")
        number: Any = value
        return number if own else float(number)  # an integer stays one

    return check


def one_of(noun: str, names: Iterable[str]) -> Check:
    """One of several texts."""
    known = tuple(names)

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in known:
            raise SpecError("", f"{short(value)} is not {noun}", f"use one of: {', '.join(known)}")
        return value

    return check


def instance(kind: type | tuple[type, ...], noun: str, wanted: str) -> Check:
    """An instance of a class."""

    def check(value: Any) -> Any:
        if not isinstance(value, kind):
            raise SpecError("", f"{short(value)} is not {noun}", f"give {wanted}")
        return value

    return check


def each(check: Check, wanted: str) -> Check:
    """Some of what a check takes, as a tuple; a single text is none of them."""

    def check_each(values: Any) -> tuple[Any, ...]:
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise SpecError("", f"{short(values)} is not a list", f"give {wanted}")
        return tuple(check(value) for value in values)

    return check_each


TEXT = instance(str, "a text", "a str")
TEXTS = each(TEXT, "a list of texts")
PATH = instance((str, os.PathLike), "a path", "a path, as a text or a pathlib.Path")


def flag(value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise SpecError("", f"{short(value)} is refused", "give True or False")
    return value


def callback(value: Any) -> Any:
    """A function that is told of something."""
    if not callable(value):
        raise SpecError("", f"{short(value)} is not a function", "give a function, or leave it out")
    return value


FLAG: Check = flag
GAP = real("a gap", lambda gap: 0 <= gap < math.inf, "a number from 0 up, for example 1e-6")
TIME_LIMIT = real("a time", lambda seconds: seconds > 0, "a positive number of seconds")
RATE = real("a probability below 1", lambda rate: 0 <= rate < 1, "a number from 0 up and below 1")
"""How often something is dropped in training."""
SEED = whole(0, 2**31 - 1)
WORKERS = whole(1, 1024)
EVENTS: dict[str, Check] = {"progress": FLAG, "on_progress": optional(callback)}
"""Arguments of what tells where it stands."""
RUN: dict[str, Check] = {
    "time_limit": optional(TIME_LIMIT),
    "gap": GAP,
    "seed": SEED,
    "workers": optional(WORKERS),
    **EVENTS,
}
"""Arguments of a design run."""
