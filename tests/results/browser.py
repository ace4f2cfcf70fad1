"""A real browser, spoken to through the pipe of its DevTools: what a page looks like, measured."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_OPTIONS = (
    *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
    *("disable-component-update", "disable-sync", "hide-scrollbars", "remote-debugging-pipe"),
)
_LIMIT_S = 60.0


class Browser:
    """One page of a browser. Every call raises TimeoutError after a minute."""

    def __init__(self, commands: int, replies: int) -> None:
        self._commands, self._replies = commands, replies
        self._unread, self._number, self._session = b"", 0, ""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.ask("Page.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The reply to a command. Raises AssertionError where the browser refuses it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        text = json.dumps(message | ({"sessionId": self._session} if self._session else {}))
        os.write(self._commands, text.encode() + b"\0")
        reply = self._until(lambda one: one.get("id") == self._number)
        assert "error" not in reply, reply["error"]
        result: dict[str, Any] = reply["result"]
        return result

    def open(self, path: Path, width: int, height: int = 900, *, dark: bool = False, printed: bool = False) -> None:
        """Shows a file in a window of so many CSS pixels, on a dark screen, or as it is printed."""
        self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media="print" if printed else "screen", features=[scheme])
        self.ask("Page.navigate", url=path.as_uri())
        self._until(lambda one: one.get("method") == "Page.loadEventFired")

    def value(self, script: str) -> Any:
        """What an expression of JavaScript gives."""
        reply = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """A PNG of the window, or of the whole page."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self, path: Path) -> None:
        """The page as it is printed on the paper that it asks for."""
        self.ask("Emulation.setEmulatedMedia", media="print")
        printed = self.ask("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
        path.write_bytes(base64.b64decode(printed["data"]))

    def _until(self, wanted: Any) -> dict[str, Any]:
        deadline = time.monotonic() + _LIMIT_S
        while True:
            while b"\0" in self._unread:
                text, _, self._unread = self._unread.partition(b"\0")
                message: dict[str, Any] = json.loads(text)
                if wanted(message):
                    return message
            if not select.select([self._replies], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"the browser did not answer within {_LIMIT_S:.0f} s")
            part = os.read(self._replies, 1 << 20)
            if not part:
                raise EOFError("the browser is gone")
            self._unread += part


@contextmanager
def browser(profile: Path) -> Generator[Browser]:
    """A browser that is ended with the block."""
    their_input, commands = os.pipe()
    replies, their_output = os.pipe()
    shell = f'exec "$@" 3<&{their_input} 4>&{their_output}'
    options = [f"--{option}" for option in (*_OPTIONS, f"user-data-dir={profile}")]
    process = subprocess.Popen(
        ["bash", "-c", shell, "browser", "chromium", *options],
        pass_fds=(their_input, their_output),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(their_input)
    os.close(their_output)
    try:
        one = Browser(commands, replies)
        yield one
        one._session = ""
        one.ask("Browser.close")
    finally:
        os.close(commands)
        os.close(replies)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
