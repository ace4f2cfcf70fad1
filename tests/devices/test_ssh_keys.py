"""With which keys one logs in, with `ssh` as the judge, and what is said of each when none is taken."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa

from bnnbench.devices.errors import AuthError, InventoryError
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.devices.transport.ssh import SshTransport

from .sshd import LoopbackSsh

pytestmark = pytest.mark.timeout(60)
KINDS = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa": ("-t", "ecdsa", "-b", "384"),
    "rsa": ("-t", "rsa", "-b", "2048"),
    "rsa pem": ("-t", "rsa", "-b", "2048", "-m", "PEM"),
    "rsa pkcs8": ("-t", "rsa", "-b", "2048", "-m", "PKCS8"),
    "ecdsa pem": ("-t", "ecdsa", "-m", "PEM"),
    "ecdsa pkcs8": ("-t", "ecdsa", "-m", "PKCS8"),
}
CERTIFIED: dict[str, tuple[str, ...]] = {"certified": (), "beside": (), "rsa_certified": KINDS["rsa"]}


def make(path: Path, *words: str, phrase: str = "") -> Path:
    argv = ["ssh-keygen", "-q", *(words or KINDS["ed25519"]), "-N", phrase, "-C", path.name, "-f", str(path)]
    subprocess.run(argv, check=True, timeout=20)
    return path


def public(path: Path) -> str:
    return Path(f"{path}.pub").read_text()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Keys that the server takes, of every sort; "stranger" is one that it does not know."""
    folder = tmp_path_factory.mktemp("keys")
    found = {name: make(folder / name.replace(" ", "_"), *words) for name, words in KINDS.items()}
    found["locked"] = make(folder / "locked", phrase="secret phrase")
    found["locked pem"] = make(folder / "locked_pem", *KINDS["rsa pem"], phrase="secret phrase")
    found |= {"stranger": make(folder / "stranger"), "ca": make(folder / "ca")}
    for name, words in CERTIFIED.items():
        found[name] = make(folder / name, *words)
        argv = ["ssh-keygen", "-q", "-s", str(found["ca"]), "-I", "me", "-n", getpass.getuser(), f"{found[name]}.pub"]
        subprocess.run(argv, check=True, capture_output=True, timeout=20)
    (folder / "certified-cert.pub").rename(folder / "certified-x.pub")
    found["copy"] = Path(shutil.copy(found["ed25519"], folder / "copy"))
    shutil.copy(f"{found['ed25519']}.pub", folder / "copy.pub")
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret phrase", "-f", str(found["copy"])], check=True, timeout=20)
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, Path]) -> Iterator[LoopbackSsh]:
    loopback = serve(tmp_path_factory.mktemp("ssh"), keys)
    yield loopback
    loopback.stop()


