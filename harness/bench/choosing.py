"""Which devices a run is measured on: those that are named, all of a pool, or some of it that are free."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bnnbench.devices.errors import DeviceBusy, DeviceError
from bnnbench.devices.inventory import Inventory
from bnnbench.devices.quarantine import quarantine_of
from bnnbench.devices.selecting import Selected, Tell, listed, resolve, select
from bnnbench.devices.spec import DeviceSpec

from ..errors import CallError, CannotMeasure
from .launcher import LAUNCHER
from .lease import require_free
from .reach import reach
from .waiting import current, in_words, waiting

_LOOK_AGAIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Chosen:
    """`devices` as a run keeps them: names, and addresses as they were given. `pools`: by what was asked for, the names
    of the devices that are alike."""

    devices: list[str]
    pools: dict[str, list[str]] = field(default_factory=dict)


def choose(
    words: Sequence[str], inventory: Inventory, tell: Tell, *, any: int | None = None, all: bool = False
) -> Chosen:
    """`words` are names, addresses, pools and queries; none of them is this machine, or with `any` or `all` the whole
    inventory. With `any`, so many that are free, waited for as `--wait` says. Quarantined devices are left out, and
    told, except those that are named alone.

    Raises CallError, InventoryError, CannotMeasure where too few are left.
    """
    if any is not None and all:
        raise CallError("--any takes some devices and --all takes every one; give one of them.")
    if any is not None and any < 1:
        raise CallError(f"--any {any} is less than 1.")
    if words or not (any or all):
        selected = [select(word, inventory, tell) for word in words or ["local"]]
    else:
        selected = [Selected("the inventory", tuple(listed(inventory)), is_pool=True)]
    takes_some = bool(any or all)
    fit = {item.text: _fit(item, tell, takes_some) for item in selected}
    every = list({spec.name: (word, spec) for item in selected for word, spec in _words(item, fit[item.text])}.values())
    if not every:
        raise CannotMeasure(
            f"every device of {' and '.join(map(repr, fit))} is quarantined; see bnnbench devices list."
        )
    if any is not None:
        every = _free(every, any, tell)
    names = [spec.name for _, spec in every]
    pools = {
        item.text: members
        for item in selected
        if item.is_pool and (members := [spec.name for spec in fit[item.text] if spec.name in names])
    }
    return Chosen([word for word, _ in every], pools if words else {})


def one_word(word: str, inventory: Inventory) -> str:
    """What a run calls the one device that a text means: by its name where that is a pool or query. Raises
    InventoryError, also where there are several."""
    return word if "://" in word else resolve(word, inventory).name


def _fit(selected: Selected, tell: Tell, takes_some: bool) -> list[DeviceSpec]:
    """A device that is named alone stays, so that the run says why it cannot be used."""
    if not selected.is_pool and not takes_some:
        return list(selected.specs)
    found = []
    for spec in selected.specs:
        if held := quarantine_of(spec):
            tell(f"left out: {held.sentence}")
        else:
            found.append(spec)
    return found


def _words(selected: Selected, specs: Sequence[DeviceSpec]) -> list[tuple[str, DeviceSpec]]:
    """Each with what a run calls it: as the user wrote it where that is an address."""
    return [(spec.name if selected.is_pool else selected.text, spec) for spec in specs]


def _free(candidates: Sequence[tuple[str, DeviceSpec]], count: int, tell: Tell) -> list[tuple[str, DeviceSpec]]:
    """The first `count` that nothing runs on. Raises CallError, CannotMeasure."""
    if count > len(candidates):
        names = ", ".join(spec.name for _, spec in candidates)
        raise CallError(f"--any {count} asks for more devices than there are to choose from: {names}.")
    limit_s, begun = current().limit_s, time.monotonic()
    left, found, reasons = list(candidates), list[tuple[str, DeviceSpec]](), dict[str, str]()
    while True:
        for candidate in list(left):
            spec = candidate[1]
            try:
                _require_free(spec, tell)
            except DeviceBusy as error:
                reasons[spec.name] = str(error)
                continue
            except (DeviceError, CannotMeasure) as error:
                reasons[spec.name] = str(error)
                tell(f"left out: {error}")
            else:
                found.append(candidate)
            left.remove(candidate)
            if len(found) == count:
                return found
        if not left or time.monotonic() - begun >= limit_s:
            waited = f" after {in_words(limit_s)}" if limit_s else ""
            why = " ".join(reasons.values())
            raise CannotMeasure(f"--any {count}: {len(found)} devices could be had{waited}. {why}")
        time.sleep(min(_LOOK_AGAIN_S, max(0.0, begun + limit_s - time.monotonic())))


def _require_free(spec: DeviceSpec, tell: Tell) -> None:
    with waiting(0.0, tell):
        reached = reach(spec, [], tell)
        with reached.transport as transport:
            if LAUNCHER not in reached.target.builds:
                raise CannotMeasure(f"no engine is built for device '{spec.name}'.")
            require_free(reached.target, transport, "bnnbench run")
