"""What a command writes, up to the bytes that are allowed: what comes from a device must not fill this machine."""

from __future__ import annotations

import builtins
import os
import selectors
import subprocess
import time

from bnnbench.devices.errors import TooMuchOutput

_CHUNK_BYTES = 1 << 16


class Bounded:
    """The bytes of one stream, which one thread feeds and another may check. `what` is the command, for the error."""

    def __init__(self, limit_bytes: int, what: str) -> None:
        self._data = bytearray()
        self._limit_bytes = limit_bytes
        self._what = what
        self._is_over = False

    def feed(self, data: builtins.bytes) -> None:
        """What is over the limit is not kept."""
        room = self._limit_bytes - len(self._data)
        self._data += data[:room]
        self._is_over = self._is_over or len(data) > room

    def check(self) -> None:
        """Raises TooMuchOutput when there was more than the limit."""
        if self._is_over:
            raise TooMuchOutput(f"{self._what} wrote more than {self._limit_bytes:,} bytes, so it was ended.")

    def bytes(self) -> builtins.bytes:
        """What was fed."""
        return builtins.bytes(self._data)


def collect(process: subprocess.Popen[bytes], input: bytes, deadline: float, stdout: Bounded, stderr: Bounded) -> None:
    """Feed an unbuffered process its input and read both streams to their ends; the process has ended then.

    Raises TimeoutError at the deadline of `time.monotonic()`, TooMuchOutput.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    view = memoryview(input)
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stdin, selectors.EVENT_WRITE)
        streams = {process.stdout.fileno(): stdout, process.stderr.fileno(): stderr}
        for pipe in (process.stdout, process.stderr):
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            for key, _ in waiting.select(left_s):
                if key.fd in streams:
                    if data := os.read(key.fd, _CHUNK_BYTES):
                        streams[key.fd].feed(data)
                        streams[key.fd].check()
                    else:
                        waiting.unregister(key.fileobj)
                    continue
                try:
                    view = view[os.write(key.fd, view[:_CHUNK_BYTES]) :] if view else view
                except BlockingIOError:
                    continue
                except BrokenPipeError:  # it reads no more
                    view = view[:0]
                if not view:
                    waiting.unregister(key.fileobj)
                    process.stdin.close()
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
