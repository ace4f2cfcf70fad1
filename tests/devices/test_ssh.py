"""What goes wrong over SSH, against real servers: keys, addresses, dead links, shells, jump hosts."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import paramiko
import psutil
import pytest
from paramiko.common import cMSG_CHANNEL_EOF

from bnnbench.devices.errors import (
    AuthError,
    CommandFailed,
    DeviceLost,
    HostKeyError,
    InventoryError,
    Unreachable,
)
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.devices.transport.ssh import SshTransport

from .sshd import LoopbackSsh

pytestmark = pytest.mark.timeout(60)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def test_an_unknown_host_key_says_how_to_accept_it_and_that_works(server: LoopbackSsh, tmp_path: Path) -> None:
    known = tmp_path / "my hosts"
    spec = server.spec(known_hosts=known)
    with pytest.raises(HostKeyError) as caught:
        connect(spec)
    sentence = str(caught.value)
    assert f"[127.0.0.1]:{server.port} is not known (ssh-ed25519 SHA256:" in sentence
    command = sentence.split("`")[-2]
    assert command.startswith(f"ssh-keyscan -p {server.port} 127.0.0.1 >> ")
    subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=20)
    connect(spec).close()


def test_a_changed_host_key_says_how_to_accept_it_and_that_works(server: LoopbackSsh) -> None:
    server.change_host_key()
    with pytest.raises(HostKeyError) as caught:
        connect(server.spec())
    sentence = str(caught.value)
    assert f"[127.0.0.1]:{server.port} has changed" in sentence
    for command in sentence.split("`")[1::2]:
        subprocess.run(["sh", "-c", command], check=True, capture_output=True, timeout=20)
    connect(server.spec()).close()


def test_known_hosts_of_a_found_inventory_do_not_overrule_the_users_own(server: LoopbackSsh, tmp_path: Path) -> None:
    config, own = tmp_path / "config", tmp_path / "own"
    config.write_text(f"Host *\n  UserKnownHostsFile {own}\n")
    spec = server.spec(is_found=True)
    SshTransport(spec, ssh_config=config).close()  # a host that the user knows nothing of
    kind, key = server.known_hosts.read_text().split()[1:]
    other = paramiko.RSAKey.generate(1024)
    for line in (f"{kind} {key[:-4]}AAAA", f"{other.get_name()} {other.get_base64()}"):
        own.write_text(f"[127.0.0.1]:{server.port} {line}\n")
        with pytest.raises(HostKeyError, match=f"{own}"):
            SshTransport(spec, ssh_config=config)


def test_a_damaged_known_hosts_is_a_sentence(server: LoopbackSsh) -> None:
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} ssh-ed25519 AAAA!not-base64\n")
    with pytest.raises(HostKeyError):
        connect(server.spec())


def test_the_wrong_key_is_refused(server: LoopbackSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other], check=True, timeout=20)
    with pytest.raises(AuthError, match=r"refused your keys.*ssh-copy-id"):
        connect(server.spec(identity_file=other))
    with pytest.raises(InventoryError, match="does not exist"):
        connect(server.spec(identity_file=tmp_path / "none"))
    subprocess.run(["ssh-keygen", "-q", "-p", "-N", "secret", "-f", other], check=True, timeout=20)
    with pytest.raises(AuthError) as caught:
        connect(server.spec(identity_file=other))
    assert "passphrase" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_secret_is_logged(server: LoopbackSsh, caplog: pytest.LogCaptureFixture) -> None:
    body = server.key.read_text().splitlines()[1:-1]
    with caplog.at_level(logging.DEBUG), connect(server.spec()) as transport:
        transport.run(["true"])
    assert caplog.records
    assert not any(line in caplog.text for line in body)


def test_nobody_listens() -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with within(3), pytest.raises(Unreachable, match=f"port {port}.*cannot be reached"):
        connect(DeviceSpec("gone", "ssh", host="127.0.0.1", port=port))


def test_no_such_host_and_no_answer() -> None:
    with within(20), pytest.raises(Unreachable, match=r"nowhere\.invalid"):
        connect(DeviceSpec("gone", "ssh", host="nowhere.invalid"))
    # 192.0.2.0/24 is nobody's; a network may refuse it at once or stay silent.
    with within(5), pytest.raises(Unreachable, match=r"192\.0\.2\.1"):
        SshTransport(DeviceSpec("gone", "ssh", host="192.0.2.1"), connect_timeout_s=1)


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 300])
def test_something_else_answers(greeting: bytes) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with closing(peer):
                peer.sendall(greeting)
                time.sleep(2)

        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        with within(10), pytest.raises(Unreachable, match=f"port {port}"):
            SshTransport(DeviceSpec("web", "ssh", host="127.0.0.1", port=port), connect_timeout_s=1)


def test_a_packet_of_gigabytes_is_refused_before_it_is_read() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with closing(peer), suppress(OSError):
                peer.sendall(b"SSH-2.0-flood\r\n" + (0x7FFFFFF4).to_bytes(4, "big"))
                while True:
                    peer.sendall(bytes(1 << 20))

        threading.Thread(target=answer, daemon=True).start()
        memory, port = psutil.Process().memory_info().rss, listener.getsockname()[1]
        with within(8), pytest.raises(Unreachable, match=r"it sent a packet of 2,147,483,[0-9]+ bytes"):
            connect(DeviceSpec("flood", "ssh", host="127.0.0.1", port=port))
        assert psutil.Process().memory_info().rss - memory < 100 << 20


@pytest.mark.parametrize("kind", ["openssh", "dropbear"])
def test_a_killed_server_is_noticed_by_whoever_waits(tmp_path: Path, kind: str) -> None:
    server = LoopbackSsh(tmp_path / "ssh", server="dropbear" if kind == "dropbear" else "openssh")
    try:
        transport = connect(server.spec())
        process = transport.spawn(["cat"], cwd=str(tmp_path))
        process.write_line("x")
        assert process.read_line(time.monotonic() + 5) == "x"
        threading.Timer(0.3, server.kill).start()
        with within(5), pytest.raises(DeviceLost, match="'loopback' is lost"):
            process.read_line(time.monotonic() + 30)
        for use in (
            lambda: process.write_line("y"),
            lambda: process.wait(time.monotonic() + 30),
            lambda: transport.run(["true"]),
            lambda: transport.spawn(["true"], cwd="/"),
        ):
            with within(5), pytest.raises(DeviceLost):
                use()
        with within(5):
            process.close()
            transport.close()
            transport.close()
        server.start()
        with connect(server.spec()) as again:
            assert again.run(["echo", "back"]).stdout == b"back\n"
    finally:
        server.stop()


def test_a_killed_server_is_noticed_in_a_command_and_in_a_wait(server: LoopbackSsh) -> None:
    with connect(server.spec()) as transport:
        threading.Timer(0.3, server.kill).start()
        with within(5), pytest.raises(DeviceLost):
            transport.run(["sleep", "30"], timeout_s=60)
    server.start()
    with connect(server.spec()) as transport:
        process = transport.spawn(["sleep", "5"], cwd="/")
        threading.Timer(0.3, server.kill).start()
        with within(5), pytest.raises(DeviceLost):
            process.wait(time.monotonic() + 30)


def test_a_far_side_that_falls_silent_is_lost(server: LoopbackSsh) -> None:
    """A host that vanishes says nothing at all: a stopped session process is just as silent."""
    transport = SshTransport(server.spec(), lost_after_s=1.5)
    process = transport.spawn(["cat"], cwd="/")
    sessions = server.sessions()
    for session in sessions:
        session.send_signal(signal.SIGSTOP)
    try:
        with within(8), pytest.raises(DeviceLost, match=r"not answered for 1\.5 s"):
            process.read_line(time.monotonic() + 30)
        with within(3), pytest.raises(DeviceLost):
            transport.run(["true"])
        with within(12):
            transport.close()
    finally:
        for session in sessions:
            session.send_signal(signal.SIGCONT)


def test_a_push_that_is_cut_off_leaves_nothing_under_the_name(server: LoopbackSsh, tmp_path: Path) -> None:
    data = os.urandom(40 << 20)
    sha, target = hashlib.sha256(data).hexdigest(), tmp_path / "blob"
    transport = connect(server.spec())
    transport.environment()
    killer = threading.Timer(0.15, server.kill)
    killer.start()

    def push_on() -> None:
        for _ in range(20):
            transport.push(data, str(target), sha256=sha)
            target.unlink()

    with within(10), pytest.raises(DeviceLost):
        push_on()
    transport.close()
    assert not target.exists()
    killer.join(10)
    server.start()
    with connect(server.spec()) as again:
        assert again.push(data, str(target), sha256=sha) is True
    assert target.read_bytes() == data


def test_a_command_too_long_for_small_servers_is_refused_here(server: LoopbackSsh) -> None:
    with connect(server.spec()) as transport, pytest.raises(CommandFailed, match="send its data on stdin"):
        transport.run(["echo", "x" * 10_000])


@pytest.mark.parametrize("shell", ["dash", "bash", "mksh", "fish", "tcsh", "busybox ash"])
def test_every_login_shell(tmp_path: Path, shell: str) -> None:
    program, _, applet = shell.partition(" ")
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    if applet:
        link = tmp_path / applet
        link.symlink_to(found)
        found = str(link)
    server = LoopbackSsh(tmp_path / "ssh", server="dropbear", login_shell=found)
    nasty = ["a b", "$(id)", "it's", "two\nlines", "!!", "\\", "\\\\'", "%s\\n", "~", "{a,b}", "é"]
    try:
        with connect(server.spec()) as transport:
            done = transport.run(["printf", "%s\\0", *nasty])
            assert done.stdout.decode().split("\0")[:-1] == nasty
            process = transport.spawn(["sh", "-c", "pwd; exit 5"], cwd=str(tmp_path))
            assert process.read_line(time.monotonic() + 10) == str(tmp_path)
            assert process.wait(time.monotonic() + 10) == 5
            assert transport.push(b"x", f"{tmp_path}/it's", sha256=hashlib.sha256(b"x").hexdigest())
    finally:
        server.stop()


def write_config(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_an_alias_of_ssh_config(server: LoopbackSsh, tmp_path: Path) -> None:
    config = write_config(
        tmp_path / "config",
        "Host board",
        "  HostName 127.0.0.1",
        f"  Port {server.port}",
        f"  User {server.user}",
        f"  IdentityFile {server.key}",
        f"  UserKnownHostsFile {server.known_hosts}",
        "  IdentitiesOnly yes",
    )
    with SshTransport(DeviceSpec("x", "ssh", host="board"), ssh_config=config) as transport:
        assert transport.run(["echo", "hi"]).stdout == b"hi\n"
    with within(3), pytest.raises(Unreachable):  # What the inventory says goes before the alias.
        SshTransport(DeviceSpec("x", "ssh", host="board", port=1), ssh_config=config)
    config.write_text("Host board\n  Port many\n")
    with pytest.raises(InventoryError, match="line 2: Bad port 'many'"):
        SshTransport(DeviceSpec("x", "ssh", host="board"), ssh_config=config)


HOSTILE = (
    "`touch owned`",
    "$(touch owned)",
    "x;touch${IFS}owned",
    "x'y",
    'x"y',
    "-oProxyCommand=x",
    "x|y",
    "x\ny",
    "x,y",
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "line", ["ProxyCommand nc %h %p %r", "HostName %h.lab", "ProxyJump %h", 'Match exec "nc %h %r"']
)
def test_hostile_names_never_reach_a_shell(
    name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config"
    config.write_text(f"Host *\n  {line}\n")
    user = None if "," in name else name  # a comma is taken in users
    for host, login in ((name, "me"), ("host", user)):
        if login is not None:
            with pytest.raises(InventoryError, match=r"cannot be a (host|user)"):
                SshTransport(DeviceSpec("x", "ssh", host=host, user=login), ssh_config=config)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\n" not in name])
def test_hostile_names_of_ssh_config_never_reach_a_shell(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config"
    keys = ("HostName", "HostKeyAlias") if "," in name else ("HostName", "User", "HostKeyAlias")
    for key in keys:
        config.write_text(f"Host board\n  {key} {name}\n  ProxyCommand nc %h %p %r\n")
        with pytest.raises(InventoryError, match=r"cannot be a (host|user)|cannot read its configuration"):
            SshTransport(DeviceSpec("x", "ssh", host="board"), ssh_config=config)
    config.write_text("Host board\n  User x$IFS-oProxyCommand=y\n  ProxyCommand ssh -l %r %h\n")
    with pytest.raises(InventoryError, match="must not hold"):
        SshTransport(DeviceSpec("x", "ssh", host="board"), ssh_config=config)
    assert not (tmp_path / "owned").exists()


def test_through_a_jump_host_and_a_proxy_command(server: LoopbackSsh, tmp_path: Path) -> None:
    jump = LoopbackSsh(tmp_path / "jump")
    known = tmp_path / "known"
    known.write_text(server.known_hosts.read_text() + jump.known_hosts.read_text())
    relay = tmp_path / "relay.py"
    relay.write_text(
        "import os, socket, sys, threading\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): s.sendall(data)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536): os.write(1, data)\n"
    )
    config = write_config(
        tmp_path / "config",
        "Host board",
        f"  HostName 127.0.0.1\n  Port {server.port}\n  IdentityFile {server.key}\n  ProxyJump hop",
        "Host hop",
        f"  HostName 127.0.0.1\n  Port {jump.port}\n  IdentityFile {jump.key}",
        "Host piped",
        f"  HostName 127.0.0.1\n  Port {server.port}\n  IdentityFile {server.key}",
        f"  ProxyCommand {sys.executable} {relay} %h %p",
        "Host circle",
        "  ProxyJump circle",
    )
    spec = DeviceSpec("x", "ssh", host="board", user=server.user, known_hosts=known)
    try:
        with SshTransport(spec, ssh_config=config) as transport:
            assert len(jump.sessions()) >= 1
            assert transport.run(["echo", "far"]).stdout == b"far\n"
        with SshTransport(replace(spec, host="piped"), ssh_config=config) as transport:
            assert transport.run(["echo", "piped"]).stdout == b"piped\n"
        with pytest.raises(InventoryError, match="circle"):
            SshTransport(replace(spec, host="circle"), ssh_config=config)
        jump.stop()
        with within(10), pytest.raises(Unreachable):
            SshTransport(spec, ssh_config=config)
    finally:
        jump.stop()


@pytest.mark.parametrize("kind", ["openssh", "dropbear"])
def test_a_late_message_of_an_ended_command_harms_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that ends a command's input falls behind; the server has given the channel's number to the next."""
    send = paramiko.Transport._send_user_message  # type: ignore[attr-defined]

    def send_late(transport: paramiko.Transport, message: paramiko.Message) -> None:
        if message.asbytes()[:1] == cMSG_CHANNEL_EOF and threading.current_thread() is not transport:
            time.sleep(0.05)
        send(transport, message)

    server = LoopbackSsh(tmp_path / "ssh", server="dropbear" if kind == "dropbear" else "openssh")
    try:
        with connect(server.spec()) as transport:
            monkeypatch.setattr(paramiko.Transport, "_send_user_message", send_late)
            for number in range(20):
                assert transport.shell(f"echo {number}").stdout == f"{number}\n".encode()
    finally:
        server.stop()
