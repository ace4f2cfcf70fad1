"""The devices of a lab that a run may choose from, by what their hosts know of them: no device is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.closest import closest
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.query import is_query, parse_query
from bnnbench.devices.selecting import Selected, Tell, asked_for
from bnnbench.devices.spec import DeviceSpec, parse_entry

from ..errors import CallError, CannotMeasure
from .queue import Waiting
from .wire import Offer


@dataclass(frozen=True, slots=True)
class LabCandidates:
    """See `bench.candidates.Candidates`. `offers` are by device, `waiting` is all that runs or waits in the lab."""

    address: str
    offers: Mapping[str, Offer]
    waiting: Sequence[Waiting]

    @property
    def list_command(self) -> str:
        """Names the lab."""
        return f"bnnbench lab status {self.address}"

    def select(self, word: str, tell: Tell) -> Selected:
        """A query, or the name of one device. Raises CallError where there is none, InventoryError for a text that is
        no query."""
        if not is_query(word):
            return Selected(word, (spec_of(word, self.offers, self.address),))
        found = asked_for(parse_query(word), self.every().specs, self._facts_of, tell)
        if not found:
            raise CallError(f"no device of the lab at {self.address} is {word!r}; see {self.list_command}.")
        return Selected(word, found, is_pool=True)

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
        before = self._before()
        taken = sorted(fit, key=lambda spec: before[spec.name])[:count]
        return [spec for spec in fit if spec in taken]

    def _before(self) -> Mapping[str, int]:
        """How many runs each device's machine has to do."""
        asked = {(item.run, item.device) for item in self.waiting}
        asked |= {(offer.session, name) for name, offer in self.offers.items() if offer.session is not None}
        of_device = Counter(device for _, device in asked)
        return {name: sum(of_device[each] for each in {name, *offer.beside}) for name, offer in self.offers.items()}

    def _facts_of(self, specs: Sequence[DeviceSpec], tell: Tell) -> dict[str, DeviceFacts]:
        found = {}
        for spec in specs:
            offer = self.offers[spec.name]
            if offer.facts:
                found[spec.name] = DeviceFacts.from_dict(offer.facts)
            else:
                tell(f"{spec.name} is left out, because nothing is known of it: {why_unusable(offer)}")
        return found


def spec_of(name: str, offers: Mapping[str, Offer], address: str) -> DeviceSpec:
    """As its host's inventory has it. Raises CallError for a device that no host offers."""
    if name not in offers:
        offered = ", ".join(offers) or "none"
        raise CallError(f"the lab at {address} has no device {name!r}{closest(name, offers)}; it offers {offered}.")
    return parse_entry(Path("the lab's inventory"), name, dict(offers[name].entry))


def why_unusable(offer: Offer) -> str | None:
    """Why it cannot be measured now, a sentence."""
    if offer.unusable:
        return offer.unusable
    return None if offer.facts else f"device {offer.device!r} has not answered its host."
