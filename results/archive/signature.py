"""Signatures over the manifest of an archive, by OpenSSH's `ssh-keygen -Y`: the keys that people have already.

Who may sign is said by an `allowed_signers` file (ssh-keygen(1), ALLOWED SIGNERS).
"""

import subprocess
import tempfile
from pathlib import Path

from bnnbench.results.archive.error import ArchiveError
from bnnbench.results.printable import shorten

NAMESPACE = "bnnbench"
_SIGN_S, _VERIFY_S = 120.0, 30.0
"""A passphrase may be asked for when signing."""


def default_signers() -> Path:
    """The user's `allowed_signers`."""
    import platformdirs

    return Path(platformdirs.user_config_dir("bnnbench")) / "allowed_signers"


def signature_of(manifest: bytes, key: Path) -> bytes:
    """The signature of a manifest by a private key, or a public one whose private key an agent has. Raises
    ArchiveError."""
    if not key.is_file():
        raise ArchiveError(f"the key {key} is not a file: name a private key of ssh-keygen with --sign")
    done = _ssh_keygen(["sign", "-q", "-n", NAMESPACE, "-f", str(key)], manifest, _SIGN_S)
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise ArchiveError(f"ssh-keygen cannot sign with {key} ({_said(done)}): name a private key with --sign")
    return done.stdout


def signer_of(manifest: bytes, signature: bytes, signers: Path, archive: Path) -> str:
    """Who of the file `signers` signed the manifest. Raises ArchiveError when it is nobody of them, or the signature is
    not one of this manifest."""
    with tempfile.TemporaryDirectory(prefix="bnnbench-") as folder:
        file = Path(folder) / "signature"
        file.write_bytes(signature)
        found = _ssh_keygen(["check-novalidate", "-n", NAMESPACE, "-s", str(file)], manifest, _VERIFY_S)
        if found.returncode:
            raise ArchiveError(
                f"{archive}: its signature is broken, or not of this manifest ({_said(found)}): get the archive again"
            )
        key = shorten(found.stdout.decode("utf-8", "replace").strip().rpartition(" with ")[2], 120)
        if not signers.is_file():
            raise ArchiveError(
                f"{archive} is signed by {key}, and there is no file {signers} that names its signer: add the signer's "
                "public key there, or name another file with --allowed-signers"
            )
        names = _ssh_keygen(["find-principals", "-s", str(file), "-f", str(signers)], b"", _VERIFY_S)
        for name in names.stdout.decode("utf-8", "replace").splitlines() if not names.returncode else []:
            words = ["verify", "-n", NAMESPACE, "-s", str(file), "-f", str(signers), "-I", name]
            if not _ssh_keygen(words, manifest, _VERIFY_S).returncode:
                return name
    raise ArchiveError(
        f"{archive} is signed by {key}, who is not an allowed signer for {NAMESPACE} in {signers}: add "
        "the signer's public key there if you trust the signer"
    )


def _ssh_keygen(words: list[str], text: bytes, limit_s: float) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", *words], input=text, capture_output=True, timeout=limit_s, check=False
        )
    except FileNotFoundError:
        raise ArchiveError("signatures need the program ssh-keygen, which is not installed: install OpenSSH") from None
    except subprocess.TimeoutExpired:
        raise ArchiveError(f"ssh-keygen did not end within {limit_s:.0f} s: try again") from None
    except OSError as error:
        raise ArchiveError(f"ssh-keygen cannot be started ({error.strerror}): install OpenSSH") from error


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    return shorten(lines[0], 200) if lines else f"status {done.returncode}"
