"""The devices that a user means by a text: a name, an address, a pool, or a query for what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bnnbench.devices.errors import DeviceError, InventoryError
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.inventory import LOCAL, Inventory
from bnnbench.devices.inventory import resolve as named
from bnnbench.devices.known_facts import known_facts, remember
from bnnbench.devices.probe import probe
from bnnbench.devices.query import Query, attributes_of, could_match, is_query, matches, parse_query
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect

Tell = Callable[[str], None]
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Selected:
    """The devices that a text means; with `is_pool` it means all that are alike, and otherwise one by its name."""

    text: str
    specs: tuple[DeviceSpec, ...]
    is_pool: bool = False


def select(text: str, inventory: Inventory, tell: Tell = lambda _: None) -> Selected:
    """Connects to devices where a query asks for facts that are not known. What is left out for that is told.

    Raises InventoryError, also where a query matches nothing.
    """
    if "://" not in text and text in inventory.pools:
        pool = inventory.pools[text]
        if pool.query is not None:
            return Selected(text, _asked_for(parse_query(pool.query), inventory, tell), is_pool=True)
        return Selected(text, tuple(inventory[name] for name in pool.devices), is_pool=True)
    if is_query(text):
        return Selected(text, _asked_for(parse_query(text), inventory, tell), is_pool=True)
    return Selected(text, (named(text, inventory),))


def resolve(text: str, inventory: Inventory) -> DeviceSpec:
    """The one device that a text means. Raises InventoryError, also where there are several."""
    specs = select(text, inventory).specs
    if len(specs) > 1:
        raise InventoryError(f"{text!r} means {len(specs)} devices: {', '.join(x.name for x in specs)}; name one.")
    return specs[0]


def listed(inventory: Inventory) -> list[DeviceSpec]:
    """Every device of an inventory; `local` only if it is there by its own table or nothing else is. Raises
    InventoryError."""
    found = [inventory[name] for name in inventory.devices]
    others = [spec for spec in found if spec != LOCAL]
    return others or found


def asked_for(
    query: Query,
    specs: Sequence[DeviceSpec],
    facts_of: Callable[[Sequence[DeviceSpec], Tell], Mapping[str, DeviceFacts]],
    tell: Tell,
) -> tuple[DeviceSpec, ...]:
    """Those of `specs` that a query asks for, by their facts if it needs some; a device without facts is none."""
    possible = [spec for spec in specs if could_match(query, spec)]
    if query.needs_facts:
        facts = facts_of(possible, tell)
        told = {spec.name: attributes_of(spec, _values(facts[spec.name])) for spec in possible if spec.name in facts}
        possible = [spec for spec in possible if spec.name in told and matches(query, told[spec.name])]
    return tuple(possible)


def _asked_for(query: Query, inventory: Inventory, tell: Tell) -> tuple[DeviceSpec, ...]:
    found = asked_for(query, listed(inventory), facts_of, tell)
    if not found:
        where = inventory.path or "the inventory"
        raise InventoryError(f"no device of {where} is {query.text!r}; see what they are: bnnbench devices probe NAME.")
    return found


def _values(facts: DeviceFacts) -> dict[str, object]:
    return {name: facts.value(name) for name in facts}


def facts_of(specs: Sequence[DeviceSpec], tell: Tell) -> dict[str, DeviceFacts]:
    """Facts by name: known ones of the last day, else read now, else the last known. Devices without any are told."""
    found = {spec.name: facts for spec in specs if (facts := known_facts(spec))}
    asked = [spec for spec in specs if spec.name not in found]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for spec, told in zip(asked, pool.map(_read, asked), strict=True):
            if isinstance(told, DeviceFacts):
                found[spec.name] = told
            elif old := known_facts(spec, fresh=False):
                found[spec.name] = old
            else:
                tell(f"{spec.name} is left out, because nothing is known of it: {told}")
    return found


def _read(spec: DeviceSpec) -> DeviceFacts | DeviceError:
    try:
        with connect(spec) as transport:
            facts = probe(transport)
    except DeviceError as error:
        return error
    remember(spec, facts)
    return facts
