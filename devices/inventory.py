"""Which devices there are: `devices.toml`, `local`, and addresses, each as a DeviceSpec."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bnnbench.devices import upwards
from bnnbench.devices.closest import closest
from bnnbench.devices.errors import InventoryError
from bnnbench.devices.pools import Pool, parse_pools
from bnnbench.devices.spec import NAME, NAME_RULE, DeviceSpec, parse_entry, parse_url

__all__ = [
    *("DeviceSpec", "Inventory", "add", "find_inventory", "load", "open_inventory", "parse", "resolve"),
    "user_inventory",
]

FILE_NAME = "devices.toml"
LOCAL = DeviceSpec(name="local", transport="local")
_DEEP_KEY = re.compile(r"(?:[\w-]+\s*\.\s*){60}")


@dataclass(frozen=True, slots=True)
class Inventory:
    """The devices of one inventory file; `local` is always among them.

    `is_found`: the file lay in the working folder or above, as in a repository of others, and the user did not name it.
    """

    path: Path | None = None
    devices: Mapping[str, DeviceSpec] = field(default_factory=lambda: {LOCAL.name: LOCAL})
    is_found: bool = False
    pools: Mapping[str, Pool] = field(default_factory=dict)

    def __getitem__(self, name: str) -> DeviceSpec:
        """The device called `name`.

        Raises InventoryError, naming the nearest one there is, or the key that a file that was only found may not set.
        """
        if name in self.devices:
            spec = self.devices[name]
            return spec if not self.is_found else _harmless(self.path, spec)
        if "@" in name or ":" in name:
            raise InventoryError(f"{name!r} is not a device name; an address is written ssh://{name}.")
        if name in self.pools:
            raise InventoryError(f"{name!r} is a pool of {self.path}; name one of its devices.")
        where = f"{self.path} has no device" if self.path else f"There is no {FILE_NAME}, so no device is called"
        refused = upwards.refused(FILE_NAME)
        hint = f", or name {refused} with --inventory: another user can change it" if refused else ""
        raise InventoryError(
            f"{where} {name!r}{closest(name, (*self.devices, *self.pools))}; add it with `bnnbench devices add {name} ssh://...`{hint}."
        )


def find_inventory(explicit: Path | str | None = None) -> Path | None:
    """The inventory file to use: `explicit`, else devices.toml here or above, else the user's, else None.

    Raises InventoryError when `explicit` is given and is not a file.
    """
    if explicit is not None:
        path = Path(explicit).expanduser()
        if not path.is_file():
            raise InventoryError(f"The inventory {path} does not exist; give --inventory an existing file.")
        return path
    own = user_inventory()
    return upwards.nearest(FILE_NAME) or (own if own.is_file() else None)


def user_inventory() -> Path:
    """Where the user's own inventory lives, whether it exists or not."""
    import platformdirs

    return Path(platformdirs.user_config_dir("bnnbench")) / FILE_NAME


def open_inventory(explicit: Path | str | None = None) -> Inventory:
    """Find the inventory to use and read it. Raises InventoryError."""
    return load(find_inventory(explicit), is_given=explicit is not None)


