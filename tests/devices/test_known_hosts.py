"""Whose host key is taken, with `ssh -o StrictHostKeyChecking=yes` and a real server as the judge."""

from __future__ import annotations

import base64
import random
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from bnnbench.devices.errors import HostKeyError
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.devices.transport.endpoint import endpoint, user_config
from bnnbench.devices.transport.host_key import host_key_check
from bnnbench.devices.transport.known_hosts import known_keys
from bnnbench.devices.transport.ssh import SshTransport

from .sshd import LoopbackSsh

pytestmark = pytest.mark.timeout(60)
ALIAS = "board.lab"
PREFERRED = paramiko.Transport._preferred_keys  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSsh]:
    """A server with two host keys."""
    loopback = LoopbackSsh(tmp_path_factory.mktemp("ssh"), host_keys=("ed25519", "rsa"))
    yield loopback
    loopback.stop()


def keygen(*words: str) -> str:
    return subprocess.run(["ssh-keygen", *words], check=True, capture_output=True, text=True, timeout=20).stdout


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Keys of somebody else, by type."""
    folder = tmp_path_factory.mktemp("keys")
    for kind in ("ed25519", "rsa", "ecdsa"):
        keygen("-q", "-t", kind, "-N", "", "-f", str(folder / kind))
    return {kind: " ".join((folder / f"{kind}.pub").read_text().split()[:2]) for kind in ("ed25519", "rsa", "ecdsa")}


def hashed(name: str, key: str, folder: Path) -> str:
    """A line as ssh-keygen hashes it."""
    path = folder / "to_hash"
    path.write_text(f"{name} {key}\n")
    keygen("-q", "-H", "-f", str(path))
    path.with_name("to_hash.old").unlink()
    return path.read_text().strip()


SK = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAAA"
DSS = "ssh-dss AAAAB3NzaC1kc3MAAACB"
CASES = {
    "plain": "{name} {key}",
    "nobody": "",
    "another's key": "{name} {wrong}",
    "a comment after the key": "{name} {key} me@desk # or what",
    "leading spaces and tabs": " \t {name}\t {key}",
    "no host": "{key}",
    "a list": "nas.lab,{name},192.0.2.1 {key}",
    "an empty name in a list": ",,{name} {key}",
    "upper case": "{upper} {key}",
    "a star": "{star} {key}",
    "a question mark": "{question} {key}",
    "negated": "!{name},{star} {key}",
    "negated in another's list": "!nas.lab,{star} {key}",
    "only negated": "!nas.lab {key}",
    "hashed": "{hashed}",
    "hashed, damaged": "|1|AAAA|BBBB {key}\n|1|x {key}\n|2|a|b {key}\n| {key}",
    "hashed twice in a list": "{hashed_name},nas {key}",
    "comments and blank lines": "# {name} {wrong}\n\n   \n\t\n{name} {key}\n#",
    "windows line ends": "{name} {key}\r\n\r\n",
    "no newline at the end": "nas.lab {wrong}\n{name} {key}",
    "a CA of another host": "@cert-authority *.other.lab {wrong}\n{name} {key}",
    "a CA of this host beside": "@cert-authority {name} {wrong}\n{name} {key}",
    "a CA of this host alone": "@cert-authority {name} {key}",
    "another's key revoked": "@revoked * {wrong}\n{name} {key}",
    "this key revoked first": "@revoked {name} {key}\n{name} {key}",
    "this key revoked last": "{name} {key}\n@revoked * {key}",
    "this key revoked for another": "@revoked nas.lab {key}\n{name} {key}",
    "its second key revoked": "@revoked {name} {rsa}\n{name} {key}",
    "revoked with a tab": "@revoked\t{name}\t{key}\n{name} {key}",
    "an unknown marker": "@nonsense {name} {wrong}\n{name} {key}",
    "an unknown marker alone": "@nonsense {name} {key}",
    "two markers": "@revoked @cert-authority {name} {key}\n{name} {key}",
    "a marker and nothing": "@revoked\n{name} {key}",
    "an SSH-1 line of another": "nas.lab 1024 65537 123456789\n{name} {key}",
    "an SSH-1 line of this host": "{name} 1024 65537 123456789\n{name} {key}",
    "a Latin-1 line": "caf\xe9.lab {wrong} caf\xe9\n{name} {key} caf\xe9",
    "damaged base64 of another": "nas.lab ssh-ed25519 AAAA!x\n{name} {key}",
    "damaged base64 of this host": "{name} ssh-ed25519 AAAA!x\n{name} {key}",
    "a truncated key of this host": "{name} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA\n{name} {key}",
    "a line that ends early": "{name}\n{name} ssh-ed25519\n{name} {key}",
    "the wrong type before the key": "{name} {mistyped}",
    "types that are not known": f"{{name}} {SK}\n{{name}} {DSS}\n{{name}} {{key}}",
    "only types that are not known": f"{{name}} {SK}",
    "two types, one changed": "{name} {rsa}\n{name} {wrong}",
    "two types, the first dropped": "{name} {ecdsa}\n{name} {key}",
    "two types, the last dropped": "{name} {key}\n{name} {ecdsa}",
    "only a type that was dropped": "{name} {ecdsa}",
    "the server's second type alone": "{name} {rsa}",
    "old and new key": "{name} {wrong}\n{name} {key}",
    "under its bare address": "127.0.0.1 {key}",
    "revoked under its bare address": "127.0.0.1 {key}\n@revoked 127.0.0.1 {key}",
    "changed, and right under its bare address": "{name} {wrong}\n127.0.0.1 {key}",
    "another type, and right under its bare address": "{name} {ecdsa}\n127.0.0.1 {key}",
    "an RSA key under a signature's name": "{name} rsa-sha2-512 {rsa_text}",
    "an RSA key revoked under a signature's name": "{name} {rsa}\n@revoked * rsa-sha2-256 {rsa_text}",
    "another kind of key under a signature's name": "{name} rsa-sha2-512 {key_text}",
    "a signature's name in upper case": "{name} RSA-SHA2-512 {rsa_text}",
    "a pattern that is just not too long": "{long},{name} {key}",
    "a pattern that is too long": "x{long},{name} {key}",
    "a pattern that is too long and last": "{name},x{long} {key}",
    "a negated pattern that is just not too long": "{name},!{long} {key}",
    "a list that is long": "{long},{long},{long},{name} {key}",
    "a NUL after the name": "{name}\x00 {key}",
    "a NUL after the key": "{name} {key}\x00 x y",
    "a NUL right in the key": "{name} ssh-ed25519 AAAA\x00{key_text}",
    "a NUL before a revocation": "{name} {key}\n\x00\n@revoked * {key}",
    "a NUL": "nas\x00.lab {wrong}\n{name} {key}",
}


def configured(server: LoopbackSsh, folder: Path, name: str) -> Path:
    path, known = folder / "config", folder / "known hosts"
    alias = f"  HostKeyAlias {ALIAS}\n" if name == ALIAS else ""
    path.write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n  IdentityFile {server.key}\n"
        f'  IdentityAgent none\n{alias}  UserKnownHostsFile "{known}"\n  GlobalKnownHostsFile none\n'
    )
    return path


def ssh_takes(config: Path) -> bool:
    """Whether it comes to the login, which is left at that."""
    options = ["-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-o", "PreferredAuthentications=none"]
    argv = ["ssh", "-F", str(config), *options, "board", "true"]
    done = subprocess.run(argv, capture_output=True, timeout=20, text=True)
    is_taken = "Permission denied (" in done.stderr
    assert is_taken or "ost key" in done.stderr or "RSA key length" in done.stderr, done.stderr
    return is_taken


def we_take(config: Path, server: LoopbackSsh) -> bool:
    """Whether the key that is agreed on is taken: the first algorithm of ours that the server has."""
    check = host_key_check(endpoint(DeviceSpec("x", "ssh", host="board"), user_config(config)))
    agreed = next(one for one in check.preferred(PREFERRED) if one in ("ssh-ed25519", "rsa-sha2-512"))
    kind, _, text = server.public_key("" if agreed == "ssh-ed25519" else "rsa").partition(" ")
    try:
        check.check(paramiko.PKey.from_type_string(kind, base64.b64decode(text)), "127.0.0.1")
    except HostKeyError:
        return False
    return True


BY_ALIAS = ("plain", "hashed", "upper case", "a star", "negated", "hashed twice in a list", "this key revoked last")


@pytest.mark.parametrize(("case", "name"), [*((one, "") for one in CASES), *((one, ALIAS) for one in BY_ALIAS)])
def test_a_key_is_taken_when_ssh_takes_it(
    case: str, name: str, server: LoopbackSsh, other: dict[str, str], tmp_path: Path
) -> None:
    place, key = name or f"[127.0.0.1]:{server.port}", server.public_key()
    line = hashed(place, key, tmp_path) if "{hashed" in CASES[case] else "|"
    values = {
        "name": place,
        "upper": place.upper(),
        "star": f"{place[:4]}*",
        "question": place.replace("0", "?").replace("o", "?"),
        "hashed": line,
        "hashed_name": line.split()[0],
        "key": key,
        "rsa": server.public_key("rsa"),
        "ecdsa": other["ecdsa"],
        "wrong": other["ed25519"],
        "rsa_text": server.public_key("rsa").split()[1],
        "key_text": key.split()[1],
        "long": "b" * 1022,
        "mistyped": f"ssh-rsa {key.split()[1]}",
    }
    text = CASES[case].format(**values)
    config = configured(server, tmp_path, place)
    (tmp_path / "known hosts").write_bytes(text.encode("latin-1"))
    assert we_take(config, server) == ssh_takes(config)


def test_which_lines_are_about_a_host_is_as_ssh_keygen_finds_it(other: dict[str, str], tmp_path: Path) -> None:
    """Generated names and patterns; `ssh-keygen -F` is the judge."""
    chance = random.Random(7)  # noqa: S311 - not for secrets
    letters, path = "ab.B*?!,[]:2", tmp_path / "known"
    for _ in range(40):
        names = "".join(chance.choice(letters) for _ in range(chance.randint(1, 9)))
        host = "".join(chance.choice("ab.2") for _ in range(chance.randint(1, 4)))
        host = chance.choice([host, f"[{host}]:22{chance.randint(0, 9)}"])
        names = chance.choice([names, f"{names},{host}", f"*,!{names}", host.upper(), host[:-1] + "?", f"!{host},*"])
        path.write_text(f"{names} {other['rsa']}\n")
        found = subprocess.run(["ssh-keygen", "-F", host, "-f", str(path)], capture_output=True, timeout=20)
        assert bool(known_keys([path], host)) == (found.returncode == 0), (names, host)


def spec_with(server: LoopbackSsh, folder: Path, text: str) -> DeviceSpec:
    known = folder / "known"
    known.write_text(text)
    return server.spec(known_hosts=known)


def test_what_is_said_of_each_kind(server: LoopbackSsh, other: dict[str, str], tmp_path: Path) -> None:
    name, key = f"[127.0.0.1]:{server.port}", server.public_key()
    for text, words in {
        f"{name} {other['ed25519']}\n": r"has changed .*known line 1 has another.*ssh-keygen -R",
        f"x y\n*.0.0.1]:* {other['ed25519']}\n": r"has changed .*remove the old key with an editor \(.*known line 2\)",
        f"{name} {other['ecdsa']}\n": "is not known .*; known are ecdsa-sha2-nistp256, which it does not offer",
        f"@cert-authority {name} {other['rsa']}\n": "is not known .*host certificates are not supported",
        f"{name} {key}\n@revoked * {key}\n": r"is marked @revoked in .*known line 2",
    }.items():
        with pytest.raises(HostKeyError, match=words):
            connect(spec_with(server, tmp_path, text))


@pytest.mark.parametrize("file", ["/dev/null", "none"])
def test_a_file_that_keeps_nothing_is_not_advised(file: str, server: LoopbackSsh, tmp_path: Path) -> None:
    config = configured(server, tmp_path, "")
    config.write_text(config.read_text().replace(f'"{tmp_path}/known hosts"', file))
    with pytest.raises(HostKeyError, match=rf">> .*/bnnbench_known_hosts` and known_hosts = .*is {file}") as caught:
        SshTransport(DeviceSpec("x", "ssh", host="board"), ssh_config=config)
    assert f">> {file}" not in str(caught.value)


@pytest.mark.parametrize("name", ["", ALIAS], ids=["by ssh-keyscan", "by ssh"])
def test_the_advice_works_where_the_folder_does_not_exist(name: str, server: LoopbackSsh, tmp_path: Path) -> None:
    config = configured(server, tmp_path, name)
    folder = tmp_path / "a home" / ".ssh"
    config.write_text(config.read_text().replace(f"{tmp_path}/known hosts", f"{folder}/known_hosts"))
    spec = DeviceSpec("x", "ssh", host="board")
    with pytest.raises(HostKeyError) as caught:
        SshTransport(spec, ssh_config=config)
    command = str(caught.value).split("`")[-2]
    command = command.replace("StrictHostKeyChecking=ask", "StrictHostKeyChecking=accept-new")  # nobody answers here
    subprocess.run(["sh", "-c", f"{command} true" if name else command], check=True, capture_output=True, timeout=20)
    assert folder.stat().st_mode & 0o777 == 0o700
    SshTransport(spec, ssh_config=config).close()


def test_keys_that_ssh_revokes_by_a_file_or_finds_too_short(server: LoopbackSsh, tmp_path: Path) -> None:
    config = configured(server, tmp_path, "")
    (tmp_path / "known hosts").write_text(f"[127.0.0.1]:{server.port} {server.public_key()}\n")
    revoked, plain = tmp_path / "revoked", config.read_text()
    revoked.write_text(f"# old\n{server.public_key()} old\n")
    assert we_take(config, server)
    assert ssh_takes(config)
    for file in (revoked, tmp_path / "none", tmp_path / "krl"):
        if file.name == "krl":
            keygen("-q", "-k", "-f", str(file), str(revoked))
        config.write_text(plain + f"  RevokedHostKeys {file}\n")
        assert not ssh_takes(config)
        with pytest.raises(HostKeyError, match="RevokedHostKeys"):
            SshTransport(DeviceSpec("x", "ssh", host="board"), ssh_config=config)
    (tmp_path / "known hosts").write_text(f"[127.0.0.1]:{server.port} {server.public_key('rsa')}\n")
    config.write_text(plain + "  RequiredRSASize 4096\n")
    assert not ssh_takes(config)
    with pytest.raises(HostKeyError, match="3072 bits, fewer than the 4096"):
        SshTransport(DeviceSpec("x", "ssh", host="board"), ssh_config=config)


def test_an_address_with_another_key_is_refused_where_ssh_looks_at_addresses(
    server: LoopbackSsh, other: dict[str, str], tmp_path: Path
) -> None:
    """By its code alone: ssh looks at no address of the machine itself, and there is no other one here."""
    config, known = configured(server, tmp_path, ""), tmp_path / "known hosts"
    plain = config.read_text().replace("HostName 127.0.0.1", "HostName far.lab")
    kind, _, text = server.public_key().partition(" ")
    key, name = paramiko.PKey.from_type_string(kind, base64.b64decode(text)), f"]:{server.port}"
    for line, checks, is_taken in (
        (other["ed25519"], "yes", False),
        (other["ed25519"], "no", True),
        (server.public_key(), "yes", True),
        (other["rsa"], "yes", True),
    ):
        known.write_text(f"[far.lab{name} {server.public_key()}\n[192.0.2.1{name} {line}\n")
        config.write_text(plain + f"  CheckHostIP {checks}\n")
        check = host_key_check(endpoint(DeviceSpec("x", "ssh", host="board"), user_config(config)))
        with nullcontext() if is_taken else pytest.raises(HostKeyError, match="CheckHostIP"):
            check.check(key, "192.0.2.1")


def test_known_hosts_of_a_found_inventory_count_for_unknown_hosts_alone(
    server: LoopbackSsh, other: dict[str, str], tmp_path: Path
) -> None:
    """Whatever the user's own files say of a host, as a CA or a revocation, is more than the found file's word."""
    config = configured(server, tmp_path, "")
    name, own = f"[127.0.0.1]:{server.port}", tmp_path / "known hosts"
    spec = replace(DeviceSpec("x", "ssh", host="board"), known_hosts=server.known_hosts, is_found=True)
    SshTransport(spec, ssh_config=config).close()
    for line in (f"@revoked {name} {server.public_key()}", f"@cert-authority {name} {other['rsa']}"):
        own.write_text(line + "\n")
        check = host_key_check(endpoint(spec, user_config(config)))
        assert {known.path for known in check.known} == {own}
        with pytest.raises(HostKeyError):
            SshTransport(spec, ssh_config=config)
