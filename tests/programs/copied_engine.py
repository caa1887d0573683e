"""Designs with an engine that begins as a copy of this process and is killed on its way, then with what replaces it."""

import json
import os
import signal
from pathlib import Path

from mipdesign import Problem, design
from mipdesign.engine.engine import Engine
from mipdesign.forks import can_fork
from mipdesign.search.outcome import Progress


def command_of(pid: int) -> bytes:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


problem = Problem.preset("deepmad-r18", ["budgets.flops=3e8", "budgets.params=2e6"])
could, killed, copies = can_fork(), list[int](), list[bool]()
with Engine(1, copied=True) as engine:

    def watch(progress: Progress) -> None:
        """Kills the process once it has handed over some nodes."""
        if progress.phase == "tree" and progress.closed_nodes > 20 and not copies:
            assert engine.process is not None
            copies.append(command_of(engine.process.pid) == command_of(os.getpid()))
            killed.append(engine.process.pid)
            os.kill(engine.process.pid, signal.SIGKILL)

    first = design(problem, engine=engine, on_progress=watch)
    second = design(problem, engine=engine, on_progress=watch)
    assert engine.process is not None
    copies.append(command_of(engine.process.pid) == command_of(os.getpid()))
    killed.append(engine.process.pid)
runs = [{"status": run.status, "objective": run.objective, "incidents": run.incidents} for run in (first, second)]
left = [pid for pid in killed if Path(f"/proc/{pid}").exists()]
print(json.dumps({"could": could, "copies": copies, "runs": runs, "left": left}))
