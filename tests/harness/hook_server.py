"""A server that takes what is posted to it, on this machine."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "T0K3N-f00dcafe"  # noqa: S105 - no real one
"""In the address of every such server."""


@dataclass
class Hook:
    """A server that answers with `statuses`, one after another, and then always with the last of them."""

    statuses: list[int]
    location: str = ""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None
    scheme: str = "http"
    slowly: threading.Event | None = None

    def start(self, context: ssl.SSLContext | None = None) -> None:
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, dict(self.headers), body))
                if hook.slowly is not None:
                    hook.slowly.wait(30)
                status = hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0]
                self.send_response(status)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self.scheme = "https"
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}/services/{SECRET}"

    def close(self) -> None:
        if self.server is not None:
            if self.slowly is not None:
                self.slowly.set()
            self.server.shutdown()
            self.server.server_close()
