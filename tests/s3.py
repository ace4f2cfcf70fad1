"""A real S3 server in a process of its own (moto's), and a connection to it that can be cut and mended."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ACCESS_KEY, SECRET_KEY, TOKEN = (
    "AKIAPLANTED0000ACCESS",
    "plantedSecret/Key+0000000000000000000000",
    "plantedSessionToken",
)
BUCKET = "team-results"
_START_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Line:
    """A TCP connection to a server, on a port of its own: while it is cut, nothing listens there."""

    def __init__(self, server_port: int) -> None:
        self._server_port, self.port = server_port, free_port()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self.allowed: int | None = None
        """So many bytes go to the server before the line cuts itself; None: all."""
        self.hangs = False
        """Whether it lets nothing through then, instead of cutting itself."""
        self.is_hanging = threading.Event()
        self.mend()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def mend(self) -> None:
        if self._listener is not None:
            return
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port), timeout=30)
                self._open |= {client, server}
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, target, source is client), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 14):
                if counts and self.allowed is not None:
                    self.allowed -= len(data)
                    if self.allowed < 0:
                        if self.hangs:
                            self.is_hanging.set()
                            continue
                        self.cut()
                        break
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.close()
            self._open.discard(end)


@contextlib.contextmanager
def moto_server() -> Iterator[int]:
    """The port of an S3 server that keeps its objects in memory."""
    port = free_port()
    server = subprocess.Popen(
        [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _START_S
        while True:
            assert server.poll() is None, "the server has ended"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)
        yield port
    finally:
        server.kill()
        server.wait(30)


def credentials(folder: Path, endpoint: str) -> dict[str, str]:
    """The environment of a user who has the planted credentials and no others."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint,
    }


def planted_in(folder: Path) -> list[str]:
    """Files below a folder in which one of the planted credentials is."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and any(word.encode() in path.read_bytes() for word in (ACCESS_KEY, SECRET_KEY, TOKEN)):
            found.append(str(path))
    return found


class Storage:
    """A bucket of its own, reached through a line that can be cut; `client` goes to the server directly."""

    def __init__(self, port: int, bucket: str) -> None:
        import boto3

        self.bucket, self.line = bucket, Line(port)
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id="judge",
            aws_secret_access_key="judge",  # noqa: S106 - moto takes any
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=bucket)
        self.url = f"s3://{bucket}/bench/results"

    def names(self) -> list[str]:
        """Every key below the store's prefix, without it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", ())]
        return sorted(key.removeprefix("bench/results/") for key in keys)

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"bench/results/{name}", Body=content)

    def get(self, name: str) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.bucket, Key=f"bench/results/{name}")["Body"].read()
        return content

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=f"bench/results/{name}")


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    pytest.importorskip("boto3", reason="boto3 is not installed")
    pytest.importorskip("moto", reason="moto is not installed")
    with moto_server() as port:
        yield port


_count = iter(range(10**6))


@pytest.fixture
def storage(s3_port: int) -> Iterator[Storage]:
    made = Storage(s3_port, f"{BUCKET}-{os.getpid()}-{next(_count)}")
    yield made
    made.line.cut()
