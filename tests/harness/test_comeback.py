"""How long a device that is lost again and again is believed in. Real losses are in tests/boards/test_faults.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bnnbench.devices.errors import AuthError, DeviceLost, DeviceUnfit, Unreachable
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.probe import probe
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.devices.transport.protocol import Transport
from bnnbench.harness.bench.context import RunContext, Silent
from bnnbench.harness.plan.target import Target
from bnnbench.harness.run import comeback, revival
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
    monkeypatch.setattr(revival, "FIRST_WAIT_S", 0.01)
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
    with pytest.raises(DeviceUnfit, match="loss 4 in a row"):
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

    monkeypatch.setattr(revival, "connect", connect_later)
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

    monkeypatch.setattr(revival, "probe", rebooted)
    session = losing([], 1)
    comeback.run_patiently(session, session.context)
    assert session.boots[1] == "another" != session.boots[0]
    kinds = [one.kind for one in session.context.writer.read().events]
    assert kinds == ["lost", "rebooted"]


@dataclass
class Hanging:
    """A board that answers nothing until its power was cut `needed` times; each time it gets another boot id."""

    needed: int
    folder: Path
    has_id: bool = True

    @property
    def boots(self) -> int:
        return len(list(self.folder.glob("boot-*")))

    def connect(self, spec: DeviceSpec) -> Transport:
        if self.boots < self.needed:
            raise Unreachable("device 'board' does not answer.")
        return connect(spec)

    def probe(self, transport: Transport) -> DeviceFacts:
        facts = probe(transport).to_dict()
        value = f"boot {self.boots}" if self.has_id else None
        return DeviceFacts.from_dict(facts | {"boot_id": {"value": value, "source": "test"}})


Hang = Callable[..., tuple[Losing, Hanging]]


@pytest.fixture
def hanging(losing: Callable[[list[Entry], int], Losing], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hang:
    def make(
        needed: int, times: int = 1, *, cuts: bool = True, entries: Sequence[Entry] = ()
    ) -> tuple[Losing, Hanging]:
        board = Hanging(needed, tmp_path)
        monkeypatch.setattr(revival, "connect", board.connect)
        monkeypatch.setattr(revival, "probe", board.probe)
        session = losing(list(entries), times)
        command = ("mktemp", f"{tmp_path}/boot-XXXXXX") if cuts else ("true",)
        spec = replace(SPEC, patience_s=1, power_cycle=command)
        facts = board.probe(session.transport)
        session.target = replace(session.target, spec=spec, facts=facts)
        return session, board

    return make


def kinds(session: Losing) -> list[str]:
    return [one.kind for one in session.context.writer.read().events]


@pytest.mark.parametrize("needed", [1, 2])
def test_a_board_that_hangs_is_power_cycled(hanging: Hang, needed: int) -> None:
    session, board = hanging(needed)
    comeback.run_patiently(session, session.context)
    assert board.boots == needed
    assert kinds(session) == ["lost", *["power_cycled"] * needed, "rebooted"]


def test_twice_at_most(hanging: Hang) -> None:
    session, board = hanging(3)
    with pytest.raises(DeviceUnfit, match=r"was power-cycled 2 times and did not come back: .*does not answer"):
        comeback.run_patiently(session, session.context)
    assert board.boots == 2


def test_a_command_that_cuts_nothing_is_noticed_by_the_boot_id(hanging: Hang) -> None:
    session, board = hanging(0, cuts=False)
    board.needed = 1
    wake = board.connect

    def wakes(spec: DeviceSpec) -> Transport:
        if kinds(session).count("power_cycled") == 1:
            board.needed = 0
        return wake(spec)

    revival.connect = wakes  # type: ignore[assignment]  # put back by the fixture
    with pytest.raises(DeviceUnfit, match="still has the boot id of before: its power was not cut"):
        comeback.run_patiently(session, session.context)
    assert kinds(session) == ["lost", "power_cycled", "power_cycled"]


def test_a_board_without_a_boot_id_is_believed(hanging: Hang) -> None:
    session, board = hanging(1)
    board.has_id = False
    comeback.run_patiently(session, session.context)
    assert kinds(session) == ["lost", "power_cycled", "back"]


def test_a_board_that_returns_by_itself_keeps_its_power(hanging: Hang) -> None:
    session, board = hanging(0)
    comeback.run_patiently(session, session.context)
    assert (board.boots, kinds(session)) == (0, ["lost", "back"])


def test_a_board_that_hangs_again_and_again_is_given_up(hanging: Hang) -> None:
    session, board = hanging(0, 99, entries=[invocation("mine")])  # it is lost after something was measured
    board.needed = 1
    before = board.connect

    def hangs_again(spec: DeviceSpec) -> Transport:
        done = before(spec)
        board.needed = board.boots + 1
        return done

    revival.connect = hangs_again  # type: ignore[assignment]
    with pytest.raises(DeviceUnfit, match="hung again after it was power-cycled twice in this run"):
        comeback.run_patiently(session, session.context)
    assert board.boots == 2


def test_a_command_that_fails_is_tried_twice(hanging: Hang) -> None:
    session, _ = hanging(1)
    session.target = replace(session.target, spec=replace(session.target.spec, power_cycle=("false",)))
    with pytest.raises(DeviceUnfit, match="'false' ended with status 1"):
        comeback.run_patiently(session, session.context)
    assert kinds(session).count("power_cycled") == 2
