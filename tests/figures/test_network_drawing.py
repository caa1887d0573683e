"""Drawings of networks keep to scale and within their width."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from networks import PUBLISHED, architectures, published

from mipdesign.figures import network_drawing as drawing
from mipdesign.networks.architecture import Architecture, Stage, Stem


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


def test_blocks_that_differ_are_drawn_each_at_its_width() -> None:
    network = Architecture(32, Stem(8), (Stage("inverted", 2, 16, (24, 32, 8), (3, 5, 3), 3),), classes=10)
    scale = drawing.common_scale([network], 700)
    cores = of_class(fromstring(drawing.draw_network(network, "n", 700, scale)), "inner")
    assert [numbers(core, "width")[0] for core in cores] == pytest.approx([b * scale.channels for b in (24, 32, 8)], abs=0.006)
    assert "3 blocks, 3 × 3, 5 × 5, width 8 to 32" in drawing.network_words(network)


def test_networks_of_video_are_drawn_with_their_frames() -> None:
    network = Architecture(32, Stem(8), (Stage("inverted_3d", 2, 16, 24, 5, 2, kernel_t=3),), frames=8)
    assert "stages.0: 8 × 8 × 8, 16 channels, 2 blocks, 3 × 5 × 5, width 24" in drawing.network_words(network)
