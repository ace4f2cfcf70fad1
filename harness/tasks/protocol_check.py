"""Does an engine keep the protocol of docs/protocol.md? Point by point, each in a fresh process of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bnnbench.devices.errors import CommandFailed
from bnnbench.kernels.data import make_data
from bnnbench.kernels.engines import Engine
from bnnbench.kernels.engines.replies import Hello
from bnnbench.kernels.errors import EngineError

from ..bench.one_off import leased
from ..bench.reach import Tell
from ..errors import CannotMeasure
from ..workload.kernel import KernelWorkload
from .protocol_points import POINTS, first_hello, outputs_of
from .protocol_subject import SPECS, Broken, Look, Missing, Point, Subject

_SEED = 7


def check_engine(
    engine: Engine, device: str, inventory: Path | None, tell: Tell, show: Callable[[Point], None]
) -> list[Point]:
    """Every point on a device, as `look_at`. Raises DeviceError, InventoryError, CannotMeasure."""
    if "op" not in engine.accepts:
        raise CannotMeasure(f"engine '{engine.name}' loads no ops, so there is no oracle to check it with here.")
    workloads = sample_workloads()
    data = [workload.data for workload in workloads]
    with leased(device, inventory, engine, 1, "bnnbench engines check", tell, data=data) as lease:
        return look_at(Subject(lease, engine.name, workloads), show)


def look_at(
    subject: Subject, show: Callable[[Point], None], points: Sequence[tuple[str, str, Look]] = POINTS
) -> list[Point]:
    """`hello`, the `points`, and the output of every op that the engine claims; `show` gets each when it is known.

    Raises DeviceError when the device is lost.
    """
    found: list[Point] = []

    def look(name: str, what: str, how: Look, subject: Subject) -> bool:
        point = _look(name, what, how, subject)
        found.append(point)
        show(point)
        return point.outcome != "failed"

    message: list[Hello] = []
    if not look("hello", "says protocol 1 and itself", lambda item: message.append(first_hello(item)), subject):
        return found  # nothing else can be asked
    subject = replace(subject, hello=message[0])
    for name, what, how in points:
        look(name, what, how, subject)
    for op in subject.ops:
        look(f"output of {op}", "equals the oracle's byte for byte", outputs_of(op), subject)
    return found


def sample_workloads() -> tuple[KernelWorkload, ...]:
    """What every op is tried with, with its data."""
    return tuple(KernelWorkload(spec.name, spec, make_data(spec, _SEED)) for spec in SPECS)


def _look(name: str, what: str, how: Look, subject: Subject) -> Point:
    try:
        how(subject)
    except Missing as error:
        return Point(name=name, what=what, outcome="absent", why=str(error))
    except (Broken, EngineError, CommandFailed) as error:
        return Point(name=name, what=what, outcome="failed", why=str(error).strip().rstrip("."))
    except EOFError:
        return Point(name=name, what=what, outcome="failed", why="the engine ended")
    except TimeoutError:
        return Point(name=name, what=what, outcome="failed", why="the engine did not answer in time")
    return Point(name=name, what=what, outcome="ok")
