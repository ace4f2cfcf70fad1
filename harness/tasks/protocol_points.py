"""The points of the protocol that `bnnbench engines check` looks at, a function each."""

from __future__ import annotations

import hashlib
import time

from bnnbench.devices.transport.protocol import RemoteProcess
from bnnbench.kernels.engines.replies import Hello
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.ops import SPECS as KNOWN

from .protocol_runs import (
    LIMIT_NS,
    clock_goes_forward,
    honest_times,
    iterations,
    least_sample,
    limit,
    samples,
    warm_up,
)
from .protocol_subject import Broken, Look, Missing, Subject, answer, refused

_END_S = 5.0
_LONG = 60_000
"""Characters of the longest request that is tried."""


def first_hello(subject: Subject) -> Hello:
    """What it says of itself. Raises Broken, EngineError."""
    with subject.started() as (_, client):
        hello = client.hello()
    unknown = [op for op in hello.ops or () if op not in KNOWN]
    if unknown:
        raise Broken(f"its ops have {', '.join(unknown)}, which the protocol does not know")
    if hello.max_threads == 0:
        raise Broken("its max_threads is 0")
    return hello


def one_line_each(subject: Subject) -> None:
    """As many lines as requests, in their order."""
    with subject.started() as (process, _):
        for line in ("hello", "no_such_verb", "hello", "quit"):
            process.write_line(line)
        oks = []
        for _ in range(3):
            text = process.read_line(time.monotonic() + _END_S)
            oks.append('"ok":true' in text.replace(" ", ""))
        if oks != [True, False, True]:
            raise Broken("replies are not one line for each request, in order")
        try:
            more = process.read_line(time.monotonic() + _END_S)
        except (EOFError, TimeoutError):
            return
        raise Broken(f"it wrote {more[:60]!r} in addition to its replies")


def unknown_verb(subject: Subject) -> None:
    """It goes on after it."""
    with subject.started() as (process, _):
        refused(process, "no_such_verb", "an unknown verb")


def unknown_key(subject: Subject) -> None:
    """In the place of an answer that looks as if the key had worked."""
    with subject.started() as (process, client):
        workload = subject.loaded(client)
        keys = " ".join(f"{key}={value}" for key, value in subject.keys(workload).items())
        refused(process, f"load id=more {keys} no_such_key=1", "an unknown key of load")
        run = f"run id=case samples=1 iterations=1 warmup_ns=0 limit_ns={LIMIT_NS}"
        refused(process, f"{run} no_such_key=1", "an unknown key of run")


def missing_keys(subject: Subject) -> None:
    """`load`, `run` and `output` have keys that must be there."""
    with subject.started() as (process, client):
        refused(process, "load", "load without keys")
        subject.loaded(client)
        for line in ("run id=case iterations=1", "output"):
            refused(process, line, f"{line!r}, which lacks a key")


def unknown_id(subject: Subject) -> None:
    """Nothing is loaded under it."""
    with subject.started() as (process, client):
        subject.loaded(client)
        refused(process, f"run id=other samples=1 iterations=1 limit_ns={LIMIT_NS}", "run of an id that is not loaded")
        refused(process, "output id=other", "output of an id that is not loaded")


def taken_id(subject: Subject) -> None:
    """What is loaded stays what it is."""
    with subject.started() as (process, client):
        workload = subject.loaded(client)
        keys = " ".join(f"{key}={value}" for key, value in subject.keys(workload).items())
        refused(process, f"load id=case {keys}", "load of an id that is taken")
        client.load("c" * 63, subject.keys(workload))


def wrong_data(subject: Subject) -> None:
    """A file that is not there, is too short, or too long."""
    with subject.started() as (process, client):
        workload = subject.loaded(client)
        items = " ".join(f"{key}={value}" for key, value in workload.spec.protocol_items().items())
        refused(process, f"load id=a {items} data=blobs/nothing", "a file that is not there")
        for data, what in (
            (workload.data[:-1], "a file that is too short"),
            (workload.data + b"\0", "too long a file"),
        ):
            (blob,) = subject.lease.folder.blobs([data])
            refused(process, f"load id=b {items} data={blob}", what)


def unknown_op(subject: Subject) -> None:
    """An op that no engine has."""
    with subject.started() as (process, client):
        keys = subject.keys(subject.loaded(client)) | {"op": "no_such_op"}
        words = " ".join(f"{key}={value}" for key, value in keys.items())
        refused(process, f"load id=unknown {words}", "an unknown op")


