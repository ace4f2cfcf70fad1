"""One device looked at whole: checking every kernel there, how fast can it be, how steady is it, what can be read."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np

from bnnbench.devices.doctor import diagnose
from bnnbench.devices.errors import CommandFailed
from bnnbench.devices.telemetry import readings, signs, watched_files
from bnnbench.kernels.counters import COUNTERS
from bnnbench.kernels.data import make_data
from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.ops import BConv2d
from bnnbench.kernels.sweep import sweep
from bnnbench.results.statistics.robust_sigma import robust_sigma
from bnnbench.results.statistics.signed_rank import two_sided_p

from ..bench.lease import Lease
from ..bench.one_off import leased
from ..bench.reach import Tell
from ..clock import now
from ..workload.kernel import KernelWorkload
from .redaction import names_over_there, redactor_of

ENGINE = "native"
SCHEMA = 1
QUICK_EVERY = 8
"""A quick look takes every so many of the shapes."""
_SEED = 11
_DEADLINE_S = 600.0
_LIMIT_NS = 60_000_000_000
_PEAK_NS = 300_000_000
_SHOWN_FAILURES = 20
_TIMED = BConv2d(h=14, w=14, c=256, oc=256, kh=3, kw=3, out="f32")
_PAIRS, _QUICK_PAIRS = 20, 6

Progress = Callable[[str, int, int], None]
"""Is told what comes next, and how many of how many steps are over."""


def selftest(
    device: str, inventory: Path | None, tell: Tell, progress: Progress, *, quick: bool = False
) -> dict[str, Any]:
    """The report as a document of JSON types, redacted; `redacted` says what was taken out, kinds and counts.

    Raises DeviceError, InventoryError, CannotMeasure, EngineError where the engine does not start at all.
    """
    specs = sweep()[:: QUICK_EVERY if quick else 1]
    workloads = [KernelWorkload(spec.name, spec, make_data(spec, _SEED)) for spec in specs]
    timed = KernelWorkload(_TIMED.name, _TIMED, make_data(_TIMED, _SEED))
    for number, workload in enumerate(workloads):
        progress("computing the reference outputs", number, len(workloads))
        workload.prepare(lambda *_: None)
    data = [workload.data for workload in (*workloads, timed)]
    progress("connecting and pushing", 0, 1)
    with leased(device, inventory, ENGINES[ENGINE], 1, "bnnbench selftest", tell, data=data) as lease:
        with lease.engine(ENGINE, 1, _DEADLINE_S) as (_, hello):
            message = hello
        facts, spec = lease.target.facts, lease.target.spec
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "created": now(),
            "quick": quick,
            "versions": {
                "bnnbench": version("bnnbench"),
                "python": platform.python_version(),
                "host": f"{platform.system()} {platform.machine()}",
                "engine": f"{message.engine} {message.version}",
                "engine build": message.build,
                "engine SHA-256": lease.target.builds[ENGINE].build.sha256,
            },
            "transport": spec.transport,
            "emulated": bool(facts.emulated),
            "correctness": {isa: _correctness(_forced(lease, isa), isa, workloads, progress) for isa in message.isas},
        }
        if not facts.emulated:
            document |= _times(lease, timed, message.isas, _QUICK_PAIRS if quick else _PAIRS, progress)
        document["findings"] = [msgspec.to_builtins(item) for item in diagnose(spec, facts)]
        document["facts"] = facts.to_dict()
        redactor = redactor_of(spec, names_over_there(lease.transport))
    document = redactor.value(document)
    return document | {"redacted": dict(sorted(redactor.taken.items()))}


def is_right(document: dict[str, Any]) -> bool:
    """Whether every kernel that was tried equals the oracle, and any was."""
    levels = document["correctness"].values()
    return bool(levels) and all(level["right"] == level["cases"] > 0 for level in levels)


def _forced(lease: Lease, isa: str) -> Lease:
    """The same, with the engine held to one ISA level."""
    return replace(lease, target=replace(lease.target, isas={**lease.target.isas, ENGINE: isa}))


def _correctness(lease: Lease, isa: str, workloads: Sequence[KernelWorkload], progress: Progress) -> dict[str, Any]:
    """How many cases are right, by op, and the first that are not. An engine that dies is started again."""
    failures: list[dict[str, str]] = []
    ops = {op: {"cases": 0, "right": 0} for op in dict.fromkeys(workload.spec.op for workload in workloads)}
    at = 0
    while at < len(workloads):
        try:
            with lease.engine(ENGINE, 1, _DEADLINE_S) as (client, _):
                while at < len(workloads):
                    workload, at = workloads[at], at + 1
                    if at % 10 == 1:
                        progress(f"{isa}: checking every kernel", at - 1, len(workloads))
                    ops[workload.spec.op]["cases"] += 1
                    if wrong := _wrong(client, workload):
                        failures.append({"case": workload.name, "why": wrong})
                    else:
                        ops[workload.spec.op]["right"] += 1
        except (EngineError, CommandFailed) as error:
            failures.append({"case": workloads[max(at, 1) - 1].name, "why": str(error)})
            at = max(at, 1)
            if len(failures) > _SHOWN_FAILURES:
                break
    right = sum(op["right"] for op in ops.values())
    return {"cases": len(workloads), "right": right, "ops": ops, "failures": failures[:_SHOWN_FAILURES]}


def _wrong(client: EngineClient, workload: KernelWorkload) -> str | None:
    """What is wrong with the output of a case; None where it equals the oracle's, bit for bit."""
    client.load("case", {**workload.spec.protocol_items(), "data": f"blobs/{workload.identity}"})
    try:
        client.run("case", samples=1, iterations=1, limit_ns=_LIMIT_NS)
        right = hashlib.sha256(workload.expected.tobytes()).hexdigest()
        return None if client.output("case").sha256 == right else "the output is not the oracle's"
    finally:
        client.unload("case")


