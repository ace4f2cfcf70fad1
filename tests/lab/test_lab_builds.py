"""Engines are built once for a whole lab, and what arrives changed is refused."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bnnbench.harness.errors import CannotMeasure
from bnnbench.harness.lab.build_calls import make_build, read_build
from bnnbench.harness.lab.calls import PLUGIN, receive_file
from bnnbench.harness.lab.errands import Errands
from bnnbench.harness.lab.files import missing, receive
from bnnbench.harness.lab.host import Host, OfferedDevice
from bnnbench.harness.lab.link import Link
from bnnbench.harness.lab.shared_builds import Own, send, share_out
from bnnbench.kernels import toolchain
from bnnbench.kernels.built_elsewhere import Artifact, adopt, artifact_at, kept, path_of
from bnnbench.kernels.errors import BuildError
from bnnbench.kernels.toolchain import EngineBuild, build, build_key
from tests.lab.labs import Lab
from tests.lab.test_lab_fleet import ask, fleet, logged, suite, table

__all__ = ("fleet",)
NATIVE: Own = ("native", "x86_64-linux-musl", None)


LARGE = """
[[kernel]]
op = "bconv2d"
input = [64, 64, 256]
filters = 128
"""


class Machines:
    """A client and a host in this process, each with a cache of its own, and a link that tests may damage."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.host = Host(folder / "host", {})
        self.built: list[str] = []
        self.notes: list[str] = []
        self.damage: Callable[[bytes], bytes] = lambda data: data
        patch.setattr(toolchain, "_compile_and_link", self._compiled)
        self.be("client")

    def _compiled(self, scratch: Path, key: str, *_: Any) -> None:
        self.built.append(self.here)
        (scratch / "engine").write_bytes(key.encode() * 200_000)  # two pieces

    def be(self, name: str) -> None:
        self.here = name
        self.patch.setenv("BNNBENCH_CACHE", str(self.folder / name / "cache"))

    def at_host(self, own: Own = NATIVE) -> EngineBuild:
        """Builds there."""
        self.be("host")
        try:
            return build(*own)
        finally:
            self.be("client")

    def ask(self, worker: str, function: Callable[..., Any], *words: Any) -> Any:
        """As `Link.ask`."""
        there = SimpleNamespace(plugins={PLUGIN: SimpleNamespace(host=self.host)})
        self.be("host")
        try:
            found = asyncio.run(function(*words, dask_worker=there))
        finally:
            self.be("client")
        return self.damage(found) if function is read_build else found

    def send(self, worker: str, files: Mapping[str, Path], check: Callable[[], None]) -> None:
        """As `Link.send`."""
        for name in missing(self.host.files, list(files)):
            receive(self.host.files, name, "sender", 0, self.damage(files[name].read_bytes()), is_last=True)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def phase(self, device: str, text: str, done: int, total: int) -> None: ...

    @property
    def link(self) -> Link:
        return cast(Link, self)

    def share_out(self) -> None:
        share_out(self.link, [NATIVE], {"rack": "worker"}, self)


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(tmp_path, monkeypatch)


