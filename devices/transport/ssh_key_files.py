"""Key files in every format that OpenSSH reads: PEM, PKCS#8, OpenSSH's own, public keys and certificates."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import os
import shlex
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.utils import CryptographyDeprecationWarning

from bnnbench.devices.transport.known_hosts import public_keys

CERTIFICATE: Final = "-cert-v01@openssh.com"
_MAX_BYTES: Final = 1 << 20
_PUTTY: Final = b"PuTTY-User-Key-File"
_DSA: Final = "ssh-dss"
_NO_DSA: Final = "is a DSA key, and DSA is not accepted any more"
_MAKE: Final = "make one with `ssh-keygen -t ed25519`"
_PRIVATE: Final = b"PRIVATE KEY-----"
_OWN_FORMAT: Final = b"BEGIN OPENSSH PRIVATE KEY"
_CLASSES: Final[tuple[type[paramiko.PKey], ...]] = (paramiko.RSAKey, paramiko.Ed25519Key, paramiko.ECDSAKey)


class KeyFileError(Exception):
    """A key file gives no key to log in with; says why. `remedy` is what to do about that very file, if known."""

    def __init__(self, why: str, remedy: str = "") -> None:
        super().__init__(f"{why}; {remedy}" if remedy else why)
        self.why, self.remedy = why, remedy


@dataclass(frozen=True, slots=True)
class KeyFile:
    """An identity file: its private part, or its public part alone and why the private one is lacking."""

    path: Path
    public: bytes
    private: paramiko.PKey | None = None
    lack: KeyFileError | None = None


def key_type(blob: bytes) -> str:
    """The type at a public key's start; only what may be printed of it."""
    text = paramiko.Message(blob).get_string()[:64].decode("latin-1")
    return "".join(char for char in text if char.isprintable())


def fingerprint(blob: bytes) -> str:
    """Type and digest, as `ssh-keygen -l` has them."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"{key_type(blob)} SHA256:{digest}"


def read_key(path: Path) -> KeyFile:
    """What an identity file gives. Raises KeyFileError, and FileNotFoundError when neither it nor its `.pub` exists."""
    data = _read(path)
    public = _public(data) or _public(_read(path.with_name(path.name + ".pub")))
    if public is not None and key_type(public) == _DSA:
        raise KeyFileError(_NO_DSA, _MAKE)
    try:
        private = _private(path, data)
    except KeyFileError as error:
        if public is None:
            raise
        return KeyFile(path, public, None, error)
    except FileNotFoundError:
        if public is None:
            raise
        return KeyFile(path, public, None, KeyFileError("lacks its private part, which does not exist"))
    return KeyFile(path, private.asbytes(), private)


def read_certificate(path: Path) -> tuple[bytes, bytes]:
    """A certificate and the public key that it is for. Raises KeyFileError and FileNotFoundError."""
    data = _read(path)
    if data is None:
        raise FileNotFoundError(path)
    try:
        certificate = serialization.load_ssh_public_identity(data)
        form = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        public = certificate.public_key().public_bytes(*form)  # type: ignore[union-attr]  # a plain key has none
    except (ValueError, UnsupportedAlgorithm, AttributeError) as error:
        raise KeyFileError("is not a certificate that can be read") from error
    return public_keys(data)[0], public_keys(public)[0]


def _read(path: Path) -> bytes | None:
    """Raises KeyFileError; None when there is no such file."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES) if path.is_file() else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise KeyFileError(f"cannot be read: {error.strerror}") from error


def _private(path: Path, data: bytes | None) -> paramiko.PKey:
    if data is None:
        raise FileNotFoundError(path)
    name = shlex.quote(str(path))
    for blob in public_keys(data):
        if key_type(blob).endswith(CERTIFICATE):
            raise KeyFileError("is a certificate", "name the private key beside it")
        raise KeyFileError("is a public key")
    if data.startswith(_PUTTY):
        made = shlex.quote(str(path.with_suffix("") if path.suffix == ".ppk" else f"{path}.openssh"))
        raise KeyFileError("is in PuTTY's format", f"convert it with `puttygen {name} -O private-openssh -o {made}`")
    locked = KeyFileError("is locked by a passphrase", f"unlock it with `ssh-add {name}`")
    if _PRIVATE in data and _is_read_by_others(path):
        raise KeyFileError("can be read by others", f"run `chmod 600 {name}`")
    try:
        with warnings.catch_warnings(action="ignore", category=CryptographyDeprecationWarning):  # of DSA
            load = serialization.load_ssh_private_key if _OWN_FORMAT in data else serialization.load_pem_private_key
            key = load(data, password=None)
            # The SSH library reads fewer formats, so every key is handed to it in OpenSSH's.
            form = (serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
            text = key.private_bytes(*form)
        kind = key_type(_inner_public(text) or b"")
        if kind == _DSA:
            raise KeyFileError(_NO_DSA, _MAKE)
        known = next(item for item in _CLASSES if kind in item.identifiers())
        return known.from_private_key(io.StringIO(text.decode()))
    except TypeError as error:  # how it says that it needs a password
        raise locked from error
    except (ValueError, UnsupportedAlgorithm, paramiko.SSHException) as error:
        if b"ENCRYPTED" in data:
            raise locked from error
        raise KeyFileError("is not a private key that can be read", _MAKE) from error
    except StopIteration:
        raise KeyFileError("is of a type that is not supported", _MAKE) from None


def _is_read_by_others(path: Path) -> bool:
    """Whether ssh passes a private key over: it is the user's own file, and others may read, write or run it."""
    found = path.stat()
    return sys.platform != "win32" and found.st_uid == os.getuid() and bool(found.st_mode & 0o077)


def _public(data: bytes | None) -> bytes | None:
    """The public part that a file shows without a passphrase."""
    if data is None:
        return None
    return _inner_public(data) or next(iter(public_keys(data)), None)


def _inner_public(data: bytes) -> bytes | None:
    """What OpenSSH's own format keeps unlocked before the private part."""
    parts = data.split(b"-----")
    if len(parts) < 3 or parts[1] != _OWN_FORMAT:
        return None
    try:
        message = paramiko.Message(base64.b64decode(parts[2]).removeprefix(b"openssh-key-v1\0"))
    except binascii.Error:
        return None
    for _ in range(3):  # cipher, key derivation, its options
        message.get_string()
    message.get_int()
    return message.get_string() or None
