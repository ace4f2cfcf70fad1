"""Engines of bnnbench's own, built once for the whole lab: by this client, or by hosts, a triple each.

What a host lacks is sent to it before its session begins, so that it builds nothing.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Final

from bnnbench.kernels.built_elsewhere import Artifact, adopt, artifact_at, kept, path_of
from bnnbench.kernels.errors import BuildError
from bnnbench.kernels.toolchain import build, build_key

from ..bench.context import Watcher
from ..errors import CannotMeasure
from ..plan.target import Target
from .build_calls import ENGINES, adopt_build, kept_builds, lacking_builds, make_build, read_build
from .files import CHUNK_BYTES
from .link import Link

Own = tuple[str, str, str | None]
"""An engine, its triple and its ISA level."""
_WAIT_S: Final = 20.0
_LONGEST_S: Final = 900.0


def share_out(link: Link, wanted: Sequence[Own], hosts: Mapping[str, str], watcher: Watcher) -> None:
    """Has the engines built that neither this machine nor a host has, and fetches what hosts have; `hosts` are workers
    by the names of hosts that may build, none of which is timing. What fails is left to be built here.

    Raises BuildError where this machine cannot tell what it needs, or holds a file that was changed.
    """
    missing = {build_key(*own): own for own in dict.fromkeys(wanted)}
    missing = {key: own for key, own in missing.items() if kept(ENGINES, key) is None}
    for host, worker in hosts.items():
        if missing:
            try:
                for found in link.ask(worker, kept_builds, list(missing)):
                    _fetch(link, worker, found)
                    watcher.note(f"{_words(missing.pop(found.key))} comes from the host {host}")
            except (CannotMeasure, BuildError) as error:  # another one may have it
                watcher.note(f"nothing that is built comes from the host {host}: {error}")
    by_triple: dict[str, list[str]] = {}
    for key, (_, triple, _) in missing.items():
        by_triple.setdefault(triple, []).append(key)
    # One compilation of C's library for each triple, which takes longest. This machine has the first one.
    makers = cycle([None, *hosts])
    tasks = [(maker, keys) for maker, keys in zip(makers, by_triple.values(), strict=False)]
    threads = [
        threading.Thread(
            target=_have_built,
            args=(link, hosts[maker], maker, {key: missing[key] for key in keys}, watcher),
            daemon=True,
        )
        for maker, keys in tasks
        if maker is not None
    ]
    for thread in threads:
        thread.start()
    for maker, keys in tasks:
        if maker is None:
            for key in keys:
                build(*missing[key], watcher.note)
    for thread in threads:
        thread.join()


def _have_built(link: Link, worker: str, host: str, wanted: Mapping[str, Own], watcher: Watcher) -> None:
    """At a host. Never raises: what it does not build is built here."""
    for key, own in wanted.items():
        watcher.note(f"the host {host} builds {_words(own)}")
        try:
            found = _made(link, worker, key, own)
            _fetch(link, worker, found)
        except (CannotMeasure, BuildError) as error:
            watcher.note(f"the host {host} did not build {_words(own)}: {error}")


def _made(link: Link, worker: str, key: str, own: Own) -> Artifact:
    """Raises CannotMeasure."""
    for _ in range(int(_LONGEST_S / _WAIT_S)):
        made: Artifact | None = link.ask(worker, make_build, *own, key, _WAIT_S)
        if made is not None:
            return made
    raise CannotMeasure(f"it was not built within {_LONGEST_S:.0f} s.")


def _fetch(link: Link, worker: str, found: Artifact) -> None:
    """Into the cache here. Raises LinkLost, BuildError for another content than the host announced."""
    path = path_of(found.kind, found.key)
    with tempfile.TemporaryDirectory(prefix="bnnbench-") as folder:
        part = Path(folder) / path.name
        with part.open("wb") as file:
            while True:
                data: bytes = link.ask(worker, read_build, found, file.tell())
                file.write(data)
                if len(data) < CHUNK_BYTES:
                    break
        adopt(found, part)


def of_target(target: Target) -> list[Artifact]:
    """What a device's host needs of the builds in the cache here. Raises BuildError."""
    own = (files.build.path for files in target.builds.values())
    paths = (*own, target.launcher, *([target.counter] if target.counter else []))
    return [found for path in dict.fromkeys(paths) if (found := artifact_at(path)) is not None]


def send(link: Link, worker: str, builds: Sequence[Artifact], check: Callable[[], None]) -> None:
    """Those that its host lacks; `check` raises what ends it. Raises LinkLost, CannotMeasure for one that differs from
    the host's."""
    for each in link.ask(worker, lacking_builds, list(builds)):
        path = path_of(each.kind, each.key)
        name = f"{each.sha256}/{path.name}"
        link.send(worker, {name: path}, check)
        while not link.ask(worker, adopt_build, each, name):
            check()


def _words(own: Own) -> str:
    engine, triple, isa = own
    return f"the engine {engine} for {isa or triple}"
