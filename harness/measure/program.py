"""One run of a program without a protocol on a case's model: what it printed and how it ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bnnbench.kernels.errors import EngineError

from ..bench.workbench import Workbench, payload_of
from ..plan.cases import Case

_DEADLINE_S = 900.0
_END_S = 10.0
_LONGEST_OUTPUT = 1_000_000
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class Ended:
    """`text` is what it printed on both streams, `waited_ns` the time from its start to its end."""

    status: int
    text: str
    waited_ns: int

    @property
    def last_words(self) -> str:
        """The last lines, without the launcher's own."""
        last = [line for line in self.text.splitlines() if line.strip() and not line.startswith("{")][-2:]
        return " | ".join(line[:_LONGEST_LINE] for line in last) or "nothing"

    def require_success(self) -> None:
        """Raises EngineError when it failed."""
        if self.status:
            raise EngineError(f"it ended with status {self.status}. It said: {self.last_words}")


def run_program(bench: Workbench, case: Case, flags: Sequence[str] = ()) -> Ended:
    """To its end. Raises EngineError when it has none, DeviceError, Interrupted."""
    model, lines = payload_of(case).keys["model"], list[str]()
    with bench.lease.program(case.engine.name, model, case.record.threads, _DEADLINE_S, flags) as process:
        began = time.monotonic_ns()
        deadline, length = time.monotonic() + _DEADLINE_S, 0
        try:
            while length < _LONGEST_OUTPUT:
                lines.append(process.read_line(deadline))
                length += len(lines[-1]) + 1
        except EOFError:
            pass
        except TimeoutError:
            raise EngineError(f"it did not end within {_DEADLINE_S:.0f} s.") from None
        status = process.wait(time.monotonic() + _END_S)
        message = process.stderr_tail()
        waited_ns = time.monotonic_ns() - began
    # Some builds print to stderr.
    ended = Ended(status or 0, "\n".join([*lines, *message.splitlines()]), waited_ns)
    if status is None:
        raise EngineError(f"it printed {length:,} bytes and did not end. It said: {ended.last_words}")
    return ended
