"""What mkdocs does with the pages beyond its own: reads the docstrings' roles."""

from __future__ import annotations

import re
from typing import Any

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>~?([^<]+)</code>")


def on_page_content(html: str, **_: Any) -> str:
    """Shows ``:func:`name``` of a docstring as the name alone."""
    return ROLE.sub(r"<code>\1</code>", html)
