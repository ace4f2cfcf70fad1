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
from bnnbench.kernels.built_elsewhere import Artifact
from bnnbench.kernels.engines import Engine
from bnnbench.kernels.errors import BuildError
from bnnbench.results.quantity import roughly
from bnnbench.results.records import ComparisonRecord
from bnnbench.results.store.calibration import latest
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun

from ..bench.context import RunContext, Watcher
from ..bench.fitness import suspects
from ..bench.reach import own_builds, target_of
from ..errors import CannotMeasure
from ..plan.cases import MeasurementPlan
from ..plan.config import RunConfig
from ..plan.target import Target
from ..run.hosts import DeviceWork
from ..session.expected import pasts, timing_s
from .address import parse_address
from .calls import quarantine_device
from .deliveries import Deliveries
from .files import named_by_content
from .follower import Follower
from .lab_candidates import spec_of, why_unusable
from .lab_work import LabWork
from .link import Link
from .shared_builds import of_target, share_out
from .shared_references import SharedReferences, worth_sending
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
    _builds: dict[str, list[Artifact]] = field(default_factory=dict)
    _references: SharedReferences | None = None

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
        self._share_out(specs, engines, watcher)
        for spec in specs:
            offer = self._offers[spec.name]
            if why := why_unusable(offer):
                unreached[spec.name] = Unreachable(why)
                continue
            emulator = Emulator(tuple(offer.emulator[0]), offer.emulator[1]) if offer.emulator else None
            try:
                facts = DeviceFacts.from_dict(offer.facts)
                targets.append(target_of(spec, facts, engines, emulator, watcher.note, lambda engine, program: None))
                self._builds[spec.name] = of_target(targets[-1])
            except DeviceError as error:
                unreached[spec.name] = error
        self._names = [target.spec.name for target in targets]
        return targets, unreached

    def _share_out(self, specs: Sequence[DeviceSpec], engines: Sequence[Engine], watcher: Watcher) -> None:
        """Nobody builds where a session runs. Raises LinkLost, CannotMeasure."""
        wanted = [
            own
            for spec in specs
            if not why_unusable(self._offers[spec.name])
            for own in own_builds(spec, DeviceFacts.from_dict(self._offers[spec.name].facts), engines)
        ]
        try:
            share_out(self.link, wanted, self._idle_hosts(), watcher)
        except BuildError as error:
            raise CannotMeasure(str(error)) from None

    def _idle_hosts(self, *, even_local: bool = True) -> dict[str, str]:
        """A worker of each host where no session runs; of those that are measured themselves only where `even_local`.
        Raises LinkLost."""
        workers = self.link.workers()
        offers = [offer for name, offer in self._offers.items() if name in workers]
        busy = {
            offer.host
            for offer in offers
            if offer.session or (spec_of(offer.device, self._offers, self.address).is_local and not even_local)
        }
        return {offer.host: workers[offer.device].address for offer in offers if offer.host not in busy}

    def works(
        self,
        config: RunConfig,
        plan: MeasurementPlan,
        comparisons: Sequence[ComparisonRecord],
        context: RunContext,
    ) -> Mapping[str, DeviceWork]:
        """Sessions at their hosts."""
        sent = named_by_content(config)
        own = {self._offers[name].host for name in self._names}
        makers = {host: worker for host, worker in self._idle_hosts(even_local=False).items() if host in own}
        keys = worth_sending([case.workload for case in plan.all]) if len(own) > 1 and makers else []
        references = self._references = SharedReferences(self.link, sent, keys, makers, context.watcher)
        known = pasts(Store(context.store), plan.all)
        works = {}
        follower = Follower(self.link, context.writer.record.run_id)
        deliveries, placed = Deliveries(self.link), self.link.workers()
        for name in self._names:
            expected = timing_s(known, plan.cases[name], context.invocations) if not config.compare else None
            if expected is not None:
                context.watcher.note(f"{name}: about {roughly(expected)}, by earlier runs of these cases")
            works[name] = LabWork(
                link=self.link,
                follower=follower,
                deliveries=deliveries,
                device=name,
                host=self._offers[name].host,
                patience_s=int(self._offers[name].entry.get("patience_s", 120)),
                sent=sent,
                builds=self._builds[name],
                references=references,
                comparisons=[item for item in comparisons if item.device == name],
                calibration=latest(context.store, name),
                context=context,
                asked_s=self.asked_s,
                expected_s=expected,
                placed=placed.get(name),
            )
        return works

    def groups(self) -> list[list[str]]:
        """Their hosts know which ones take turns."""
        return [[name] for name in self._names]

    def note_suspects(self, run: StoredRun, watcher: Watcher) -> None:
        """At their hosts, which keep quarantines and see their own devices only. Never raises."""
        for device, reason in suspects(run).items():
            try:
                if (placed := self.link.workers().get(device)) is None:
                    watcher.note(f"device {device!r} is not quarantined, because no host offers it now: {reason}.")
                else:
                    watcher.note(self.link.ask(placed.address, quarantine_device, device, reason))
            except CannotMeasure as error:
                watcher.note(f"device {device!r} is not quarantined ({str(error).rstrip('.')}): {reason}.")

    def close(self) -> None:
        """See `Hosts`."""
        if self._references is not None:
            self._references.close()
        if self._link is not None:
            self._link.let_go(self._names)
            self._link.close()
            self._link = None
