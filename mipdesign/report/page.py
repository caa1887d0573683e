"""Pages that need nothing but themselves: jinja2 templates over a common look, with everything escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import require

TEMPLATES = Path(__file__).parent / "templates"


def render_page(template: str, content: dict[str, Any], extra: str, folder: Path = TEMPLATES) -> str:
    """A page from a template of a folder, which may extend ``base.html.j2`` of this package.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed; ``extra`` is what brings it.
    """
    require("jinja2", extra, "a report")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(content)
