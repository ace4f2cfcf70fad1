"""known_hosts files, read line by line as OpenSSH's hostfile.c reads them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bnnbench.devices.transport.ssh_patterns import list_matches

Marker = Literal["", "@cert-authority", "@revoked"]
_MARKERS: Final[tuple[Marker, ...]] = ("@cert-authority", "@revoked")
_SPACE: Final = " \t"
_HASHED: Final = "|1|"
# OpenSSH goes by a key's type, and these are names of its signatures.
_SAME_TYPE: Final = {
    "rsa-sha2-256": "ssh-rsa",
    "rsa-sha2-512": "ssh-rsa",
    "rsa-sha2-256-cert-v01@openssh.com": "ssh-rsa-cert-v01@openssh.com",
    "rsa-sha2-512-cert-v01@openssh.com": "ssh-rsa-cert-v01@openssh.com",
    "webauthn-sk-ecdsa-sha2-nistp256@openssh.com": "sk-ecdsa-sha2-nistp256@openssh.com",
}


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A line that holds a key for the host that was asked for. `names` is its first field, as it stands."""

    path: Path
    line: int
    marker: Marker
    names: str
    type: str
    blob: bytes

    @property
    def place(self) -> str:
        """How errors call the line."""
        return f"{self.path} line {self.line}"


def known_keys(paths: Iterable[Path], name: str) -> list[KnownKey]:
    """The keys that files hold for a host, as `host` or `[host]:port`; a file that can't be read holds none.

    Lines that are about other hosts or are damaged are passed over.
    """
    return [key for path in paths for key in _keys_of(path, name.lower())]


def public_keys(data: bytes) -> list[bytes]:
    """The keys of a text of public keys, one a line; lines that are none are passed over."""
    keys = (_key(line.strip()) for line in data.decode("latin-1").split("\n"))
    return [key[1] for key in keys if key is not None]


def is_kept(path: Path) -> bool:
    """Whether a key that is written into the file stays there."""
    return path.is_file() or not path.exists()


def _keys_of(path: Path, name: str) -> Iterator[KnownKey]:
    try:
        # A device that never ends, as /dev/zero, is no such file; /dev/null is empty either way.
        text = path.read_bytes().decode("latin-1") if path.is_file() else ""
    except OSError:
        return
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.lstrip(_SPACE)
        if not line or line[0] in "#\0":
            continue
        marker, line = _marker(line)
        names, line = _field(line, _SPACE + "\0")  # OpenSSH reads on behind a NUL that ends the names
        if marker is None or not _is_named(names, name):
            continue
        key = _key(line)
        if key is not None:
            yield KnownKey(path, number, marker, names, *key)


def _marker(line: str) -> tuple[Marker | None, str]:
    """A line's marker and the rest; None for one that does not exist or stands beside another."""
    if not line.startswith("@"):
        return "", line
    for marker in _MARKERS:
        if line.startswith(f"{marker} "):  # a tab is none to ssh
            rest = line[len(marker) :].lstrip(_SPACE)
            return (None if rest.startswith("@") else marker), rest
    return None, line


def _field(line: str, ends: str = _SPACE) -> tuple[str, str]:
    """The text up to one of the characters `ends`, and what follows."""
    end = next((at for at, value in enumerate(line) if value in ends), len(line))
    return line[:end], line[end + 1 :].lstrip(_SPACE)


def _is_named(names: str, name: str) -> bool:
    if not names.startswith("|"):
        return list_matches(name, names.lower())
    salt, _, digest = names.removeprefix(_HASHED).partition("|")
    try:
        key, wanted = base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        return False
    found = hmac.new(key, name.encode(errors="surrogateescape"), hashlib.sha1).digest()
    return names.startswith(_HASHED) and hmac.compare_digest(found, wanted)


def _key(text: str) -> tuple[str, bytes] | None:
    """A key's type and bytes, from its name and the base64 of a key of that type. To OpenSSH a NUL ends the text."""
    name, rest = _field(text.partition("\0")[0])
    kind = _SAME_TYPE.get(name, name)
    try:
        blob = base64.b64decode("".join(_field(rest)[0].split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    length = int.from_bytes(blob[:4], "big")
    return (kind, blob) if kind and blob[4 : 4 + length] == kind.encode("latin-1") else None
