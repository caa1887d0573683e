"""The registry of variants: formulations and their parts, solvers and block families, each found by its id.

A variant is a class that is registered where it stands::

    @register_encoding
    class Unary(Encoding):
        id = "unary"
        ...

Variants come from four places: the packages :data:`IN_TREE`, all modules of which are imported when the registry is first
asked; single files (:mod:`mipdesign.plugins`); Python code that calls a ``register_...`` function; and entry points of
installed packages, in the group that is the kind's name, which are loaded when their id is asked for.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from .errors import SpecError, one_of

PACKAGE = __name__.rpartition(".")[0]
"""Name of this package."""
IN_TREE = {
    "mipdesign.formulations": "formulations",
    "mipdesign.encodings": "formulations.encodings",
    "mipdesign.breakpoints": "formulations.breakpoints",
    "mipdesign.products": "formulations.products",
    "mipdesign.solvers": "solvers",
}
"""The package of this one whose modules register the variants of a kind."""


@dataclass(frozen=True)
class Kind:
    """What the variants of one kind have in common.

    Attributes
    ----------
    noun:
        A variant in words, and the name of its decorator: ``register_<noun>``.
    home, base:
        Module of this package, and the class there that a variant is a subclass of. They are looked up when something is
        registered: this module is imported by all others and imports none of them.
    attributes:
        What a variant has to have beside its ``id``.
    pattern:
        What an id may be: ``-`` and ``:`` separate a part from its parameter and from other parts.
    """

    noun: str
    home: str
    base: str
    attributes: tuple[str, ...]
    pattern: str = r"[A-Za-z0-9]\w*"


_DESCRIBED = ("title", "claim", "reference")
_WITH_HYPHENS = r"[A-Za-z0-9][\w-]*"
KINDS: Mapping[str, Kind] = {
    "mipdesign.formulations": Kind("formulation", "mip.formulation", "Formulation", _DESCRIBED, _WITH_HYPHENS),
    "mipdesign.encodings": Kind("encoding", "formulations.encodings.encoding", "Encoding", _DESCRIBED),
    "mipdesign.breakpoints": Kind("breakpoints", "formulations.breakpoints.breakpoints", "Breakpoints", _DESCRIBED),
    "mipdesign.products": Kind("product", "formulations.products.product", "Product", _DESCRIBED),
    "mipdesign.solvers": Kind("solver", "mip.solver", "Solver", ("title", "package", "extra", "capabilities"), _WITH_HYPHENS),
    "mipdesign.families": Kind("family", "networks.blocks", "BlockFamily", ()),
}
"""Kinds by name, which is also that of their group of entry points."""

Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class Plugin:
    """A plug-in: one Python file that registers variants when it is run.

    Attributes
    ----------
    path:
        Where it was read, for people: its text is what is run.
    """

    path: str
    source: str

    @cached_property
    def sha256(self) -> str:
        """Digest of its text."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    @property
    def name(self) -> str:
        """Name of the file."""
        return Path(self.path).name

    @property
    def module(self) -> str:
        """Name of its module, the same in all processes and another one for another text."""
        return f"mipdesign_plugin_{re.sub(r'[^A-Za-z0-9_]', '_', Path(self.path).stem)}_{self.sha256[:12]}"


@dataclass(frozen=True)
class Registered:
    """A registered class.

    Attributes
    ----------
    plugin:
        The plug-in that brought it, if one did.
    """

    kind: str
    id: str
    variant: type
    plugin: Plugin | None = None

    def load(self) -> type:
        """The class, as of an :class:`importlib.metadata.EntryPoint`."""
        return self.variant

    @property
    def value(self) -> str:
        """Where the class stands, as an entry point says it."""
        return f"{self.variant.__module__}:{self.variant.__qualname__}"

    @property
    def is_in_tree(self) -> bool:
        """Whether this package brings it."""
        return self.variant.__module__.startswith(f"{PACKAGE}.")

    @property
    def is_importable(self) -> bool:
        """Whether another process can import the class by its name."""
        return self.variant.__module__ != "__main__" and "." not in self.variant.__qualname__


