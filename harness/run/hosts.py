"""Where the devices of a run are: at this host, or at hosts of a lab. A run is the same wherever they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bnnbench.devices.machines import machines
from bnnbench.devices.spec import DeviceSpec
from bnnbench.kernels.engines import Engine
from bnnbench.results.records import ComparisonRecord
from bnnbench.results.store.calibration import latest
from bnnbench.results.store.stored_run import StoredRun

from ..bench.context import RunContext, Watcher
from ..bench.fitness import note_ending, note_suspects
from ..bench.launcher import LAUNCHER
from ..bench.lease import require_free
from ..bench.reach import Reached, reach_all
from ..bench.trouble import concerns_all
from ..plan.cases import MeasurementPlan
from ..plan.config import RunConfig
from ..plan.target import Target
from ..session.base import DeviceSession
from .comeback import run_patiently
from .sessions import session_of


class DeviceWork(Protocol):
    """The work of a run on one device."""

    @property
    def spent_ns(self) -> int:
        """What builds and the first push took."""
        ...

    @property
    def builds_ns(self) -> int:
        """What builds took, before it began."""
        ...

    def run(self) -> None:
        """To its end, through losses of the connection. Raises DeviceError, Interrupted, StoreError."""
        ...

    def close(self) -> None:
        """Gives the connection back. Never raises."""
        ...


class Hosts(Protocol):
    """Where the devices of one run are. `reach` comes first, `close` last."""

    def specs(self, config: RunConfig) -> list[DeviceSpec]:
        """The devices that the run names, each once. Raises InventoryError, CallError."""
        ...

    def reach(
        self, specs: Sequence[DeviceSpec], engines: Sequence[Engine], watcher: Watcher
    ) -> tuple[list[Target], dict[str, Exception]]:
        """The devices that can be measured, and why the others can't, by name. Raises what concerns all of them."""
        ...

    def works(
        self,
        config: RunConfig,
        plan: MeasurementPlan,
        comparisons: Sequence[ComparisonRecord],
        context: RunContext,
    ) -> Mapping[str, DeviceWork]:
        """By device, ready to run."""
        ...

    def groups(self) -> list[list[str]]:
        """The devices that take turns, by their names."""
        ...

    def note_suspects(self, run: StoredRun, watcher: Watcher) -> None:
        """Quarantines devices that the run has shown to compute wrongly. Never raises."""
        ...

    def close(self) -> None:
        """Ends all connections. Never raises."""
        ...


@dataclass(slots=True)
class SessionWork:
    """A session in this process."""

    session: DeviceSession
    context: RunContext

    @property
    def spent_ns(self) -> int:
        return self.session.builds_ns + self.session.push_ns

    @property
    def builds_ns(self) -> int:
        return self.session.builds_ns

    def run(self) -> None:
        """See `DeviceWork`."""
        spec, tell = self.session.target.spec, self.context.watcher.note
        try:
            run_patiently(self.session, self.context)
        except Exception as error:
            if not concerns_all(error) and not self.context.stop.is_ordered:
                note_ending(spec, error, tell)
            raise
        note_ending(spec, None, tell)

    def close(self) -> None:
        """See `DeviceWork`."""
        self.session.transport.close()


@dataclass(slots=True)
class ThisHost:
    """Devices that are connected to from this process."""

    even_unfit: bool = False
    """Whether devices in quarantine are measured too."""
    reached: list[Reached] = field(default_factory=list)

    def specs(self, config: RunConfig) -> list[DeviceSpec]:
        """By the inventory, or their addresses."""
        return config.specs()

    def reach(
        self, specs: Sequence[DeviceSpec], engines: Sequence[Engine], watcher: Watcher
    ) -> tuple[list[Target], dict[str, Exception]]:
        """Connects and builds."""
        self.reached, unreached = reach_all(specs, engines, watcher.note, even_unfit=self.even_unfit)
        # Now, not after the reference's work, which may take minutes.
        busy = _unusable(self.reached)
        unreached |= busy
        self.reached = [item for item in self.reached if item.target.spec.name not in busy]
        return [item.target for item in self.reached], unreached

    def works(
        self,
        config: RunConfig,
        plan: MeasurementPlan,
        comparisons: Sequence[ComparisonRecord],
        context: RunContext,
    ) -> Mapping[str, DeviceWork]:
        """Sessions, after the outputs that are right were computed."""
        works = {}
        for item in self.reached:
            name = item.target.spec.name
            known = latest(context.store, name)
            works[name] = SessionWork(session_of(config, plan, comparisons, item, context, known), context)
        compute_references(plan, context.watcher)
        return works

    def groups(self) -> list[list[str]]:
        """Devices of one machine take turns."""
        groups = machines((item.target.spec, item.target.facts.boot_id) for item in self.reached)
        return [[spec.name for spec in group.devices] for group in groups]

    def note_suspects(self, run: StoredRun, watcher: Watcher) -> None:
        """See `Hosts`."""
        note_suspects(run, {item.target.spec.name: item.target.spec for item in self.reached}, watcher.note)

    def close(self) -> None:
        """See `Hosts`."""
        for item in self.reached:
            item.transport.close()


def compute_references(plan: MeasurementPlan, watcher: Watcher) -> None:
    """Beforehand, because nothing may compute here while a block is timed."""
    planned = {case.workload.name: case.workload for cases in plan.cases.values() for case in cases}
    planned = {name: workload for name, workload in planned.items() if not workload.unverified}
    watcher.note(f"computing the reference outputs of {len(planned)} workload{'s' * (len(planned) != 1)}")
    for workload in planned.values():
        workload.prepare(lambda what, done, of: watcher.phase("reference", what, done, of))


def _unusable(reached: Sequence[Reached]) -> dict[str, Exception]:
    """Why devices cannot be had, by name: most often, another benchmark runs there. Their connections are closed."""
    reasons: dict[str, Exception] = {}
    for item in reached:
        if LAUNCHER not in item.target.builds:
            continue  # no engine runs there, and its cases are skipped
        try:
            require_free(item.target, item.transport, "bnnbench run")
        except Exception as error:
            if concerns_all(error):
                raise
            reasons[item.target.spec.name] = error
            item.transport.close()
    return reasons
