"""How long a device that is lost again and again is believed in. Real losses are in tests/boards/test_faults.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bnnbench.devices.errors import AuthError, DeviceLost
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.probe import probe
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.devices.transport.protocol import Transport
from bnnbench.harness.bench.context import RunContext, Silent
from bnnbench.harness.plan.target import Target
from bnnbench.harness.run import comeback
from bnnbench.results.records import CaseRecord, ComparisonRecord, Entry, Gate, Invocation, Peak, RunRecord, Verdict
from bnnbench.results.store.stored_run import StoredRun

SPEC = DeviceSpec("board", transport="local", patience_s=5)
STARTED = "2026-01-01T00:00:00Z"
COMPARISON = ComparisonRecord(
    id="both", workload="w", device="board", threads=1, base_case="mine", head_case="mine", base="a", head="b"
)


def case(id: str, device: str) -> CaseRecord:
    return CaseRecord(id=id, workload="w", kind="kernel", engine="native", device=device, threads=1)


def invocation(case_id: str, comparison_id: str | None = None) -> Invocation:
    return Invocation(case_id=case_id, index=0, order=0, status="ok", started=STARTED, comparison_id=comparison_id)


@dataclass
class Writer:
    """A journal in memory."""

    record: RunRecord
    so_far: StoredRun

    def read(self) -> StoredRun:
        return self.so_far

    def append(self, entry: Entry) -> None:
        self.so_far.entries.append(entry)

    def share(self) -> None:
        """To nobody."""


@dataclass
class Losing:
    """A session that leaves `entries` in the journal each time, and is lost, `times` times."""

    context: RunContext
    entries: Callable[[], list[Entry]]
    times: int
    target: Target
    transport: Transport
    builds_ns: int = 0
    boots: list[str | None] = field(default_factory=list)

    def run(self) -> None:
        self.boots.append(self.target.facts.boot_id)
        for entry in self.entries():
            self.context.append(entry)
        if len(self.boots) <= self.times:
            raise DeviceLost("device 'board' is lost.")


@pytest.fixture
def losing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Entry], int], Losing]:
    monkeypatch.setattr(comeback, "_FIRST_WAIT_S", 0.01)
    record = RunRecord(
        run_id="1", created=STARTED, version="0", suite_name="s", seed=0,
        comparisons=[COMPARISON],
        cases=[case("mine", "board"), case("its", "x")], invocations_per_case=1, samples_per_invocation=1,
    )  # fmt: skip
    context = RunContext(
        store=tmp_path, writer=Writer(record, StoredRun(record, [])), watcher=Silent(), samples=1, invocations=1,  # type: ignore[arg-type]
        calibrates=False, min_sample_ns=1, min_warmup_ns=1, seed=0,
    )  # fmt: skip
    transport = connect(SPEC)
    target = Target(SPEC, probe(transport), (0,), {}, {})
    return lambda entries, times: Losing(context, lambda: entries, times, target, transport)


@pytest.mark.parametrize(
    "entry",
    [
        Peak(device="board", isa="avx2", threads=1, popcount_gops=1.0, fma_gflops=1.0, started=STARTED),
        Gate(case_id="its", status="ok"),
        Gate(case_id="mine", status="failed"),
        invocation("its"),
        invocation("mine", comparison_id="half a pair"),
        Verdict(comparison_id="both", metric="latency", unit="ns", status="failed"),
    ],
)
def test_what_is_no_progress_ends_it(losing: Callable[[list[Entry], int], Losing], entry: Entry) -> None:
    session = losing([entry], 99)
    with pytest.raises(DeviceLost):
        comeback.run_patiently(session, session.context)
    assert len(session.boots) == 4


def test_progress_goes_on(losing: Callable[[list[Entry], int], Losing]) -> None:
    session = losing([invocation("mine")], 7)
    comeback.run_patiently(session, session.context)
    assert len(session.boots) == 8


def test_keys_that_are_refused_while_it_boots_are_waited_for(
    losing: Callable[[list[Entry], int], Losing], monkeypatch: pytest.MonkeyPatch
) -> None:
    booting = [AuthError("device 'board' refused your keys."), AuthError("device 'board' refused your keys.")]

    def connect_later(spec: DeviceSpec) -> Transport:
        if booting:
            raise booting.pop()
        return connect(spec)

    monkeypatch.setattr(comeback, "connect", connect_later)
    session = losing([], 1)
    comeback.run_patiently(session, session.context)
    assert len(session.boots) == 2
    assert not booting


def test_what_is_known_of_it_is_what_came_back(
    losing: Callable[[list[Entry], int], Losing], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rebooted(transport: Transport) -> DeviceFacts:
        facts = probe(transport).to_dict()
        return DeviceFacts.from_dict(facts | {"boot_id": {"value": "another", "source": "test"}})

    monkeypatch.setattr(comeback, "probe", rebooted)
    session = losing([], 1)
    comeback.run_patiently(session, session.context)
    assert session.boots[1] == "another" != session.boots[0]
    kinds = [one.kind for one in session.context.writer.read().events]
    assert kinds == ["lost", "rebooted"]
