"""The devices of a lab that a run may choose from, by what their hosts know of them: no device is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.closest import closest
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.inventory import LOCAL
from bnnbench.devices.query import is_query, parse_query
from bnnbench.devices.selecting import Selected, Tell, asked_for
from bnnbench.devices.spec import DeviceSpec, parse_entry

from ..errors import CallError, CannotMeasure
from .link import CLIENT
from .queue import Choice
from .wire import Offer


@dataclass(frozen=True, slots=True)
class LabCandidates:
    """See `bench.candidates.Candidates`. `offers` are by device; `take` chooses among those that can be had, where the
    queue of the lab is."""

    address: str
    offers: Mapping[str, Offer]
    take: Callable[[Choice], list[str]]

    @property
    def list_command(self) -> str:
        """Names the lab."""
        return f"bnnbench lab status {self.address}"

    def select(self, word: str, tell: Tell) -> Selected:
        """A query, a pool of the hosts' inventories, or the name of one device. Raises CallError where there is none,
        InventoryError for a text that is no query."""
        if "://" not in word and any(word in offer.pools for offer in self.offers.values()):
            return self._pool(word, tell)
        if not is_query(word):
            return Selected(word, (spec_of(word, self.offers, self.address, self._pools()),))
        found = asked_for(parse_query(word), self.every().specs, self._facts_of, tell)
        if not found:
            raise CallError(f"no device of the lab at {self.address} is {word!r}; see {self.list_command}.")
        return Selected(word, found, is_pool=True)

    def _pool(self, name: str, tell: Tell) -> Selected:
        """Those of all hosts: each says which of its devices are in a pool of that name, or by which query."""
        if name in self.offers:
            raise CallError(f"{name!r} is a device and a pool of the lab at {self.address}; rename one of them.")
        members: set[str] = set()
        by_query: dict[str, list[DeviceSpec]] = {}
        for device, offer in self.offers.items():
            if name not in offer.pools:
                continue
            if (query := offer.pools[name]) is None:
                members.add(device)
            else:
                by_query.setdefault(query, []).append(spec_of(device, self.offers, self.address))
        for query, specs in by_query.items():
            members |= {spec.name for spec in asked_for(parse_query(query), specs, self._facts_of, tell)}
        if not members:
            queries = " or ".join(map(repr, by_query))
            raise CallError(
                f"no device of the lab at {self.address} is in the pool {name!r}, which asks for {queries}; see "
                f"{self.list_command}."
            )
        found = tuple(spec_of(device, self.offers, self.address) for device in self.offers if device in members)
        return Selected(name, found, is_pool=True)

    def _pools(self) -> list[str]:
        return sorted({name for offer in self.offers.values() for name in offer.pools})

    def every(self) -> Selected:
        """All that hosts offer now. Raises CallError where there is none."""
        if not self.offers:
            raise CallError(f"the lab at {self.address} has no devices; see {self.list_command}.")
        specs = tuple(spec_of(name, self.offers, self.address) for name in self.offers)
        return Selected(f"the lab at {self.address}", specs, is_pool=True)

    def quarantined(self, spec: DeviceSpec) -> str | None:
        """As its host says."""
        return self.offers[spec.name].quarantined

    def free(self, specs: Sequence[DeviceSpec], count: int, tell: Tell) -> list[DeviceSpec]:
        """Those with the fewest runs before a new one, in the order of `specs` where they have as many: nothing is
        waited for here, because the run then waits in their queues, where its age counts."""
        fit: list[DeviceSpec] = []
        reasons: list[str] = []
        for spec in specs:
            if why := why_unusable(self.offers[spec.name]):
                reasons.append(why)
                tell(f"left out: {why}")
            else:
                fit.append(spec)
        if len(fit) < count:
            raise CannotMeasure(f"--any {count}: {len(fit)} devices could be had. {' '.join(reasons)}")
        names = [spec.name for spec in fit]
        beside = {name: self.offers[name].beside for name in names}
        sessions = [(offer.session, name) for name, offer in self.offers.items() if offer.session is not None]
        taken = self.take(Choice(CLIENT, count, beside, sessions))
        return [spec for spec in fit if spec.name in taken]

    def _facts_of(self, specs: Sequence[DeviceSpec], tell: Tell) -> dict[str, DeviceFacts]:
        found = {}
        for spec in specs:
            offer = self.offers[spec.name]
            if offer.facts:
                found[spec.name] = DeviceFacts.from_dict(offer.facts)
            else:
                tell(f"{spec.name} is left out, because nothing is known of it: {why_unusable(offer)}")
        return found


def spec_of(name: str, offers: Mapping[str, Offer], address: str, pools: Sequence[str] = ()) -> DeviceSpec:
    """As its host's inventory has it; `pools` can be named in its place. Raises CallError for a device that no host
    offers."""
    if name not in offers:
        offered = (", ".join(offers) or "none") + (f", and the pools {', '.join(pools)}" if pools else "")
        near = closest(name, (*offers, *pools))
        if name == LOCAL.name and not near:
            near = ", which is meant without --device: name some, or take --any N or --all"
        raise CallError(f"the lab at {address} has no device {name!r}{near}; it offers {offered}.")
    return parse_entry(Path("the lab's inventory"), name, dict(offers[name].entry))


def why_unusable(offer: Offer) -> str | None:
    """Why it cannot be measured now, a sentence."""
    if offer.unusable:
        return offer.unusable
    return None if offer.facts else f"device {offer.device!r} has not answered its host."
