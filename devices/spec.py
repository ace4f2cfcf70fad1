"""One device as the user describes it, and the rules for its table in an inventory."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.host_names import HOST_RULE, USER_RULE, is_host, is_user

Cores = Literal["all", "big"] | tuple[int, ...]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
NAME_RULE = "a name is letters, digits, '.', '_' and '-', and starts with a letter or a digit"
_MAX_CPU = 4095


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """How to reach a device and what may be done there. Facts about it are `DeviceFacts`.

    `host` may be an alias of ~/.ssh/config, whose values fill in what is None here. `workdir` None means
    the transport's own (`Kind.workdir`); `cores` is "all", "big" or CPU numbers; `tune` allows changing its governor.
    `serial` is adb's name of a phone, or its host:port; `cpu` and `arch` (`aarch64` or `arm`) are what qemu emulates.
    `is_found`: the inventory lay in the working folder and nobody named it, so its `known_hosts` may not overrule the
    user's own. A device that is lost is waited for during `patience_s`. `abi` is which engines run there: "auto" goes
    by the userland. Nothing is started above `cool_to_celsius`, for five minutes at most.
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
    abi: str = "auto"
    cool_to_celsius: int | None = None
    is_found: bool = False

    @property
    def address(self) -> str:
        """How errors call the device: its URL, or `this machine`."""
        if self.serial is not None:
            return f"adb://{self.serial}"
        if self.cpu is not None:
            return f"qemu://{self.cpu}"
        if self.host is None:
            return "this machine"
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{user}{host}" + (f":{self.port}" if self.port else "")

    def to_toml(self) -> str:
        """The device's inventory table, without what is default."""
        lines = [f"[device.{json.dumps(self.name) if '.' in self.name else self.name}]"]
        for key in fields(self):
            value = getattr(self, key.name)
            if key.name not in ("name", "is_found") and (value != key.default or key.name == "transport"):
                lines.append(f"{key.name} = {_toml(value)}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Kind:
    """A transport as the inventory sees it: the keys its table may and must have, and where its work folder is."""

    keys: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    workdir: str = "~/.bnnbench"


_COMMON = frozenset({"transport", "workdir", "cores", "tune", "patience_s", "abi", "cool_to_celsius"})
# One row per transport; the row that connects is in transport/__init__.py.
KINDS: Final[dict[str, Kind]] = {
    "local": Kind(_COMMON),
    "ssh": Kind(_COMMON | {"host", "user", "port", "identity_file", "known_hosts"}, required=("host",)),
    "adb": Kind(_COMMON | {"serial"}, required=("serial",), workdir="/data/local/tmp/bnnbench"),
    "qemu": Kind(frozenset({"transport", "workdir", "cpu", "arch"}), required=("cpu",)),
}


def parse_entry(path: Path, name: str, table: Any) -> DeviceSpec:
    """The device that table `[device.NAME]` of `path` describes. Raises InventoryError."""
    where = f"{path}: device {name!r}"
    if not NAME.fullmatch(name):
        raise InventoryError(f"{where}: {NAME_RULE}.")
    if not isinstance(table, dict):
        raise InventoryError(f"{where} must be a table, written [device.{name}].")
    kind = _kind(where, table)
    for key in table:
        if key not in kind.keys:
            raise InventoryError(
                f"{where}: unknown key {key!r}{closest(key, kind.keys)}; "
                f"transport {table['transport']!r} takes {', '.join(sorted(kind.keys))}."
            )
    for key in kind.required:
        if key not in table:
            raise InventoryError(f"{where}: key {key!r} is missing.")
    if name == "local" and table["transport"] != "local":
        raise InventoryError(f"{where}: the name 'local' is this machine; choose another name.")
    values = {key: _VALUES[key](f"{where}, key {key!r}", path, value) for key, value in table.items()}
    return DeviceSpec(name=name, **values)


def closest(wrong: str, right: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest of `right`, or nothing."""
    near = difflib.get_close_matches(wrong, list(right), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _kind(where: str, table: dict[str, Any]) -> Kind:
    if "transport" not in table:
        near = difflib.get_close_matches("transport", list(table), n=1)
        hint = f" ({near[0]!r} is unknown)" if near else ""
        raise InventoryError(f"{where}: key 'transport' is missing{hint}; it is one of {', '.join(KINDS)}.")
    transport = table["transport"]
    if not isinstance(transport, str) or transport not in KINDS:
        hint = closest(str(transport), KINDS)
        raise InventoryError(f"{where}, key 'transport': {transport!r} is not one of {', '.join(KINDS)}{hint}.")
    return KINDS[transport]


def _text(where: str, _: Path, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InventoryError(f"{where}: {value!r} must be a non-empty string.")
    if any(character < " " for character in value):
        raise InventoryError(f"{where}: {value!r} must not hold control characters.")
    return value


def _host_part(where: str, path: Path, value: Any) -> str:
    text = _text(where, path, value)
    if text.startswith("-") or any(character.isspace() or character in "/@" for character in text):
        raise InventoryError(f"{where}: {value!r} must not hold spaces, '/' or '@', nor start with '-'.")
    return text


def _host(where: str, path: Path, value: Any) -> str:
    text = _host_part(where, path, value)
    if not is_host(text):
        raise InventoryError(f"{where}: {value!r} cannot be a host: {HOST_RULE}.")
    return text


def _user(where: str, path: Path, value: Any) -> str:
    text = _host_part(where, path, value)
    if not is_user(text):
        raise InventoryError(f"{where}: {value!r} cannot be a user: {USER_RULE}.")
    return text


def _serial(where: str, path: Path, value: Any) -> str:
    text = _text(where, path, value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:\[\]-]*", text):
        raise InventoryError(f"{where}: {value!r} is no serial as `adb devices` lists them.")
    return text


def _abi(where: str, _: Path, value: Any) -> str:
    if value not in ("auto", "aarch64", "arm"):
        raise InventoryError(f'{where}: {value!r} must be "auto", "aarch64" or "arm".')
    return str(value)


def _celsius(where: str, _: Path, value: Any) -> int:
    if type(value) is not int or not 20 <= value <= 100:
        raise InventoryError(f"{where}: {value!r} must be whole degrees, from 20 to 100.")
    return value


def _seconds(where: str, _: Path, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 86400:
        raise InventoryError(f"{where}: {value!r} must be whole seconds, from 0 to 86400.")
    return value


def _arch(where: str, _: Path, value: Any) -> str:
    if value not in ("aarch64", "arm"):
        raise InventoryError(f'{where}: {value!r} must be "aarch64" or "arm".')
    return str(value)


def _port(where: str, _: Path, value: Any) -> int:
    if type(value) is not int or not 0 < value < 65536:
        raise InventoryError(f"{where}: {value!r} must be a whole number from 1 to 65535.")
    return value


def _host_file(where: str, path: Path, value: Any) -> Path:
    file = Path(_text(where, path, value)).expanduser()
    return file if file.is_absolute() else path.resolve().parent / file


def _cores(where: str, _: Path, value: Any) -> Cores:
    if value == "all" or value == "big":
        return value  # type: ignore[no-any-return]  # compared with both literals above
    numbers = isinstance(value, list) and all(type(cpu) is int and 0 <= cpu <= _MAX_CPU for cpu in value)
    if not numbers or not value or len(set(value)) != len(value):
        raise InventoryError(f'{where}: {value!r} must be "all", "big" or different CPU numbers, like [2, 3].')
    return tuple(value)


def _flag(where: str, _: Path, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InventoryError(f"{where}: {value!r} must be true or false.")
    return value


_VALUES: Final[dict[str, Callable[[str, Path, Any], Any]]] = {
    "transport": _text,
    "host": _host,
    "user": _user,
    "port": _port,
    "identity_file": _host_file,
    "known_hosts": _host_file,
    "workdir": _text,
    "cores": _cores,
    "tune": _flag,
    "serial": _serial,
    "cpu": _serial,
    "arch": _arch,
    "patience_s": _seconds,
    "abi": _abi,
    "cool_to_celsius": _celsius,
}


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    # A JSON string is a TOML basic string, but for DEL.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
