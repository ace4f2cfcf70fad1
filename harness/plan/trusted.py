"""What stored files name is executed only where this user made them here, or says so with --trust."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from bnnbench.results.printable import printable, shorten
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.signature import is_signed
from bnnbench.results.store.stored_run import StoredRun

from ..errors import CallError

_MOST, _LONGEST = 4, 120


def require_own_run(run: StoredRun, files: Sequence[str], devices: Sequence[str], verb: str, trusts: bool) -> None:
    """`verb` is what would be done with the run; `files` outside the store and `devices` are what it names.

    Raises CallError when it came from elsewhere and is not trusted.
    """
    path = (run.path or Path()) / "run.json"
    if trusts or is_signed(path):
        return
    what = f"would use {_listed(files)}" if files else f"would connect to {_listed(devices)}"
    raise CallError(
        f"run {printable(run.record.run_id)} was not made here by you (or by a version that signed nothing), and to "
        f"{verb} it {what}; read {path}, then add --trust."
    )


def require_own_baseline(baselines: Baselines, name: str, trusts: bool) -> None:
    """Raises CallError when the baseline came from elsewhere and is not trusted, StoreError when there is none."""
    baseline = baselines.get(name)
    if trusts or is_own_baseline(baselines, name):
        return
    folder = baselines.document(name).parent
    binaries = [
        *(f"engines/{sha[:12]} ({item.engine})" for item in baseline.declared for sha in item.binary.values()),
        *(f"{' '.join(item.command)} ({item.engine})" for item in baseline.declared if not item.binary),
        *(f"engines/{engine.sha256[:12]} ({engine.engine})" for engine in baseline.engines),
    ]
    raise CallError(
        f"the baseline '{name}' was not saved here by you (or by a version that signed nothing), and comparing with it "
        f"would run {_listed(binaries)} of {folder}; if you trust its origin, add --trust."
    )


def is_own_baseline(baselines: Baselines, name: str) -> bool:
    """Whether this user saved it on this machine."""
    return is_signed(baselines.document(name))


def _listed(names: Iterable[str]) -> str:
    shown = list(dict.fromkeys(shorten(name, _LONGEST) for name in names))
    more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    return ", ".join(shown[:_MOST]) + more
