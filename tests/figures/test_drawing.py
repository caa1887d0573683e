"""Drawings keep to scale and within their width, and charts put every value where its axis says."""

from __future__ import annotations

import math
import re
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import PUBLISHED, architectures, published

from mipdesign.figures import drawing
from mipdesign.figures.drawing import Chart, Series
from mipdesign.networks.architecture import Architecture

FINITE = st.floats(-1e6, 1e6)


def numbers(element: Element, *names: str) -> tuple[float, ...]:
    return tuple(float(element.attrib[name]) for name in names)


def of_class(root: Element, name: str) -> list[Element]:
    return [element for element in root.iter() if element.get("class") == name]


@pytest.mark.parametrize("width", drawing.NETWORK_WIDTHS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_blocks_are_to_scale(name: str, width: int) -> None:
    network = published(name)
    scale = drawing.common_scale([network], width)
    root = fromstring(drawing.draw_network(network, "n", width, scale))
    maps, cores = of_class(root, "map"), of_class(root, "inner")
    blocks = list(network.blocks())
    assert len(cores) == len(blocks)
    fronts = maps[2 : 2 + len(blocks)]  # after input and stem
    sizes = [numbers(front, "width", "height") for front in fronts]
    expected = [(block.spec.channels, -(-block.resolution // block.stride)) for block in blocks]
    for (thick, high), (channels, resolution) in zip(sizes, expected, strict=True):
        assert thick == pytest.approx(scale.channels * channels, abs=0.006)
        assert high == pytest.approx(scale.resolution * resolution, abs=0.006)
    for core, block in zip(cores, blocks, strict=True):
        assert numbers(core, "width")[0] == pytest.approx(scale.channels * block.spec.bottleneck, abs=0.006)


@given(st.lists(architectures(), min_size=1, max_size=3), st.sampled_from(drawing.NETWORK_WIDTHS))
def test_networks_fit_at_a_common_scale(networks: list[Architecture], width: int) -> None:
    scale = drawing.common_scale(networks, width)
    for network in networks:
        root = fromstring(drawing.draw_network(network, "n", width, scale))
        height = float(root.attrib["height"])
        for front in of_class(root, "map"):
            x, y, thick, high = numbers(front, "x", "y", "width", "height")
            assert x >= -0.02 and x + thick + drawing.SLANT[0] * high <= width + 0.05
            assert drawing.SLANT[1] * high <= y + 0.05 and y + high <= height
        assert all(0 <= numbers(text, "y")[0] <= height for text in root.iter("text"))


def test_a_drawing_tells_everything_in_words() -> None:
    root = fromstring(drawing.draw_network(published("deepmad-r18"), "n", 1120, drawing.Scale(0.5, 0.02)))
    described = {element.get("id"): element.text for element in root}
    assert root.attrib["aria-labelledby"].split() == ["n-1120-title", "n-1120-desc"]
    words = described["n-1120-desc"] or ""
    for part in drawing.drawn_parts(published("deepmad-r18")):
        assert f"{part.name}: {part.resolution} × {part.resolution}, {part.channels:,} channels" in words


@given(FINITE, st.floats(1e-3, 1e6), st.integers(2, 9))
def test_ticks_are_few_round_and_within(low: float, span: float, most: int) -> None:
    made = drawing.ticks(low, low + span, most)
    assert 1 <= len(made) <= most or span == 0
    slack = 1e-6 * max(span, abs(low))
    assert all(low - slack <= tick <= low + span + slack for tick in made)
    if len(made) > 1:
        step = made[1] - made[0]
        mantissa = step / 10 ** math.floor(math.log10(step) + 1e-6)
        assert min(abs(mantissa - base) for base in (1, 2, 5, 10)) < 1e-3 * max(1, abs(low) / span)


@given(st.floats(1e-6, 1e3), st.floats(1.5, 1e6))
def test_logarithmic_ticks_are_within(low: float, ratio: float) -> None:
    made = drawing.log_ticks(low, low * ratio)
    assert 0 < len(made) <= 5
    assert all(low * (1 - 1e-6) <= tick <= low * ratio * (1 + 1e-6) for tick in made)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([36000.0, 37000.0], ["36,000", "37,000"]),
        ([0.0, 0.5, 1.0], ["0.0", "0.5", "1.0"]),
        ([5e8, 1e9, 1.5e9], ["500 M", "1 G", "1.5 G"]),
        ([0.25, 0.26], ["0.25", "0.26"]),
    ],
)
def test_labels_of_ticks(values: list[float], labels: list[str]) -> None:
    assert drawing.tick_labels(values) == labels


@given(st.lists(st.tuples(FINITE, st.integers(-3, 3).map(float)), min_size=1, max_size=30, unique_by=lambda p: p[0]))
def test_a_step_curve_has_the_values_of_its_points(points: list[tuple[float, float]]) -> None:
    points = sorted(points)
    corners = drawing._steps(points, points[-1][0])
    assert corners == sorted(corners, key=lambda corner: corner[0])
    for x, y in points:
        assert [value for at, value in corners if at <= x][-1] == y


@pytest.mark.parametrize("logarithmic", [False, True])
def test_marks_stand_where_the_axes_say(logarithmic: bool) -> None:
    dots = Series("a", "dot", "c0", ((0.0, 1.0), (5.0, 10.0), (10.0, 100.0)))
    chart = Chart("c", "<title>", "what & why", "x", "y", (dots,), (0.0, 10.0), (1.0, 100.0), logarithmic)
    root = fromstring(drawing.draw_chart(chart, 700, 300))
    (x0, y0), (x1, y1), (x2, y2) = (numbers(circle, "cx", "cy") for circle in root.iter("circle"))
    assert x1 == pytest.approx((x0 + x2) / 2, abs=0.02)
    assert y1 == pytest.approx((y0 + y2) / 2 if logarithmic else y0 + (y2 - y0) / 11, abs=0.02)
    assert 0 < y2 < y0 < 300 and 0 < x0 < x2 < 700


def test_the_ground_between_two_curves_is_where_both_are() -> None:
    lower, upper = (Series(n, "step", n, p) for n, p in (("l", ((0.0, 1.0), (6.0, 2.0))), ("u", ((4.0, 5.0), (8.0, 3.0)))))
    chart = Chart("c", "t", "d", "x", "y", (lower, upper), (0.0, 10.0), (0.0, 6.0), between=(0, 1))
    root = fromstring(drawing.draw_chart(chart, 340, 200))
    (area,) = of_class(root, "between")
    corners = [tuple(map(float, pair.split())) for pair in re.split("[ML]", area.attrib["d"].rstrip("Z"))[1:]]
    (curve,) = of_class(root, "curve u")
    start = re.split("[ML]", curve.attrib["d"])[1].split()[0]
    assert min(x for x, _ in corners) == float(start)
    assert corners[0][0] == corners[-1][0]
