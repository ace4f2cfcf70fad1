"""Where an SSH device really is: its spec, completed from ~/.ssh/config."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.host_names import HOST_RULE, USER_RULE, is_host, is_user
from bnnbench.devices.spec import DeviceSpec

if TYPE_CHECKING:
    from paramiko.config import SSHConfig

SSH_PORT = 22


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Everything that connecting takes. `alias` is what the user typed; `jump` is ProxyJump's text.

    `found_known_hosts` is a file that only counts for a host that no file of `known_hosts` knows.
    """

    alias: str
    host: str
    port: int
    user: str
    identity_files: tuple[Path, ...]
    known_hosts: tuple[Path, ...]
    host_key_alias: str | None = None
    jump: str | None = None
    proxy_command: str | None = None
    identities_only: bool = False
    connect_timeout_s: float | None = None
    found_known_hosts: Path | None = None

    @property
    def key_name(self) -> str:
        """The name under which known_hosts holds the host's key."""
        if self.host_key_alias:
            return self.host_key_alias
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"


def user_config(path: Path | None = None) -> SSHConfig:
    """The user's ~/.ssh/config, or an empty one. Raises InventoryError when it can't be understood."""
    from paramiko.config import SSHConfig
    from paramiko.ssh_exception import ConfigParseError

    path = path or Path("~/.ssh/config").expanduser()
    try:
        return SSHConfig.from_path(path)
    except (FileNotFoundError, NotADirectoryError):
        return SSHConfig()
    except (OSError, UnicodeDecodeError, ConfigParseError) as error:
        raise InventoryError(f"{path} cannot be read: {error}.") from error


def endpoint(spec: DeviceSpec, config: SSHConfig) -> Endpoint:
    """Complete `spec` from `config`: HostName, User, Port, IdentityFile, ProxyJump, ProxyCommand and friends.

    What the spec itself says wins. Raises InventoryError.
    """
    alias = spec.host
    if alias is None:
        raise InventoryError(f"Device {spec.name!r} has no host; write host = in its inventory table.")
    # Before the lookup: `Match exec` is a line of shell that holds the name.
    _check(alias, spec.user)
    found = config.lookup(alias)
    host, user = found.get("hostname", alias), spec.user or found.get("user") or getpass.getuser()
    _check(host, user, found.get("hostkeyalias"))
    proxy_command = _unless_none(found.get("proxycommand"))
    if proxy_command and "$" in user:  # which ssh takes, and its shell would replace
        raise InventoryError(f"The user {user!r} for a host with a ProxyCommand must not hold '$'.")
    identities = [spec.identity_file] if spec.identity_file else _paths(list(found.get("identityfile", [])))
    known = [spec.known_hosts] if spec.known_hosts and not spec.is_found else []
    known += _paths(found.get("userknownhostsfile", "").split()) or [Path("~/.ssh/known_hosts").expanduser()]
    known.append(Path("/etc/ssh/ssh_known_hosts"))
    return Endpoint(
        alias=alias,
        host=host,
        port=spec.port or _number(spec, "Port", found.get("port")) or SSH_PORT,
        user=user,
        identity_files=tuple(identities),
        known_hosts=tuple(known),
        host_key_alias=found.get("hostkeyalias"),
        jump=_unless_none(found.get("proxyjump")),
        proxy_command=proxy_command,
        identities_only=found.get("identitiesonly", "no") == "yes",
        connect_timeout_s=_number(spec, "ConnectTimeout", found.get("connecttimeout")),
        found_known_hosts=spec.known_hosts if spec.is_found else None,
    )


def _check(host: str, user: str | None, host_key_alias: str | None = None) -> None:
    """Raises InventoryError for what OpenSSH would refuse, whether it is the user's or ~/.ssh/config's."""
    for name in (host, host_key_alias):
        if name is not None and not is_host(name):
            raise InventoryError(f"{name!r} cannot be a host: {HOST_RULE}.")
    if user is not None and not is_user(user):
        raise InventoryError(f"{user!r} cannot be a user: {USER_RULE}.")


def _paths(values: list[str]) -> list[Path]:
    return [Path(value).expanduser() for value in values if value != "none"]


def _number(spec: DeviceSpec, key: str, text: str | None) -> int | None:
    if text is None or text == "none":
        return None
    if not text.isdecimal():
        raise InventoryError(f"~/.ssh/config, host {spec.host!r}: {key} {text!r} is not a number.")
    return int(text)


def _unless_none(text: str | None) -> str | None:
    return None if text is None or text.lower() == "none" else text
