"""What mkdocs does with the pages beyond its own: reads the docstrings' roles, and takes in the results of the benchmarks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>~?([^<]+)</code>")

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Shows ``benchmarks/results``, which lie beside what measures them, as the folder ``results`` of the site."""
    for path in sorted(path for path in RESULTS.rglob("*") if path.is_file()):
        files.append(File.generated(config, f"results/{path.relative_to(RESULTS).as_posix()}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links between both folders as the site has them."""
    markdown = re.sub(r"\.\./((?:\.\./)*)benchmarks/results/", r"\1results/", markdown)
    return markdown.replace("](../../docs/", "](../")


def on_page_content(html: str, **_: Any) -> str:
    """Shows ``:func:`name``` of a docstring as the name alone."""
    return ROLE.sub(r"<code>\1</code>", html)
