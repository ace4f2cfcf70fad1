"""What stored files name is executed only where this user made them here, or says so with --trust."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from bnnbench.results.printable import printable, shorten
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.signature import is_signed
from bnnbench.results.store.stored_run import StoredRun

from ..errors import CallError

_MOST, _LONGEST, _LONGEST_COMMAND = 4, 120, 2000


class Named(Protocol):
    """What a run names outside the store: commands, files and devices."""

    @property
    def devices(self) -> list[str]: ...
    def commands(self) -> list[str]: ...
    def files(self) -> list[str]: ...


def require_own_run(run: StoredRun, named: Named, verb: str, trusts: bool) -> None:
    """`verb` is what would be done with the run.

    Raises CallError when it came from elsewhere and is not trusted.
    """
    path = (run.path or Path()) / "run.json"
    if trusts or is_signed(path):
        return
    commands, files = named.commands(), named.files()
    parts = [f"run {_whole(commands)}"] * bool(commands) + [f"use {_listed(files)}"] * bool(files)
    what = " and ".join(parts or [f"connect to {_listed(named.devices)}"])
    raise CallError(
        f"run {printable(run.record.run_id)} was not made here by you (or by a version that signed nothing), and to "
        f"{verb} it would {what}; read {path}, then add --trust."
    )


def require_own_baseline(baselines: Baselines, name: str, trusts: bool) -> None:
    """Raises CallError when the baseline came from elsewhere and is not trusted, StoreError when there is none."""
    baseline = baselines.get(name)
    if trusts or is_own_baseline(baselines, name):
        return
    folder = baselines.document(name).parent
    commands = [shlex.join(item.command) for item in baseline.declared]
    binaries = [
        *(f"engines/{sha[:12]} ({item.engine})" for item in baseline.declared for sha in item.binary.values()),
        *(f"engines/{engine.sha256[:12]} ({engine.engine})" for engine in baseline.engines),
    ]
    parts = [_whole(commands)] * bool(commands) + [f"{_listed(binaries)} of {folder}"] * bool(binaries)
    raise CallError(
        f"the baseline '{name}' was not saved here by you (or by a version that signed nothing), and comparing with it "
        f"would run {' and '.join(parts)}; if you trust its origin, add --trust."
    )


def is_own_baseline(baselines: Baselines, name: str) -> bool:
    """Whether this user saved it on this machine."""
    return is_signed(baselines.document(name))


def _whole(commands: Iterable[str]) -> str:
    """Commands are what is decided on, so none is left out, and each is long enough to be read."""
    return ", ".join(f"`{shorten(command, _LONGEST_COMMAND)}`" for command in dict.fromkeys(commands))


def _listed(names: Iterable[str]) -> str:
    shown = list(dict.fromkeys(shorten(name, _LONGEST) for name in names))
    more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    return ", ".join(shown[:_MOST]) + more
