"""Runs a notebook without Jupyter: its cells of code in order, in one namespace, with what each shows.

``python tests/support/notebook.py NOTEBOOK`` writes the outputs into the notebook; with ``--check`` it compares instead, and
says what differs. Drawings and styles are not compared: they follow the versions of what draws them.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

NAMESPACE = "__main__"
"""What the cells' module is called."""


def run_cells(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells with the outputs that they have now."""
    namespace: dict[str, Any] = {"__name__": NAMESPACE}
    return [run_cell(cell, namespace) if cell["cell_type"] == "code" else cell for cell in cells]


def run_cell(cell: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    """One cell: what it prints, and what the expression at its end is."""
    tree = ast.parse("".join(cell["source"]))
    end = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), namespace)
        if isinstance(end, ast.Expr):
            value = eval(compile(ast.Expression(end.value), "<cell>", "eval"), namespace)
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": lines_of(printed.getvalue())})
    if value is not None:
        outputs.append({"data": shown(value), "metadata": {}, "output_type": "display_data"})
    return {**cell, "execution_count": None, "outputs": outputs}


def shown(value: Any) -> dict[str, Any]:
    """A value in the forms that it has: text, HTML, and a picture of axes."""
    forms: dict[str, Any] = {"text/plain": lines_of(repr(value))}
    html = value._repr_html_() if hasattr(value, "_repr_html_") else None
    if html is not None:
        forms["text/html"] = lines_of(html)
    if hasattr(value, "figure"):
        picture = io.BytesIO()
        value.figure.savefig(picture, format="png", dpi=72, metadata={"Software": None})
        forms = {"image/png": base64.b64encode(picture.getvalue()).decode()}
    return forms


def lines_of(text: str) -> list[str]:
    """A text as notebooks keep it."""
    return text.splitlines(keepends=True)


def told(cell: dict[str, Any]) -> list[str]:
    """What a cell's outputs say, without drawings and styles."""
    texts = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {"text/plain": output.get("text", [])})
        texts.append("picture" if "image/png" in data else "".join(data.get("text/html", data["text/plain"])))
    bare = [re.sub(r"<(style|svg)\b.*?</\1>", " ", text, flags=re.DOTALL) for text in texts]
    return [" ".join(re.sub(r'\bid="[^"]*"|m\d+-[0-9a-f]{8}', "", text).split()) for text in bare]


def main(path: Path, check: bool) -> int:
    """Runs a notebook; the exit code is 1 where its outputs are checked and are others."""
    import matplotlib

    matplotlib.use("agg")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    now = run_cells(notebook["cells"])
    if not check:
        text = json.dumps({**notebook, "cells": now}, indent=1, ensure_ascii=False)
        path.write_text(f"{text}\n", encoding="utf-8")
        return 0
    differing = [(a, b) for a, b in zip(notebook["cells"], now, strict=True) if told(a) != told(b)]
    for before, after in differing:
        print("".join(before["source"]), "was", *told(before), "is", *told(after), sep="\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1]), "--check" in sys.argv))
