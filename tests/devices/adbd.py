"""A stand-in for a phone's adbd, which the real adb client and server speak to: its wire protocol, and the two forms of
its shell. Commands run in this machine's `sh`. After https://android.googlesource.com/platform/packages/modules/adb
(protocol.txt, SERVICES.TXT, shell_protocol.h).

with adb_server(folder), FakeAdbd(folder, "shell_v2") as phone: ...phone.serial

    python adbd.py HOME PORT     one with a process of its own, until it is killed
"""

from __future__ import annotations

import os
import queue
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import pytest

_HEADER: Final = struct.Struct("<6I")
_PACKET: Final = struct.Struct("<BI")
_CNXN, _OPEN, _OKAY, _CLSE, _WRTE = (
    int.from_bytes(word, "little") for word in (b"CNXN", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
_VERSION, _MOST = 0x01000001, 1 << 18
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)


@contextmanager
def adb_server(folder: Path) -> Iterator[None]:
    """A server of adb of the test's own, with its home in `folder`. Skips the test where adb is not installed."""
    program = shutil.which("adb")
    if program is None:
        pytest.skip("adb is not installed")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        # Not the home of the tests beside it: their caches are in the real one.
        at_home = {**os.environ, "HOME": str(folder)}
        subprocess.run([program, "start-server"], capture_output=True, timeout=20, check=True, env=at_home)
        yield
        subprocess.run([program, "kill-server"], capture_output=True, timeout=20, check=False)


class FakeAdbd:
    """`features` are what it says it has; without `shell_v2` it is a phone from before Android 7. `home` is what HOME
    is over there."""

    def __init__(
        self,
        home: Path,
        features: str = "shell_v2",
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        has_exec: bool = True,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port = int(self._listener.getsockname()[1])
        self.serial = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self._home, self._features, self._has_exec = home, features, has_exec
        self._peers: list[_Peer] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for peer in self._peers:
            peer.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._peers.append(_Peer(sock, self._home, self._features, self._has_exec))


class _Peer:
    """The server of adb at the other end."""

    def __init__(self, sock: socket.socket, home: Path, features: str, has_exec: bool) -> None:
        self._sock, self.home, self._features = sock, home, features
        self.services = ("shell", "exec") if has_exec else ("shell",)
        self._sending = threading.Lock()
        self._streams: dict[int, _Stream] = {}
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        for stream in list(self._streams.values()):
            stream.end()

    def send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        header = _HEADER.pack(command, first, second, len(data), sum(data) & 0xFFFFFFFF, command ^ 0xFFFFFFFF)
        with self._sending, suppress(OSError):
            self._sock.sendall(header + data)

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not (part := self._sock.recv(count - len(data))):
                raise EOFError
            data += part
        return data

    def _serve(self) -> None:
        with suppress(OSError, EOFError):
            while True:
                command, first, _, length, _, _ = _HEADER.unpack(self._receive(_HEADER.size))
                data = self._receive(length)
                if command == _CNXN:
                    props = "ro.product.name=fake;ro.product.model=fake;ro.product.device=fake;"
                    banner = f"device::{props}features={self._features}".encode()
                    self.send(_CNXN, _VERSION, _MOST, banner)
                elif command == _OPEN:
                    self._streams[first] = _Stream(self, first, data.rstrip(b"\0").decode())
                elif first and (stream := next((one for one in self._streams.values() if one.theirs == first), None)):
                    if command == _WRTE:
                        self.send(_OKAY, stream.ours, stream.theirs)
                        stream.take(data)
                    elif command == _OKAY:
                        stream.acknowledged.release()
                    elif command == _CLSE:
                        stream.end()
        for stream in list(self._streams.values()):
            stream.end()


class _Stream:
    """One service that was opened: a command."""

    def __init__(self, peer: _Peer, theirs: int, service: str) -> None:
        self.ours, self.theirs = theirs, theirs
        self.acknowledged = threading.Semaphore(1)
        self._peer, self._sending = peer, threading.Lock()
        self._input: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._is_over = threading.Event()
        name, _, command = service.partition(":")
        self._framed = "v2" in name.split(",")
        if name.partition(",")[0] not in peer.services or not command:
            peer.send(_CLSE, 0, theirs)
            return
        # Without frames one stream carries both; a `shell` of that time was a terminal, which writes `\\r\\n`.
        self._is_terminal = name == "shell"
        self._process = subprocess.Popen(
            ["sh", "-c", command],
            env={**os.environ, "HOME": str(peer.home), "TMPDIR": "/tmp"},  # noqa: S108 - what /data/local/tmp is on a phone
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self._framed else subprocess.STDOUT,
            start_new_session=True,
        )
        peer.send(_OKAY, self.ours, self.theirs)
        for work in (self._run, self._feed):
            threading.Thread(target=work, daemon=True).start()

    def take(self, data: bytes) -> None:
        """Bytes for stdin."""
        self._input.put(data)

    def _feed(self) -> None:
        """In a thread of its own: a command that does not read must not keep others from being heard."""
        pending, stdin = b"", self._process.stdin
        assert stdin is not None
        with suppress(OSError, ValueError):
            while (data := self._input.get()) is not None:
                if not self._framed:
                    stdin.write(data)
                    stdin.flush()
                    continue
                pending += data
                while len(pending) >= _PACKET.size:
                    kind, length = _PACKET.unpack(pending[: _PACKET.size])
                    if len(pending) < _PACKET.size + length:
                        break
                    body, pending = pending[_PACKET.size : _PACKET.size + length], pending[_PACKET.size + length :]
                    if kind == _STDIN:
                        stdin.write(body)
                        stdin.flush()
                    elif kind == _CLOSE_STDIN:
                        return stdin.close()
        with suppress(OSError, ValueError):
            stdin.close()
        return None

    def end(self) -> None:
        """The other end has hung up: stdin and stdout are gone, as a phone does it."""
        self._input.put(None)
        self._is_over.set()
        self.acknowledged.release()

    def _run(self) -> None:
        threads = [threading.Thread(target=self._copy, args=(self._process.stdout, _STDOUT), daemon=True)]
        if self._framed:
            threads.append(threading.Thread(target=self._copy, args=(self._process.stderr, _STDERR), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        status = self._process.wait()
        self._input.put(None)
        if self._is_over.is_set():
            return
        if self._framed:
            self._write(_PACKET.pack(_EXIT, 1) + bytes([status if status >= 0 else 128 - status]))
        self.acknowledged.acquire(timeout=5)  # the last bytes have come over there
        self._peer.send(_CLSE, self.ours, self.theirs)

    def _copy(self, pipe: IO[bytes], kind: int) -> None:
        with suppress(BrokenPipeError), pipe:
            self._copy_all(pipe, kind)

    def _copy_all(self, pipe: IO[bytes], kind: int) -> None:
        while data := os.read(pipe.fileno(), 1 << 14):
            if self._framed:
                data = _PACKET.pack(kind, len(data)) + data
            elif self._is_terminal:
                data = data.replace(b"\n", b"\r\n")
            self._write(data)

    def _write(self, data: bytes) -> None:
        """One message at a time, as the protocol wants it."""
        with self._sending:
            self.acknowledged.acquire(timeout=30)
            if self._is_over.is_set():
                raise BrokenPipeError
            self._peer.send(_WRTE, self.ours, self.theirs, data)


if __name__ == "__main__":
    FakeAdbd(Path(sys.argv[1]), port=int(sys.argv[2]))
    threading.Event().wait()