def load(path: Path | None, *, is_given: bool = True) -> Inventory:
    """Read an inventory file strictly; None gives the inventory that knows `local` alone.

    `is_given`: the user named the file; one that was only found may not choose all, unless it is the user's own.
    Raises InventoryError naming file, device and key, with the closest right key.
    """
    if path is None:
        return Inventory()
    _require_regular(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InventoryError(f"{path} cannot be read: {error.strerror}.") from error
    document = _document(_text(data, path), path)
    devices = _devices(document, path)
    return Inventory(
        path,
        devices,
        is_found=not is_given and path.resolve() != user_inventory().resolve(),
        pools=parse_pools(path, document.get("pool", {}), devices),
    )


def _text(data: bytes, path: Path) -> str:
    """UTF-8, with a byte order mark or without. Raises InventoryError, for example for UTF-16."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InventoryError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    if "\0" in text:  # every other byte of UTF-16 text in Latin letters is one
        is_wide = text.count("\0") > len(text) // 4
        raise InventoryError(f"{path} {'is not UTF-8 text; save it as UTF-8' if is_wide else 'holds a NUL byte'}.")
    return text


def _require_regular(path: Path) -> None:
    """Raises InventoryError for a pipe or a device, on which one could wait for ever."""
    if path.exists() and not path.is_file():
        raise InventoryError(f"{path} is not a regular file; name an inventory, like devices.toml.")


def parse(text: str, path: Path) -> Mapping[str, DeviceSpec]:
    """The devices that an inventory's text defines, and `local`. Raises InventoryError."""
    return _devices(_document(text, path), path)


def _document(text: str, path: Path) -> dict[str, Any]:
    if _DEEP_KEY.search(text):  # which tomllib reads in quadratic time
        raise InventoryError(f"{path} is nested too deeply to be an inventory.")
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise InventoryError(f"{path} is nested too deeply to be an inventory.") from error
    except tomllib.TOMLDecodeError as error:
        raise InventoryError(f"{path} is not valid TOML: {error}.") from error
    except ValueError as error:
        raise InventoryError(f"{path} holds a number with too many digits.") from error
    for key in document:
        if key not in ("device", "pool"):
            hint = closest(key, ["device", "pool"])
            raise InventoryError(f"{path}: unknown key {key!r}{hint}; devices are tables [device.NAME].")
    return document


def _devices(document: Mapping[str, Any], path: Path) -> Mapping[str, DeviceSpec]:
    tables: Any = document.get("device", {})
    if not isinstance(tables, dict):
        written = "[[device]]" if isinstance(tables, list) else f"device = {tables!r}"
        raise InventoryError(f"{path}: write [device.NAME], not {written}: 'device' must be tables with names.")
    specs = {name: parse_entry(path, name, table) for name, table in tables.items()}
    return {LOCAL.name: LOCAL} | specs


def resolve(text: str, inventory: Inventory) -> DeviceSpec:
    """The device that a user means by `text`: a name of the inventory, or an address. Raises InventoryError."""
    return parse_url(text) if "://" in text else inventory[text]


def _harmless(path: Path | None, spec: DeviceSpec) -> DeviceSpec:
    """A device of a file that was only found, when it decides nothing about this machine. Raises InventoryError."""
    key = None
    if spec.kind.is_here:
        key = next((f"key {name!r}" for name in ("workdir", "tune") if getattr(spec, name)), None)
    if spec.power_cycle:  # a program that would be run here
        key = "key 'power_cycle'"
    if spec.name == LOCAL.name and spec != LOCAL:
        key = key or "the table itself"
    if key is not None:
        raise InventoryError(
            f"{path}: device {spec.name!r}, {key}: a {FILE_NAME} that was only found may not decide "
            f"how this machine is used; say `--inventory {path}` if you trust it, or remove that key there."
        )
    return replace(spec, is_found=spec != LOCAL)


def add(path: Path, spec: DeviceSpec) -> None:
    """Append `spec` to the inventory at `path`, atomically; what was there stays byte for byte.

    Raises InventoryError when the name is taken or unusable, or the file is wrong or cannot be written.
    """
    from bnnbench.devices.atomic import replace_file

    if not NAME.fullmatch(spec.name):
        raise InventoryError(f"{spec.name!r} cannot name a device; {NAME_RULE}.")
    path = path.resolve()
    before = b""
    if path.exists():
        if spec.name in load(path).devices and spec.name != LOCAL.name:
            raise InventoryError(f"{path} already has a device {spec.name!r}; choose another name or edit it.")
        before = path.read_bytes()
    glue = b"" if not before else b"\n" if before.endswith(b"\n") else b"\n\n"
    after = before + glue + spec.to_toml().encode()
    written = parse(_text(after, path), path)  # Before writing: an inline `device = {...}` can't be extended.
    if written[spec.name] != spec:
        raise InventoryError(f"{path}: device {spec.name!r} cannot be written as given.")
    try:
        replace_file(path, after)
    except OSError as error:
        raise InventoryError(f"{path} cannot be written: {error.strerror}.") from error
