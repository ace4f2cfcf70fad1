"""The way to a device over SSH: proxies that misbehave, and jump hosts that refuse."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import paramiko
import psutil
import pytest
from paramiko.ssh_exception import ChannelException

from bnnbench.devices.errors import AuthError, DeviceError, HostKeyError, Unreachable
from bnnbench.devices.inventory import DeviceSpec
from bnnbench.devices.transport.ssh import SshTransport

from .sshd import LoopbackSsh

pytestmark = pytest.mark.timeout(60)
STUBBORN = """
import os, signal, socket, subprocess, sys, threading
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "77"])
open(sys.argv[3], "w").write(f"{os.getpid()} {child.pid}")
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536): s.sendall(data)
    signal.pause()
threading.Thread(target=up).start()
while data := s.recv(65536): os.write(1, data)
signal.pause()
"""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


def configured(server: LoopbackSsh, folder: Path, *lines: str) -> Path:
    path = folder / "config"
    own = f"  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n  IdentityFile {server.key}\n"
    own += f"  UserKnownHostsFile {server.known_hosts}\n  IdentityAgent none\n"
    path.write_text(f"Host board\n{own}" + "".join(f"  {line}\n" for line in lines))
    return path


def open_board(config: Path, timeout_s: float = 10) -> SshTransport:
    return SshTransport(DeviceSpec("x", "ssh", host="board"), ssh_config=config, connect_timeout_s=timeout_s)


def ended(pids: list[int]) -> bool:
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        time.sleep(0.02)
    return False


def test_a_proxy_that_ignores_sigterm_is_ended_with_what_it_started(server: LoopbackSsh, tmp_path: Path) -> None:
    script, mark = tmp_path / "stubborn.py", tmp_path / "pids"
    script.write_text(STUBBORN)
    config = configured(server, tmp_path, f"ProxyCommand {sys.executable} {script} %h %p {mark}")
    transport = open_board(config)
    assert transport.run(["echo", "hi"]).stdout == b"hi\n"
    pids = [int(pid) for pid in mark.read_text().split()]
    assert all(psutil.pid_exists(pid) for pid in pids)
    with within(4):
        transport.close()
    assert ended(pids)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("false", "ended with status 1 and printed no error"),
        ("sh -c 'echo no such gate >&2; exit 3'", "ended with status 3 and said 'no such gate'"),
        ("/no/such/program %h", "status 127 and said .*(not found|no such file)"),  # dash or bash
        ("echo 'HTTP/1.1 403 Forbidden'", "carries no SSH connection"),
        ("yes", 'Indecipherable protocol version "y"'),
        ("kill -9 $$", "printed no error"),
        ("sh -c 'yes bad >&2'", "said '.*bad"),
    ],
)
def test_what_a_proxy_says_is_told(command: str, words: str, server: LoopbackSsh, tmp_path: Path) -> None:
    config = configured(server, tmp_path, f"ProxyCommand {command}")
    with within(8), pytest.raises(Unreachable, match=f"(?is)ProxyCommand `.*({words})") as caught:
        open_board(config, 2)
    assert len(str(caught.value)) < 1200


def test_a_proxy_that_hangs_ends_at_the_connect_timeout(server: LoopbackSsh, tmp_path: Path) -> None:
    config = configured(server, tmp_path, "ConnectTimeout 1", "ProxyCommand sh -c 'trap : TERM; sleep 30; sleep 30'")
    with within(5), pytest.raises(Unreachable, match=r"did not carry a connection in time .*it still ran"):
        open_board(config)


def test_a_proxy_is_run_by_the_user_s_shell_as_ssh_does(
    server: LoopbackSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = tmp_path / "shell"
    shell.write_text(f'#!/bin/sh\necho "$2" > {tmp_path}/line\nexit 5\n')
    shell.chmod(0o700)
    monkeypatch.setenv("SHELL", str(shell))
    config = configured(server, tmp_path, "ProxyCommand nc -q '%h' %p %r %n %%")
    with pytest.raises(Unreachable, match="status 5"):
        open_board(config)
    ours = (tmp_path / "line").read_text()
    subprocess.run(["ssh", "-F", str(config), "board"], capture_output=True, timeout=20, env=dict(os.environ))
    assert ours == (tmp_path / "line").read_text()


@pytest.fixture
def jump(tmp_path: Path) -> Iterator[LoopbackSsh]:
    """A jump host that lets connections through to one port only."""
    loopback = LoopbackSsh(tmp_path / "jump", options={"PermitOpen": "127.0.0.1:9"})
    yield loopback
    loopback.stop()


def through(server: LoopbackSsh, jump: LoopbackSsh, folder: Path, *lines: str, key: Path | None = None) -> Path:
    config = configured(server, folder, "ProxyJump hop", *lines)
    hop = f"Host hop\n  HostName 127.0.0.1\n  Port {jump.port}\n  User {jump.user}\n  IdentityAgent none\n"
    known = f"  UserKnownHostsFile {jump.known_hosts}\n  IdentityFile {key or jump.key}\n"
    config.write_text(config.read_text() + hop + known)
    return config


def test_a_jump_host_that_lets_nothing_through(server: LoopbackSsh, jump: LoopbackSsh, tmp_path: Path) -> None:
    words = (
        rf"^Jump host 'hop' \(.*port {jump.port}\) on the way to device 'x' was asked for 127\.0\.0\.1, port "
        rf"{server.port}, and does not let connections through \(.+\); .*AllowTcpForwarding"
    )
    with pytest.raises(Unreachable, match=words):
        open_board(through(server, jump, tmp_path))


def test_a_jump_host_that_cannot_connect(server: LoopbackSsh, jump: LoopbackSsh, tmp_path: Path) -> None:
    config = through(server, jump, tmp_path)
    config.write_text(config.read_text().replace(f"Port {server.port}", "Port 9"))
    with pytest.raises(Unreachable, match=r"port 9, and cannot connect there \(Connection refused\)"):
        open_board(config)


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "does not let"), (2, "cannot connect"), (3, "cannot let"), (4, "has no room"), (9, "did not let")],
)
def test_each_reason_of_a_jump_host_is_a_sentence(
    code: int, words: str, server: LoopbackSsh, jump: LoopbackSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ChannelException(code, "why")

    monkeypatch.setattr(paramiko.Transport, "open_channel", refuse)
    with pytest.raises(Unreachable, match=rf"Jump host 'hop' .*device 'x' .*{words}.*\(why\)"):
        open_board(through(server, jump, tmp_path))


def test_an_error_of_a_jump_host_names_it_and_the_device(
    server: LoopbackSsh, jump: LoopbackSsh, tmp_path: Path
) -> None:
    where = r"[Jj]ump host 'hop' .*on the way to device 'x'"
    with pytest.raises(AuthError, match=f"{where} refused your keys"):
        open_board(through(server, jump, tmp_path, key=server.key))
    known = jump.known_hosts.read_text()
    jump.known_hosts.write_text("")
    with pytest.raises(HostKeyError, match=f"{where}.*is not known"):
        open_board(through(server, jump, tmp_path))
    jump.known_hosts.write_text(known)
    jump.stop()
    with pytest.raises(Unreachable, match=f"{where} cannot be reached"):
        open_board(through(server, jump, tmp_path))


@pytest.mark.parametrize(
    ("options", "words", "by_proxy"),
    [
        ({"Ciphers": "chacha20-poly1305@openssh.com"}, r"cipher .*only chacha20\S+\): enable .*aes", False),
        ({"KexAlgorithms": "sntrup761x25519-sha512@openssh.com"}, r"key exchange .*only sntrup\S+\): .*25519", False),
        ({"MACs": "umac-64@openssh.com"}, r"MAC .*only umac-64@\S+\): .*hmac-sha2-256.*MACs in", True),
    ],
    ids=["ciphers", "key exchanges", "MACs, by a proxy"],
)
def test_what_a_server_offers_and_the_library_lacks_is_told(
    options: dict[str, str], words: str, by_proxy: bool, tmp_path: Path
) -> None:
    server = LoopbackSsh(tmp_path / "server", options=options)
    try:
        script = tmp_path / "stubborn.py"
        script.write_text(STUBBORN)
        way = f"ProxyCommand {sys.executable} {script} %h %p {tmp_path}/pids" if by_proxy else ""
        config = configured(server, tmp_path, way)
        with pytest.raises(Unreachable, match=f"(?i)^device 'x' .* offers no {words}"):
            open_board(config)
    finally:
        server.stop()


@pytest.mark.parametrize("how", ["reset", "closed", "closed within its line"])
def test_a_server_that_hangs_up_before_its_first_line_is_told(how: str, server: LoopbackSsh, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def hang_up() -> None:
            with closing(listener.accept()[0]) as peer:
                peer.recv(1024 if how != "reset" else 1)  # what is left unread makes it a reset
                peer.sendall(b"SSH-2" if "within" in how else b"")

        threading.Thread(target=hang_up, daemon=True).start()
        config = configured(server, tmp_path)
        text = config.read_text().replace(f"Port {server.port}", f"Port {listener.getsockname()[1]}")
        config.write_text(text)
        with pytest.raises(Unreachable, match=r"hung up before it said that it speaks SSH; see its log\.$"):
            open_board(config)


def test_a_server_that_takes_no_command_is_told(tmp_path: Path) -> None:
    server = LoopbackSsh(tmp_path / "server", options={"MaxSessions": "0"})
    try:
        with open_board(configured(server, tmp_path)) as board:
            words = r"takes no command, or no other one, on this connection \([a-z ]+\); raise MaxSessions in its"
            with pytest.raises(DeviceError, match=words):
                board.run(["true"])
    finally:
        server.stop()
