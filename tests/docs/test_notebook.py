"""The notebook of the documentation runs, and shows what it has been saved with; the site has it as a page."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from documentation import ROOT

RUNNER = ROOT / "tests" / "support" / "notebook.py"
NOTEBOOK = ROOT / "docs" / "notebooks" / "first_design.ipynb"
HOOKS = ROOT / "docs" / "hooks.py"


def cells() -> list[dict[str, Any]]:
    """The cells as they are saved."""
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return found


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The runner in a process of its own, where identifiers are counted from the first."""
    command = [sys.executable, str(RUNNER), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_notebook_shows_what_its_code_shows(tmp_path: Path) -> None:
    """Some seven seconds of one core: it is six small designs, and an import of torch."""
    done = run("--check", NOTEBOOK, folder=tmp_path)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\nrun: python tests/support/notebook.py {NOTEBOOK}"


def test_other_outputs_are_noticed_and_written(tmp_path: Path) -> None:
    code = {"cell_type": "code", "metadata": {}, "source": ["a = 1\n", "print(a)\n", "a + 1"], "outputs": []}
    path = tmp_path / "short.ipynb"
    path.write_text(json.dumps({"cells": [code]}))
    assert run("--check", path, folder=tmp_path).returncode == 1
    assert run(path, folder=tmp_path).returncode == 0
    stream, value = json.loads(path.read_text())["cells"][0]["outputs"]
    assert stream["text"] == ["1\n"] and value["data"] == {"text/plain": ["2"]}
    assert run("--check", path, folder=tmp_path).returncode == 0


def test_the_notebook_is_small_and_says_nothing_of_where_it_ran() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 200_000
    assert not re.search(r"/home/|/work|/tmp/|/root|\\\\Users|\d s\b.{0,20}peak memory", text)
    assert all(cell["execution_count"] is None for cell in cells() if cell["cell_type"] == "code")
    shown = [output for cell in cells() for output in cell.get("outputs", ())]
    assert len(shown) >= 10 and all(output["output_type"] != "error" for output in shown)


def test_its_links_lead_to_files() -> None:
    texts = "".join("".join(cell["source"]) for cell in cells() if cell["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)]+)\)", texts)
    assert links and all((NOTEBOOK.parent / link).exists() for link in links)


def test_the_site_has_it_as_a_page() -> None:
    spec = importlib.util.spec_from_file_location("hooks", HOOKS)
    assert spec is not None and spec.loader is not None
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    page = "\n\n".join(hooks.notebook_page({"cells": cells()}))
    assert page.startswith("# A first design") and page.count("```python") == sum(c["cell_type"] == "code" for c in cells())
    assert '<div class="mipdesign-output">' in page and "data:image/png;base64," in page and "```text" in page
    assert hooks.on_page_markdown("[a](notebooks/first_design.ipynb)") == "[a](notebooks/first_design.md)"
