"""Latency in each mode: the same numbers as torch's modules, copies whose difference counts, settings, and whole networks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from networks import small

from mipdesign.cli import main as cli
from mipdesign.errors import SpecError
from mipdesign.networks.latency import FUSED_KINDS, LatencyModel, LatencyTable, Row, shipped_tables
from mipdesign.nn.latency_plan import operation_of, plan
from mipdesign.nn.latency_settings import Settings, described, running_as, settings_of
from mipdesign.nn.profiling import measure, predict, profile, time_network
from mipdesign.nn.timing import captured
from mipdesign.problem.problem import Problem
from mipdesign.report.validation_tables import prediction_table

torch = pytest.importorskip("torch")

from mipdesign.nn import latency_modes  # noqa: E402
from mipdesign.nn.latency_modes import Copies, difference, module_of, shapes_of  # noqa: E402

SMALL = Path(__file__).parents[1] / "data" / "small.yaml"
ROWS = [
    Row("conv", 8, 16, 3, 2, 1, 9, 2, 0.0),
    Row("conv+norm", 8, 16, 1, 1, 1, 9, 2, 0.0),
    Row("conv+norm+relu6", 16, 16, 3, 1, 16, 9, 2, 0.0),
    Row("conv+norm+silu", 8, 16, 1, 1, 1, 9, 2, 0.0),
    Row("norm", 8, 8, 1, 1, 1, 9, 2, 0.0),
    Row("pool", 8, 8, 1, 2, 1, 9, 2, 0.0),
    Row("max_pool", 8, 8, 3, 2, 1, 9, 2, 0.0),
    Row("global_pool", 8, 8, 1, 9, 1, 9, 2, 0.0),
    Row("linear", 8, 10, 1, 1, 1, 1, 2, 0.0),
    *(Row(kind, 8, 8, 1, 1, 1, 9, 2, 0.0) for kind in ("relu", "relu6", "silu", "sigmoid", "add", "scale")),
]


def with_onnx() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_copies_in_onnx_compute_what_the_module_does(row: Row) -> None:
    with_onnx()
    import onnxruntime

    from mipdesign.nn.onnx_operations import CHAINED, Model

    model = Model(row, 0)
    session = onnxruntime.InferenceSession(model.of(3).SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feeds = {given.name: rng.standard_normal(given.shape).astype(np.float32) for given in session.get_inputs()}
    module = module_of(operation_of(row)).eval()
    parts = list(module) if isinstance(module, torch.nn.Sequential) else [module]
    for part, kind in zip(parts, row.kind.split("+"), strict=True):
        names = {"conv": ["w"], "norm": ["scale", "shift", "mean", "var"], "linear": ["w", "b"]}.get(kind, [])
        state = [key for key in part.state_dict() if key != "num_batches_tracked"]
        loaded = {key: torch.from_numpy(model.weights[f"{kind}0.{name}"]) for key, name in zip(state, names, strict=True)}
        part.load_state_dict(loaded, strict=False)
    maps = [torch.from_numpy(array) for array in feeds.values()]
    with torch.inference_mode():
        expected = maps[0]
        for _ in range(3 if row.kind in CHAINED else 1):
            expected = module(expected, *(maps[1:] if row.kind in CHAINED else []))
    found = session.run(None, feeds)
    if row.kind not in CHAINED:
        assert len(found) == 3
        expected = expected if expected.dim() == 2 else expected[:, :, :1, :1]
    np.testing.assert_allclose(found[0], expected.numpy(), rtol=1e-4, atol=1e-5)


def test_copies_of_a_convolution_pay_once_for_reordering(tmp_path: Path) -> None:
    with_onnx()
    import onnx
    import onnxruntime

    from mipdesign.nn.onnx_operations import copies_in_onnx

    options, path = onnxruntime.SessionOptions(), tmp_path / "optimised.onnx"
    options.optimized_model_filepath, options.log_severity_level = str(path), 3
    row = Row("conv+norm+relu", 64, 64, 3, 1, 1, 14, 1, 0.0)
    onnxruntime.InferenceSession(copies_in_onnx(row, 5), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators.count("Conv") == 5 and operators.count("ReorderInput") <= 1  # 0 where the CPU has no such order
    assert not {"Relu", "BatchNormalization"} & set(operators)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_copies_in_torch_are_as_many_operations_side_by_side(row: Row) -> None:
    copies = Copies(operation_of(row), 3).eval()
    maps = [torch.randn(3, *shape) for shape in shapes_of(row)]
    for n, made in enumerate(copies(*maps)):
        assert torch.equal(made, copies.copies[n](*(of_all[n] for of_all in maps)))


def test_a_table_of_onnxruntime_has_fused_rows_and_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_onnx()
    problem, path = Problem.load(SMALL), tmp_path / "ort.csv"
    wanted = plan(problem, 2, fused=True)
    assert {row.kind for row in wanted} & set(FUSED_KINDS) and not {"conv", "norm"} & {row.kind for row in wanted}
    assert profile(problem, path, points=2, seconds=1e-4, mode="onnxruntime") == len(wanted)
    assert profile(problem, path, points=2, seconds=1e-4, mode="onnxruntime") == 0
    head = path.read_text().splitlines()[0]
    assert (
        head.startswith("# mode onnxruntime, float32, contiguous, TF32 off, cpu, 1 threads, torch ") and "onnxruntime 1" in head
    )
    with pytest.raises(SpecError, match="was measured otherwise"):
        profile(problem, path, points=2)
    assert cli.main(["design", str(SMALL), "--out", str(tmp_path / "d"), "--workers", "1", "--set", "budgets.latency.max=1e7",
                     "--set", f"budgets.latency.table={path}"]) == 0  # fmt: skip
    capsys.readouterr()
    assert cli.main(["validate", str(tmp_path / "d"), "--draws", "2", "--quick", "--latency", str(path)]) == 0
    stored = json.loads((tmp_path / "d" / "validation.json").read_text())["prediction"]
    assert stored["how"] == head[2:] and stored["predicted"] > 0 < stored["measured"]
    assert stored["error"] == stored["predicted"] / stored["measured"] - 1
    shown = capsys.readouterr().out
    assert "mode onnxruntime, float32" in shown and "predicted" in shown


@pytest.mark.parametrize(("dtype", "memory_format"), [("float32", "channels_last"), ("bfloat16", "contiguous")])
def test_eager_operations_have_the_type_and_the_format(dtype: str, memory_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    made = latency_modes._maps
    monkeypatch.setattr(latency_modes, "_maps", lambda shape, settings: seen.append(made(shape, settings)) or seen[-1])
    settings = Settings(seconds=1e-4, dtype=dtype, memory_format=memory_format)
    found = list(measure(ROWS, settings))
    assert [row[:-1] for row in found] == [row[:-1] for row in ROWS] and all(row.microseconds > 0 for row in found)
    is_last = memory_format == "channels_last"
    for maps in seen:
        assert maps.dtype == getattr(torch, dtype)
        assert maps.is_contiguous(memory_format=torch.channels_last if is_last else torch.contiguous_format)
    assert time_network(small("basic"), seconds=1e-3, dtype=dtype, memory_format=memory_format) > 0


def test_operations_and_network_run_with_the_threads_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Warm-ups too, which ran with all threads of torch before."""
    threads: set[int] = set()
    called = torch.nn.Conv2d.forward

    def conv(self: Any, x: Any) -> Any:
        threads.add(torch.get_num_threads())
        return called(self, x)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", conv)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        list(measure(ROWS[:2], Settings(seconds=1e-4)))
        time_network(small("basic"), seconds=1e-3)
        assert threads == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_the_difference_counts_the_copies_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**6))
    taken = {"few": 3.0, "many": 11.0}
    monkeypatch.setattr(latency_modes, "cpu_seconds", lambda run: taken[run()])
    monkeypatch.setattr(latency_modes.time, "perf_counter", lambda: float(next(clock)))
    assert difference(lambda: "few", lambda: "many", Settings()) == 8.0
    assert difference(lambda: "many", lambda: "few", Settings()) == 0.0


