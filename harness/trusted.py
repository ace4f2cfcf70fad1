"""What stored files name is executed only where this user made them here, or says so with --trust."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bnnbench.results.baselines import Capsules
from bnnbench.results.printable import printable, shorten
from bnnbench.results.signature import is_signed
from bnnbench.results.stored_run import StoredRun

from .errors import CallError

if TYPE_CHECKING:
    from .run_config import RunConfig

_MOST, _LONGEST = 4, 120


def require_own_run(run: StoredRun, config: RunConfig, verb: str, trusts: bool) -> None:
    """`verb` is what would be done with the run. Raises CallError when it came from elsewhere and is not trusted."""
    path = (run.path or Path()) / "run.json"
    if trusts or is_signed(path):
        return
    files = list(_files_of(config))
    what = f"would use {_listed(files)}" if files else f"would connect to {_listed(config.devices)}"
    raise CallError(
        f"run {printable(run.record.run_id)} was not made here by you (or by a version that signed nothing), and to "
        f"{verb} it {what}; read {path}, then say --trust."
    )


def require_own_baseline(capsules: Capsules, name: str, trusts: bool) -> None:
    """Raises CallError when the baseline came from elsewhere and is not trusted, StoreError when there is none."""
    capsule = capsules.get(name)
    if trusts or is_own_baseline(capsules, name):
        return
    folder = capsules.document(name).parent
    binaries = [f"engines/{one.sha256[:12]} ({one.engine})" for one in capsule.engines]
    raise CallError(
        f"the baseline '{name}' was not saved here by you (or by a version that signed nothing), and comparing with it "
        f"would run {_listed(binaries)} of {folder}; if you know where it is from, say --trust."
    )


def is_own_baseline(capsules: Capsules, name: str) -> bool:
    """Whether this user saved it on this machine."""
    return is_signed(capsules.document(name))


def _files_of(config: RunConfig) -> Iterable[str]:
    """Every file outside the store that the run names: programs first."""
    for table in config.suite.engine.values():
        yield from table.binary.values()
        yield from table.files
    sides = (config.compare.base, config.compare.head) if config.compare else ()
    for side in sides:
        yield from side.binaries.values()
        yield from ([side.model] if side.model else [])
        yield from side.models.values()
    yield from (table.file for table in config.suite.model)
    yield from ([config.inventory] if config.inventory else [])


def _listed(names: Iterable[str]) -> str:
    shown = list(dict.fromkeys(shorten(name, _LONGEST) for name in names))
    more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    return ", ".join(shown[:_MOST]) + more
