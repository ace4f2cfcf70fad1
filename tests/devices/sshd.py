"""A real SSH server on loopback: own keys, a free port, a home of its own, all under `tmp_path`.

server = LoopbackSsh(tmp_path)
with connect(server.spec("board")) as transport: ...
server.stop()
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from bnnbench.devices.inventory import DeviceSpec

Server = Literal["openssh", "dropbear"]
_UP_S = 10.0
_PROGRAM = {"openssh": "sshd", "dropbear": "dropbear"}


class LoopbackSsh:
    """One server. `home` is what HOME is over there (default: a folder under `tmp_path`).

    `sftp=False` leaves the SFTP subsystem out. `login_shell` (dropbear as root only) is the user's shell over
    there; it comes, like dropbear's home, from a passwd file that only the server's mount namespace sees. `host_keys`
    are types, of which OpenSSH takes several; `options` are lines of its sshd_config that replace ours.
    """

    def __init__(
        self,
        tmp_path: Path,
        sftp: bool = True,
        home: Path | None = None,
        *,
        server: Server = "openssh",
        login_shell: str | None = None,
        host_keys: Sequence[str] = ("ed25519",),
        options: Mapping[str, str] | None = None,
    ) -> None:
        """Start the server. Skips the test, with the reason, where that is impossible."""
        self._options = dict(options or {})
        self._more_keys = list(host_keys[1:])
        self._program = _find(_PROGRAM[server])
        if server == "dropbear" and os.getuid() != 0:
            pytest.skip("dropbear with a home of its own needs root (a mount namespace)")
        self._server, self._sftp = server, sftp
        self._folder = tmp_path / f"{server}-server"
        self._folder.mkdir(mode=0o755, parents=True)
        self.home = home or tmp_path / "home"
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._login_shell = login_shell
        self.user = getpass.getuser()
        self.port = _free_port()
        self.key = self._folder / "user_key"
        self._host_key = self._folder / "host_key"
        self.known_hosts = self._folder / "known_hosts"
        _keygen(self.key)
        self._make_host_key(self._host_key, host_keys[0])
        for kind in self._more_keys:
            _keygen(self._more_key(kind), kind)
        self._write_known_hosts()
        self._process: subprocess.Popen[bytes] | None = None
        self._killing = threading.Lock()
        self.start()

    def spec(self, name: str = "loopback", **changes: Any) -> DeviceSpec:
        """This server as a device; `changes` override fields of the spec."""
        fields: dict[str, Any] = {
            "transport": "ssh",
            "host": "127.0.0.1",
            "user": self.user,
            "port": self.port,
            "identity_file": self.key,
            "known_hosts": self.known_hosts,
            "patience_s": 1,  # what is killed here stays away
        }
        return DeviceSpec(name=name, **fields | changes)

    def start(self) -> None:
        """Start on the same port with the same keys and wait until it answers."""
        argv = self._dropbear() if self._server == "dropbear" else self._openssh()
        with self._killing, (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, stdout=log)
        self._wait_until_up()

    def restart(self) -> None:
        """Stop, sessions included, and start again."""
        self.stop()
        self.start()

    def change_host_key(self) -> None:
        """Restart with another host key; `known_hosts` keeps the old one."""
        self.stop()
        self._host_key = self._folder / f"host_key_{time.monotonic_ns()}"
        self._make_host_key(self._host_key)
        self.start()

    def sessions(self) -> list[psutil.Process]:
        """The server's session processes, not the commands that run in them."""
        if self._process is None:
            return []
        with suppress(psutil.NoSuchProcess):
            children = psutil.Process(self._process.pid).children(recursive=True)
            return [child for child in children if _is_server(child, _PROGRAM[self._server])]
        return []

    def kill(self) -> None:
        """SIGKILL the server and its sessions at once; the commands in them are left to notice."""
        with self._killing:  # tests kill from a timer, while their fixture stops the server or they start it again
            if self._process is None:
                return
            victims = self.sessions()
            self._process.kill()
            for victim in victims:
                with suppress(psutil.NoSuchProcess):
                    victim.kill()
            self._process.wait(5)
            self._process = None

    def stop(self) -> None:
        """As `kill`; stopping twice is fine."""
        self.kill()

    def public_key(self, kind: str = "") -> str:
        """Type and base64 of a host key: the first one, or the further one of a type."""
        path = self._more_key(kind) if kind else self._host_key
        return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])

    def log(self) -> str:
        """What the server wrote about itself so far."""
        return (self._folder / "server.log").read_text(errors="replace")

    def _openssh(self) -> list[str]:
        keys = self._folder / "authorized_keys"
        shutil.copy(f"{self.key}.pub", keys)
        config = self._folder / "sshd_config"
        lines = (
            f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {self._host_key}
PidFile {self._folder}/sshd.pid
AuthorizedKeysFile {keys}
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthenticationMethods publickey
PermitRootLogin prohibit-password
SetEnv HOME={self.home}
PrintMotd no
UseDNS no
LogLevel ERROR
"""
            + ("Subsystem sftp internal-sftp\n" if self._sftp else "")
            + "".join(f"HostKey {self._more_key(kind)}\n" for kind in self._more_keys)
        ).splitlines()
        kept = [line for line in lines if line.split()[0] not in self._options]
        config.write_text("\n".join([*kept, *(f"{key} {value}" for key, value in self._options.items())]) + "\n")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        return [self._program, "-D", "-e", "-f", str(config)]

    def _dropbear(self) -> list[str]:
        shell = self._login_shell or "/bin/sh"
        keys = self.home / ".ssh"
        keys.mkdir(mode=0o700, exist_ok=True)
        shutil.copy(f"{self.key}.pub", keys / "authorized_keys")
        passwd, shells = self._folder / "passwd", self._folder / "shells"
        passwd.write_text(f"root:x:0:0:root:{self.home}:{shell}\n")
        shells.write_text(f"{shell}\n")
        script = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/shells && shift 2 && exec "$@"'
        serve = [self._program, "-F", "-E", "-s", "-r", str(self._host_key), "-p", f"127.0.0.1:{self.port}"]
        serve += ["-P", str(self._folder / "dropbear.pid")]
        return ["unshare", "-m", "sh", "-c", script, "sh", str(passwd), str(shells), *serve]

    def _more_key(self, kind: str) -> Path:
        return self._folder / f"host_key_{kind}"

    def _make_host_key(self, path: Path, kind: str = "ed25519") -> None:
        _keygen(path, kind)
        if self._server == "dropbear":
            public = path.with_name(path.name + ".pub").read_bytes()
            path.unlink()
            made = subprocess.run(
                [_find("dropbearkey"), "-t", "ed25519", "-f", str(path)],
                check=True,
                capture_output=True,
                timeout=20,
            )
            lines = [line for line in made.stdout.splitlines() if line.startswith(b"ssh-ed25519 ")]
            assert lines[0] != public
            path.with_name(path.name + ".pub").write_bytes(lines[0] + b"\n")

    def _write_known_hosts(self) -> None:
        kind, key = self._host_key.with_name(self._host_key.name + ".pub").read_text().split()[:2]
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def _wait_until_up(self) -> None:
        end = time.monotonic() + _UP_S
        while time.monotonic() < end:
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError(f"{self._server} ended with {self._process.returncode}: {self.log()[-2000:]}")
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", self.port), 1)) as probe:
                if probe.recv(64).startswith(b"SSH-"):
                    return
            time.sleep(0.01)
        raise TimeoutError(f"{self._server} was not up after {_UP_S} s: {self.log()[-2000:]}")


def _is_server(process: psutil.Process, name: str) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.name().startswith(name))
    return False


def _find(program: str) -> str:
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{program} is not installed")
    return found


def _free_port() -> int:
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _keygen(path: Path, kind: str = "ed25519") -> None:
    argv = [_find("ssh-keygen"), "-q", "-t", kind, "-N", "", "-f", str(path)]
    subprocess.run(argv, check=True, capture_output=True, timeout=20)
