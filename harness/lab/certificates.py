"""The lab's certificates: an authority of its own, and for each machine a folder with all that it needs.

    FOLDER/ca/ca.pem, ca-key.pem            the authority; its key makes further certificates and belongs nowhere else
    FOLDER/NAME/ca.pem, lab.pem, lab-key.pem     what is copied to the machine NAME

Whoever has one of these folders may run any program on every host of the lab.
"""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import CallError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

CA, CERTIFICATE, KEY = "ca.pem", "lab.pem", "lab-key.pem"
_CA_FOLDER, _CA_KEY = "ca", "ca-key.pem"
VARIABLE: Final = "BNNBENCH_LAB_CERTIFICATES"
"""Environment variable that names the folder, where no option does."""
_CA_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Certificates:
    """A machine's own, checked: files that nobody else may read, and a certificate that holds today."""

    ca: Path
    certificate: Path
    key: Path


def own_folder() -> Path:
    """Where a machine's certificates are unless a user says otherwise."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else usual_folder()


def usual_folder() -> Path:
    """Where they are on a machine that has no variable for them."""
    import platformdirs

    return Path(platformdirs.user_config_dir("bnnbench")) / "lab"


def open_certificates(folder: Path | None = None, now: datetime | None = None) -> Certificates:
    """The certificates of a folder, None: this machine's. Raises CallError when one is missing, may be read by other
    users, has ended or belongs to another authority."""
    place = own_folder() if folder is None else folder
    found = Certificates(place / CA, place / CERTIFICATE, place / KEY)
    for path in (found.ca, found.certificate, found.key):
        if not path.is_file():
            raise CallError(
                f"there is no {path.name} in {place}: make certificates with bnnbench lab certificates, and copy this "
                "machine's folder there."
            )
    state = found.key.stat()
    if stat.S_IMODE(state.st_mode) & 0o077 or state.st_uid != os.getuid():
        raise CallError(f"{found.key} is not this user's alone: run chmod 600 {found.key}, as its owner.")
    _require_valid(found, now or datetime.now(UTC))
    return found


def _require_valid(found: Certificates, now: datetime) -> None:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature

    try:
        own = x509.load_pem_x509_certificate(found.certificate.read_bytes())
        ca = x509.load_pem_x509_certificate(found.ca.read_bytes())
        own.verify_directly_issued_by(ca)
        context = ssl.create_default_context(cafile=str(found.ca))
        context.load_cert_chain(str(found.certificate), str(found.key))
    except InvalidSignature:
        raise CallError(f"{found.certificate} is not of the authority {found.ca}: copy both from one place.") from None
    except (ValueError, TypeError, OSError) as error:
        raise CallError(
            f"{found.certificate.parent} holds no usable certificates ({error}): copy them again."
        ) from None
    for what, certificate in (("certificate", own), ("authority", ca)):
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            raise CallError(
                f"the {what} in {found.certificate.parent} is valid from {begins:%Y-%m-%d %H:%M} to "
                f"{ends:%Y-%m-%d %H:%M} UTC, which is not now: make new ones with bnnbench lab certificates."
            )


def make_certificates(folder: Path, names: Sequence[str], days: int = 365) -> list[Path]:
    """Adds a folder for each name under `folder`, with the authority that is there, or a new one; returns them.

    Raises CallError when a name cannot be a folder's, is there already, or nothing can be written.
    """
    for name in names:
        if name in ("", ".", "..", _CA_FOLDER) or "/" in name or not name.isprintable() or name.startswith("-"):
            raise CallError(f"{name!r} cannot name a machine's folder: give a host name.")
        if os.path.lexists(folder / name):
            raise CallError(f"{folder / name} exists already: remove it first, to make this machine's anew.")
    if not 1 <= days <= _CA_DAYS:
        raise CallError(f"--days {days} is not between 1 and {_CA_DAYS}.")
    try:
        ca, ca_key = _authority(folder / _CA_FOLDER)
        _require_lasting(ca, folder / _CA_FOLDER, days)
        return [_pair(folder / name, name, days, ca, ca_key) for name in dict.fromkeys(names)]
    except OSError as error:
        raise CallError(f"{error.filename or folder} cannot be written ({error.strerror}): name a folder.") from None


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    there = [(folder / name).is_file() for name in (CA, _CA_KEY)]
    if any(there) and not all(there):
        raise CallError(f"{folder} has only one of {CA} and {_CA_KEY}: copy the other there, or name another folder.")
    if all(there):
        try:
            key = serialization.load_pem_private_key((folder / _CA_KEY).read_bytes(), None)
            own = x509.load_pem_x509_certificate((folder / CA).read_bytes())
        except (ValueError, TypeError) as error:  # TypeError: it has a password
            raise CallError(f"{folder} holds no usable authority ({error}): name another folder.") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != own.public_key():
            raise CallError(f"{folder / _CA_KEY} is not the key of {folder / CA}: name another folder.")
        return own, key
    key = ec.generate_private_key(ec.SECP256R1())
    own = _signed("bnnbench lab", key, "bnnbench lab", key, _CA_DAYS, is_ca=True)
    _write(folder / _CA_KEY, _pem(key))
    _write(folder / CA, own.public_bytes(serialization.Encoding.PEM))
    return own, key


def _require_lasting(ca: x509.Certificate, folder: Path, days: int) -> None:
    left = (ca.not_valid_after_utc - datetime.now(UTC)).days
    if days > left + 1:  # it may have begun today
        raise CallError(
            f"--days {days} is longer than the authority in {folder} lasts, until {ca.not_valid_after_utc:%Y-%m-%d}: "
            "give fewer days, or name a new folder."
        )


def _pair(folder: Path, name: str, days: int, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    own = _signed(name, key, "bnnbench lab", ca_key, days, is_ca=False)
    _write(folder / KEY, _pem(key))
    _write(folder / CERTIFICATE, own.public_bytes(serialization.Encoding.PEM))
    _write(folder / CA, ca.public_bytes(serialization.Encoding.PEM))
    return folder


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    days: int,
    *,
    is_ca: bool,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # the clocks of hosts differ
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
