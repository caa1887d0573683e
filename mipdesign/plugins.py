"""Plug-ins: single Python files that register variants, and how the other processes of a run come to have them too.

On the command line a plug-in is ``--plugin own.py``, in a study ``plugins: [own.py]``, in Python :func:`load_plugin`.

Other processes need the same variants. :func:`shipment` is what this process has registered and others would not find, and
:func:`receive` registers it there. The text of a plug-in travels with it, so that all processes of a run have the same code,
whatever happens to the file meanwhile, and another machine needs no copy of it.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from .arguments import PATH, TEXT, arguments
from .errors import SpecError
from .files import read_bytes
from .registry import KINDS, PACKAGE, REGISTRY, Plugin, register

MAX_PLUGIN_BYTES = 1_000_000
"""Largest plug-in that is read."""


@arguments(path=PATH, field=TEXT)
def load_plugin(path: str | Path, field: str = "plugin") -> Plugin:
    """Runs a Python file that registers variants. One with the same text that has been run already is not run again.

    Raises
    ------
    SpecError
        If there is no such file, it does not run, or it registers nothing.
    """
    path = Path(path)
    if path.suffix != ".py":
        raise SpecError(field, f"{path} is not a .py file", "give a Python file that registers something")
    try:
        source = read_bytes(path, MAX_PLUGIN_BYTES).decode("utf-8-sig")
    except SpecError as error:
        raise SpecError(field, f"{path}: {error.problem}", error.remedy) from None
    except UnicodeDecodeError as error:
        raise SpecError(field, f"{path} is not UTF-8 text at byte {error.start}", "save it as UTF-8") from None
    plugin = Plugin(str(path.absolute()), source)
    run_plugin(plugin)
    return REGISTRY.plugins[plugin.sha256]


def run_plugin(plugin: Plugin) -> None:
    """Runs the text of a plug-in, unless it has been run already.

    Raises
    ------
    SpecError
        If it does not run, or registers nothing.
    """
    if plugin.sha256 in REGISTRY.plugins:
        return
    try:
        with _running(plugin) as module:
            exec(compile(plugin.source, plugin.path, "exec", dont_inherit=True), module.__dict__)
        if not any(entry.plugin == plugin for entry in REGISTRY.entries.values()):
            names = ", ".join(f"register_{kind.noun}" for kind in KINDS.values())
            raise SpecError("", "registers nothing", f"decorate a class with one of mipdesign's {names}")
    except BaseException as error:
        REGISTRY.entries = {key: entry for key, entry in REGISTRY.entries.items() if entry.plugin != plugin}
        sys.modules.pop(plugin.module, None)
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _fault(plugin, error) from None
    REGISTRY.plugins[plugin.sha256] = plugin


@contextmanager
def _running(plugin: Plugin) -> Iterator[ModuleType]:
    """The module of a plug-in, while its text is run."""
    spec = spec_from_file_location(plugin.module, plugin.path)
    assert spec is not None
    module = sys.modules[plugin.module] = module_from_spec(spec)
    outer, REGISTRY.running = REGISTRY.running, plugin
    try:
        yield module
    finally:
        REGISTRY.running = outer


def _fault(plugin: Plugin, error: BaseException) -> SpecError:
    """Why a plug-in does not run, with the line."""
    if isinstance(error, SyntaxError):
        return SpecError(f"line {error.lineno}", f"invalid Python ({error.msg})", "correct the file", plugin.path)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == plugin.path]
    where = f"line {lines[-1]}" if lines else ""
    if isinstance(error, SpecError):
        return SpecError(where, error.problem, error.remedy, plugin.path)
    if isinstance(error, ModuleNotFoundError):
        remedy = "install it: a plug-in is one file by itself"
        return SpecError(where, f"there is no module {error.name!r}", remedy, plugin.path)
    return SpecError(where, f"{type(error).__name__}: {error}", "correct the file", plugin.path)


def plugins_of(names: Iterable[tuple[str, str]]) -> list[Plugin]:
    """The plug-ins that brought some variants, given by kind and id; those that came from elsewhere count for nothing."""
    entries = [REGISTRY.entries.get(name) for name in names]
    found = {entry.plugin.sha256: entry.plugin for entry in entries if entry is not None and entry.plugin is not None}
    return [found[digest] for digest in sorted(found)]


def plugin_versions() -> dict[str, str]:
    """Digests of all plug-ins of this process by the names of their files, for what a result depends on."""
    return {plugin.name: f"sha256 {plugin.sha256}" for plugin in REGISTRY.plugins.values()}


# ------------------------------------------------------------------------------------------------------- other processes


@dataclass(frozen=True)
class Shipment:
    """The variants of a process that another one does not have, as data that can be pickled.

    Attributes
    ----------
    search_path:
        Where modules are looked for.
    plugins:
        Files to run.
    classes:
        Kind, module and name of classes to register.
    unreachable:
        Kind and id of variants that no other process can import.
    """

    search_path: tuple[str, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    classes: tuple[tuple[str, str, str], ...] = ()
    unreachable: tuple[tuple[str, str], ...] = ()


def shipment() -> Shipment:
    """What this process has registered and another one would not find by itself."""
    own = [entry for entry in REGISTRY.entries.values() if not entry.is_in_tree and entry.plugin is None]
    return Shipment(
        search_path=tuple(sys.path),
        plugins=tuple(REGISTRY.plugins.values()),
        classes=tuple((e.kind, e.variant.__module__, e.variant.__qualname__) for e in own if e.is_importable),
        unreachable=tuple((entry.kind, entry.id) for entry in own if not entry.is_importable),
    )


def receive(shipped: Shipment) -> None:
    """Registers what another process has.

    Raises
    ------
    SpecError
        If a variant of it does not register here.
    """
    sys.path.extend(place for place in shipped.search_path if place not in sys.path)
    REGISTRY.unreachable.update(shipped.unreachable)
    for plugin in shipped.plugins:
        run_plugin(plugin)
    for kind, module, name in shipped.classes:
        variant = getattr(importlib.import_module(module), name)
        home = importlib.import_module(f"{PACKAGE}.{KINDS[kind].home}")
        if kind == "mipdesign.families":
            home.register_family(variant)
        else:
            register(kind, variant)
