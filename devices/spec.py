"""One device as the user describes it: by a table of an inventory, or by an address."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from bnnbench.devices.closest import closest
from bnnbench.devices.entry_rules import Cores
from bnnbench.devices.errors import InventoryError
from bnnbench.devices.kinds import KINDS, Kind, addresses

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
NAME_RULE = "a name is letters, digits, '.', '_' and '-', and starts with a letter or a digit"


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """How to reach a device and what may be done there. Facts about it are `DeviceFacts`.

    `host` may be an alias of ~/.ssh/config, whose values fill in what is None here. `workdir` None means
    the kind's own (`Kind.workdir`); `cores` is "all", "big" or CPU numbers; `tune` allows changing its governor.
    `serial` is adb's name of a phone, or its host:port; `cpu` and `arch` are what qemu emulates.
    `is_found`: the inventory lay in the working folder and nobody named it, so its `known_hosts` may not overrule the
    user's own. A device that is lost is waited for during `patience_s`; then `power_cycle`, a program and its
    arguments, is run on this machine to cut its power and put it back. `abi` is which engines run there: "auto" goes
    by the userland. Nothing is started above `cool_to_celsius`, for five minutes at most. `options` are keys that only
    the device's kind knows.
    """

    name: str
    transport: str = "ssh"
    host: str | None = None
    user: str | None = None
    port: int | None = None
    identity_file: Path | None = None
    workdir: str | None = None
    cores: Cores = "all"
    tune: bool = False
    known_hosts: Path | None = None
    serial: str | None = None
    cpu: str | None = None
    arch: str | None = None
    patience_s: int = 120
    power_cycle: tuple[str, ...] = ()
    abi: str = "auto"
    cool_to_celsius: int | None = None
    is_found: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def kind(self) -> Kind:
        """What is known of its kind."""
        return KINDS[self.transport]

    @property
    def is_local(self) -> bool:
        """Whether it is the machine that bnnbench runs on, and not emulated there."""
        return self.kind.is_here and not self.kind.is_emulated

    @property
    def entry(self) -> dict[str, Any]:
        """Its inventory entry: keys and values, without what is default."""
        values = {key.name: getattr(self, key.name) for key in fields(self) if key.name not in _NOT_KEYS}
        set_values = {name: value for name, value in values.items() if value != _DEFAULTS[name]}
        return {"transport": self.transport, **set_values, **self.options}

    @property
    def address(self) -> str:
        """How errors call the device: its URL, or `this machine`."""
        if self.kind.url is None or any(key not in self.entry for key in self.kind.required):
            return "this machine" if self.kind.is_here else f"device {self.name!r}"
        return f"{self.transport}://{self.kind.url.write(self.entry)}"

    def to_toml(self) -> str:
        """The device's inventory table, without what is default."""
        header = f"[device.{json.dumps(self.name) if '.' in self.name else self.name}]"
        return "\n".join([header, *(f"{key} = {_toml(value)}" for key, value in self.entry.items())]) + "\n"


_NOT_KEYS: Final = frozenset({"name", "is_found", "options"})
_DEFAULTS: Final = {key.name: key.default for key in fields(DeviceSpec) if key.name not in _NOT_KEYS}


def parse_entry(path: Path, name: str, table: Any) -> DeviceSpec:
    """The device that table `[device.NAME]` of `path` describes. Raises InventoryError."""
    place = f"{path}: device {name!r}"
    if not NAME.fullmatch(name):
        raise InventoryError(f"{place}: {NAME_RULE}.")
    if isinstance(table, list):
        raise InventoryError(f"{place} must be a table of its own: write [device.{name}], not [[device.{name}]].")
    if not isinstance(table, dict):
        raise InventoryError(f"{place} must be a table; the keys of a device stand below its name, [device.NAME].")
    kind = _kind(place, table)
    for key in table:
        if key not in kind.keys:
            raise InventoryError(
                f"{place}: unknown key {key!r}{closest(key, kind.keys)}; "
                f"transport {table['transport']!r} takes {', '.join(sorted(kind.keys))}."
            )
    for key in kind.required:
        if key not in table:
            raise InventoryError(f"{place}: key {key!r} is missing.")
    if name == "local" and table["transport"] != "local":
        raise InventoryError(f"{place}: the name 'local' is this machine; choose another name.")
    return _spec(place, path, name, table)


def parse_url(address: str) -> DeviceSpec:
    """The device at an address like `ssh://pi@pi4.lab`. Raises InventoryError."""
    scheme, _, rest = address.partition("://")
    url = KINDS[scheme].url if scheme in KINDS else None
    if url is None:
        raise InventoryError(f"{address!r}: {scheme}:// is not a way to reach a device; write {addresses()}.")
    name, entry = url.read(rest)
    if name == "local":
        raise InventoryError(f"{address!r}: the name 'local' is this machine; add it under another name.")
    return _spec(repr(address), Path(), name, {"transport": scheme, **entry})


def _spec(place: str, path: Path, name: str, table: Mapping[str, Any]) -> DeviceSpec:
    keys = KINDS[table["transport"]].keys
    values = {key: keys[key](f"{place}, key {key!r}", path, value) for key, value in table.items()}
    options = {key: value for key, value in values.items() if key not in _DEFAULTS}
    return DeviceSpec(name=name, **{key: value for key, value in values.items() if key in _DEFAULTS}, options=options)


def _kind(place: str, table: dict[str, Any]) -> Kind:
    if "transport" not in table:
        near = difflib.get_close_matches("transport", list(table), n=1)
        hint = f" ({near[0]!r} is unknown)" if near else ""
        raise InventoryError(f"{place}: key 'transport' is missing{hint}; it is one of {', '.join(KINDS)}.")
    transport = table["transport"]
    if not isinstance(transport, str) or transport not in KINDS:
        hint = closest(str(transport), KINDS)
        raise InventoryError(f"{place}, key 'transport': {transport!r} is not one of {', '.join(KINDS)}{hint}.")
    return KINDS[transport]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # A JSON string is a TOML basic string, but for DEL.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
