"""What `bnnbench engines check` looks at an engine with: its processes, raw requests, and the ways to break a point."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import msgspec

from bnnbench.devices.transport.protocol import RemoteProcess
from bnnbench.kernels.engines.client import HELLO_S, EngineClient
from bnnbench.kernels.engines.replies import Hello
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.ops import BConv2d, BGemm, BitPack, BMaxPool2d, KernelSpec

from ..bench.lease import Lease
from ..workload.kernel import KernelWorkload

_DEADLINE_S = 120.0
SPECS: tuple[KernelSpec, ...] = (
    BGemm(m=5, n=17, k=70),
    BGemm(m=1, n=1, k=1),
    BGemm(m=2, n=33, k=576),
    BGemm(m=3, n=8, k=33, out="f32"),
    BConv2d(h=5, w=4, c=33, oc=7, kh=3, kw=3),
    BConv2d(n=2, h=7, w=7, c=64, oc=33, kh=3, kw=2, sh=2, dw=2, pad="valid"),
    BConv2d(h=4, w=9, c=96, oc=5, kh=3, kw=3, pad_value=0, act="relu6"),
    BConv2d(h=5, w=4, c=64, oc=8, kh=3, kw=3, groups=2, out="f32"),
    BConv2d(h=3, w=3, c=70, oc=33, kh=1, kw=1, out="bits"),
    BitPack(n=3, c=70),
    BitPack(n=2, c=33, dtype="i8", zero_point=-3),
    BMaxPool2d(h=7, w=7, c=33, kh=2, kw=2, sh=2, sw=2),
    BMaxPool2d(n=2, h=5, w=4, c=64, kh=3, kw=3, sh=2, sw=1, pad="same"),
)
"""What every op is tried with: odd sizes, and each kind of output."""


class Broken(Exception):  # noqa: N818 - names a state
    """The engine breaks the point; the text says how, without its beginning."""


class Missing(Exception):  # noqa: N818 - names a state
    """The engine leaves out something that it may leave out; the text says what."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One point of the protocol: `what` has to be so; `why` says why it is not, or why it was not looked at."""

    name: str
    what: str
    outcome: Literal["ok", "failed", "absent"]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """The engine that is looked at; `hello` is None until it has said it."""

    lease: Lease
    name: str
    workloads: tuple[KernelWorkload, ...]
    hello: Hello | None = None

    @contextmanager
    def started(self) -> Iterator[tuple[RemoteProcess, EngineClient]]:
        """A fresh process, and the client on it."""
        cores = self.lease.threads_on(1)
        process = self.lease.launcher.start(self.lease.command(self.name, 1), cores, _DEADLINE_S)
        try:
            yield process, EngineClient(process, self.name)
        finally:
            process.kill()

    def keys(self, workload: KernelWorkload) -> dict[str, str]:
        """What `load` has of a workload, but its id."""
        return {**workload.spec.protocol_items(), "data": f"blobs/{workload.identity}"}

    def of_op(self, op: str) -> list[KernelWorkload]:
        """The workloads of an op, the simplest first."""
        return [workload for workload in self.workloads if workload.spec.op == op]

    @property
    def ops(self) -> list[str]:
        """The ops that it claims; all where it names none."""
        claimed = self.hello.ops if self.hello else None
        known = list(dict.fromkeys(workload.spec.op for workload in self.workloads))
        return known if claimed is None else [op for op in known if op in claimed]

    def loaded(self, client: EngineClient, id: str = "case") -> KernelWorkload:
        """The first workload that it takes, loaded. Raises Broken."""
        refused = ""
        for op in self.ops:
            for workload in self.of_op(op):
                try:
                    client.load(id, self.keys(workload))
                except EngineError as error:
                    refused = str(error)
                    continue
                return workload
        raise Broken(f"it loads nothing of what it claims: {refused or 'it claims no op'}")


Look = Callable[[Subject], None]
"""Looks at one point; raises Broken, Missing, or what the client raises."""


def answer(process: RemoteProcess, line: str, timeout_s: float = HELLO_S) -> dict[str, object]:
    """The reply to a raw line. Raises Broken if it is not a JSON object with a boolean `ok`, TimeoutError, EOFError."""
    process.write_line(line)
    text = process.read_line(time.monotonic() + timeout_s)
    try:
        reply = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        reply = None
    if not isinstance(reply, dict) or not isinstance(reply.get("ok"), bool):
        raise Broken(f"it answered {text[:60]!r}, not a JSON object with ok")
    return reply


def refused(process: RemoteProcess, line: str, what: str) -> None:
    """A raw line must be refused with a sentence, and the engine go on. Raises Broken."""
    reply = answer(process, line)
    if reply["ok"]:
        raise Broken(f"it accepted {what}")
    if not isinstance(reply.get("error"), str) or not str(reply["error"]).strip():
        raise Broken(f"it refused {what} without a sentence in `error`")
    if not answer(process, "hello")["ok"]:
        raise Broken(f"after {what} it refused hello")
