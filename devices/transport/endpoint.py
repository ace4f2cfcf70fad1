"""Where an SSH device really is, and who may answer there: its spec, completed from ssh's configuration."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.host_names import HOST_RULE, USER_RULE, is_host, is_user
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.ssh_config_file import ConfigFile
from bnnbench.devices.transport.ssh_settings import Settings, SshConfig, openssh
from bnnbench.devices.transport.ssh_tokens import COMMAND, Tokens, tilde

SSH_PORT = 22
_FAMILIES: Final = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
# They decide which machine is reached or who is trusted, and are not carried out here.
_REFUSED: Final = {
    "knownhostscommand": "KnownHostsCommand",
    "proxyusefdpass": "ProxyUseFdpass",
    "bindinterface": "BindInterface",
}
_VARIABLE: Final = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Algorithms:
    """What ssh is allowed to use of each sort, best first; None for what the SSH library takes by itself."""

    host_keys: tuple[str, ...] | None = None
    public_keys: tuple[str, ...] | None = None
    ciphers: tuple[str, ...] | None = None
    macs: tuple[str, ...] | None = None
    key_exchanges: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Everything that connecting takes. `alias` is what the user typed; `jump` is ProxyJump's text.

    `found_known_hosts` is a file that only counts for a host that no file of `known_hosts` knows. `agent` is the socket
    of the key agent. `title` is how errors call it, with `via`, what it is for, when it is a jump host.
    """

    alias: str
    host: str
    port: int
    user: str
    identity_files: tuple[Path, ...]
    own_known_hosts: tuple[Path, ...]
    global_known_hosts: tuple[Path, ...] = ()
    host_key_alias: str | None = None
    jump: str | None = None
    proxy_command: str | None = None
    identities_only: bool = False
    connect_timeout_s: float | None = None
    found_known_hosts: Path | None = None
    certificate_files: tuple[Path, ...] = ()
    agent: Path | None = None
    family: socket.AddressFamily = socket.AF_UNSPEC
    bind_address: str | None = None
    checks_address: bool = False
    revoked_keys: Path | None = None
    least_rsa_bits: int = 1024
    is_key_taken: bool = True
    algorithms: Algorithms = Algorithms()
    config: Path | None = None
    asked_user: str | None = None
    asked_port: int | None = None
    name: str = ""
    jump_of: str | None = None

    @property
    def title(self) -> str:
        """How errors call it."""
        role = f"jump host {self.alias!r}" if self.jump_of else f"device {self.name!r}"
        purpose = f" on the way to device {self.jump_of!r}" if self.jump_of else ""
        return f"{role} ({self.user}@{self.host}, port {self.port}){purpose}"

    @property
    def known_hosts(self) -> tuple[Path, ...]:
        """All files of keys, the user's first."""
        return self.own_known_hosts + self.global_known_hosts

    @property
    def key_name(self) -> str:
        """The name under which known_hosts holds the host's key."""
        if self.host_key_alias:
            return self.host_key_alias
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"


def user_config(path: Path | None = None) -> SshConfig:
    """What ssh would read: its usual files, or `path`. By the installed OpenSSH; without, by our own reading."""
    return openssh(path) or ConfigFile(path)


def endpoint(spec: DeviceSpec, config: SshConfig) -> Endpoint:
    """Complete `spec` from `config`. What the spec itself says wins. Raises InventoryError."""
    alias = spec.host
    if alias is None:
        raise InventoryError(f"Device {spec.name!r} has no host; write host = in its inventory table.")
    # Before the lookup: `Match exec` is a line of shell that holds the name.
    _check(alias, spec.user)
    found = config.settings(alias, spec.user, spec.port)
    _refuse(alias, found)
    host = found.one("hostname") or alias
    user = spec.user or _given(alias, "User", found.one("user"))
    port = spec.port or int(_given(alias, "Port", found.one("port")))
    key_alias = found.one("hostkeyalias")
    _check(host, user, key_alias)
    proxy = found.one("proxycommand")
    if proxy and "$" in user:  # which ssh takes, and its shell would replace
        raise InventoryError(f"The user {user!r} for a host with a ProxyCommand must not hold '$'.")
    jump = found.one("proxyjump")
    tokens = Tokens(host, alias, port, user, key_alias, jump)
    identities = _files(found, "IdentityFile", tokens)
    timeout = found.one("connecttimeout")
    given = (spec.known_hosts,) if spec.known_hosts and not spec.is_found else ()
    return Endpoint(
        alias=alias,
        host=host,
        port=port,
        user=user,
        identity_files=(spec.identity_file,) if spec.identity_file else identities,
        own_known_hosts=given + _known_hosts(found, "UserKnownHostsFile", tokens),
        global_known_hosts=_known_hosts(found, "GlobalKnownHostsFile", tokens),
        host_key_alias=key_alias,
        jump=tokens.expand("ProxyJump", jump, COMMAND) if jump else None,
        proxy_command=tokens.expand("ProxyCommand", proxy, COMMAND) if proxy else None,
        identities_only=_is_on(found, "identitiesonly"),
        connect_timeout_s=int(timeout) if timeout and timeout.isdecimal() and int(timeout) else None,
        found_known_hosts=spec.known_hosts if spec.is_found else None,
        certificate_files=_files(found, "CertificateFile", tokens),
        agent=_agent(found, tokens),
        family=_FAMILIES[found.one("addressfamily") or "any"],
        bind_address=found.one("bindaddress"),
        checks_address=_is_on(found, "checkhostip"),
        revoked_keys=next(iter(_files(found, "RevokedHostKeys", tokens)), None),
        least_rsa_bits=int(found.one("requiredrsasize") or 1024),
        is_key_taken=found.one("pubkeyauthentication") not in ("no", "false"),
        algorithms=_algorithms(found),
        config=config.path,
        asked_user=spec.user,
        asked_port=spec.port,
        name=spec.name,
    )


