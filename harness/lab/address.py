"""Where a lab's scheduler is, and how it is talked to: over TLS, or in the clear on this machine alone."""

from __future__ import annotations

import re
from asyncio import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import CallError, CannotMeasure
from .certificates import open_certificates

if TYPE_CHECKING:
    from distributed.security import Security

PORT: Final = 8786
_HOST = r"\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?"
_ADDRESS = re.compile(rf"(tls|tcp)://({_HOST}):([0-9]{{1,5}})")
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class LabAddress:
    """A scheduler's."""

    scheme: str
    host: str
    port: int

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def is_encrypted(self) -> bool:
        """Whether both ends prove with certificates who they are."""
        return self.scheme == "tls"


def parse_address(text: str) -> LabAddress:
    """Raises CallError, also for an address that would be talked to in the clear over a network."""
    found = _ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[3]) < 65536:
        raise CallError(f"{text!r} is not the address of a lab: write tls://HOST:PORT, such as tls://lab.local:{PORT}.")
    address = LabAddress(found[1], found[2], int(found[3]))
    if not address.is_encrypted and address.host != _LOOPBACK:
        raise CallError(f"{text!r} would be talked to unencrypted: write tls://; tcp:// is for {_LOOPBACK} alone.")
    return address


def listening(host: str, port: int, *, insecure: bool) -> LabAddress:
    """Where a scheduler is to listen. Raises CallError for an unencrypted one that others could reach."""
    if insecure and host != _LOOPBACK:
        raise CallError(f"--insecure goes with --host {_LOOPBACK} only: whoever reaches a lab may run programs there.")
    if not 0 <= port < 65536:
        raise CallError(f"--port is a number from 0 to 65535, not {port}.")
    return LabAddress("tcp" if insecure else "tls", host, port)


def security_of(address: LabAddress, folder: Path | None = None) -> Security | None:
    """What Dask needs to talk to it; `folder` is that of the certificates. Raises CallError."""
    if not address.is_encrypted:
        return None
    import ssl

    from distributed.security import Security

    own = open_certificates(folder)
    pair = {
        f"tls_{role}_{part}": str(path)
        for role in ("client", "scheduler", "worker")
        for part, path in (("cert", own.certificate), ("key", own.key))
    }
    return Security(require_encryption=True, tls_ca_file=str(own.ca), tls_min_version=ssl.TLSVersion.TLSv1_3, **pair)


def no_lab(address: LabAddress, error: BaseException) -> CannotMeasure:
    """What to say where no scheduler of a lab answers."""
    while error.__cause__ is not None:  # Dask wraps what went wrong in what failed because of it
        error = error.__cause__
    return CannotMeasure(
        f"no lab answers at {address.text}: start one there with bnnbench lab start, with certificates of the same "
        f"authority as this machine's ({_in_words(error).rstrip('.')})."
    )


def _in_words(error: BaseException) -> str:
    said = " ".join(str(error).split())[:200]
    if isinstance(error, OSError) and said:
        return said
    if isinstance(error, TimeoutError | CancelledError):
        return "there was no answer in time"
    return f"what answers is not the scheduler of a lab: {said or type(error).__name__}"
