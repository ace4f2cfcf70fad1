"""Right outputs that are computed at one host for all: what fails there, or arrives changed, is left to each host."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bnnbench.harness.bench.stop import Interrupted
from bnnbench.harness.errors import CannotMeasure
from bnnbench.harness.lab.calls import PLUGIN
from bnnbench.harness.lab.files import Sent
from bnnbench.harness.lab.host import Host
from bnnbench.harness.lab.link import Link
from bnnbench.harness.lab.reference_calls import compute_references, read_file
from bnnbench.harness.lab.shared_references import SharedReferences
from bnnbench.harness.plan.config import RunConfig
from bnnbench.harness.suite.tables import Suite


class FakeLink:
    """To hosts that have a file for each key, but for `broken`, which goes away; `damage` changes what is fetched."""

    def __init__(self, damage: Callable[[bytes], bytes] = bytes) -> None:
        self.damage, self.asked, self.notes = damage, dict[str, list[str]](), list[str]()

    def send(self, worker: str, files: Mapping[str, Path], check: Callable[[], None]) -> None: ...

    def ask(self, worker: str, function: Callable[..., Any], *words: Any) -> Any:
        if function is read_file:
            return self.damage(b"right")
        assert function is compute_references
        if worker == "broken":
            raise CannotMeasure("its host does not answer")
        self.asked[worker] = words[1]
        name = hashlib.sha256(b"right").hexdigest()
        return {key: f"{name}/{key}.npz" for key in words[1]}

    def fetch(self, worker: str, name: str, folder: Path, check: Callable[[], None]) -> Path:
        return Link.fetch(cast(Link, self), worker, name, folder, check)

    def note(self, text: str) -> None:
        self.notes.append(text)


def shared(link: FakeLink, *hosts: str, keys: int = 4) -> SharedReferences:
    sent = Sent(RunConfig(suite=Suite(name="s"), devices=[]), {})
    names = [f"k{number}" for number in range(keys)]
    return SharedReferences(cast(Link, link), sent, names, dict(zip(hosts, hosts, strict=True)), cast(Any, link))


def test_each_is_computed_at_one_host() -> None:
    link = FakeLink()
    found = shared(link, "one", "two", "three")
    files = found.files(lambda: None)
    assert link.asked == {"one": ["k0", "k3"], "two": ["k1"], "three": ["k2"]}
    assert found.names.keys() == {"k0", "k1", "k2", "k3"}
    assert {path.read_bytes() for path in files.values()} == {b"right"}
    link.asked.clear()
    assert found.files(lambda: None) == files  # for the next device
    assert link.asked == {}
    found.close()
    assert not any(path.exists() for path in files.values())


def test_what_a_host_does_not_compute_is_left_to_each() -> None:
    link = FakeLink()
    found = shared(link, "one", "broken")
    assert len(found.files(lambda: None)) == 2
    assert found.names.keys() == {"k0", "k2"}
    assert "the host broken did not compute them: its host does not answer" in link.notes
    found.close()


def test_what_arrives_damaged_is_refused() -> None:
    link = FakeLink(lambda data: data[:-1])
    found = shared(link, "one")
    assert found.files(lambda: None) == {}
    assert found.names == {}
    assert "the host one did not compute them: the file k0.npz arrived damaged; run it again." in link.notes
    found.close()


def test_an_interrupt_ends_it() -> None:
    def stopped() -> None:
        raise Interrupted

    link = FakeLink()
    link.ask = lambda *_: None  # type: ignore[method-assign] # it never ends
    found = shared(link, "one")
    with pytest.raises(Interrupted):
        found.files(stopped)
    found.close()


def test_nothing_is_shared_where_no_host_may_compute() -> None:
    found = shared(FakeLink(), keys=0)
    assert found.files(lambda: None) == {}
    found.close()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", f"{'0' * 64}/..", f"{'0' * 64}/a/b"])
def test_only_files_that_were_sent_are_handed_over(name: str, tmp_path: Path) -> None:
    there = SimpleNamespace(plugins={PLUGIN: SimpleNamespace(host=Host(tmp_path, {}))})
    with pytest.raises(CannotMeasure, match="is no name of a file"):
        asyncio.run(read_file(name, 0, dask_worker=cast(Any, there)))
