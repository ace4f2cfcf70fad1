"""One engine on one device outside any run: for `peak`, `infer` and `profile`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.inventory import open_inventory
from bnnbench.devices.selecting import resolve
from bnnbench.kernels.engines import Engine
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Hello
from bnnbench.results.store.runs import new_run_id

from ..errors import CallError, CannotMeasure
from .launcher import LAUNCHER
from .launcher_report import left_behind_words
from .lease import Lease, lease
from .reach import Tell, reach
from .stop import Stop

_DEADLINE_S = 3600.0


@dataclass(frozen=True, slots=True)
class OneOff:
    """A started engine on a leased device, and what it said of itself."""

    lease: Lease
    client: EngineClient
    hello: Hello


@contextmanager
def one_off(
    device: str, inventory: Path | None, engine: Engine, threads: int, what: str, tell: Tell, *, times: bool = False
) -> Iterator[OneOff]:
    """`what` is the command, which whoever finds the device locked is told; with `times` it is refused where these mean
    nothing.

    Raises DeviceError, InventoryError, CannotMeasure, CallError, and EngineError with the engine's last words.
    """
    with (
        leased(device, inventory, engine, threads, what, tell, times=times) as held,
        held.engine(engine.name, threads, _DEADLINE_S) as (client, hello),
    ):
        yield OneOff(held, client, hello)


@contextmanager
def leased(
    device: str,
    inventory: Path | None,
    engine: Engine,
    threads: int,
    what: str,
    tell: Tell,
    *,
    times: bool = False,
    data: Sequence[bytes] = (),
) -> Iterator[Lease]:
    """As `one_off`, without the engine being started; `data` lies beside it as blobs. Raises as `one_off`."""
    spec = resolve(device, open_inventory(inventory))
    reached = reach(spec, [engine], tell)
    target = reached.target
    with reached.transport as transport:
        if times and target.facts.emulated:
            raise CannotMeasure(f"device '{spec.name}' is emulated: its times mean nothing; use a real device.")
        for name in (LAUNCHER, engine.name):
            if name not in target.builds:
                refusal = target.refusal(engine, threads)
                reason = refusal.reason if refusal else "unknown CPU"
                raise CannotMeasure(f"device '{spec.name}' cannot run the engine '{name}': {reason}.")
        if threads > len(target.cores):
            raise CallError(f"{threads} threads need as many cores; {len(target.cores)} are selected on '{spec.name}'.")

        def tell_left_behind(name: str, count: int) -> None:
            if count:
                tell(f"engine '{name}': {left_behind_words(count)}")

        with lease(
            target,
            transport,
            {engine.name: engine},
            what=what,
            run_id=new_run_id(),
            data=data,
            stop=Stop(),
            tell_left_behind=tell_left_behind,
        ) as held:
            yield held