def test_a_graph_is_captured_once_after_warm_ups_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a stand-in for CUDA: a run is called in a side stream, then captured, then never again."""
    told: list[str] = []
    stream = SimpleNamespace(wait_stream=lambda other: told.append("wait"))
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda given: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: told.append("replay")))
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: told.append("capture") or nullcontext())
    replay: Callable[[], object] = captured(lambda: told.append("run"))
    assert told == ["wait", "run", "run", "run", "wait", "capture", "run"]
    replay(), replay()
    assert told[-2:] == ["replay", "replay"] and told.count("run") == 4


def test_tf32_is_chosen_and_what_was_before_comes_back() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32
    for dtype in ("tf32", "float32"):
        with running_as(Settings("cuda", dtype=dtype)):
            assert cudnn.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is (dtype == "tf32")
    assert cudnn.allow_tf32 is before


def test_the_first_line_of_a_table_says_how_it_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(threads=3, dtype="bfloat16", memory_format="channels_last", seconds=2.0)
    assert settings_of(settings.comment(), 2.0) == settings
    for name in shipped_tables():  # those in eager mode are of before there were modes
        told = settings_of(LatencyTable.text_of(name).splitlines()[0], 1.0)
        assert told == Settings(seconds=1.0, mode="onnxruntime" if "onnxruntime" in name else "eager")
    old = "# torch 2.9.0+cu128, NVIDIA H200, 1 threads, float32, median"
    assert described(old) == {"mode": "eager", "dtype": "float32", "memory_format": "contiguous", "tf32": "on",
                              "name": "NVIDIA H200", "threads": "1", "versions": "torch 2.9.0+cu128"}  # fmt: skip
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H200")
    assert settings_of(old, 1.0) == Settings("cuda", seconds=1.0, dtype="tf32")
    graph = Settings("cuda", mode="graph", dtype="tf32")
    assert "mode graph, float32, contiguous, TF32 on, NVIDIA H200" in graph.comment()
    assert settings_of(graph.comment(), 0.05) == graph
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100")
    with pytest.raises(SpecError, match="is of the device 'NVIDIA H200'"):
        settings_of(old, 1.0)


def test_a_table_of_before_is_gone_on_with(tmp_path: Path) -> None:
    problem, path = Problem.load(SMALL), tmp_path / "table.csv"
    wanted = plan(problem, 2)
    rows = [row._replace(microseconds=1.0) for row in wanted[:-1]]
    path.write_text("\n".join([f"# torch {torch.__version__}, cpu, 1 threads, float32, median",
                               *LatencyTable(tuple(rows)).to_lines(), ""]))  # fmt: skip
    assert profile(problem, path, points=2, seconds=1e-4) == 1


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"mode": "graph"}, "mode: cpu has no mode graph"),
        ({"mode": "fast"}, "mode: "),
        ({"device": "cuda", "mode": "onnxruntime"}, "mode: cuda has no mode onnxruntime"),
        ({"dtype": "tf32"}, "dtype: TF32 is of CUDA devices"),
        ({"dtype": "float64"}, "dtype: "),
        ({"mode": "onnxruntime", "dtype": "float16"}, "dtype: float16 is not of onnxruntime"),
        ({"mode": "onnxruntime", "memory_format": "channels_last"}, "memory_format: channels_last is not of onnxruntime"),
        ({"memory_format": "rows"}, "memory_format: "),
    ],
)
def test_settings_that_do_not_go_together_are_refused(options: dict[str, str], fault: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=fault):
        profile(Problem.load(SMALL), tmp_path / "table.csv", points=2, **options)
    assert not (tmp_path / "table.csv").exists()


def test_compiling_needs_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SpecError, match=r"compile needs a C\+\+ compiler"):
        Settings(mode="compile").check()


def test_compile_runs_what_torch_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the compiler, whose first call takes a minute."""
    compiled: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda module, **given: compiled.append((module, given)) or module)
    (found,) = measure(ROWS[2:3], Settings(seconds=1e-4, mode="compile"))
    assert found.microseconds >= 0 and [len(module.copies) for module, _ in compiled] == [2, 10]
    assert [given for _, given in compiled] == [{"fullgraph": True, "dynamic": False}] * 2
    assert time_network(small("basic"), mode="compile", seconds=1e-3) > 0 and len(compiled) == 3


