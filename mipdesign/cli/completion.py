"""What a shell offers to complete: names that are read off files, without what computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable


def preset_names(incomplete: str) -> list[str]:
    """Presets that begin so; where none does, a shell goes on with the names of files."""
    from ..problem.listing import preset_names as all_presets

    return _beginning(incomplete, all_presets())


def network_names(incomplete: str) -> list[str]:
    """Networks that are known by name."""
    from ..io.library_networks import NETWORKS

    return _beginning(incomplete, NETWORKS)


def formulation_names(incomplete: str) -> list[str]:
    """Formulations, by their ids."""
    return _registered("mipdesign.formulations", incomplete)


def solver_names(incomplete: str) -> list[str]:
    """Solvers, by their ids."""
    return _registered("mipdesign.solvers", incomplete)


def one_of(*words: str) -> Callable[[str], list[str]]:
    """What completes one of a few words."""

    def beginning(incomplete: str) -> list[str]:
        return _beginning(incomplete, words)

    return beginning


def _registered(kind: str, incomplete: str) -> list[str]:
    from ..registry import ids_unloaded

    return _beginning(incomplete, ids_unloaded(kind))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
