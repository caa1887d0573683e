"""Objects as a notebook shows them: the page's drawing, tables and style, in a part of a page that has other parts.

Everything is what :mod:`mipdesign.report.report` puts on its page. What is different here: the style holds for nothing but
this part; identifiers are unique on a page with many outputs; light and dark are those of the notebook where it says which;
there is one width; and there is no heading, which a notebook would take for one of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from ..analysis.comparison import Comparison
from ..analysis.explanation_file import Explanation
from ..analysis.frontier_file import Frontier
from ..designs.design import Design
from ..designs.pool import Pool
from ..display import Displayed, Drawing
from ..errors import counted
from ..figures.formatting import points
from ..figures.network_drawing import common_scale, draw_network
from ..networks.architecture import Architecture
from ..networks.evaluation import Evaluation
from ..problem.problem import Problem
from .design_view import convergence_section, design_facts, list_section, network_sections
from .folders import FrontierFolder
from .frontier_view import frontier_view
from .problem_tables import problem_table
from .report import render
from .sections import Figure, Section, View, network_figure
from .tables import comparison_table, explanation_table, figures_table, network_table
from .terminal import comparison_lines, problem_lines
from .words import BADGES, STATUS_WORDS

SCOPE = "mipdesign-output"
"""Class of what is shown; the style holds within it."""
SELECTOR = f".{SCOPE}" * 3
"""Selects it, and wins against what notebooks and sites say of all tables."""
LETTERS = 15.0
"""Pixels of a ``rem`` of the page: a notebook's or a site's own may be any."""
WIDTH = 700
"""Most pixels of a drawing, of those that a figure has."""
DARK = (
    '[data-jp-theme-light="false"] &',
    "body.vscode-dark &",
    'html[theme="dark"] &',
    '[data-theme="dark"] &',
    '[data-md-color-scheme="slate"] &',
)
LIGHT = (
    '[data-jp-theme-light="true"] &',
    "body.vscode-light &",
    'html[theme="light"] &',
    '[data-theme="light"] &',
    '[data-md-color-scheme="default"] &',
)
"""How JupyterLab, VS Code, Colab, Sphinx and mkdocs say whether they are dark; without a word the system decides."""
OWN = (
    "figure > svg { display: block !important; } .facts { margin: .6rem 0; } & { padding: .2rem 0; }"
    " .h1 { font-size: 1.25rem; margin: 0; }"
    " .h2 { font-size: 1rem; font-weight: 600; margin: .8rem 0 0; padding: 0; border: 0; }"
)
"""What is different from the page: the one drawing of a figure is shown, whatever the width of the window; less room."""

_COUNT = itertools.count(1)


def html_of(shown: Displayed) -> str:
    """The HTML of an object.

    Raises
    ------
    MissingExtraError
        If jinja2 or matplotlib is not installed.
    """
    view_of = next(view for kind, view in VIEWS.items() if isinstance(shown, kind))
    return part_of_page(lambda prefix: view_of(shown, prefix))


def drawing_of(architecture: Architecture, width: int) -> Drawing:
    """A network to scale.

    Raises
    ------
    MissingExtraError
        If jinja2 is not installed.
    """
    prefix = _prefix(f"{architecture!r} {width}")
    drawn = draw_network(architecture, prefix, width, common_scale([architecture], width))
    style = f"<style>{drawing_style()}</style>"
    alone = re.sub(r"^<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', drawn, count=1)
    return Drawing(re.sub(r"(?<=</desc>)", style, alone, count=1), scoped(f"<figure>{drawn}</figure>"))


# ----------------------------------------------------------------------------------------------------------------- views


def _view(prefix: str, title: str, kind: str, sections: tuple[Section, ...], badge: str = "", **rest: Any) -> View:
    facts = {"facts": (), "summary": "", "status": ""} | rest
    return View(id=prefix, title=title, name=title, kind=kind, badge=badge, sections=sections, **facts)


def design_part(design: Design, prefix: str) -> View:
    """A design: its main figures, network, budgets and convergence."""
    shown = [section for section in network_sections(design, prefix) if section.id != f"{prefix}-figures"]
    listed = () if design.pool is None else (list_section(design.pool, prefix, design),)
    sections = (*shown, *listed, convergence_section(design, prefix))
    words = STATUS_WORDS[design.status].removeprefix("proven: ")
    return _view(
        prefix,
        design.problem.name,
        f"Design, convention {design.problem.convention}",
        sections,
        BADGES[design.status],
        status=design.status,
        summary=f"{words[0].upper()}{words[1:]}.",
        facts=design_facts(design),
    )


def pool_part(pool: Pool, prefix: str) -> View:
    """A list: its first networks."""
    count = counted(len(pool), "network")
    return _view(prefix, pool.problem.name, f"List of {count}, best first", (list_section(pool, prefix),))


def frontier_part(frontier: Frontier, prefix: str) -> View:
    """A frontier: its charts and points."""
    view = frontier_view(FrontierFolder("", frontier.stored()), prefix)
    kept = tuple(section for section in view.sections if not section.commands)
    return replace(view, kind=view.kind.partition(", folder")[0], sections=kept)


def problem_part(problem: Problem, prefix: str) -> View:
    """A problem: what is asked, and its space."""
    lines = tuple(problem_lines(problem)[1:])
    section = Section(f"{prefix}-space", "Search space", lines, tables=(problem_table(problem),))
    return _view(prefix, problem.name, f"Problem, convention {problem.convention}", (section,))


def architecture_part(architecture: Architecture, prefix: str) -> View:
    """A network: drawn, and part by part."""
    figure = network_figure(architecture, f"{prefix}-drawing", [architecture])
    section = Section(f"{prefix}-network", "To scale, part by part", figures=(figure,), tables=(network_table(architecture),))
    return _view(prefix, "Network", f"{architecture.resolution} × {architecture.resolution} input", (section,))


def evaluation_part(evaluation: Evaluation, prefix: str) -> View:
    """All figures of a network."""
    terms = (("objective", evaluation.objective), ("entropy", evaluation.weighted_entropy), ("penalty", evaluation.penalty))
    table = figures_table(evaluation, evaluation.bit_operations is not None)
    facts = tuple((name, points(value), "") for name, value in terms)
    section = Section(f"{prefix}-figures", "Figures", tables=(table,))
    return _view(prefix, "Evaluation", f"convention {evaluation.convention}", (section,), facts=facts)


def comparison_part(comparison: Comparison, prefix: str) -> View:
    """A network beside the optimum within its budgets."""
    design = comparison.design
    together = [comparison.network, *([] if design.architecture is None else [design.architecture])]
    figures = tuple(
        network_figure(network, f"{prefix}-{i}", together, name)
        for i, (network, name) in enumerate(zip(together, ("The network", "The optimum"), strict=False))
    )
    sections = (
        Section(f"{prefix}-networks", "Networks to one scale", figures=figures),
        Section(f"{prefix}-figures", "Figures", tuple(comparison_lines(comparison)), tables=(comparison_table(comparison),)),
    )
    kind = f"within the budgets of a network, convention {design.problem.convention}"
    return _view(prefix, "Comparison", kind, sections, BADGES[design.status], status=design.status)


def explanation_part(explanation: Explanation, prefix: str) -> View:
    """What binds, and what lies beyond."""
    section = Section(f"{prefix}-prices", "Prices and what binds", tables=(explanation_table(explanation.stored()),))
    return _view(prefix, "Explanation", "of a proven optimum", (section,))


VIEWS: dict[type, Callable[[Any, str], View]] = {
    Architecture: architecture_part,
    Comparison: comparison_part,
    Design: design_part,
    Evaluation: evaluation_part,
    Explanation: explanation_part,
    Frontier: frontier_part,
    Pool: pool_part,
    Problem: problem_part,
}
"""What is shown of an object of each class."""


# ------------------------------------------------------------------------------------------------------- a part of a page


def part_of_page(view_of: Callable[[str], View]) -> str:
    """A view as a part of a page that has others; ``view_of`` makes it with identifiers that begin as they are told."""
    view = view_of(_prefix(repr(view_of("")).replace("<", "")))
    main = re.search(r"<main>(.*)</main>", render([_narrowed(view)]), re.DOTALL)
    assert main is not None
    body = re.sub(r"<nav.*?</nav>", "", main[1], flags=re.DOTALL)
    body = re.sub(r'<p class="verdict"><span class="badge "></span></p>|<dl class="facts">\s*</dl>', "", body)
    body = re.sub(r"<(/?)h([1-6])>", lambda found: "</p>" if found[1] else f'<p class="h{found[2]}">', body)
    return scoped(re.sub(r"\n\s*", "\n", body).strip())


def scoped(body: str) -> str:
    """A body with the page's style, which holds for it alone."""
    return f'<div class="{SCOPE}"><style>{scoped_style()}</style>{body}</div>'


