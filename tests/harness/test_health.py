"""The health of a device by its checks: made-up figures in a real store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bnnbench.devices import quarantine
from bnnbench.devices.errors import DeviceError
from bnnbench.devices.spec import DeviceSpec
from bnnbench.harness.bench.context import Silent
from bnnbench.harness.cli.documents import health as document
from bnnbench.harness.cli.documents.document import text_of
from bnnbench.harness.suite.load import HEALTH, shipped_suite
from bnnbench.harness.tasks import health
from bnnbench.harness.tasks.health import check_health, due
from bnnbench.harness.tasks.measure import Call
from bnnbench.results.records import CaseRecord, Gate, Invocation, RunRecord
from bnnbench.results.store.calibration import Calibration, save
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from tests.harness.bench import Bench
from tests.harness.test_schemas import check as valid

PI = DeviceSpec("pi4", host="pi4.lab")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WORKLOADS = [str(table.name) for table in shipped_suite(HEALTH).kernel]
NOISE = (0.0, 0.004, -0.003, 0.002, -0.004, 0.003, -0.001)


class Lab:
    """A store in which each check is a day after the one before."""

    def __init__(self, folder: Path) -> None:
        self.store, self.count = Store(folder / "store"), 0
        self.next: list[dict[str, Any]] = []
        self.notes: list[str] = []

    @property
    def now(self) -> datetime:
        return BEGIN + timedelta(days=self.count)

    def check(self, ms: float = 1.0, status: Any = "ok", build: str = "b", noise: float = 1.0) -> StoredRun:
        """One run of the suite, as it would be measured."""
        self.count += 1
        cases = [
            CaseRecord(
                id=name, workload=name, kind="kernel", engine="native", device="pi4", threads=1, engine_build=build
            )
            for name in WORKLOADS
        ]
        record = RunRecord(
            run_id=f"20260101-0000{self.count:02}-00{self.count:04x}", created=self.now.isoformat(), version="0",
            suite_name="health", seed=0, cases=cases, invocations_per_case=7, samples_per_invocation=1,
            devices={"pi4": {"boot_id": {"value": "first", "source": "test"}}}, suite={"health": True},
        )  # fmt: skip
        slow = 1 + NOISE[self.count % 7]
        with self.store.create(record) as writer:
            for name in WORKLOADS:
                writer.append(Gate(case_id=name, status=status, reason=None if status == "ok" else "17 bits differ"))
                for index, each in enumerate(NOISE):
                    samples = [ms * 1e6 * slow * (1 + each * noise)]
                    known = {"started": self.now.isoformat(), "samples_ns": samples, "engine_build": build}
                    if status == "ok":
                        writer.append(Invocation(case_id=name, index=index, order=index, status="ok", **known))
            writer.write_end()
        return self.store.run(record.run_id)

    def measure(self, *_: Any, **words: Any) -> Any:
        assert words == {"health": True}
        return SimpleNamespace(stored=self.check(**self.next.pop(0)))

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Lab(tmp_path)
    monkeypatch.setattr(health, "measure", made.measure)
    yield made
    assert not made.next, "fewer checks than were expected"


@pytest.fixture
def checked(lab: Lab) -> Callable[..., health.Health]:
    """A check that measures as many times as there are arguments."""

    def check(*runs: dict[str, Any]) -> health.Health:
        lab.next = list(runs)
        watcher = SimpleNamespace(note=lab.note, phase=Silent().phase)
        return check_health(Call(lab.store, watcher, []), PI, "pi4")

    return check


Checked = Callable[..., health.Health]


def test_a_new_device_is_learned(lab: Lab, checked: Checked) -> None:
    for count in range(8):
        found = checked({"ms": 1.0 + count % 2})  # whatever it shows
        assert found.is_fit
        assert [case.earlier for case in found.cases] == [count] * 3
        assert {case.chart for case in found.cases} == {None}


def learn(lab: Lab, build: str = "b") -> None:
    for _ in range(10):
        lab.check(build=build)


def test_a_steady_device_stays_in_control(lab: Lab, checked: Checked) -> None:
    learn(lab)
    for _ in range(7):
        found = checked({})
        assert found.is_fit
        assert all(case.chart is not None for case in found.cases)
    assert quarantine.quarantine_of(PI) is None


@pytest.mark.parametrize("ms", [1.1, 0.9])
def test_a_change_that_is_there_twice_is_out_of_control(lab: Lab, checked: Checked, ms: float) -> None:
    learn(lab)
    found = checked({"ms": ms}, {"ms": ms})
    assert list(found.reasons) == ["canary"]
    assert found.held is not None
    assert found.held.reason.startswith(f"health bconv2d is out of control: {'+' if ms > 1 else '-'}")
    assert found.held.reason.endswith(f"of 11 earlier checks (run {found.run_id})")
    assert quarantine.quarantine_of(PI) is not None
    assert lab.notes[0].endswith("; measuring it again")


def test_a_change_that_is_there_once_is_noise(lab: Lab, checked: Checked) -> None:
    learn(lab)
    assert checked({"ms": 1.3}, {}).is_fit
    assert quarantine.quarantine_of(PI) is None


def test_another_build_of_the_engine_begins_anew(lab: Lab, checked: Checked) -> None:
    learn(lab)
    assert checked({"ms": 0.5, "build": "faster"}).is_fit


def test_a_release_accepts_what_it_shows_now(lab: Lab, checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    learn(lab)
    assert not checked({"ms": 1.2}, {"ms": 1.2}).is_fit
    quarantine.release(PI)
    assert quarantine.accepted_since(PI) is not None
    monkeypatch.setattr(health, "accepted_since", lambda _: lab.now.isoformat())
    assert checked({"ms": 1.2}).is_fit


def test_a_wrong_output_is_measured_once(lab: Lab, checked: Checked) -> None:
    found = checked({"status": "wrong_output"})
    assert found.held is not None
    assert found.held.cause == "gate"
    assert "the native engine computes wrong outputs there: 17 bits differ" in found.held.reason


def calibration(sigma: float | None) -> Calibration:
    return Calibration(
        device="pi4", created="2025-12-30T00:00:00+00:00", version="0", suite="s", kernel=None, floor=0.01, margin=0.02,
        comparisons=40, false_alarms=0, false_alarm_low=0, false_alarm_high=0.1, unstable=0, conclusive=1.0,
        sigma=sigma, mde=0.01, invocation_ms=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(("sigma", "noise", "holds"), [(0.006, 1, True), (0.006, 5, False), (None, 5, True)])
def test_noise_beyond_the_calibration(
    lab: Lab, checked: Checked, sigma: float | None, noise: float, holds: bool
) -> None:
    save(lab.store.path, calibration(sigma))
    found = checked(*[{"noise": noise}] * (1 if holds else 2))
    assert found.is_fit is holds
    if not holds:
        assert found.held is not None
        assert found.held.cause == "calibration"
        assert found.held.reason.startswith("its calibration of 2025-12-30 no longer holds: pairs differ by about 3.")


def test_when_a_check_is_due(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    boots = ["first"]

    class Link:
        def __enter__(self) -> Link:
            return self

        def __exit__(self, *_: object) -> None:
            """Nothing."""

    monkeypatch.setattr(health, "connect", lambda spec: Link())
    monkeypatch.setattr(health, "probe", lambda link: SimpleNamespace(boot_id=boots[0]))
    assert due(PI, lab.store) == "it was never checked"
    lab.check()
    assert due(PI, lab.store, lab.now + timedelta(hours=23)) is None
    assert due(PI, lab.store, lab.now + timedelta(hours=25)) == "it was checked 25 hours ago"
    boots[0] = "second"
    assert due(PI, lab.store, lab.now + timedelta(hours=1)) == "it was booted since it was checked"
    boots[0] = None  # type: ignore[call-overload]
    assert due(PI, lab.store, lab.now + timedelta(hours=1)) is None


def test_the_command(bench: Bench) -> None:
    words = ["--store", "store", "--wait", "60s"]
    assert bench.run("devices", "quarantine", "local", "to see whether it is checked nevertheless").returncode == 0
    first = bench.run("devices", "check", *words)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("local: in control (run ")
    assert first.stdout.count("too few checks to judge") == 3
    assert bench.store.run("latest").record.suite_name == "health"
    assert bench.run("devices", "check", "--due", *words).stdout == ""
    assert valid("devices-check", bench.run("devices", "check", "--due", "--json", *words).stdout) == []
    bench.write("devices.toml", '[device.gone]\ntransport = "ssh"\nhost = "127.0.0.1"\nport = 1\n')
    gone = bench.run("devices", "check", *words)
    assert gone.returncode == 3
    assert "gone: not checked: Device 'gone'" in gone.stderr
    told = bench.run("devices", "check", "--json", *words)
    assert told.returncode == 3
    (row,) = valid("devices-check", told.stdout)
    assert (row["device"], row["in_control"], row["cases"]) == ("gone", None, [])
    assert row["error"].startswith("Device 'gone'")


def test_what_json_says(lab: Lab, checked: Checked) -> None:
    fit, *_ = told(checked({}))
    assert (fit["device"], fit["in_control"], fit["reasons"], fit["quarantine"]) == ("pi4", True, {}, None)
    case = fit["cases"][0]
    assert (case["workload"], case["earlier_checks"], case["in_control"]) == (WORKLOADS[0], 0, None)
    assert (case["low_ns"], case["centre_ns"], case["high_ns"]) == (None, None, None)
    learn(lab)
    slow, *_ = told(checked({"ms": 1.1}, {"ms": 1.1}))
    assert slow["in_control"] is False
    assert slow["reasons"]["canary"] in slow["quarantine"]["reason"]
    case = slow["cases"][0]
    assert case["in_control"] is False
    assert case["low_ns"] < case["centre_ns"] < case["high_ns"] < case["latency_ns"]
    assert case["centre_ns"] == pytest.approx(1e6, rel=0.01)


def told(found: health.Health) -> list[dict[str, Any]]:
    """What `--json` prints, which is valid."""
    rows: list[dict[str, Any]] = valid("devices-check", text_of([document.checked(found)]))
    return rows


def test_a_device_that_does_not_answer_is_an_error(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(spec: DeviceSpec) -> None:
        raise DeviceError("device 'pi4' does not answer.")

    lab.check()
    monkeypatch.setattr(health, "connect", connect)
    with pytest.raises(DeviceError):
        due(PI, lab.store, lab.now)
