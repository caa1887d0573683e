"""Drawings of networks keep to their scale and within their width, however deep a super-block is."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import PUBLISHED, architectures, published

from mipdesign.figures import network_drawing as drawing
from mipdesign.figures.drawn_parts import SHOWN, Run
from mipdesign.io.exchange import read_network
from mipdesign.networks.architecture import Architecture, PlacedBlock, Stage, Stem


def numbers(element: Element, *names: str) -> tuple[float, ...]:
    return tuple(float(element.attrib[name]) for name in names)


def of_class(root: Element, name: str) -> list[Element]:
    return [element for element in root.iter() if element.get("class") == name]


@pytest.mark.parametrize("width", drawing.NETWORK_WIDTHS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_blocks_grow_with_the_roots_of_maps_and_channels(name: str, width: int) -> None:
    network = published(name)
    scale = drawing.common_scale([network], width)
    root = fromstring(drawing.draw_network(network, "n", width, scale))
    maps, cores = of_class(root, "map"), of_class(root, "inner")
    blocks = [block for i, stage in enumerate(network.stages) for block in blocks_of(network, i)[: min(stage.depth, SHOWN)]]
    assert len(cores) == len(blocks)
    fronts = maps[2 : 2 + len(blocks)]  # after input and stem
    for front, core, block in zip(fronts, cores, blocks, strict=True):
        thick, high = numbers(front, "width", "height")
        assert thick == pytest.approx(scale.channels * math.sqrt(block.spec.channels), abs=0.006)
        assert high == pytest.approx(scale.resolution * math.sqrt(-(-block.resolution // block.stride)), abs=0.006)
        assert numbers(core, "width")[0] == pytest.approx(scale.channels * math.sqrt(block.spec.bottleneck), abs=0.006)


def blocks_of(network: Architecture, stage: int) -> list[PlacedBlock]:
    return [block for block in network.blocks() if block.stage == stage]


def deep(depth: int) -> Architecture:
    """A network whose second super-block has so many blocks."""
    stages = (Stage("bottleneck", 2, 32, 8, 3, 1), Stage("bottleneck", 2, 96, 16, 3, depth))
    return Architecture(64, Stem(16), stages, classes=10)


@pytest.mark.parametrize("width", drawing.NETWORK_WIDTHS)
def test_sixty_blocks_take_no_more_room_than_five_and_their_count_is_told(width: int) -> None:
    one, five, sixty = (drawing.common_scale([deep(depth)], width) for depth in (1, 5, 60))
    assert five == sixty
    assert sixty.thickness(96) > 0.5 * one.thickness(96)
    assert min(sixty.thickness(8), sixty.height(drawing.drawn_parts(deep(60))[3])) > 6.0
    root = fromstring(drawing.draw_network(deep(60), "n", width, sixty))
    assert [text.text for text in root.iter("text") if (text.text or "").startswith("× ")] == ["× 60"]
    assert len(of_class(root, "more")) == 3
    assert "× " not in [text.text for text in fromstring(drawing.draw_network(deep(4), "n", width, five)).iter("text")]


def test_runs_of_blocks_that_differ_are_drawn_apart() -> None:
    stage = Stage("inverted", 2, 16, (24, *(32,) * 20, 8, 8), (3,) * 23, 23)
    network = Architecture(32, Stem(8), (stage,), classes=10)
    assert drawing.drawn_parts(network)[2].runs == (Run(24, 1), Run(32, 20), Run(8, 2))
    for width in drawing.NETWORK_WIDTHS:
        scale = drawing.common_scale([network], width)
        root = fromstring(drawing.draw_network(network, "n", width, scale))
        cores = [numbers(core, "width")[0] for core in of_class(root, "inner")]
        expected = [scale.thickness(inner) for inner in (24, *(32,) * SHOWN, 8, 8)]
        assert cores == pytest.approx(expected, abs=0.006)
        assert "× 20" in [text.text for text in root.iter("text")]


@given(st.lists(architectures(), min_size=2, max_size=3))
def test_networks_stand_above_each_other(networks: list[Architecture]) -> None:
    width = drawing.NETWORK_WIDTHS[-1]
    scale = drawing.common_scale(networks, width)
    columns = drawing.common_columns(networks, scale)
    if columns is None or not all(drawing.in_columns(drawing.drawn_parts(network), width) for network in networks):
        return
    assert sum(columns) <= width + 0.01
    places = set()
    for network in networks:
        root = fromstring(drawing.draw_network(network, "n", width, scale, columns))
        names = [text for text in root.iter("text") if text.get("class") == "strong" and not (text.text or "").startswith("×")]
        places.add(tuple(numbers(name, "x")[0] for name in names))
    assert len(places) == 1


def test_bits_are_told() -> None:
    bits = (((4, 5),) * 3, ((3, 6),) * 3)
    stage = Stage("inverted", 2, 16, 24, 3, 2, bits=bits)
    network = Architecture(32, Stem(8, bits=(8, 8)), (stage,), classes=10)
    assert "stem: 16 × 16, 8 channels, 3 × 3, 8/8 bits" in drawing.network_words(network)
    assert "width 24, 3–4/5–6 bits" in drawing.network_words(network)


def test_the_picture_of_the_front_page_is_the_one_that_is_drawn() -> None:
    root = Path(__file__).parents[2]
    network = read_network(root / "benchmarks" / "studies" / "networks" / "deepmad-r18.json")
    drawn = drawing.picture(network)
    remedy = "draw it anew: mipdesign report designs/r18 --picture docs/pictures/design.svg"
    assert (root / "docs" / "pictures" / "design.svg").read_text(encoding="utf-8") == drawn, remedy


def test_a_picture_stands_by_itself() -> None:
    text = drawing.picture(published("deepmad-r18"))
    root = fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and text.endswith("</svg>\n")
    assert "url(" not in text and "@media (prefers-color-scheme: dark)" in text
    named = {element.get("class") for element in root.iter()} - {None, "w1120"}
    assert all(f".{name}" in drawing.PICTURE_STYLE for name in named)


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


def test_blocks_that_differ_are_drawn_each_at_its_width() -> None:
    network = Architecture(32, Stem(8), (Stage("inverted", 2, 16, (24, 32, 8), (3, 5, 3), 3),), classes=10)
    scale = drawing.common_scale([network], 700)
    cores = of_class(fromstring(drawing.draw_network(network, "n", 700, scale)), "inner")
    assert [numbers(core, "width")[0] for core in cores] == pytest.approx([scale.thickness(b) for b in (24, 32, 8)], abs=0.006)
    assert "3 blocks, 3 × 3, 5 × 5, width 8 to 32" in drawing.network_words(network)


def test_networks_of_video_are_drawn_with_their_frames() -> None:
    network = Architecture(32, Stem(8), (Stage("inverted_3d", 2, 16, 24, 5, 2, kernel_t=3),), frames=8)
    assert "stages.0: 8 × 8 × 8, 16 channels, 2 blocks, 3 × 5 × 5, width 24" in drawing.network_words(network)
