"""The page of a design: one HTML file that needs nothing but itself, for one folder or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import SpecError
from ..figures.network_drawing import picture
from ..files import write_whole, writing
from .comparison_view import comparison_view
from .design_view import design_view
from .folders import DesignFolder, FrontierFolder, read_folder
from .frontier_view import frontier_view
from .page import render_page
from .sections import View

PAGE = "report.html"


def page_views(folders: Sequence[DesignFolder | FrontierFolder]) -> list[View]:
    """Everything that a page shows; several designs are compared, and folded beneath the comparison."""
    designs = [folder for folder in folders if isinstance(folder, DesignFolder)]
    compared = len(designs) > 1
    views = [comparison_view(designs)] if compared else []
    for i, folder in enumerate(folders):
        prefix = f"p{i}"
        if isinstance(folder, DesignFolder):
            views.append(replace(design_view(folder, prefix), folded=compared))
        else:
            views.append(frontier_view(folder, prefix))
    return views


def report(folders: Sequence[str | Path]) -> str:
    """The page of designs and frontiers, in the order of their folders; several designs are compared.

    Raises
    ------
    SpecError
        If a folder is not what a run wrote.
    MissingExtraError
        If jinja2 is not installed.
    """
    if not folders:
        raise SpecError("", "no folder to report", "give the folder of a design")
    return render(page_views([item for folder in folders for item in read_folder(Path(folder))]))


def render(views: Sequence[View]) -> str:
    """HTML of views; everything in them is escaped but the drawings, which escape their own texts."""
    compared = views[0].id == "both"
    several = f"{len(views) - 1} results compared" if compared else f"{len(views)} results"
    title = views[0].title if len(views) == 1 else several
    return render_page("report.html.j2", {"views": views, "title": title}, "report")


def write_picture(folder: str | Path, path: Path) -> Path:
    """Writes the drawing of a design's network as an SVG file that needs nothing but itself, and returns its path.

    Raises
    ------
    SpecError
        If the folder holds no network, or the file cannot be written.
    """
    designs = [item.design for item in read_folder(Path(folder)) if isinstance(item, DesignFolder)]
    if not designs or designs[0].architecture is None:
        raise SpecError("", "holds no network to draw", "give the folder of a design", str(folder))
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, picture(designs[0].architecture).encode())
    return path


def write_report(folders: Sequence[str | Path], page: Path | None = None) -> Path:
    """Writes the page, by default as ``report.html`` into the first folder, and returns its path.

    Raises
    ------
    SpecError
        As :func:`report`, or if the file cannot be written.
    """
    content = report(folders).encode()
    path = Path(folders[0]) / PAGE if page is None else page
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return path
