"""An emulated board that runs: booted, reached, powered off, hung and woken by the tests."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest

from bnnbench.devices.errors import DeviceError
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.kernels.cache import cache_folder
from tests.debian_packages import Unavailable

from .image import PI_USER, TERMUX_USER, images, overlay

Kind = Literal["pi", "android", "raspi3b"]
UP_S = 180.0
_PROGRAMS = {"qemu-system-aarch64": "qemu-system-arm", "ssh-keygen": "openssh-client", "dropbearkey": "dropbear-bin"}
_QEMU = {
    "virt": (
        "-M virt,gic-version=3 -cpu cortex-a72 -smp 4 -m 512M -device virtio-net-device,netdev=n0 "
        "-device virtio-rng-device"
    ),
    "raspi3b": "-M raspi3b -usb -device usb-net,netdev=n0",
}
_CONSOLE = {
    "virt": "console=ttyAMA0 quiet panic=-1 random.trust_bootloader=on mitigations=off",
    "raspi3b": "console=ttyAMA0,115200 quiet panic=-1",
}


class Board:
    """One machine. `folder` gets its keys and console; the disk is RAM: a boot starts from nothing."""

    def __init__(self, kind: Kind, folder: Path) -> None:
        """Boots it. Skips the test, with the reason, where that is impossible."""
        for program, package in _PROGRAMS.items():
            if shutil.which(program) is None:
                pytest.skip(f"{program} is missing (Debian: {package})")
        try:
            self._images = images(cache_folder() / "boards")
        except Unavailable as error:
            pytest.skip(str(error))
        self.kind, self.folder = kind, folder
        self._machine = "raspi3b" if kind == "raspi3b" else "virt"
        self._system = "android" if kind == "android" else "pi"
        self.user = TERMUX_USER if kind == "android" else PI_USER
        self.port, self.adb_port = free_port(), free_port()
        self._make_keys()
        self._process: subprocess.Popen[bytes] | None = None
        self._powering = threading.Lock()
        self.power_on()

    def spec(self, name: str = "board", **changes: Any) -> DeviceSpec:
        """It as a device by SSH."""
        fields: dict[str, Any] = {
            "transport": "ssh",
            "host": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "identity_file": self.folder / "key",
            "known_hosts": self.folder / "known_hosts",
        }
        return DeviceSpec(name=name, **fields | changes)

    def power_on(self) -> None:
        """Boots; does not wait until it answers."""
        forwards = f"hostfwd=tcp:127.0.0.1:{self.port}-:{8022 if self.kind == 'android' else 22}"
        if self.kind == "android":
            forwards += f",hostfwd=tcp:127.0.0.1:{self.adb_port}-:5555"
        argv = [
            "qemu-system-aarch64", *_QEMU[self._machine].split(), "-accel", "tcg,thread=multi",
            "-display", "none", "-monitor", f"unix:{self.folder}/monitor,server,nowait",
            "-no-reboot", "-serial", f"file:{self.folder}/console",
            "-netdev", f"user,id=n0,restrict=on,{forwards}",
            "-kernel", str(self._images["kernel"]), "-initrd", str(self.folder / "initrd"),
            "-append", _CONSOLE[self._machine],
        ]  # fmt: skip
        if self._machine == "raspi3b":
            argv += ["-dtb", str(self._images["raspi3b"])]
        with self._powering, (self.folder / "qemu.log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def power_off(self) -> None:
        """The plug is pulled."""
        with self._powering:
            if self._process is not None:
                self._process.kill()
                self._process.wait(10)
                self._process = None

    def hang(self) -> None:
        """It stops as it is and answers nothing, its network neither."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """It goes on where it hung."""
        self._signal(signal.SIGCONT)

    def wait_until_up(self, limit_s: float = UP_S) -> None:
        """Until a login works; fails the test with the console's last lines."""
        deadline = time.monotonic() + limit_s
        while True:
            if self._process is not None and self._process.poll() is not None:
                pytest.fail(f"qemu ended: {(self.folder / 'qemu.log').read_text()[-500:]}")
            try:
                connect(self.spec()).close()
            except DeviceError as error:
                if time.monotonic() > deadline:
                    console = (self.folder / "console").read_text(errors="replace")[-800:]
                    pytest.fail(f"the board is not up after {limit_s:g} s: {error}\n{console}")
                time.sleep(0.3)
            else:
                return

    def later(self, seconds: float, what: Callable[[], None]) -> threading.Timer:
        """Does something to it in a while."""
        timer = threading.Timer(seconds, what)
        timer.daemon = True
        timer.start()
        return timer

    def link(self, up: bool) -> None:
        """Its network cable, plugged in or out."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(10)
            monitor.connect(str(self.folder / "monitor"))
            monitor.recv(4096)
            monitor.sendall(f"set_link n0 {'on' if up else 'off'}\n".encode())
            time.sleep(0.2)
            monitor.recv(4096)

    def _signal(self, number: int) -> None:
        with self._powering:
            if self._process is not None:
                os.kill(self._process.pid, number)

    def _make_keys(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        key, host = self.folder / "key", self.folder / "host_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=30)
        subprocess.run(["dropbearkey", "-t", "ed25519", "-f", str(host)], check=True, timeout=30, capture_output=True)
        told = subprocess.run(
            ["dropbearkey", "-y", "-f", str(host)], check=True, timeout=30, capture_output=True, text=True
        ).stdout
        public = next(line for line in told.splitlines() if line.startswith("ssh-"))
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {' '.join(public.split()[:2])}\n")
        session = overlay(self._system, host.read_bytes(), key.with_suffix(".pub").read_bytes())
        image = self._images[self._system].read_bytes()
        # Archives one after the other are one image, when the compressed one ends on a multiple of four.
        (self.folder / "initrd").write_bytes(image + b"\0" * (-len(image) % 512) + session)


class Adb:
    """An adb server of the test's own, with keys of its own. `environment` points the client at it."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("adb") is None:
            pytest.skip("adb is missing (Debian: adb)")
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {"ANDROID_ADB_SERVER_PORT": str(free_port()), "HOME": str(folder)}

    def call(self, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["adb", *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def connect(self, port: int, limit_s: float = UP_S) -> str:
        """The serial of an adbd that listens there, once it answers."""
        serial, deadline = f"127.0.0.1:{port}", time.monotonic() + limit_s
        while True:
            self.call("connect", serial)
            if self.call("-s", serial, "get-state").stdout.strip() == "device":
                return serial
            if time.monotonic() > deadline:
                pytest.fail(f"adbd does not answer after {limit_s:g} s")
            self.call("disconnect", serial)
            time.sleep(0.5)

    def close(self) -> None:
        with suppress(subprocess.SubprocessError):
            self.call("kill-server")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