def encoded_values(subject: Subject) -> None:
    """A path with a space, a percent sign and an equals sign."""
    with subject.started() as (_, client):
        workload = subject.loaded(client)
        name = f"{subject.lease.scratch}/a b%20=c"
        subject.lease.folder.copy([(f"blobs/{workload.identity}", name)])
        client.load("encoded", {**workload.spec.protocol_items(), "data": name})


def long_line(subject: Subject) -> None:
    """Read whole, whatever becomes of it."""
    with subject.started() as (process, client):
        workload = subject.loaded(client)
        items = " ".join(f"{key}={value}" for key, value in workload.spec.protocol_items().items())
        refused(process, f"load id=long {items} data={'x' * _LONG}", f"a path of {_LONG:,} characters")


def unload(subject: Subject) -> None:
    """What was unloaded is gone, and its id free."""
    with subject.started() as (process, client):
        workload = subject.loaded(client)
        reply = answer(process, "unload id=case")
        if not reply["ok"]:
            raise Missing("it has no unload")
        refused(process, f"run id=case samples=1 iterations=1 limit_ns={LIMIT_NS}", "run of what was unloaded")
        client.load("case", subject.keys(workload))


def quits(subject: Subject) -> None:
    """With status 0 and without a reply."""
    with subject.started() as (process, client):
        client.hello()
        process.write_line("quit")
        _ends(process, "quit")


def end_of_input(subject: Subject) -> None:
    """With status 0."""
    with subject.started() as (process, client):
        client.hello()
        process.close_stdin()
        _ends(process, "the end of its input")


def _ends(process: RemoteProcess, what: str) -> None:
    status = process.wait(time.monotonic() + _END_S)
    if status is None:
        raise Broken(f"it still runs {_END_S:.0f} s after {what}")
    if status:
        raise Broken(f"it ended with status {status} after {what}")
    try:
        text = process.read_line(time.monotonic() + 1)
    except (EOFError, TimeoutError):
        return
    raise Broken(f"it wrote {text[:60]!r} after {what}")


def outputs_of(op: str) -> Look:
    """Every workload of an op that the engine takes."""

    def look(subject: Subject) -> None:
        refusals, looked_at = [], 0
        with subject.started() as (_, client):
            for number, workload in enumerate(subject.of_op(op)):
                id = f"case{number}"
                try:
                    client.load(id, subject.keys(workload))
                except EngineError as error:
                    refusals.append(f"{workload.name}: {error}")
                    continue
                looked_at += 1
                client.run(id, samples=1, iterations=1, limit_ns=LIMIT_NS)
                path = f"{subject.lease.scratch}/{op}{number}.out"
                message = client.output(id, path)
                raw = subject.lease.fetch(path, workload.output_bytes)
                if hashlib.sha256(raw).hexdigest() != message.sha256:
                    raise Broken(f"{workload.name}: the file that it wrote is not what its sha256 says")
                if message.bytes not in (None, len(raw)):
                    raise Broken(f"{workload.name}: it says {message.bytes} bytes and wrote {len(raw)}")
                if raw != workload.expected.tobytes():
                    raise Broken(f"{workload.name}: {workload.compare(raw, 0, False).wrong or 'the last bits differ'}")
        if not looked_at:
            raise Broken(f"it claims the op and loads none of it: {refusals[0]}")

    return look


POINTS: tuple[tuple[str, str, Look], ...] = (
    ("lines", "answers each request with one line, in order, and prints nothing else", one_line_each),
    ("unknown verb", "is refused with a sentence, and the engine continues", unknown_verb),
    ("unknown key", "is refused with a sentence, and the engine continues", unknown_key),
    ("missing key", "is refused with a sentence, and the engine continues", missing_keys),
    ("percent-encoding", "of values is decoded", encoded_values),
    ("long line", "is read whole and answered", long_line),
    ("unknown op", "is refused by load", unknown_op),
    ("wrong data", "is refused by load", wrong_data),
    ("taken id", "is refused by load", taken_id),
    ("unknown id", "is refused by run and output", unknown_id),
    ("samples", "are as many as were asked for, within the bounds", samples),
    ("iterations", "are done as often as asked for, and a sample is the block divided by them", iterations),
    ("min_sample_ns", "gives samples at least so long", least_sample),
    ("warmup_ns", "is warmed up for", warm_up),
    ("limit_ns", "ends a run that is longer", limit),
    ("times", "agree with the host's clock", honest_times),
    ("clock", "goes forward from run to run", clock_goes_forward),
    ("unload", "frees what was loaded", unload),
    ("quit", "ends it with status 0, without a reply", quits),
    ("end of input", "ends it with status 0", end_of_input),
)
"""In the order of the document: a name, what has to be so, and how it is looked at."""
