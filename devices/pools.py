"""Pools of an inventory: devices that are alike, by their names or by a query."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bnnbench.devices.closest import closest
from bnnbench.devices.errors import InventoryError
from bnnbench.devices.query import parse_query
from bnnbench.devices.spec import NAME, NAME_RULE

_KEYS = ("devices", "query")


@dataclass(frozen=True, slots=True)
class Pool:
    """Either the names of its `devices`, or a `query` for them."""

    name: str
    devices: tuple[str, ...] = ()
    query: str | None = None


def parse_pools(path: Path, tables: Any, devices: Container[str]) -> Mapping[str, Pool]:
    """The tables `[pool.NAME]` of an inventory that has these devices. Raises InventoryError."""
    if not isinstance(tables, dict):
        raise InventoryError(f"{path}: write [pool.NAME]: 'pool' must be tables with names.")
    return {name: _pool(f"{path}: pool {name!r}", name, table, devices) for name, table in tables.items()}


def _pool(place: str, name: str, table: Any, devices: Container[str]) -> Pool:
    if not NAME.fullmatch(name):
        raise InventoryError(f"{place}: {NAME_RULE}.")
    if name in devices:
        raise InventoryError(f"{place} has the name of a device; choose another one.")
    if not isinstance(table, dict):
        raise InventoryError(f"{place} must be a table: write [pool.{name}], with devices or a query.")
    for key in table:
        if key not in _KEYS:
            raise InventoryError(f"{place}: unknown key {key!r}{closest(key, _KEYS)}; a pool has devices or a query.")
    if len(table) != 1:
        raise InventoryError(f"{place}: a pool has either devices or a query.")
    if "query" in table:
        if not isinstance(table["query"], str):
            raise InventoryError(f"{place}, key 'query': {table['query']!r} must be text like 'soc=bcm2712'.")
        try:
            parse_query(table["query"])
        except InventoryError as error:
            raise InventoryError(f"{place}, key 'query': {error}") from None
        return Pool(name, query=table["query"])
    members = table["devices"]
    if not isinstance(members, list) or not members or not all(isinstance(each, str) for each in members):
        raise InventoryError(f"{place}, key 'devices': {members!r} must be a list of names of devices.")
    for member in members:
        if member not in devices:
            raise InventoryError(f"{place}, key 'devices': there is no device {member!r} in this inventory.")
    return Pool(name, tuple(dict.fromkeys(members)))
