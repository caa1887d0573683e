"""Designs as models of timm. Every test runs with a stand-in of timm's registry, and with timm itself where it is installed."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import programs
import pytest
from networks import small

from mipdesign import MissingExtraError, SpecError, save_pretrained
from mipdesign.nn import timm as ours
from mipdesign.nn.graph import to_graph
from mipdesign.nn.lowering import to_module

torch = pytest.importorskip("torch")

INSTALLED = all(importlib.util.find_spec(name) is not None for name in ("timm", "torchvision"))


class Registry:
    """What this project needs of timm, in the least words: an entry point per name, the defaults of its file, its options."""

    def __init__(self) -> None:
        self.entry_points: dict[str, Callable[..., Any]] = {}

    def register_model(self, entry_point: Callable[..., Any]) -> Callable[..., Any]:
        self.entry_points[entry_point.__name__] = entry_point
        return entry_point

    def create_model(self, name: str, pretrained: bool = False, **options: Any) -> Any:
        entry_point = self.entry_points[name]
        return entry_point(pretrained=pretrained, pretrained_cfg=None, pretrained_cfg_overlay=None, cache_dir=None, **options)

    def build_model_with_cfg(
        self,
        build: Callable[..., Any],
        name: str,
        pretrained: bool,
        *,
        feature_cfg: dict[str, Any],
        pretrained_cfg: Any,
        pretrained_cfg_overlay: Any,
        cache_dir: Any,
        features_only: bool = False,
        out_indices: Any = None,
        **options: Any,
    ) -> Any:
        config = sys.modules[self.entry_points[name].__module__].default_cfgs[name]  # type: ignore[attr-defined]
        model = build(**{"num_classes": config["num_classes"], "in_chans": config["input_size"][0]} | options)
        if pretrained:
            self.load(model, config)
        if features_only:
            assert feature_cfg["feature_cls"] == "getter"
            return Features(model, feature_cfg["out_indices"] if out_indices is None else out_indices)
        return model

    def load(self, model: Any, config: dict[str, Any]) -> None:
        from safetensors.torch import load_file

        if "file" not in config:
            raise RuntimeError("No pretrained weights exist")
        state = load_file(config["file"])
        first = f"{config['first_conv']}.weight"
        if model.in_chans == 1:
            state[first] = state[first].sum(1, keepdim=True)
        if model.num_classes != config["num_classes"]:
            state = {name: tensor for name, tensor in state.items() if not name.startswith(config["classifier"])}
        model.load_state_dict(state, strict=model.num_classes == config["num_classes"])


class Features(torch.nn.Module):
    """The maps of some levels."""

    def __init__(self, model: Any, levels: Any) -> None:
        super().__init__()
        self.levels = model.prune_intermediate_layers(levels)
        self.model = model

    def forward(self, x: Any) -> Any:
        return self.model.forward_intermediates(x, indices=self.levels, norm=False, intermediates_only=True)


@pytest.fixture(params=["stand-in", *(["timm"] if INSTALLED else [])])
def create_model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """``timm.create_model``."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    monkeypatch.setattr(ours, "default_cfgs", {})
    monkeypatch.setattr(ours, "__all__", ["register"])
    if request.param == "timm":
        import timm

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Overwriting")  # by the test before
            yield timm.create_model
        return
    registry, top, models = Registry(), ModuleType("timm"), ModuleType("timm.models")
    models.register_model = registry.register_model  # type: ignore[attr-defined]
    models.build_model_with_cfg = registry.build_model_with_cfg  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", top)
    monkeypatch.setitem(sys.modules, "timm.models", models)
    yield registry.create_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of weights."""
    save_pretrained(to_module(to_graph(small("inverted_se"))), tmp_path)
    return tmp_path


def test_a_registered_network_is_made_by_its_name(create_model: Callable[..., Any]) -> None:
    entry_point = ours.register("designed_small", small("mixed"))
    assert entry_point.__name__ == "designed_small"
    model = create_model("designed_small")
    assert model.architecture == small("mixed")
    assert list(model.state_dict()) == list(to_module(to_graph(small("mixed"))).state_dict())
    assert (model.num_classes, model.in_chans, model.default_cfg["pool_size"]) == (10, 3, (5, 5))


def test_options_mean_what_they_mean_in_timm(create_model: Callable[..., Any]) -> None:
    ours.register("designed_small", small("mixed"))
    model = create_model("designed_small", num_classes=7, in_chans=1, drop_rate=0.1, drop_path_rate=0.2, zero_init_last=True)
    assert (model.drop_rate, model.drop_path_rate) == (0.1, 0.2)
    assert model.stages[0][0].conv2_bn.weight.count_nonzero() == 0
    assert model(torch.randn(2, 1, 33, 33)).shape == (2, 7)
    x = torch.randn(2, 3, 33, 33)
    assert create_model("designed_small", num_classes=0)(x).shape == (2, 20)
    assert create_model("designed_small", num_classes=0, global_pool="")(x).shape == (2, 20, 5, 5)
    assert create_model("designed_small", global_pool="max").global_pool == "max"
    with pytest.raises(SpecError, match="in_chans: 0"):
        create_model("designed_small", in_chans=0)


@pytest.mark.parametrize(("indices", "levels"), [(None, [0, 1, 2]), ((0, 2), [0, 2]), ((-1,), [2]), ((1,), [1])])
def test_features_are_the_maps_of_the_levels(create_model: Callable[..., Any], indices: Any, levels: list[int]) -> None:
    ours.register("designed_small", small("mixed"))
    extractor = create_model("designed_small", features_only=True, **({} if indices is None else {"out_indices": indices}))
    maps = extractor.eval()(torch.randn(2, 3, 33, 33))
    shapes = [(2, 8, 17, 17), (2, 12, 9, 9), (2, 12, 5, 5)]
    assert [tuple(found.shape) for found in maps] == [shapes[level] for level in levels]


def test_pretrained_weights_are_those_of_the_folder(create_model: Callable[..., Any], folder: Path) -> None:
    from mipdesign import from_pretrained

    ours.register("designed_small", folder)
    saved, x = from_pretrained(folder), torch.randn(2, 3, 33, 33)
    assert torch.equal(create_model("designed_small", pretrained=True).eval()(x), saved(x))
    tuned = create_model("designed_small", pretrained=True, num_classes=3).eval()
    assert tuned(x).shape == (2, 3)
    assert torch.equal(tuned.forward_features(x), saved.forward_features(x))
    extractor = create_model("designed_small", pretrained=True, features_only=True).eval()
    maps = saved.forward_intermediates(x, intermediates_only=True)
    assert all(torch.equal(one, other) for one, other in zip(extractor(x), maps, strict=True))
    grey = create_model("designed_small", pretrained=True, in_chans=1).eval()
    expected = saved.forward_features(x[:, :1].expand(-1, 3, -1, -1))
    torch.testing.assert_close(grey.forward_features(x[:, :1]), expected, rtol=1e-4, atol=1e-5)


def test_the_weights_in_a_designs_folder_decide(create_model: Callable[..., Any], folder: Path) -> None:
    (folder / "result.json").write_text(f'{{"architecture": {small("inverted_se", classes=1000).dumps()}}}')
    ours.register("designed_small", str(folder))
    assert create_model("designed_small", pretrained=True).num_classes == 10


def test_there_are_no_pretrained_weights_without_a_folder(create_model: Callable[..., Any]) -> None:
    ours.register("designed_small", small("mixed"))
    with pytest.raises(RuntimeError, match="No pretrained weights"):
        create_model("designed_small", pretrained=True)


def test_a_name_can_be_given_again(create_model: Callable[..., Any], folder: Path) -> None:
    ours.register("designed_small", folder)
    ours.register("designed_small", "torchvision/resnet18")
    model = create_model("designed_small", num_classes=5)
    assert len(list(model.blocks())) == 8
    with pytest.raises(RuntimeError, match="No pretrained weights"):
        create_model("designed_small", pretrained=True)


@pytest.mark.parametrize("name", ["", "My_Network", "r18.in1k", "1st", "a b"])
def test_a_name_is_one_of_timms(name: str) -> None:
    with pytest.raises(SpecError, match="use small letters, digits and underscores"):
        ours.register(name, small("mixed"))


def test_timm_is_needed_to_register_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("timm", "timm.models"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"timm.create_model needs the package 'timm'.*mipdesign\[timm\]"):
        ours.register("designed_small", small("mixed"))
    programs.run("imports_without", "timm", "mipdesign.nn.timm", "mipdesign.nn.module", "mipdesign.nn.exports", check=True)
