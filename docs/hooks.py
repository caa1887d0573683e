"""What mkdocs does with the pages beyond its own: reads the docstrings' roles, and takes in notebooks and the results of the
benchmarks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>~?([^<]+)</code>")

NOTEBOOKS = Path(__file__).parent / "notebooks"
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Shows ``benchmarks/results``, which lie beside what measures them, as the folder ``results`` of the site, and each
    notebook as a page beside the notebook itself.
    """
    from mkdocs.structure.files import File

    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        page = "\n\n".join(notebook_page(json.loads(path.read_text(encoding="utf-8"))))
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
    for path in sorted(path for path in RESULTS.rglob("*") if path.is_file()):
        files.append(File.generated(config, f"results/{path.relative_to(RESULTS).as_posix()}", abs_src_path=str(path)))
    return files


def notebook_page(notebook: dict[str, Any]) -> Iterator[str]:
    """The cells of a notebook as Markdown: its code, and what it printed and showed when it was run."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
        for output in cell.get("outputs", ()):
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                yield f'<p><img alt="What the cell above draws" src="data:image/png;base64,{data["image/png"]}"></p>'
            elif "text/html" in data:
                yield re.sub(r"\n\s*", " ", f"<div>{''.join(data['text/html'])}</div>")
            else:
                yield f"```text\n{''.join(data['text/plain']).rstrip()}\n```"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links between both folders as the site has them."""
    markdown = re.sub(r"\]\(([\w./-]*notebooks/\w+)\.ipynb\)", r"](\1.md)", markdown)
    markdown = re.sub(r"\.\./((?:\.\./)*)benchmarks/results/", r"\1results/", markdown)
    return markdown.replace("](../../docs/", "](../")


def on_page_content(html: str, **_: Any) -> str:
    """Shows ``:func:`name``` of a docstring as the name alone."""
    return ROLE.sub(r"<code>\1</code>", html)