class Registry:
    """What is registered in this process."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], Registered] = {}
        self.plugins: dict[str, Plugin] = {}
        """By digest, in the order in which they were run."""
        self.running: Plugin | None = None
        """The plug-in that is being run."""
        self.unreachable: set[tuple[str, str]] = set()
        """Kind and id of variants that the process which started this one could not ship."""


REGISTRY = Registry()
"""What is registered in this process; :mod:`mipdesign.plugins` writes to it as well."""


# ---------------------------------------------------------------------------------------------------------- registration


def register_formulation(variant: Class) -> Class:
    """Registers a formulation, a subclass of :class:`mipdesign.mip.formulation.Formulation`, by its ``id``.

    Raises
    ------
    SpecError
        If it is not one, lacks something, or its id is taken.
    """
    return register("mipdesign.formulations", variant)


def register_encoding(variant: Class) -> Class:
    """Registers an encoding of piecewise-linear functions, as :func:`register_formulation` does formulations."""
    return register("mipdesign.encodings", variant)


def register_breakpoints(variant: Class) -> Class:
    """Registers a rule for breakpoints, as :func:`register_formulation` does formulations."""
    return register("mipdesign.breakpoints", variant)


def register_product(variant: Class) -> Class:
    """Registers a treatment of products, as :func:`register_formulation` does formulations."""
    return register("mipdesign.products", variant)


def register_solver(variant: Class) -> Class:
    """Registers a solver, as :func:`register_formulation` does formulations; see :class:`mipdesign.mip.solver.Solver`."""
    return register("mipdesign.solvers", variant)


def register(kind: str, variant: Class, name: str | None = None) -> Class:
    """Registers a class under its ``id``, or under ``name``; once more is the same as once.

    Raises
    ------
    SpecError
        If it is not a variant of that kind, lacks something, or the id is taken.
    """
    name = _checked(KINDS[kind], variant) if name is None else name
    entry = Registered(kind, name, variant)
    if not entry.is_in_tree:
        entry = replace(entry, plugin=REGISTRY.running)
        _import_in_tree(kind)
        point = installed()[kind].get(name)
        if point is not None and point.value != entry.value:
            raise _taken(entry, f"the installed {point.value}")
    known = REGISTRY.entries.setdefault((kind, name), entry)
    if known.variant is not variant:
        raise _taken(entry, known.plugin.path if known.plugin else known.value)
    return variant


def _taken(entry: Registered, holder: str) -> SpecError:
    noun = KINDS[entry.kind].noun
    return SpecError(f"register_{noun}", f"{entry.id!r} is taken by {holder}", f"give the {noun} another id")


def _checked(kind: Kind, variant: Any) -> str:
    """The id of a class that is a variant of a kind."""
    base = getattr(importlib.import_module(f"{PACKAGE}.{kind.home}"), kind.base)
    if not (isinstance(variant, type) and issubclass(variant, base)):
        problem = f"{getattr(variant, '__qualname__', repr(variant))} is no subclass of {PACKAGE}.{kind.home}.{kind.base}"
        raise SpecError(f"register_{kind.noun}", problem, "derive the class from it")
    name, known = getattr(variant, "id", None), variant.__qualname__
    if not isinstance(name, str) or not re.fullmatch(kind.pattern, name):
        problem = f"{known} has the id {name!r}" if name is not None else f"{known} has no id"
        hyphens = "letters, digits, '_' and '-'" if kind.pattern == _WITH_HYPHENS else "letters, digits and '_'"
        raise SpecError(f"register_{kind.noun}", problem, f"give it an id of {hyphens}")
    own = [cls for cls in variant.__mro__ if cls not in base.__mro__]
    sets_some = any("__init__" in vars(cls) for cls in own)  # such as the claim of one that is combined from parts
    lacking = [attribute for attribute in kind.attributes if not hasattr(variant, attribute) and not sets_some]
    lacking += sorted(f"{method}()" for method in getattr(variant, "__abstractmethods__", ()))
    if lacking:
        raise SpecError(f"register_{kind.noun}", f"{name!r} lacks {', '.join(lacking)}", f"give {known} what is missing")
    return name


# ------------------------------------------------------------------------------------------------------------- questions


def registered(kind: str) -> dict[str, Registered | EntryPoint]:
    """What is registered of a kind, by id and sorted; entry points are not loaded."""
    _import_in_tree(kind)
    mine = {entry.id: entry for (of, _), entry in REGISTRY.entries.items() if of == kind}
    found: dict[str, Registered | EntryPoint] = installed()[kind] | mine
    return dict(sorted(found.items()))


def load(kind: str, name: str, field: str) -> Any:
    """What is registered under an id.

    Raises
    ------
    SpecError
        If there is nothing; ``field`` says what the id was given for.
    """
    known, point = registered(kind), installed()[kind].get(name)
    if name in known:
        entry = known[name]
        if point is not None and entry.value != point.value and point.dist is not None and point.dist.name != PACKAGE:
            problem = f"{name!r} is both {entry.value} and {point.value} of the package {point.dist.name}"
            raise SpecError(field, problem, "uninstall one of them")
        return entry.load()
    if (kind, name) in REGISTRY.unreachable:
        problem = f"{name!r} is defined where no other process can import it"
        raise SpecError(field, problem, "put its class into a module or a plug-in file")
    remedy = one_of(name, known) if known else "install the package, for example with: pip install -e ."
    raise SpecError(field, f"{name!r} is not registered", remedy)


def ids_unloaded(kind: str) -> list[str]:
    """Ids of what is registered, plug-ins of the command line aside, without importing any of it: for completion in a shell.

    Of this package's own variants they are read off the text: classes with the decorator of the kind, and their ``id``.
    """
    decorator = f"register_{KINDS[kind].noun}"
    found = set(installed()[kind])
    spec = importlib.util.find_spec(f"{PACKAGE}.{IN_TREE[kind]}")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        for path in Path(folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if f"@{decorator}" in text:
                found.update(_ids_in(ast.parse(text), decorator))
    return sorted(found)


def _ids_in(module: ast.Module, decorator: str) -> Iterator[str]:
    """Ids of the classes of a module that have a decorator."""
    for node in module.body:
        if isinstance(node, ast.ClassDef) and any(isinstance(d, ast.Name) and d.id == decorator for d in node.decorator_list):
            for line in (each for each in node.body if isinstance(each, ast.Assign)):
                places, values = line.targets[0], line.value
                pairs = (
                    zip(places.elts, values.elts, strict=True)
                    if isinstance(places, ast.Tuple) and isinstance(values, ast.Tuple)
                    else [(places, values)]
                )
                for place, value in pairs:
                    if isinstance(place, ast.Name) and place.id == "id" and isinstance(value, ast.Constant):
                        yield str(value.value)


@cache
def installed() -> dict[str, dict[str, EntryPoint]]:
    """Entry points by kind and id: to look through all packages takes as long for one kind as for all."""
    points: Any = entry_points()
    return {kind: {point.name: point for point in points.select(group=kind)} for kind in KINDS}


@cache
def _import_in_tree(kind: str) -> None:
    """Imports all modules of the package that brings the variants of a kind: they register where they stand."""
    if kind in IN_TREE:
        package = importlib.import_module(f"{PACKAGE}.{IN_TREE[kind]}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
