"""A frontier by engines that begin as copies of this process, and one by new processes."""

import json
import tempfile
from pathlib import Path

from mipdesign import Problem, pareto
from mipdesign.engine.engine import Engine
from mipdesign.forks import can_fork

problem = Problem.load(Path(__file__).parents[1] / "data" / "small.yaml", [])
could, copied, texts = can_fork(), list[bool](), list[str]()
start = Engine._start


def noted(engine: Engine, command: object) -> None:
    """Starts a process, and notes whether it is a copy of this one."""
    copied.append(callable(command))
    start(engine, command)  # type: ignore[arg-type]


Engine._start = noted  # type: ignore[assignment, method-assign]
for copies in (True, False):
    with tempfile.TemporaryDirectory() as folder:
        pareto(problem, ["budgets.params=30e3:60e3:5"], folder, workers=2, copied=copies)
        texts.append((Path(folder) / "frontier.json").read_text())
print(json.dumps({"could": could, "copied": copied, "same": texts[0] == texts[1], "frontier": json.loads(texts[0])}))