def damaged(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def assert_private(path: Path) -> None:
    """As what is built here: nobody but the user can read or change it."""
    assert path.stat().st_mode & 0o777 == 0o500
    assert path.parent.stat().st_mode & 0o077 == 0
    assert [item.name for item in path.parent.parent.iterdir() if item.name != ".lock"] == [path.parent.name]


def test_what_a_host_has_built_is_fetched(machines: Machines) -> None:
    there = machines.at_host()
    machines.share_out()
    assert machines.built == ["host"]
    assert kept("engines", there.build) == Artifact("engines", there.build, there.sha256)
    here = build(*NATIVE)
    assert here.path.read_bytes() == there.path.read_bytes()
    assert here.path != there.path
    assert_private(here.path)
    assert machines.built == ["host"]
    assert machines.notes == ["the engine native for x86_64-linux-musl comes from the host rack"]


def test_a_build_that_arrives_damaged_is_refused_and_built_here(machines: Machines) -> None:
    machines.at_host()
    machines.damage = damaged
    machines.share_out()
    assert machines.built == ["host", "client"]
    assert "is not the file that was announced" in machines.notes[0]
    assert kept("engines", build_key(*NATIVE)) is not None


def test_a_host_gets_what_the_client_has_built(machines: Machines) -> None:
    here = build(*NATIVE)
    mine = artifact_at(here.path)
    assert mine is not None
    machines.damage = damaged
    with pytest.raises(CannotMeasure, match="arrived damaged"):
        send(machines.link, "worker", [mine], lambda: None)
    machines.damage = bytes
    send(machines.link, "worker", [mine], lambda: None)
    there = machines.at_host()
    assert machines.built == ["client"]
    assert there.sha256 == here.sha256
    assert_private(there.path)
    send(machines.link, "worker", [mine], lambda: None)  # it has it


def test_a_build_that_differs_from_the_hosts_is_refused(machines: Machines) -> None:
    there = machines.at_host()
    with pytest.raises(CannotMeasure, match="was built differently on two machines"):
        send(machines.link, "worker", [Artifact("engines", there.build, "0" * 64)], lambda: None)
    assert there.path.read_bytes() == there.build.encode() * 200_000


def test_a_host_with_other_compilers_builds_nothing(machines: Machines) -> None:
    with pytest.raises(CannotMeasure, match="its compilers make another engine native"):
        machines.ask("worker", make_build, *NATIVE, "0" * 64, 10.0)
    assert machines.built == []
    found = machines.ask("worker", make_build, *NATIVE, build_key(*NATIVE), 10.0)
    assert (machines.built, found.key) == (["host"], build_key(*NATIVE))


@pytest.mark.parametrize(
    ("kind", "key"), [("engines", "../" * 21 + "x"), ("engines", "A" * 64), ("../engines", "0" * 64), ("zig", "0" * 64)]
)
def test_only_builds_have_a_place(kind: str, key: str, tmp_path: Path, machines: Machines) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(BuildError, match="there are no builds of this name"):
        path_of(kind, key)
    with pytest.raises(BuildError, match="there are no builds of this name"):
        adopt(Artifact(kind, key, hashlib.sha256(b"x").hexdigest()), tmp_path / "file")
    assert artifact_at(tmp_path / "file") is None


def test_nothing_is_written_on_a_host_that_times_itself(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    local = SimpleNamespace(is_local=True)
    machines.host.devices = {"desk": OfferedDevice(cast(Any, local))}
    monkeypatch.setattr("bnnbench.harness.lab.host._QUIET_WAIT_S", 0.05)
    name = f"{hashlib.sha256(b'data').hexdigest()}/data"
    words = (name, "sender", 0, b"data", True)
    timing, timed = threading.Event(), threading.Event()

    def time_a_block() -> None:
        with machines.host.quiet():
            timing.set()
            timed.wait(20)

    threading.Thread(target=time_a_block, daemon=True).start()
    assert timing.wait(10)
    assert not machines.ask("worker", receive_file, *words)
    assert missing(machines.host.files, [name]) == [name]
    timed.set()
    while not machines.ask("worker", receive_file, *words):
        pass
    assert missing(machines.host.files, [name]) == []


def test_an_errand_is_done_once_for_all_who_ask() -> None:
    errands, done, go_on = Errands(), [], threading.Event()

    def work() -> str:
        go_on.wait(20)
        done.append(1)
        return "made"

    assert errands.result("key", work, 0.0) is None
    assert errands.result("key", work, 0.0) is None
    go_on.set()
    assert errands.result("key", work, 10.0) == "made"
    assert done == [1]

    def fails() -> str:
        raise CannotMeasure("no space.")

    with pytest.raises(CannotMeasure, match="no space"):
        errands.result("key", fails, 10.0)
    assert errands.result("key", work, 10.0) == "made"  # the next one who asks has it tried again


def test_a_lab_builds_an_engine_once(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Two hosts, with boards of the same platforms each; then another user, who has built nothing. Right outputs are
    computed once too, where that takes long."""
    monkeypatch.setenv("FLEET_BUILDS", "1")
    fleet: Lab = request.getfixturevalue("fleet")
    triples = ("x86_64-linux-musl", "aarch64-linux-musl", "riscv64-linux-musl")
    names = [f"{triple.partition('-')[0]}-{host}" for host in "ab" for triple in triples]
    for host in "ab":
        own = [table(fleet, f"{each.partition('-')[0]}-{host}", f'triple = "{each}"') for each in triples]
        fleet.join(f"host{host}", "".join(own))
    for user in ("ann", "bob"):
        bench = fleet.user(user)
        bench.write("suite.toml", suite(1, 1) + LARGE)
        client = ask(bench, fleet, names)
        _, err = client.communicate(timeout=100)
        assert client.returncode == 0, err
        run = bench.store.run("latest")
        assert len(run.invocations) == 2 * len(names)
        assert {gate.status for gate in run.gates.values()} == {"ok"}
    logs = (fleet.folder / "hosts.log", *(fleet.folder / name / "log" for name in ("ann", "bob")))
    built = [what for log in logs for _, what in logged(log, "build")]
    assert sorted(what.partition("@")[0] for what in built) == sorted(triples), built
    assert len({what.partition("@")[2] for what in built}) == len(triples), built  # each by another machine
    assert "bob" not in str(built)
    computed = [what for log in logs for _, what in logged(log, "compute")]
    assert sum(what.startswith("bconv2d") for what in computed) == 1, computed
