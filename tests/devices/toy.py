"""A transport as somebody would add it: a class, and a row of `KINDS`. Its tests are those of every transport."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bnnbench.devices import entry_rules as rules
from bnnbench.devices.errors import Unreachable
from bnnbench.devices.kinds import KINDS, Kind
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.local import LocalProcess, complete, start_process
from bnnbench.devices.transport.posix import PosixTransport
from bnnbench.devices.transport.protocol import MAX_OUTPUT_BYTES, Completed, RemoteProcess
from bnnbench.devices.urls import url_of

ROOMS: Final = ("attic", "cellar")


class ToyTransport(PosixTransport):
    """Commands go through one more shell, as `docker exec` would have them."""

    def __init__(self, spec: DeviceSpec) -> None:
        super().__init__(spec)
        if spec.options["room"] not in ROOMS:
            raise Unreachable(f"{self._name()} cannot be reached: there is no room {spec.options['room']!r}.")

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 30, input: bytes = b"", limit_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        what = f"{argv[0]!r} on {self._name()}"
        return complete(_words(argv, "."), what, timeout_s=timeout_s, input=input, limit_bytes=limit_bytes)

    def spawn(self, argv: Sequence[str], *, cwd: str) -> RemoteProcess:
        return LocalProcess(start_process(_words(argv, cwd), None))

    def close(self) -> None:
        """Nothing is held open."""


def _words(argv: Sequence[str], cwd: str) -> list[str]:
    return ["sh", "-c", 'cd "$1" || exit 126; shift; exec "$@"', "sh", cwd, *argv]


ROW: Final = Kind(
    f"{__name__}:ToyTransport",
    KINDS["local"].keys | {"room": rules.text},
    required=("room",),
    url=url_of("room"),
    machine=("room",),
)