def hop(target: Endpoint, spec: DeviceSpec, config: SshConfig) -> Endpoint:
    """The jump host that opens the way to `target`: the last one; those before it are its own jump hosts.

    As `ssh -J`: it is looked up in the same configuration. Raises InventoryError.
    """
    from bnnbench.devices.inventory import Inventory, resolve

    before, _, last = (target.jump or "").rpartition(",")
    hop_spec = resolve(f"ssh://{last.strip().removeprefix('ssh://')}", Inventory())
    found = endpoint(replace(hop_spec, known_hosts=spec.known_hosts, is_found=spec.is_found), config)
    found = replace(found, jump_of=target.jump_of or target.name)
    return replace(found, jump=before, proxy_command=None) if before else found


def _refuse(alias: str, found: Settings) -> None:
    for keyword, name in _REFUSED.items():
        if found.one(keyword) not in (None, "no"):
            raise InventoryError(f"~/.ssh/config, host {alias!r}: {name} is not supported; leave it out for this host.")


def _given(alias: str, keyword: str, value: str | None) -> str:
    if value is None:
        raise InventoryError(f"ssh -G printed no {keyword} for host {alias!r}; try `ssh -G {alias}`.")
    return value


def _check(host: str, user: str | None, host_key_alias: str | None = None) -> None:
    """Raises InventoryError for what OpenSSH would refuse, whether it is the user's or ~/.ssh/config's."""
    for name in (host, host_key_alias):
        if name is not None and not (is_host(name) and "@" not in name):
            raise InventoryError(f"{name!r} cannot be a host: {HOST_RULE}.")
    if user is not None and not is_user(user):
        raise InventoryError(f"{user!r} cannot be a user: {USER_RULE}.")


def _is_on(found: Settings, keyword: str) -> bool:
    return found.one(keyword) in ("yes", "true")


def _file(found: Settings, keyword: str, value: str, tokens: Tokens) -> Path:
    return Path(tilde(value) if keyword.lower() in found.expanded else tokens.path(keyword, value))


def _files(found: Settings, keyword: str, tokens: Tokens) -> tuple[Path, ...]:
    values = (value for value in found.all(keyword.lower()) if value.lower() != "none")
    return tuple(_file(found, keyword, value, tokens) for value in values)


def _known_hosts(found: Settings, keyword: str, tokens: Tokens) -> tuple[Path, ...]:
    if keyword == "GlobalKnownHostsFile":  # ssh replaces no tokens in it
        return tuple(Path(tilde(name)) for name in found.all(keyword.lower()) if name.lower() != "none")
    return _files(found, keyword, tokens)


def _agent(found: Settings, tokens: Tokens) -> Path | None:
    """The agent's socket: IdentityAgent's, else $SSH_AUTH_SOCK's."""
    value = next(iter(found.all("identityagent")), "SSH_AUTH_SOCK")
    if value == "none":  # which ssh, here alone, takes in lower case only
        return None
    variable = "SSH_AUTH_SOCK" if value == "SSH_AUTH_SOCK" else value[1:] if _VARIABLE.fullmatch(value) else None
    if variable:
        path = os.environ.get(variable)
        return Path(path) if path else None
    return _file(found, "IdentityAgent", value, tokens)


def _algorithms(found: Settings) -> Algorithms:
    def names(*keywords: str) -> tuple[str, ...] | None:
        text = next((value for value in map(found.one, keywords) if value), None)
        return tuple(text.split(",")) if text else None

    return Algorithms(
        host_keys=names("hostkeyalgorithms"),
        public_keys=names("pubkeyacceptedalgorithms", "pubkeyacceptedkeytypes"),
        ciphers=names("ciphers"),
        macs=names("macs"),
        key_exchanges=names("kexalgorithms"),
    )
