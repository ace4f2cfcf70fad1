"""The devices of a run that are in a lab."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bnnbench.devices.errors import DeviceError, Unreachable
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.emulator import Emulator
from bnnbench.kernels.engines import Engine
from bnnbench.results.quantity import roughly
from bnnbench.results.records import ComparisonRecord
from bnnbench.results.store.calibration import latest
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun

from ..bench.context import RunContext, Watcher
from ..bench.reach import target_of
from ..plan.cases import MeasurementPlan
from ..plan.config import RunConfig
from ..plan.target import Target
from ..run.hosts import DeviceWork
from ..session.expected import pasts, timing_s
from .address import parse_address
from .files import named_by_content
from .follower import Follower
from .lab_candidates import spec_of, why_unusable
from .lab_work import LabWork
from .link import Link
from .wire import Offer


@dataclass(slots=True)
class LabHosts:
    """See `run.hosts.Hosts`. `asked_s` is when the run asked first, which decides its place in queues."""

    address: str
    certificates: Path | None = None
    asked_s: float = field(default_factory=time.time)
    _link: Link | None = None
    _offers: dict[str, Offer] = field(default_factory=dict)
    _names: list[str] = field(default_factory=list)

    @property
    def link(self) -> Link:
        """Connected on first use. Raises CallError, CannotMeasure."""
        if self._link is None:
            self._link = Link(parse_address(self.address), self.certificates)
        return self._link

    def specs(self, config: RunConfig) -> list[DeviceSpec]:
        """As their hosts' inventories have them. Raises CallError for a device that no host offers."""
        self._offers = self.link.offers()
        return [spec_of(name, self._offers, self.address) for name in config.device_names()]

    def reach(
        self, specs: Sequence[DeviceSpec], engines: Sequence[Engine], watcher: Watcher
    ) -> tuple[list[Target], dict[str, Exception]]:
        """By what their hosts know of them: nothing is asked of a device that another run may have."""
        targets: list[Target] = []
        unreached: dict[str, Exception] = {}
        for spec in specs:
            offer = self._offers[spec.name]
            if why := why_unusable(offer):
                unreached[spec.name] = Unreachable(why)
                continue
            emulator = Emulator(tuple(offer.emulator[0]), offer.emulator[1]) if offer.emulator else None
            try:
                facts = DeviceFacts.from_dict(offer.facts)
                targets.append(target_of(spec, facts, engines, emulator, watcher.note, lambda engine, program: None))
            except DeviceError as error:
                unreached[spec.name] = error
        self._names = [target.spec.name for target in targets]
        return targets, unreached

    def works(
        self,
        config: RunConfig,
        plan: MeasurementPlan,
        comparisons: Sequence[ComparisonRecord],
        context: RunContext,
    ) -> Mapping[str, DeviceWork]:
        """Sessions at their hosts."""
        sent = named_by_content(config)
        known = pasts(Store(context.store), plan.all)
        works = {}
        follower = Follower(self.link, context.writer.record.run_id)
        for name in self._names:
            expected = timing_s(known, plan.cases[name], context.invocations) if not config.compare else None
            if expected is not None:
                context.watcher.note(f"{name}: about {roughly(expected)}, by earlier runs of these cases")
            works[name] = LabWork(
                link=self.link,
                follower=follower,
                device=name,
                host=self._offers[name].host,
                patience_s=int(self._offers[name].entry.get("patience_s", 120)),
                sent=sent,
                comparisons=[item for item in comparisons if item.device == name],
                calibration=latest(context.store, name),
                context=context,
                asked_s=self.asked_s,
                expected_s=expected,
            )
        return works

    def groups(self) -> list[list[str]]:
        """Their hosts know which ones take turns."""
        return [[name] for name in self._names]

    def note_suspects(self, run: StoredRun, watcher: Watcher) -> None:
        """Quarantine is the business of their hosts, which see their own devices only."""

    def close(self) -> None:
        """See `Hosts`."""
        if self._link is not None:
            self._link.close()
            self._link = None
