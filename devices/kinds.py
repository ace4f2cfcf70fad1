"""The kinds of devices, by their transports: one row of `KINDS` holds all that is known of one before it connects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bnnbench.devices import entry_rules as rules
from bnnbench.devices.entry_rules import Rule
from bnnbench.devices.platforms import ABIS, EMULATED
from bnnbench.devices.urls import SSH, Url, url_of


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a kind of device before one is connected to."""

    transport: str
    """The class that connects, as `module:class`; imported on use, for the SSH library is heavy."""
    keys: Mapping[str, Rule]
    """What an inventory entry may have, and the rule for each value."""
    required: tuple[str, ...] = ()
    workdir: str = "~/.bnnbench"
    url: Url | None = None
    """How `--device KIND://...` is read and written."""
    machine: tuple[str, ...] = ()
    """Devices with equal values of these keys are one machine, where no boot id tells."""
    is_here: bool = False
    """Whether programs run on the machine that bnnbench runs on, whose settings and folders are the user's own."""
    is_emulated: bool = False


_ENTRY: Final[dict[str, Rule]] = {"transport": rules.text, "workdir": rules.text}
_BOARD: Final = _ENTRY | {
    "cores": rules.cores,
    "tune": rules.flag,
    "patience_s": rules.whole("whole seconds,", 0, 86400),
    "abi": rules.one_of("auto", *ABIS),
    "cool_to_celsius": rules.whole("whole degrees,", 20, 100),
}
_POWERED: Final = {"power_cycle": rules.command}
"""Of machines beside this one: what cuts their power and puts it back."""
_PACKAGE: Final = "bnnbench.devices.transport"

# One row per kind. A key that is not a field of `DeviceSpec` is in its `options`.
KINDS: Final[dict[str, Kind]] = {
    "local": Kind(f"{_PACKAGE}.local:LocalTransport", _BOARD, is_here=True),
    "ssh": Kind(
        f"{_PACKAGE}.ssh:SshTransport",
        _BOARD
        | _POWERED
        | {
            "host": rules.host,
            "user": rules.user,
            "port": rules.whole("a whole number", 1, 65535),
            "identity_file": rules.host_file,
            "known_hosts": rules.host_file,
        },
        required=("host",),
        url=SSH,
        machine=("host", "port"),  # whoever logs in
    ),
    "adb": Kind(
        f"{_PACKAGE}.adb:AdbTransport",
        _BOARD | _POWERED | {"serial": rules.serial},
        required=("serial",),
        workdir="/data/local/tmp/bnnbench",
        url=url_of("serial"),
        machine=("serial",),
    ),
    "qemu": Kind(
        f"{_PACKAGE}.qemu:QemuTransport",
        _ENTRY | {"cpu": rules.cpu_model, "arch": rules.one_of(*EMULATED)},
        required=("cpu",),
        url=url_of("cpu"),
        is_here=True,
        is_emulated=True,
    ),
}


def addresses() -> str:
    """How devices are addressed, for help and errors: `ssh://[user@]host[:port], adb://SERIAL or ...`."""
    *others, last = [f"{name}://{kind.url.form}" for name, kind in KINDS.items() if kind.url]
    return f"{', '.join(others)} or {last}"
