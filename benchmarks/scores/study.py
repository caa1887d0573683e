"""A study of a score as a file, its runs, and the records of both: what is there already is not done again."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mipdesign import Architecture, Problem, SpecError
from mipdesign.files import read_text, writing
from mipdesign.json_lines import LineLog, read_log
from mipdesign.parsing import load_yaml, validated

from ..corpus.instances import StudyModel
from .data import pictures
from .drawing import Drawn, draw
from .training import Outcome, Training, train

NETWORKS, RUNS = "networks.jsonl", "runs.jsonl"
Limit = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1, le=100_000)]


class Recipe(StudyModel):
    """How to train: all combinations of ``epochs``, ``rates``, ``zero_init_last`` and ``seeds`` seeds; the rest as in
    :class:`Training`.
    """

    data: str
    epochs: Annotated[tuple[Count, ...], Field(min_length=1)]
    rates: Annotated[tuple[Limit, ...], Field(min_length=1)]
    zero_init_last: Annotated[tuple[bool, ...], Field(min_length=1)] = (False,)
    seeds: Count = 2
    batch: Count = 64
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.15
    decay: Annotated[float, Field(ge=0, le=1)] = 5e-4
    shift: Annotated[int, Field(strict=True, ge=0, le=64)] = 2
    precision: Literal["float32", "bfloat16"] = "float32"

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """A recipe of a YAML file."""
        data = load_yaml(read_text(path), str(path))
        for name in ("epochs", "rates", "zero_init_last"):
            if isinstance(data, dict) and isinstance(data.get(name), list):
                data[name] = tuple(data[name])
        return validated(cls, data, str(path))

    def trainings(self) -> Iterator[Training]:
        """All settings, the cheap ones first; all of one seed before the next."""
        rest = self.model_dump(exclude={"data", "epochs", "rates", "zero_init_last", "seeds"})
        settings = itertools.product(sorted(self.epochs), range(self.seeds), self.zero_init_last, self.rates)
        for epochs, seed, begins_as_shortcut, rate in settings:
            yield Training(epochs, rate, seed, zero_init_last=begins_as_shortcut, **rest)


@dataclass(frozen=True)
class Run:
    """A training run: the network, how it was trained, and what it came to.

    Attributes
    ----------
    digest:
        Of the network and the data, see :func:`digest_of`.
    """

    digest: str
    training: dict[str, Any]
    outcome: dict[str, Any]

    @property
    def key(self) -> tuple[str, str]:
        """What tells runs apart."""
        return self.digest, json.dumps(self.training, sort_keys=True)


def drawn_networks(
    folder: Path, problem: Problem, wanted: dict[str, Any], on_network: Callable[[Drawn], None]
) -> Sequence[Drawn]:
    """The networks of a study: those that the folder has, or new ones, drawn as ``wanted`` says (see :func:`draw`).

    Raises
    ------
    SpecError
        If the folder holds those of another study.
    """
    settings = folder / "study.json"
    text = json.dumps({"problem": problem.digest, **wanted}, sort_keys=True, indent=1) + "\n"
    if settings.exists() and read_text(settings) != text:
        raise SpecError("--out", f"{folder} holds another study", "give another folder, or the options of that study")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        held = os.listdir(folder)
    if not settings.exists() and set(held) - {NETWORKS}:
        raise SpecError("--out", f"{folder} holds other files", "give another folder")
    path = folder / NETWORKS
    if not settings.exists():
        path.unlink(missing_ok=True)
        with LineLog(path, Drawn, "a network of a study", folder) as log:
            for network in draw(problem, **wanted):
                log.append(network)
                on_network(network)
        settings.write_text(text)  # last: without it the networks are not whole
    return read_log(path, Drawn, "a network of a study")


def digest_of(network: Drawn, data: str) -> str:
    """What identifies a network and its data."""
    return hashlib.sha256(json.dumps([network.network, data], sort_keys=True).encode()).hexdigest()


def execute(network: dict[str, Any], data: str, training: dict[str, Any], device: str) -> dict[str, Any]:
    """One run, in a process of a pool. Plain data in and out."""
    import torch

    torch.set_num_threads(1)
    outcome: Outcome = train(Architecture.from_dict(network), pictures(data), Training(**training), device)
    return asdict(outcome)


def _deaf() -> None:
    """Leaves Ctrl-C, which a terminal sends to every process, to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def run_all(
    folder: Path,
    networks: Sequence[Drawn],
    recipes: Sequence[Recipe],
    *,
    device: str,
    workers: int,
    on_run: Callable[[int, int], None],
) -> list[Run]:
    """Trains what has no record yet, ``workers`` runs at a time; returns the records of this study.

    Parameters
    ----------
    recipes:
        Of the same data.
    on_run:
        Told how many runs are recorded, and how many there will be.
    """
    data = recipes[0].data
    trainings = dict.fromkeys(training for recipe in recipes for training in recipe.trainings())
    jobs = {
        (digest_of(network, data), json.dumps(settings, sort_keys=True)): (network.network, settings)
        for settings in map(asdict, trainings)
        for network in networks
    }
    with LineLog(folder / RUNS, Run, "a training run", folder) as log:
        todo = jobs.keys() - {run.key for run in log.entries}
        done = len(jobs) - len(todo)
        on_run(done, len(jobs))
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_deaf) as pool:
            queue = (key for key in jobs if key in todo)
            waiting: dict[Future[dict[str, Any]], tuple[str, str]] = {}
            while True:  # no more are submitted than run, so an interrupt waits for these alone
                while len(waiting) < workers and (key := next(queue, None)) is not None:
                    network, settings = jobs[key]
                    waiting[pool.submit(execute, network, data, settings, device)] = key
                if not waiting:
                    break
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    key = waiting.pop(future)
                    log.append(Run(key[0], jobs[key][1], future.result()))
                    done += 1
                    on_run(done, len(jobs))
        return [run for run in log.entries if run.key in jobs]