def _prefix(content: str) -> str:
    """Beginning of identifiers that no other output has: it is counted in this process, and made of what is shown."""
    return f"m{next(_COUNT)}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _narrowed(view: View) -> View:
    """A view each of whose figures has one drawing: the widest that is not wider than :data:`WIDTH`."""
    sections = (replace(section, figures=tuple(map(_one_drawing, section.figures))) for section in view.sections)
    return replace(view, sections=tuple(sections))


def _one_drawing(figure: Figure) -> Figure:
    def width(drawing: str) -> float:
        found = re.search(r'<svg[^>]*\bwidth="([\d.]+)', drawing)
        return float(found[1]) if found is not None else 0.0

    fitting = [drawing for drawing in figure.drawings if width(drawing) <= WIDTH] or list(figure.drawings)
    return replace(figure, drawings=(max(fitting, key=width),))


# ----------------------------------------------------------------------------------------------------------------- style


@cache
def page_style() -> str:
    """The style sheet of the page, without what is for print."""
    page = render([_view("p", "", "", ())])
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    return "\n".join(rule for rule in rules(re.sub(r"/\*.*?\*/", "", style[1], flags=re.DOTALL)) if not is_of_print(rule))


def rules(style: str) -> list[str]:
    """The rules of a style sheet, those with rules in them whole."""
    found, depth, begin = [], 0, 0
    for i, sign in enumerate(style):
        depth += (sign == "{") - (sign == "}")
        if sign == "}" and depth == 0:
            found.append(" ".join(style[begin : i + 1].split()))
            begin = i + 1
    return found


