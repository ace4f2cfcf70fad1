"""Client side of the engine protocol, version 1, over any channel of lines."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar
from urllib.parse import quote

import msgspec

from ..errors import EngineError
from .claims import ops_contradiction, run_contradiction, work_contradiction
from .replies import (
    LONGEST_NS,
    SHORTEST_NS,
    Division,
    Hello,
    Inferred,
    Loaded,
    Outcome,
    Output,
    Peaks,
    Profile,
    Ran,
    Trace,
)

PROTOCOL = 1
HELLO_S = 20.0
LOAD_S = 60.0
_SLACK_S = 10.0
_LONGEST_ERROR = 300
_Reply = TypeVar("_Reply", bound=msgspec.Struct)


class LineChannel(Protocol):
    """Stdin and stdout of an engine, wherever it runs."""

    def write_line(self, line: str) -> None:
        """Sends one line."""
        ...

    def read_line(self, deadline: float) -> str:
        """The next line; TimeoutError past `deadline` (time.monotonic), EOFError when the engine has ended."""
        ...

    def close(self) -> None:
        """Ends the engine's stdin."""
        ...


class EngineClient:
    """Sends requests and checks the replies. Every method raises EngineError, and nothing else, for a bad engine.

    `waited_ns` is from the last request to its reply, `round_trip_ns` the shortest of these so far.
    """

    def __init__(self, channel: LineChannel, name: str) -> None:
        self._channel = channel
        self._name = name
        self.waited_ns = 0
        self.round_trip_ns = 0

    def hello(self, timeout_s: float = HELLO_S) -> Hello:
        """Raises EngineError also when the engine speaks another protocol."""
        hello = self._ask("hello", {}, Hello, timeout_s)
        if hello.protocol != PROTOCOL:
            raise EngineError(
                f"engine '{self._name}' speaks protocol {hello.protocol} where this bnnbench speaks {PROTOCOL}."
            )
        return hello

    def load(self, id: str, keys: Mapping[str, str], timeout_s: float = LOAD_S) -> Loaded:
        """`keys`: an op's items and `data`, or `plan`, or `model`."""
        return self._ask("load", {"id": id, **keys}, Loaded, timeout_s)

    def run(
        self,
        id: str,
        *,
        samples: int,
        threads: int = 1,
        warmup_ns: int = 0,
        limit_ns: int,
        iterations: int | None = None,
        min_sample_ns: int | None = None,
        extra_ppm: int = 0,
        watch: Sequence[str] = (),
        counters: Sequence[str] = (),
        period_ns: int = 0,
    ) -> Ran:
        """Exactly one of `iterations` and `min_sample_ns`. `watch` are files to read before and after the samples; with
        `period_ns`, these begin so far apart."""
        keys = {
            "id": id,
            "threads": threads,
            "samples": samples,
            "warmup_ns": warmup_ns,
            "limit_ns": limit_ns,
        }
        if iterations is not None:
            keys["iterations"] = iterations
        if min_sample_ns is not None:
            keys["min_sample_ns"] = min_sample_ns
        if extra_ppm:
            keys["extra_ppm"] = extra_ppm
        if watch:
            keys["watch"] = ",".join(watch)
        if counters:
            keys["counters"] = ",".join(counters)
        if period_ns:
            keys["period_ns"] = period_ns
        ran = self._ask("run", keys, Ran, limit_ns / 1e9 + _SLACK_S)
        if len(ran.samples_ns) != samples or not all(SHORTEST_NS <= sample <= LONGEST_NS for sample in ran.samples_ns):
            raise EngineError(f"engine '{self._name}' answered run with impossible samples: {ran.samples_ns[:3]}.")
        self._refuse("run", run_contradiction(ran, iterations, self.waited_ns))
        return ran

    def output(self, id: str, path: str | None = None, timeout_s: float = LOAD_S) -> Output:
        """Digest of the last output, which is also written to `path`."""
        return self._ask("output", {"id": id, **({"path": path} if path else {})}, Output, timeout_s)

    def input(self, id: str, path: str, index: int = 0, timeout_s: float = LOAD_S) -> None:
        """Sets a model's input from a raw little-endian file; `index` among several."""
        self._ask("input", {"id": id, "path": path, **({"index": index} if index else {})}, Outcome, timeout_s)

    def infer(
        self,
        id: str,
        *,
        input: str,
        output: str,
        count: int,
        threads: int = 1,
        limit_ns: int,
        u8: tuple[float, float] | None = None,
    ) -> Inferred:
        """`count` inputs one after another from the file `input`, their outputs into the file `output`.

        `u8`: the file holds bytes x, and the model's inputs are x * scale + offset of this pair.
        """
        keys: dict[str, object] = {"id": id, "input": input, "output": output, "count": count}
        keys |= {"threads": threads, "limit_ns": limit_ns}
        if u8 is not None:
            keys |= {"dtype": "u8", "scale": repr(float(u8[0])), "offset": repr(float(u8[1]))}
        done = self._ask("infer", keys, Inferred, limit_ns / 1e9 + _SLACK_S)
        if done.count != count:
            raise EngineError(
                f"engine '{self._name}' answered infer with {done.count} inputs where {count} were asked for."
            )
        self._refuse("infer", work_contradiction(done.ns, self.waited_ns))
        return done

    def trace(self, id: str, path: str, timeout_s: float = LOAD_S) -> Trace:
        """Runs once and writes what every step stored to the file `path`."""
        return self._ask("trace", {"id": id, "path": path}, Trace, timeout_s)

    def profile(
        self,
        id: str,
        *,
        runs: int,
        threads: int = 1,
        limit_ns: int,
        counters: Sequence[str] = (),
        profiler: str = "",
    ) -> Profile:
        """Times every step of a model by itself, `runs` times, and reads `counters` around each. `profiler` is where
        the file lies that times the ops of another runtime.

        Raises EngineError for times and counts that cannot be.
        """
        keys: dict[str, object] = {"id": id, "runs": runs, "threads": threads, "limit_ns": limit_ns}
        if counters:
            keys["counters"] = ",".join(counters)
        if profiler:
            keys["profiler"] = profiler
        profile = self._ask("profile", keys, Profile, limit_ns / 1e9 + _SLACK_S)
        if len(profile.total_ns) != runs or any(len(op.ns) != runs for op in profile.ops):
            raise EngineError(f"engine '{self._name}' answered profile without {runs} times for each op.")
        counts = [(name, values) for op in profile.ops for name, values in (op.counters or {}).items()]
        if any(name not in counters or len(values) != runs for name, values in counts):
            raise EngineError(f"engine '{self._name}' answered profile without {runs} counts for each op and counter.")
        self._refuse("profile", work_contradiction(sum(profile.total_ns), self.waited_ns))
        self._refuse("profile", ops_contradiction([op.ns for op in profile.ops], profile.total_ns))
        return profile

    def divide(self, id: str, threads: int, timeout_s: float = LOAD_S) -> Division:
        """How every step of a model would be shared by so many threads, whether or not there are as many CPUs."""
        return self._ask("divide", {"id": id, "threads": threads}, Division, timeout_s)

    def unload(self, id: str, timeout_s: float = HELLO_S) -> None:
        """Frees a workload."""
        self._ask("unload", {"id": id}, Outcome, timeout_s)

    def peak(self, *, threads: int = 1, isa: str | None = None, limit_ns: int = 1_000_000_000) -> Peaks:
        """Measured roofs."""
        keys: dict[str, object] = {"threads": threads, "limit_ns": limit_ns}
        if isa:
            keys["isa"] = isa
        return self._ask("peak", keys, Peaks, limit_ns / 1e9 + _SLACK_S)

    def quit(self) -> None:
        """Asks the engine to end; its channel is closed whatever happens."""
        try:
            self._channel.write_line("quit")
        except (OSError, EOFError):
            pass
        finally:
            self._channel.close()

    def _ask(self, verb: str, keys: Mapping[str, object], reply: type[_Reply], timeout_s: float) -> _Reply:
        line = request_line(verb, keys)
        where = f"engine '{self._name}'"
        began = time.monotonic_ns()
        try:
            self._channel.write_line(line)
            answer = self._channel.read_line(time.monotonic() + timeout_s)
        except TimeoutError:
            raise EngineError(f"{where} did not answer {verb} within {timeout_s:.0f} s.") from None
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise EngineError(f"{where} ended before it answered {verb}.") from None
        self.waited_ns = time.monotonic_ns() - began
        self.round_trip_ns = min(self.round_trip_ns or self.waited_ns, self.waited_ns)
        try:
            outcome = msgspec.json.decode(answer, type=Outcome)
            if outcome.ok:
                return msgspec.json.decode(answer, type=reply)
        except RecursionError:
            raise EngineError(f"{where} answered {verb} with JSON that is nested too deeply.") from None
        except (msgspec.DecodeError, UnicodeError) as error:
            shown = answer if len(answer) <= 80 else answer[:77] + "..."
            raise EngineError(f"{where} answered {verb} with {shown!r}, not a valid reply: {error}.") from None
        message = outcome.error.strip()[:_LONGEST_ERROR] or "it does not say why"
        raise EngineError(f"{where} refused {verb}: {message.rstrip('.')}.")

    def _refuse(self, verb: str, contradiction: str | None) -> None:
        if contradiction:
            raise EngineError(f"engine '{self._name}' answered {verb} with impossible times: it {contradiction}.")


def request_line(verb: str, keys: Mapping[str, object]) -> str:
    """A request as the protocol has it, without its newline."""
    return " ".join([verb, *(f"{key}={_encode(str(value))}" for key, value in keys.items())])


def _encode(value: str) -> str:
    return quote(value, safe="/:+,;@~!$&'()*[]{}^`|<>?#\"\\")


def run_length_limit_ns(warmup_ns: int, samples: int, sample_ns: float) -> int:
    """A generous `limit_ns`: four times what the run should take, and 20 s."""
    return int(4 * (warmup_ns + samples * sample_ns) + 20e9)