def serve(folder: Path, keys: dict[str, Path], **options: str) -> LoopbackSsh:
    """A server that takes them all, and certificates of the CA."""
    known = folder / "authorized"
    lines = [public(path) for name, path in keys.items() if name not in ("stranger", "ca", *CERTIFIED)]
    known.write_text("".join([*lines, f"cert-authority {public(keys['ca'])}"]))
    return LoopbackSsh(folder / "server", options={"AuthorizedKeysFile": str(known)} | options)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An agent without keys; $SSH_AUTH_SOCK names it."""
    path = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    while not path.exists():
        assert process.poll() is None
    yield path
    process.terminate()
    process.wait(5)


def load(*paths: Path) -> None:
    subprocess.run(["ssh-add", "-q", *map(str, paths)], check=True, capture_output=True, timeout=20)


def configured(server: LoopbackSsh, folder: Path, *lines: str) -> Path:
    path = folder / "config"
    own = (
        f"  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n  UserKnownHostsFile {server.known_hosts}\n"
    )
    path.write_text(f"Host board\n{own}" + "".join(f"  {line}\n" for line in lines))
    return path


def we_enter(config: Path) -> str:
    """Nothing, or the error."""
    try:
        SshTransport(DeviceSpec("x", "ssh", host="board"), ssh_config=config).close()
    except AuthError as error:
        return str(error)
    return ""


def ssh_enters(config: Path) -> bool:
    argv = ["ssh", "-F", str(config), "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "board", "true"]
    return subprocess.run(argv, capture_output=True, timeout=20, stdin=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_sort_of_key_file_logs_in(kind: str, server: LoopbackSsh, keys: dict[str, Path], tmp_path: Path) -> None:
    config = configured(server, tmp_path, f"IdentityFile {keys[kind]}", "IdentityAgent none")
    assert we_enter(config) == ""
    assert ssh_enters(config)


AGENT_CASES = {
    # what the agent holds; lines of the config
    "the agent's key": (["ed25519"], ["IdentityFile none"]),
    "a public key file": (["rsa"], ["IdentityFile {rsa}.pub"]),
    "a public key file, IdentitiesOnly": (["stranger", "rsa"], ["IdentityFile {rsa}.pub", "IdentitiesOnly yes"]),
    "a private key file, IdentitiesOnly": (["ecdsa"], ["IdentityFile {ecdsa}", "IdentitiesOnly yes"]),
    "a locked file that the agent holds": (["ed25519"], ["IdentityFile {copy}", "IdentitiesOnly yes"]),
    "IdentitiesOnly without the key": (["ed25519"], ["IdentityFile {stranger}", "IdentitiesOnly yes"]),
    "no agent": (["ed25519"], ["IdentityFile {stranger}", "IdentityAgent none"]),
    "an agent by its path": (["ed25519"], ["IdentityFile none", "IdentityAgent {agent}"]),
    "an agent by a variable": (["ed25519"], ["IdentityFile none", "IdentityAgent $OTHER_AGENT"]),
    "an agent by a variable in braces": (["ed25519"], ["IdentityFile none", "IdentityAgent ${{OTHER_AGENT}}"]),
    "an agent that is not there": ([], ["IdentityFile {ed25519}", "IdentityAgent /nowhere/agent"]),
    "a public key that nobody holds": ([], ["IdentityFile {rsa}.pub"]),
    "a certificate": ([], ["IdentityFile {certified}", "CertificateFile {certified}-x.pub"]),
    "a certificate beside its key": ([], ["IdentityFile {beside}"]),
    "a certificate for the agent's key": (["certified"], ["IdentityFile none", "CertificateFile {certified}-x.pub"]),
    "an RSA certificate": ([], ["IdentityFile {rsa_certified}"]),
    "a certificate without its key": ([], ["IdentityFile {stranger}", "CertificateFile {certified}-x.pub"]),
    "algorithms that leave the key out": ([], ["IdentityFile {ed25519}", "PubkeyAcceptedAlgorithms rsa-sha2-256"]),
    "algorithms that leave one": ([], ["IdentityFile {rsa}", "PubkeyAcceptedAlgorithms rsa-sha2-256"]),
    "no public keys": ([], ["IdentityFile {ed25519}", "PubkeyAuthentication no"]),
}


@pytest.mark.parametrize("case", AGENT_CASES)
def test_agents_and_certificates_log_in_as_with_ssh(
    case: str, server: LoopbackSsh, keys: dict[str, Path], agent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, lines = AGENT_CASES[case]
    paths = {name: str(path) for name, path in keys.items() if " " not in name} | {"agent": str(agent)}
    if held:
        load(*(keys[name] for name in held))
    if "variable" in case:
        monkeypatch.delenv("SSH_AUTH_SOCK")
        monkeypatch.setenv("OTHER_AGENT", str(agent))
    config = configured(server, tmp_path, *(line.format(**paths) for line in lines))
    said = we_enter(config)
    assert (said == "") == ssh_enters(config), said


def test_the_outcome_of_each_key_is_told(
    server: LoopbackSsh, keys: dict[str, Path], agent: Path, tmp_path: Path
) -> None:
    other = make(tmp_path / "other", *KINDS["rsa"])
    load(keys["stranger"], other)
    (tmp_path / "text").write_text("no key\n")
    (tmp_path / "closed").symlink_to(tmp_path)  # a folder
    names = [
        keys["locked"],
        keys["locked pem"],
        Path(f"{keys['ecdsa']}.pub"),
        tmp_path / "text",
        tmp_path / "none",
        other,
    ]
    config = configured(server, tmp_path, *(f"IdentityFile {path}" for path in names))
    said = we_enter(config)
    assert "refused your keys" in said
    for words in (
        f"{keys['locked']} (ssh-ed25519 SHA256:",
        "the server takes it, but it is locked by a passphrase",
        f"ssh-add {keys['locked']}",
        f"ssh-add {keys['locked pem']}",
        f"{keys['ecdsa']}.pub (ecdsa-sha2-nistp384 SHA256:",
        "is a public key, and no agent holds it",
        f"{tmp_path}/text is not a private key",
        f"{tmp_path}/none does not exist",
        "agent key 'stranger' (ssh-ed25519 SHA256:",
        f"{other} (ssh-rsa SHA256:",
        "refused by the server",
    ):
        assert words in said
    assert "secret" not in said
    assert not ssh_enters(config)


def test_no_key_at_all(server: LoopbackSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    said = we_enter(configured(server, tmp_path, "IdentityFile none"))
    assert said.startswith("There is no key to offer to device")
    assert "devices add --identity-file PATH" in said
    assert f"ssh-copy-id -p {server.port}" in said


@pytest.mark.parametrize("is_locked", [False, True])
def test_an_agent_that_holds_nothing_is_told(
    is_locked: bool, server: LoopbackSsh, keys: dict[str, Path], agent: Path, tmp_path: Path
) -> None:
    if is_locked:
        load(keys["ed25519"])
        with closing(socket.socket(socket.AF_UNIX)) as peer:  # ssh-add -x asks a terminal
            peer.connect(str(agent))
            peer.sendall(b"\0\0\0\x06\x16\0\0\0\x01x")
            assert peer.recv(5)[4] == 6
    said = we_enter(configured(server, tmp_path, "IdentityFile none"))
    assert f"the agent at {agent} answered and holds no keys, or is locked" in said


@pytest.mark.parametrize("case", ["locked", "putty", "putty without a suffix", "certificate", "dsa", "dsa public"])
def test_the_one_remedy_of_a_file_is_told(
    case: str, server: LoopbackSsh, keys: dict[str, Path], tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / ("key.ppk" if case == "putty" else "key")
    if case == "locked":
        path = keys["locked"]
        words = "is locked by a passphrase, and no agent holds it; unlock it with `ssh-add {path}`."
    elif case.startswith("putty"):
        path.write_text("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n")
        made = tmp_path / ("key" if case == "putty" else "key.openssh")
        words = f"{{path}} is in PuTTY's format; convert it with `puttygen {{path}} -O private-openssh -o {made}`."
    elif case == "certificate":
        path = Path(f"{keys['beside']}-cert.pub")
        words = "is a certificate, and no agent holds it; name the private key beside it."
    else:
        key = dsa.generate_private_key(1024)  # noqa: S505 - the only length that SSH knows
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(key.private_bytes(*form))
        if case == "dsa public":
            text = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
            path.write_bytes(text)
        path.chmod(0o600)
        words = "is a DSA key, and DSA is not accepted any more; make one with `ssh-keygen -t ed25519`."
        recwarn.clear()
    said = we_enter(configured(server, tmp_path, f"IdentityFile {path}", "IdentityAgent none"))
    assert said.endswith(words.format(path=path))
    assert not recwarn.list


def test_of_many_refused_keys_the_first_are_told(server: LoopbackSsh, keys: dict[str, Path], tmp_path: Path) -> None:
    names = [make(tmp_path / f"k{number}") for number in range(5)]
    said = we_enter(configured(server, tmp_path, *(f"IdentityFile {name}" for name in names), "IdentityAgent none"))
    assert said.count("refused by the server") == 3
    assert f"{names[2]} (" in said
    assert "; and 2 more; " in said


def test_which_method_is_missing_is_told(keys: dict[str, Path], tmp_path: Path) -> None:
    for number, (options, words) in enumerate(
        (
            (
                {"PasswordAuthentication": "yes", "AuthenticationMethods": "password"},
                "takes only password, and bnnbench logs in by key and stores no password",
            ),
            (
                {"PasswordAuthentication": "yes", "AuthenticationMethods": "publickey,password"},
                "took your key and asks for password besides",
            ),
            ({"AuthenticationMethods": "none"}, "offers this user no way to log in, not even by key: allow"),
            ({"Banner": "{folder}/banner"}, "it says: Closed on Sundays"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "banner").write_text("Closed\n on \x1b Sundays\n")
        server = serve(folder, keys, **{key: value.format(folder=folder) for key, value in options.items()})
        try:
            key = keys["stranger" if "Banner" in options else "ed25519"]
            with pytest.raises(AuthError, match=words):
                connect(server.spec(identity_file=key))
        finally:
            server.stop()


def test_two_keys_that_a_server_wants_both(keys: dict[str, Path], tmp_path: Path) -> None:
    server = serve(tmp_path, keys, AuthenticationMethods="publickey,publickey")
    try:
        lines = [f"IdentityFile {keys[name]}" for name in ("ed25519", "rsa")]
        config = configured(server, tmp_path, *lines, "IdentityAgent none")
        assert we_enter(config) == ""
        config = configured(server, tmp_path, lines[0], "IdentityAgent none")
        said = we_enter(config)
        assert "asks for two keys, and you have no other that it takes" in said
        assert "taken, but it is not enough" in said
        assert "refused your keys" not in said
        assert not ssh_enters(config)
    finally:
        server.stop()


def test_more_agent_keys_than_the_server_hears(
    server: LoopbackSsh, keys: dict[str, Path], agent: Path, tmp_path: Path
) -> None:
    load(*(make(tmp_path / f"k{number}") for number in range(9)))
    said = we_enter(configured(server, tmp_path, "IdentityFile none"))
    assert "hung up at key" in said
    assert "Too many authentication failures" in said
    assert "more were not tried" in said
    assert "IdentitiesOnly" in said
    connect(server.spec(identity_file=keys["ed25519"])).close()  # the named key is offered first
    load(keys["rsa"])  # and so it is where the agent holds it too, behind all others
    for name in (f"{keys['rsa']}", f"{keys['rsa']}.pub"):
        named = configured(server, tmp_path, f"IdentityFile {name}")
        assert we_enter(named) == ""
        connect(server.spec(identity_file=Path(name))).close()
    assert ssh_enters(named)


@pytest.mark.parametrize(
    ("kind", "mode"), [("ed25519", 0o640), ("rsa pem", 0o604), ("ed25519", 0o700), ("rsa pem", 0o610)]
)
def test_a_private_key_that_others_may_read_is_left_out_as_by_ssh(
    kind: str, mode: int, server: LoopbackSsh, keys: dict[str, Path], tmp_path: Path
) -> None:
    key = Path(shutil.copy(keys[kind], tmp_path / "key"))
    key.chmod(mode)
    config = configured(server, tmp_path, f"IdentityFile {key}", "IdentityAgent none")
    said = we_enter(config)
    assert (said == "") == ssh_enters(config) == (not mode & 0o077)
    assert said == "" or re.search(f"can be read by others.*; run `chmod 600 {key}`", said)


def test_an_agent_that_does_not_answer_is_told(server: LoopbackSsh, keys: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "agent"
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen()
        said = []

        def answer() -> None:
            with closing(listener.accept()[0]) as peer:
                peer.recv(64)
                peer.sendall((1 << 30).to_bytes(4, "big"))

        threading.Thread(target=answer, daemon=True).start()
        said.append(we_enter(configured(server, tmp_path, f"IdentityFile {keys['stranger']}", f"IdentityAgent {path}")))
    assert "the agent sent a message of 1,073,741,824 bytes" in said[0]
    assert "refused by the server" in said[0]


def test_a_key_file_that_may_not_be_read(server: LoopbackSsh, tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="does not exist"):
        connect(server.spec(identity_file=tmp_path))
    if os.getuid() != 0:
        path = make(tmp_path / "closed")
        path.chmod(0)
        with pytest.raises(AuthError, match="cannot be read"):
            connect(server.spec(identity_file=path))