def test_a_prediction_is_held_against_the_mode_of_its_table(tmp_path: Path) -> None:
    network, path = small("basic"), tmp_path / "table.csv"
    table = LatencyTable(tuple(dict.fromkeys(
        Row(op.function or op.kind, op.in_channels, op.out_channels, op.kernel, op.stride, op.groups, op.resolution, 1, 2.5)
        for op in network.operations()
    )))  # fmt: skip
    path.write_text("\n".join([Settings().comment(), *table.to_lines()]))
    found = predict(network, str(path), seconds=1e-3)
    assert found.predicted == LatencyModel(table).total(network.operations()) / 1000 == 2.5 * len(list(network.operations()))
    assert found.measured > 0 and found.how == Settings().comment()[2:]
    assert "mode eager" in str(prediction_table(found))
    path.write_text("\n".join(table.to_lines()))
    with pytest.raises(SpecError, match="does not say how the table was measured") as caught:
        predict(network, str(path))
    assert caught.value.source == str(path)
    for threads in (0, 99_999):
        path.write_text("\n".join([Settings(threads=threads).comment(), *table.to_lines()]))
        with pytest.raises(SpecError, match=f"line 1: {threads} threads are refused"):
            predict(network, str(path))
    path.write_text("\n".join([Settings().comment(), *table.to_lines()[:2]]))
    with pytest.raises(SpecError, match="table: does not cover the operation") as caught:
        predict(network, str(path))
    assert caught.value.source == str(path)
