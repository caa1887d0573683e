"""What wrong input is told, in the words of the interface that was used."""

from pathlib import Path

import pytest

from mipdesign import Problem, SpecError, design, to_graph, to_module
from mipdesign.nn.exports import export

SMALL = Path(__file__).parent / "data" / "small.yaml"
HEADER = "kind,in_channels,out_channels,kernel,stride,groups,resolution,batch,microseconds"
TABLE = [HEADER, "conv,3,8,3,2,1,32,1,10"]


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem.load(SMALL)


@pytest.fixture(scope="module")
def with_tables(problem: Problem) -> Problem:
    budget = {"table": TABLE, "max": "30 ms"}
    return problem.with_(budgets={"latency": {"phone": budget, "gpu": budget}})


def test_dir_of_a_problem_is_ours(problem: Problem) -> None:
    names = {name for name in dir(problem) if not name.startswith("_")}
    assert {"budgets", "with_", "size", "to_dict"} <= names
    assert not [name for name in names if name.startswith(("model_", "parse_", "schema"))] and "validate" not in names


def test_repr_has_units(with_tables: Problem) -> None:
    assert "flops 4 M, params 60 k, latency.gpu 30 ms, latency.phone 30 ms" in repr(with_tables)


def test_one_of_several_latency_limits_is_changed_by_a_number(with_tables: Problem) -> None:
    for changes in ({"latency": {"gpu": "10 ms"}}, {"latency.gpu": "10 ms"}, {"latency": {"gpu": {"max": "10 ms"}}}):
        limits = with_tables.with_(budgets=changes).budgets.limits()
        assert (limits["latency.gpu"], limits["latency.phone"]) == (10_000, 30_000)
    assert list(with_tables.with_(budgets={"latency.gpu": None}).budgets.latencies) == ["latency.phone"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"best": 2.5}, "best: 2.5 is not a whole number"),
        ({"best": 2, "different": 3}, "different: 3 is not a rule"),
        ({"engine_options": 3}, "engine_options: 3 is not a mapping"),
        ({"presolve": 1}, "presolve: 1 is refused; give True or False"),
    ],
)
def test_arguments_of_design(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        design(SMALL, **arguments)  # type: ignore[arg-type]


def test_what_is_no_problem_or_network_is_told(problem: Problem, tmp_path: Path) -> None:
    for given, said in (
        (str(tmp_path), "is a folder, not a problem"),
        ("torchvision/resnet18", "is a network, not a problem"),
        ("deepmad-r81", "did you mean 'deepmad-r18'"),
    ):
        with pytest.raises(SpecError, match=said):
            design(given)
    for call in (problem.violations, problem.outside_space, problem.evaluator):
        with pytest.raises(SpecError, match="architecture: 3 is not a network"):
            call(3)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="graph: an int"):
        to_module(3)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="architecture: 3 is not a network"):
        to_graph(3)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="form: 'x' is not a format"):
        export(SMALL, "x")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"budgets.flops": "80 of torchvision/resnet18"}, "has no %; write 80% of torchvision/resnet18"),
        ({"budgets.flops": "80% of torchvision/resnet18"}, "no figures at the problem's resolution, 32"),
        ({"budgets.latency": "80% of torchvision/resnet18"}, "'80% of torchvision/resnet18' comes without a table"),
        ({"convention": "papr"}, "give 'paper' or 'reference'"),
        ({"classes": "ten"}, "give a whole number"),
    ],
)
def test_values_of_a_specification(problem: Problem, changes: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError) as error:
        problem.with_(changes)
    assert said in str(error.value)
