"""Which runs and baselines this user made on this machine: what they name may be executed, another's may not.

Beside a signed file lies FILE.signature, the HMAC-SHA256 of its content under a key that only this user can read
(`signature.key` in the user's state folder). What comes from elsewhere, or was changed since, has no such signature.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
import sys
import tempfile
from pathlib import Path

_KEY_BYTES = 32
_SUFFIX = ".signature"


def sign(path: Path) -> None:
    """Marks the file as made here. Where the key or the signature cannot be written, the file stays unsigned."""
    from bnnbench.results.errors import StoreError
    from bnnbench.results.store.atomic import write_atomically

    with contextlib.suppress(OSError, StoreError):
        write_atomically(_beside(path), _digest(_made_key(), path).encode() + b"\n")


def is_signed(path: Path) -> bool:
    """Whether this user made the file on this machine, and nobody has changed it since."""
    try:
        written = _beside(path).read_text("ascii").strip()
        return hmac.compare_digest(written, _digest(_key(), path))
    except (OSError, ValueError, TypeError):
        return False


def key_path() -> Path:
    """Where the key is, or will be."""
    import platformdirs

    return Path(platformdirs.user_state_dir("bnnbench", appauthor=False)) / "signature.key"


def _beside(path: Path) -> Path:
    return path.with_name(path.name + _SUFFIX)


def _digest(key: bytes, path: Path) -> str:
    # The name is a part of it: a run's signature is none of a baseline's.
    return hmac.new(key, path.name.encode() + b"\0" + path.read_bytes(), hashlib.sha256).hexdigest()


def _made_key() -> bytes:
    path = key_path()
    with contextlib.suppress(FileNotFoundError):
        return _key()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".signature.", dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
    return _key()


def _key() -> bytes:
    """Raises OSError when there is none, ValueError when others could have read or made it."""
    with key_path().open("rb") as file:
        status = os.fstat(file.fileno())
        # On Windows it is as private as the user's own folder, where it lies.
        if sys.platform != "win32" and (status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077):
            raise ValueError(f"{key_path()} can be accessed by other users")
        key = file.read()
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{key_path()} is not a key")
    return key
