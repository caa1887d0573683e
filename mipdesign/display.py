"""How objects show themselves in a notebook, and functions where they stand.

What is shown is made in :mod:`mipdesign.report`, which stands above all packages that compute; its modules are looked up by
name when something is shown, so that an object costs nothing but itself until then.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from .arguments import PATH, arguments
from .errors import MipdesignError
from .files import write_whole, writing

P = ParamSpec("P")
R = TypeVar("R")
PACKAGE = __name__.rpartition(".")[0]
"""Name of this package."""


def from_report(module: str, name: str) -> Callable[..., Any]:
    """A function of the package that shows things, which is imported when something is shown."""
    found: Callable[..., Any] = getattr(import_module(f"{PACKAGE}.report.{module}"), name)
    return found


class Displayed:
    """What a notebook shows as a drawing and tables: those of the page that ``report`` writes."""

    def _repr_html_(self) -> str | None:
        """HTML that needs nothing but itself; ``None``, so that ``repr`` is shown, where the extra ``report`` is missing."""
        try:
            html: str = from_report("notebook", "html_of")(self)
        except MipdesignError:
            return None
        return html


@dataclass(frozen=True)
class Drawing:
    """A drawing as an SVG that needs nothing but itself.

    Attributes
    ----------
    svg:
        Its text; that of a file.
    html:
        The same as a notebook shows it, in the notebook's own light or dark.
    """

    svg: str
    html: str

    def __repr__(self) -> str:
        return f"<Drawing: SVG of {len(self.svg):,} characters; draw().save('network.svg') writes it>"

    def _repr_html_(self) -> str:
        return self.html

    @arguments(path=PATH)
    def save(self, path: str | Path) -> None:
        """Writes the SVG into a file.

        Raises
        ------
        SpecError
            If it cannot be written.
        """
        with writing(Path(path), "path"):
            write_whole(Path(path), f"{self.svg}\n".encode())


def drawing_of(architecture: Any, width: int) -> Drawing:
    """A network to scale, so many pixels wide.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed, which makes the style of drawings and pages.
    """
    drawn: Drawing = from_report("notebook", "drawing_of")(architecture, width)
    return drawn


def showing(display: str, **callbacks: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Gives a function the keyword ``progress``: what its callbacks are told is shown in the terminal, or in the notebook.

    Parameters
    ----------
    display:
        Name of a display of :mod:`mipdesign.report.progress`.
    callbacks:
        Keywords of the function, and the methods of the display that are told the same; callers' own are told first.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not kwargs.get("progress"):
                return function(*args, **kwargs)
            with from_report("notebook_progress", "new_display")(display) as shown:
                for name, method in callbacks.items():
                    kwargs[name] = _both(kwargs.get(name), getattr(shown, method))
                return function(*args, **kwargs)

        return call

    return decorate


def _both(first: Any, second: Callable[..., None]) -> Callable[..., None]:
    """Tells two functions the same, the first of which may be missing."""

    def tell(*news: Any) -> None:
        if first is not None:
            first(*news)
        second(*news)

    return tell
