"""What may stand behind a key of a device's inventory entry: one rule per sort of value.

A rule takes where the value stands (for its error), the inventory's path, and the value. It returns the value that the
`DeviceSpec` holds, or raises InventoryError.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.host_names import HOST_RULE, USER_RULE, is_host, is_user

Cores = Literal["all", "big"] | tuple[int, ...]
Rule = Callable[[str, Path, Any], Any]
_MAX_CPU = 4095
_LONGEST_SERIAL = 255


def text(place: str, _: Path, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InventoryError(f"{place}: {value!r} must be a non-empty string.")
    if any(character < " " for character in value):
        raise InventoryError(f"{place}: {value!r} must not hold control characters.")
    return value


def _part_of_address(place: str, path: Path, value: Any) -> str:
    part = text(place, path, value)
    if part.startswith("-") or any(character.isspace() or character in "/@" for character in part):
        raise InventoryError(f"{place}: {value!r} must not hold spaces, '/' or '@', nor start with '-'.")
    return part


def host(place: str, path: Path, value: Any) -> str:
    name = _part_of_address(place, path, value)
    if not is_host(name):
        raise InventoryError(f"{place}: {value!r} cannot be a host: {HOST_RULE}.")
    return name


def user(place: str, path: Path, value: Any) -> str:
    name = _part_of_address(place, path, value)
    if not is_user(name):
        raise InventoryError(f"{place}: {value!r} cannot be a user: {USER_RULE}.")
    return name


def _plain(what: str) -> Rule:
    def rule(place: str, path: Path, value: Any) -> str:
        name = text(place, path, value)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:\[\]-]*", name):
            raise InventoryError(f"{place}: {value!r} is not a valid {what}.")
        return name

    return rule


def serial(place: str, path: Path, value: Any) -> str:
    """As `adb devices` lists them: also `adb-1A2B (2)._adb-tls-connect._tcp`, `[::1]:5555`."""
    name = text(place, path, value)
    if name.startswith("-") or name != name.strip() or not name.isprintable() or len(name) > _LONGEST_SERIAL:
        raise InventoryError(
            f"{place}: {value!r} is not a serial as `adb devices` lists them: it must not start with '-' or a space."
        )
    return name


def command(place: str, path: Path, value: Any) -> tuple[str, ...]:
    """A program and its arguments, run without a shell. A relative path of the program is relative to the inventory's
    folder; a bare name is looked for on the PATH."""
    if not isinstance(value, list) or not value:
        example = '["uhubctl", "-l", "1-1", "-a", "cycle"]'
        raise InventoryError(f"{place}: {value!r} must be a list of a program and its arguments, like {example}.")
    program, *words = (text(place, path, word) for word in value)
    if "/" in program or program.startswith("~"):
        program = str(host_file(place, path, program))
    return (program, *words)


cpu_model = _plain("name of a CPU")


def one_of(*values: str) -> Rule:
    """One of these texts."""
    quoted = [f'"{value}"' for value in values]
    wanted = ", ".join(quoted[:-1]) + f" or {quoted[-1]}"

    def rule(place: str, _: Path, value: Any) -> str:
        if value not in values:
            raise InventoryError(f"{place}: {value!r} must be {wanted}.")
        return str(value)

    return rule


def whole(what: str, least: int, most: int) -> Rule:
    """A whole number from `least` to `most`; `what` is how errors call it."""

    def rule(place: str, _: Path, value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise InventoryError(f"{place}: {value!r} must be {what} from {least} to {most}.")
        return value

    return rule


def host_file(place: str, path: Path, value: Any) -> Path:
    """A file of this machine, relative to the inventory's folder."""
    file = Path(text(place, path, value)).expanduser()
    return file if file.is_absolute() else path.resolve().parent / file


def cores(place: str, _: Path, value: Any) -> Cores:
    if value in ("all", "big"):
        return value  # type: ignore[no-any-return]  # compared with both literals above
    numbers = isinstance(value, list) and all(type(cpu) is int and 0 <= cpu <= _MAX_CPU for cpu in value)
    if not numbers or not value or len(set(value)) != len(value):
        raise InventoryError(f'{place}: {value!r} must be "all", "big" or different CPU numbers, like [2, 3].')
    return tuple(value)


def flag(place: str, _: Path, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InventoryError(f"{place}: {value!r} must be true or false.")
    return value
