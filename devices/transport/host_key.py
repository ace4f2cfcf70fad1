"""Whether a server's host key is the one that known_hosts has, as `ssh -o StrictHostKeyChecking=yes` decides it."""

from __future__ import annotations

import ipaddress
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko

from bnnbench.devices.errors import HostKeyError
from bnnbench.devices.transport.endpoint import Endpoint
from bnnbench.devices.transport.known_hosts import KnownKey, is_kept, known_keys, public_keys
from bnnbench.devices.transport.ssh_key_files import fingerprint
from bnnbench.devices.transport.ssh_tokens import own_home

_KRL: Final = b"SSHKRL\n\0"
_RSA: Final = "ssh-rsa"
_RSA_ALGORITHMS: Final = ("rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True, slots=True)
class HostKeyCheck:
    """What is known of a host before it is connected to: under its name, and under that without the port."""

    target: Endpoint
    known: tuple[KnownKey, ...]
    without_port: tuple[KnownKey, ...] = ()

    def preferred(self, supported: Sequence[str]) -> list[str]:
        """The algorithms to ask for, those first for which a key is known. Raises HostKeyError when none is left."""
        allowed = self.target.algorithms.host_keys
        usable = [item for item in supported if allowed is None or item in allowed]
        if not usable:
            raise HostKeyError(
                f"HostKeyAlgorithms of ~/.ssh/config leaves no supported algorithm for {self.target.title}; allow one "
                f"of {', '.join(supported)}."
            )
        types = {key.type for key in self.known if not key.marker}
        return sorted(usable, key=lambda item: (_RSA if item in _RSA_ALGORITHMS else item) not in types)

    def check(self, key: paramiko.PKey, address: str | None = None) -> None:
        """Raises HostKeyError unless `key` is known; `address` is the host's own, where ssh would look at it too."""
        target, blob = self.target, key.asbytes()
        self._check_revoked(self.known, blob)
        if target.revoked_keys is not None:
            self._check_listed(target.revoked_keys, blob)
        if key.get_name() == _RSA and key.get_bits() < target.least_rsa_bits:
            raise HostKeyError(
                f"The host key of {target.key_name} has {key.get_bits()} bits, fewer than the {target.least_rsa_bits} "
                f"of RequiredRSASize ({fingerprint(key.asbytes())}); give {target.title} a longer one."
            )
        plain = [known for known in self.known if not known.marker]
        if not any(known.blob == blob for known in plain):
            # As ssh: where a port has keys of its own, those without it do not count.
            if plain or not any(known.blob == blob and not known.marker for known in self.without_port):
                raise HostKeyError(self._unknown(key, plain))
            self._check_revoked(self.without_port, blob)
        if address and target.checks_address and not target.host_key_alias and not _is_local(address):
            self._check_address(key, address)

    def _check_revoked(self, keys: Sequence[KnownKey], blob: bytes) -> None:
        target = self.target
        for known in keys:
            if known.marker == "@revoked" and known.blob == blob:
                raise HostKeyError(
                    f"The host key of {target.key_name} is marked @revoked in {known.place}: {target.title} is not "
                    "contacted; give it a new host key."
                )

    def _check_listed(self, file: Path, blob: bytes) -> None:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise HostKeyError(
                f"RevokedHostKeys {file} cannot be read: {error.strerror}; correct ~/.ssh/config."
            ) from error
        if data.startswith(_KRL):
            raise HostKeyError(f"RevokedHostKeys {file} is a binary list, which is not supported; list public keys.")
        if blob in public_keys(data):
            raise HostKeyError(
                f"RevokedHostKeys {file} lists the host key of {self.target.key_name}: {self.target.title} is not "
                "contacted; give it a new host key."
            )

    def _check_address(self, key: paramiko.PKey, address: str) -> None:
        name = address if self.target.port == 22 else f"[{address}]:{self.target.port}"
        found = [known for known in known_keys(self.target.known_hosts, name) if known.type == key.get_name()]
        same = [known for known in found if known.blob == key.asbytes()]
        if any(known.marker == "@revoked" for known in same) or (found and not same):
            raise HostKeyError(
                f"The host key of {self.target.key_name} is not the one that {found[0].place} has for its address "
                f"{address} (CheckHostIP); remove that line if it is an old one."
            )

    def _unknown(self, key: paramiko.PKey, plain: list[KnownKey]) -> str:
        changed = [known for known in plain if known.type == key.get_name()]
        if changed:
            return (
                f"The host key of {self._whose} has changed (it is now {fingerprint(key.asbytes())}, and "
                f"{' and '.join(known.place for known in changed)} has another): somebody may intercept the "
                f"connection, or the device was reinstalled; if you know why, remove the old key with "
                f"{self._remove(changed)} and accept the new one with {self._accept()}."
            )
        others = sorted({known.type for known in plain})
        beside = f"; known are {' and '.join(others)}, which it does not offer" if others else ""
        if any(known.marker == "@cert-authority" for known in self.known):
            beside += "; host certificates are not supported, so a line @cert-authority does not help"
        return (
            f"The host key of {self._whose} is not known ({fingerprint(key.asbytes())}{beside}): compare it with "
            "the device's own (`ssh-keygen -lf` on /etc/ssh/ssh_host_*_key.pub there) and accept it with "
            f"{self._accept()}."
        )

    @property
    def _whose(self) -> str:
        """The name in known_hosts, and what it is when it is not the device itself."""
        target = self.target
        return f"{target.title}, {target.key_name}," if target.jump_of else target.key_name

    def _remove(self, changed: list[KnownKey]) -> str:
        """How to remove what each file has; lines that name hosts by patterns are not found by ssh-keygen."""
        by_hand = [known.place for known in changed if any(item in known.names for item in "*?!")]
        files = dict.fromkeys(known.path for known in changed if known.place not in by_hand)
        name = shlex.quote(self.target.key_name)
        commands = [f"`ssh-keygen -R {name} -f {shlex.quote(str(file))}`" for file in files]
        return " and ".join([*commands, *(f"an editor ({place})" for place in by_hand)])

    def _accept(self) -> str:
        """The command that puts the key where it is looked for."""
        target = self.target
        kept = next((path for path in target.own_known_hosts if is_kept(path)), None)
        if kept is not None:
            return _into(target, kept)
        file = Path(own_home(), ".ssh", "bnnbench_known_hosts")
        which = " ".join(map(str, target.own_known_hosts)) or "none"
        return (
            f"{_into(target, file)} and known_hosts = {json.dumps(str(file))} in its inventory entry, because its "
            f"UserKnownHostsFile is {which}, which keeps no key"
        )


def host_key_check(target: Endpoint) -> HostKeyCheck:
    """What the target's known_hosts files say of it."""
    found = _known_in(target, target.known_hosts)
    if target.found_known_hosts and not (found.known or found.without_port):
        return _known_in(target, [target.found_known_hosts])
    return found


def _known_in(target: Endpoint, files: Sequence[Path]) -> HostKeyCheck:
    without_port = () if target.key_name == target.host or target.host_key_alias else known_keys(files, target.host)
    return HostKeyCheck(target, tuple(known_keys(files, target.key_name)), tuple(without_port))


def _is_local(address: str) -> bool:
    """Whether it is this machine, whose address is any machine's: ssh does not look at it."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _into(target: Endpoint, file: Path) -> str:
    folder = "" if file.parent.exists() else f"mkdir -p -m 700 {shlex.quote(str(file.parent))} && "
    if not (target.jump or target.proxy_command or target.host_key_alias):
        return f"`{folder}ssh-keyscan -p {target.port} {shlex.quote(target.host)} >> {shlex.quote(str(file))}`"
    words = ["ssh", *(["-F", str(target.config)] if target.config else [])]
    words += ["-o", "StrictHostKeyChecking=ask", "-o", f'UserKnownHostsFile="{file}"']
    words += ["-l", target.asked_user] if target.asked_user else []
    words += ["-p", str(target.asked_port)] if target.asked_port else []
    return f"`{folder}{shlex.join([*words, target.alias])}`"
