"""Charts put every value where its axis says, in the page's colours, and are the same whenever they are drawn."""

from __future__ import annotations

import math
import re
import sys
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import run

pytest.importorskip("matplotlib")

from mipdesign.errors import MissingExtraError
from mipdesign.figures import charts
from mipdesign.figures.charts import Chart, Series, draw_chart

FINITE = st.floats(-1e6, 1e6)
DOTS = Series("dots", "dot", "c0", ((0.0, 1.0), (5.0, 10.0), (10.0, 100.0)))


def chart_of(*series: Series, **changes: object) -> Chart:
    """A chart of these series over 0 to 10 and 1 to 100."""
    fields: dict[str, object] = {
        "name": "c",
        "title": "<title>",
        "description": "what & why",
        "across": "seconds",
        "upwards": "objective",
        "series": series,
        "x_range": (0.0, 10.0),
        "y_range": (1.0, 100.0),
    }
    return Chart(**fields | changes)  # type: ignore[arg-type]


def drawn(chart: Chart, width: int = 700, height: float = 300) -> Element:
    return fromstring(draw_chart(chart, width, height))


def corners(path: Element) -> list[tuple[float, float]]:
    """The points of a path of straight lines."""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", path.attrib["d"])]


def of_colour(root: Element, attribute: str, colour: str) -> list[Element]:
    """Paths that are drawn or filled in a colour of the page."""
    return [
        path for path in root.iter("path") if f"{attribute}: var(--{colour})" in path.get("style", "") and path.get("clip-path")
    ]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_marks_stand_where_the_axes_say(logarithmic: bool) -> None:
    uses = [use for use in drawn(chart_of(DOTS, logarithmic=logarithmic)).iter("use") if "var(--c0)" in use.get("style", "")]
    (x0, y0), (x1, y1), (x2, y2) = ((float(use.attrib["x"]), float(use.attrib["y"])) for use in uses)
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.02)
    assert y1 == pytest.approx((y0 + y2) / 2 if logarithmic else y0 + (y2 - y0) / 11, abs=0.02)
    assert 0 < y2 < y0 < 300 and 0 < x0 < x2 < 700


def test_a_step_curve_goes_on_to_the_end() -> None:
    curve = Series("curve", "step", "gap", ((0.0, 10.0), (5.0, 50.0)))
    (path,) = of_colour(drawn(chart_of(curve)), "stroke", "gap")
    (x0, y0), (x1, y1), (x2, y2), (x3, y3), *_ = corners(path)
    assert (y0, x1, y2, y3) == (y1, x2, y2, y2)
    assert x1 == pytest.approx((x0 + x3) / 2, abs=0.02)


def test_the_ground_between_two_curves_is_where_both_are() -> None:
    lower = Series("lower", "step", "incumbent", ((0.0, 10.0), (6.0, 20.0)))
    upper = Series("upper", "step", "bound", ((4.0, 50.0), (8.0, 30.0)))
    root = drawn(chart_of(lower, upper, between=(0, 1)))
    (ground,) = (use.attrib["href"][1:] for use in root.iter("use") if "var(--shade)" in use.attrib["style"])
    (curve,) = of_colour(root, "stroke", "bound")
    found = [(x, y + 300) for path in root.iter("path") if path.get("id") == ground for x, y in corners(path)]
    assert min(x for x, _ in found) == pytest.approx(corners(curve)[0][0], abs=0.01)
    assert min(y for _, y in found) == pytest.approx(min(y for _, y in corners(curve)), abs=0.01)


@given(
    st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=20, unique_by=lambda point: point[0]), st.lists(FINITE, max_size=9)
)
def test_values_of_a_step_curve(points: list[tuple[float, float]], places: list[float]) -> None:
    points = sorted(points)
    places = sorted(place for place in places if place >= points[0][0])
    expected = [[y for x, y in points if x <= place][-1] for place in places]
    assert charts._values(tuple(points), places) == expected


def test_the_element_stands_on_a_page_by_itself() -> None:
    narrow, wide = (draw_chart(chart_of(DOTS), width, 300) for width in (340, 700))
    assert wide == draw_chart(chart_of(DOTS), 700, 300)
    roots = [fromstring(text) for text in (narrow, wide)]
    ids = [element.attrib["id"] for root in roots for element in root.iter() if "id" in element.attrib]
    assert len(set(ids)) == len(ids)
    for text, root, width in zip((narrow, wide), roots, (340, 700), strict=True):
        assert (root.attrib["class"], root.attrib["width"], root.attrib["height"]) == (f"w{width}", str(width), "300")
        links = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
        assert {one or other for one, other in links} <= set(ids)
        assert [element.text for element in root][:2] == ["<title>", "what & why"]
        assert not re.search("//|<style|#0100|DejaVu", text)
        named = set(re.findall(r"var\(--(\w+)\)", text))
        assert {"c0", "faint", "line"} <= named <= set(charts.COLOURS)


@pytest.mark.parametrize(
    ("y_range", "logarithmic", "label"),
    [
        ((36000.0, 38000.0), False, "37,000"),
        ((0.0, 1.0), False, "0.4"),
        ((4e8, 1.6e9), False, "800 M"),
        ((1e-4, 1e2), True, "0.01"),
        ((1.0, 4.0), True, "2"),
    ],
)
def test_labels_of_ticks(y_range: tuple[float, float], logarithmic: bool, label: str) -> None:
    middle = math.sqrt(y_range[0] * y_range[1])
    series = Series("s", "step", "c0", ((0.0, middle), (1.0, y_range[1])))
    texts = [text.text for text in drawn(chart_of(series, y_range=y_range, logarithmic=logarithmic)).iter("text")]
    assert label in texts
    assert {"seconds", "objective"} <= set(texts)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_file_is_the_same_whenever_it_is_drawn(kind: str) -> None:
    def made() -> bytes:
        figure = charts.new_figure(340, 200)
        charts.plot(figure.subplots(), chart_of(DOTS), charts.COLOURS, 340)
        return charts.image(figure, kind)  # type: ignore[arg-type]

    assert made() == made()


def test_without_matplotlib_it_is_told_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib.*mipdesign\[report\]"):
        draw_chart(chart_of(DOTS), 340, 200)


def test_matplotlib_is_imported_when_a_chart_is_drawn_and_not_before() -> None:
    assert run("matplotlib_imported").returncode == 0
