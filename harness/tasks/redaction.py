"""Who this user is, and how a device is reached: what a report of a device must not name."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.protocol import Transport
from bnnbench.results.redactor import Redactor


def redactor_of(spec: DeviceSpec, over_there: Mapping[str, str]) -> Redactor:
    """One that knows this user, this machine, and how the device is reached; `over_there` maps what the device calls
    itself, its user and its folders to their kinds."""
    return Redactor({value: kind for value, kind in (*known_here(), *known_of(spec), *over_there.items()) if value})


def names_over_there(transport: Transport) -> dict[str, str]:
    """What a device calls itself, its user and its home folder, by kind. Raises DeviceError."""
    asked = {"host": ["uname", "-n"], "user": ["id", "-un"]}
    found = {transport.run(words).stdout.decode("utf-8", "replace").strip(): kind for kind, words in asked.items()}
    return {**found, transport.home(): "path"}


def known_here() -> Iterator[tuple[str, str]]:
    """This machine's name, this user's, and their folders, each with its kind."""
    node = platform.node()
    yield node, "host"
    yield node.partition(".")[0], "host"
    with suppress(KeyError, OSError):
        yield getpass.getuser(), "user"
    with suppress(RuntimeError):
        yield str(Path("~").expanduser()), "path"
    yield str(Path.cwd()), "path"


def known_of(spec: DeviceSpec) -> Iterator[tuple[str, str]]:
    """How a device is reached, each part with its kind; some are empty."""
    for path in (spec.identity_file, spec.known_hosts, spec.workdir):
        yield str(path or ""), "path"
    yield spec.host or "", "host"
    yield spec.user or "", "user"
    yield spec.serial or "", "serial"
    if spec.name not in ("local",):
        yield spec.name, "device name"
    if spec.host and spec.port:
        yield f"[{spec.host}]:{spec.port}", "address"