def _times(lease: Lease, timed: KernelWorkload, isas: Sequence[str], pairs: int, progress: Progress) -> dict[str, Any]:
    """Roofs, A/A pairs, signs of throttling, counters."""
    facts, transport = lease.target.facts, lease.transport
    before = signs(transport, facts)
    watched = watched_files(facts, lease.target.cores)
    roofs = {}
    with lease.engine(ENGINE, 1, _DEADLINE_S) as (client, _):
        for number, isa in enumerate(isas):
            progress(f"{isa}: roofs", number, len(isas))
            roofs[isa] = msgspec.to_builtins(client.peak(isa=isa, limit_ns=_PEAK_NS))
    watch: dict[str, list[list[str]]] = {}
    medians: list[tuple[float, float]] = []
    for pair in range(pairs):
        progress("the engine against itself", pair, pairs)
        sides = [_timed(lease, timed, watched, watch) for _ in range(2)]
        medians.append((sides[0], sides[1]) if pair % 2 else (sides[1], sides[0]))
    return {
        "roofs": roofs,
        "a_a": _summary(timed.name, medians),
        "throttling": {"signs_before": before, "signs_after": signs(transport, facts), "watched": _watched(watch)},
        "counters": _counters(lease, timed),
    }


@contextmanager
def _loaded(lease: Lease, workload: KernelWorkload) -> Iterator[EngineClient]:
    with lease.engine(ENGINE, 1, _DEADLINE_S) as (client, _):
        client.load("case", {**workload.spec.protocol_items(), "data": f"blobs/{workload.identity}"})
        yield client


def _timed(lease: Lease, workload: KernelWorkload, watched: Sequence[str], watch: dict[str, list[list[str]]]) -> float:
    """The median time of an execution in a fresh process, in ns."""
    with _loaded(lease, workload) as client:
        ran = client.run(
            "case", samples=10, min_sample_ns=3_000_000, warmup_ns=50_000_000, limit_ns=_LIMIT_NS, watch=watched
        )
    for path, texts in (ran.watch or {}).items():
        watch.setdefault(path, []).append(texts)
    return median(ran.samples_ns)


def _summary(name: str, medians: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Differences of equal things, as shares: they should be about nothing."""
    shares = [float(np.log(head / base)) for base, head in medians]
    return {
        "case": name,
        "pairs": len(medians),
        "latency_ns": median(value for pair in medians for value in pair),
        "median_difference": median(shares),
        "sigma": robust_sigma(shares),
        "largest": max(map(abs, shares)),
        "p_value": two_sided_p(shares),
    }


def _watched(watch: dict[str, list[list[str]]]) -> dict[str, Any]:
    """The figures of the first reading and of the last."""
    return readings({path: [texts[0][0], texts[-1][1]] for path, texts in watch.items()})


def _counters(lease: Lease, workload: KernelWorkload) -> dict[str, str]:
    """Each counter: whether it can be read, else why not."""
    found = {}
    with _loaded(lease, workload) as client:
        for name in COUNTERS:
            ran = client.run("case", samples=1, iterations=1, limit_ns=_LIMIT_NS, counters=[name])
            found[name] = "readable" if ran.counters and name in ran.counters else ran.counters_error or "not readable"
    return found