def is_of_print(rule: str) -> bool:
    """Whether a rule is for paper, or for the page as a whole."""
    return rule.startswith(("@media print", "@page", "html "))


@cache
def scoped_style() -> str:
    """The page's style as rules within :data:`SCOPE`: nested in one, where ``&`` is what is shown."""
    light, dark, own = [], [], []
    for rule in rules(page_style()):
        if rule.startswith(":root"):
            light.append(rule.removeprefix(":root").strip(" {}"))
        elif rule.startswith("@media (prefers-color-scheme: dark)"):
            dark.append(rule.partition("{")[2].partition("{")[2].strip(" {}"))
        elif not rule.startswith("body"):
            own.append(re.sub(r"\bh([1-6])\b(?=[^{}]*\{)", r".h\1", rule))
    of_light, of_dark = " ".join(light), " ".join(dark)
    colours = [
        f"& {{ {of_light} color: var(--ink); font: 14px/1.5 system-ui, sans-serif; max-width: 75rem; }}",
        f"@media (prefers-color-scheme: dark) {{ & {{ {of_dark} }} }}",
        f"{', '.join(LIGHT)} {{ {of_light} }}",
        f"{', '.join(DARK)} {{ {of_dark} }}",
    ]
    style = f"{SELECTOR} {{ {' '.join([*colours, *own, OWN])} }}"
    return re.sub(r"([\d.]+)rem\b", lambda size: f"{LETTERS * float(size[1]):g}px", style)


@cache
def drawing_style() -> str:
    """The part of the page's style that drawings of networks need, for a file of their own."""
    drawn = re.compile(r"^(:root|svg|@media \(prefers-color-scheme|\.(map|top|side|inner|flow)\b)")
    letters = "svg { font-family: system-ui, sans-serif; background: var(--ground); }"
    return " ".join([*(rule for rule in rules(page_style()) if drawn.match(rule)), letters])
