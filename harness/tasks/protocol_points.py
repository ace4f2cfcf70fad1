"""The points of the protocol that `bnnbench engines check` looks at, a function each."""

from __future__ import annotations

import hashlib
import time
from itertools import pairwise
from statistics import median

from bnnbench.devices.transport.protocol import RemoteProcess
from bnnbench.kernels.engines.claims import unexplained
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Hello, Ran
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.ops import SPECS as KNOWN

from .protocol_subject import Broken, Look, Missing, Subject, answer, refused

_END_S = 5.0
_LIMIT_NS = 20_000_000_000
_BLOCK_NS = 2_000_000
"""Long enough that no clock is too coarse for it."""
_MOST_ITERATIONS = 1 << 22
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
        raise Broken(f"it wrote {more[:60]!r} beside its replies")


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
        run = f"run id=case samples=1 iterations=1 warmup_ns=0 limit_ns={_LIMIT_NS}"
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
        refused(process, f"run id=other samples=1 iterations=1 limit_ns={_LIMIT_NS}", "run of an id that is not loaded")
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


def samples(subject: Subject) -> None:
    """As many as were asked for, and the client's bounds hold."""
    with subject.started() as (_, client):
        subject.loaded(client)
        for count in (1, 7):
            client.run("case", samples=count, iterations=2, limit_ns=_LIMIT_NS)


def iterations(subject: Subject) -> None:
    """A block has as many executions as were asked for, and its time is divided by them."""
    with subject.started() as (_, client):
        subject.loaded(client)
        few = _block(client)
        many = client.run("case", samples=5, iterations=8 * few.iterations, limit_ns=_LIMIT_NS)
        if many.iterations not in (None, 8 * few.iterations):
            raise Broken(f"asked for {8 * few.iterations} iterations, it says that it did {many.iterations}")
        ratio = min(many.samples_ns) / min(few.samples_ns)
        if not 1 / 3 <= ratio <= 3:
            raise Broken(f"with 8 times the iterations an execution takes {ratio:.2f} times as long")


class _Block:
    """A run whose blocks are long enough to compare."""

    def __init__(self, iterations: int, samples_ns: list[float]) -> None:
        self.iterations, self.samples_ns = iterations, samples_ns


def _block(client: EngineClient) -> _Block:
    count = 1
    while count <= _MOST_ITERATIONS:
        ran = client.run("case", samples=3, iterations=count, limit_ns=_LIMIT_NS)
        if min(ran.samples_ns) * count >= _BLOCK_NS:
            again = client.run("case", samples=5, iterations=count, limit_ns=_LIMIT_NS)
            return _Block(count, again.samples_ns)
        count *= 2
    raise Broken(
        f"a block of {_MOST_ITERATIONS:,} iterations takes less than {_BLOCK_NS / 1e6:g} ms: they are not done"
    )


def least_sample(subject: Subject) -> None:
    """Its iterations make samples of that length."""
    with subject.started() as (_, client):
        subject.loaded(client)
        length = 0.0
        for _ in range(3):  # a machine that was slow while it looked for the number makes one sample short, not three
            ran = client.run("case", samples=5, min_sample_ns=_BLOCK_NS, limit_ns=_LIMIT_NS)
            if ran.iterations is None:
                raise Missing("its reply has no iterations")
            length = max(length, median(ran.samples_ns) * ran.iterations)
        if length < 0.7 * _BLOCK_NS:
            raise Broken(f"samples of {length / 1e6:.2f} ms where {_BLOCK_NS / 1e6:g} ms is the least")


def warm_up(subject: Subject) -> None:
    """Goes on for as long as it is to."""
    wanted = 150_000_000
    with subject.started() as (_, client):
        subject.loaded(client)
        client.run("case", samples=1, iterations=1, warmup_ns=wanted, limit_ns=_LIMIT_NS)
        if client.waited_ns < wanted:
            raise Broken(f"a warm-up of {wanted / 1e6:.0f} ms was over after {client.waited_ns / 1e6:.0f} ms")


def limit(subject: Subject) -> None:
    """A request that is past it fails, and soon."""
    limit_ns, longer = 200_000_000, 20.0
    with subject.started() as (process, client):
        subject.loaded(client)
        count = _block(client).iterations
        samples = int(longer * 1e9 / _BLOCK_NS)
        line = f"run id=case samples={samples} iterations={count} warmup_ns=0 limit_ns={limit_ns}"
        if answer(process, line, limit_ns / 1e9 + 5)["ok"]:
            raise Broken(f"work of {longer:.0f} s was done under a limit of {limit_ns / 1e6:.0f} ms")


def honest_times(subject: Subject) -> None:
    """What it claims is neither more nor far less than what this end waited."""
    with subject.started() as (_, client):
        client.hello()
        subject.loaded(client)
        block = _block(client)
        count, samples = block.iterations, 100
        ran = client.run("case", samples=samples, iterations=count, limit_ns=_LIMIT_NS)
        if why := unexplained(ran, count, 0, client.waited_ns, client.round_trip_ns):
            raise Broken(why)


def clock_goes_forward(subject: Subject) -> None:
    """Requests follow each other on the device's monotonic clock."""
    with subject.started() as (_, client):
        subject.loaded(client)
        runs: list[Ran] = [client.run("case", samples=2, iterations=1, limit_ns=_LIMIT_NS) for _ in range(3)]
    if any(one.start_ns is None or one.end_ns is None for one in runs):
        raise Missing("its reply to run has no start_ns and end_ns")
    for before, after in pairwise(runs):
        if (after.start_ns or 0) < (before.end_ns or 0):
            raise Broken("a run started before the one before it had ended (start_ns, end_ns)")


def unload(subject: Subject) -> None:
    """What was unloaded is gone, and its id free."""
    with subject.started() as (process, client):
        workload = subject.loaded(client)
        reply = answer(process, "unload id=case")
        if not reply["ok"]:
            raise Missing("it has no unload")
        refused(process, f"run id=case samples=1 iterations=1 limit_ns={_LIMIT_NS}", "run of what was unloaded")
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
        raise Broken(f"it goes on {_END_S:.0f} s after {what}")
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
                client.run(id, samples=1, iterations=1, limit_ns=_LIMIT_NS)
                path = f"{subject.lease.scratch}/{op}{number}.out"
                said = client.output(id, path)
                raw = subject.lease.fetch(path, workload.output_bytes)
                if hashlib.sha256(raw).hexdigest() != said.sha256:
                    raise Broken(f"{workload.name}: the file that it wrote is not what its sha256 says")
                if said.bytes not in (None, len(raw)):
                    raise Broken(f"{workload.name}: it says {said.bytes} bytes and wrote {len(raw)}")
                if raw != workload.expected.tobytes():
                    raise Broken(f"{workload.name}: {workload.compare(raw, 0, False).wrong or 'the last bits differ'}")
        if not looked_at:
            raise Broken(f"it claims the op and loads none of it: {refusals[0]}")

    return look


POINTS: tuple[tuple[str, str, Look], ...] = (
    ("lines", "answers each request with one line, in order, and prints nothing else", one_line_each),
    ("unknown verb", "is refused with a sentence, and it goes on", unknown_verb),
    ("unknown key", "is refused with a sentence, and it goes on", unknown_key),
    ("missing key", "is refused with a sentence, and it goes on", missing_keys),
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
