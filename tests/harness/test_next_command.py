"""What to type for a figure that is missing, and which rows of a store stand for a case."""

from __future__ import annotations

import msgspec
import pandas as pd
import pytest

from bnnbench.devices.spec import parse_url
from bnnbench.harness.cli.next_command import missing_figures, sentences
from bnnbench.harness.plan.config import RunConfig
from bnnbench.harness.suite.tables import ModelTable, Suite
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.results.columns import CASE_COLUMNS, build
from bnnbench.results.models import choices, newest
from bnnbench.results.records import RunRecord

XS = shipped_models()["quicknet_xs"]
ROW = {"kind": "model", "status": "ok", "engine": "native", "threads": 1, "size_bytes": 10, "device": "local"}
RATED = {"accuracy": 0.9, "accuracy_n": 100, "dataset": "d", "dataset_sha256": "s"}


def frame(*rows: dict[str, object]) -> pd.DataFrame:
    whole = [{**ROW, "created": f"2026-01-{day:02}T00:00:00Z", **row} for day, row in enumerate(rows, 1)]
    return build(whole, CASE_COLUMNS)


def run(*tables: ModelTable, devices: list[str]) -> RunRecord:
    config = RunConfig(suite=Suite(name="s", model=list(tables)), devices=devices)
    return RunRecord(
        run_id="r",
        created="",
        version="0",
        suite_name="s",
        seed=0,
        cases=[],
        invocations_per_case=1,
        samples_per_invocation=1,
        suite=msgspec.to_builtins(config),
    )


def test_figures_of_two_devices_are_not_joined() -> None:
    found = choices(
        frame({"workload": "m", "device": "pi4", **RATED}, {"workload": "m", "device": "local", "latency_ns": 5.0})
    )
    assert len(found) == 2
    told = {one.device: one for one in missing_figures(found, ("latency", "accuracy"), [], None)}
    assert (told["pi4"].figure, told["pi4"].command) == ("latency", "bnnbench run m -d pi4")
    assert (told["local"].figure, told["local"].command) == ("accuracy", "bnnbench eval m")


@pytest.mark.parametrize(
    ("row", "table", "device", "command"),
    [
        ({"workload": "quicknet_xs"}, ModelTable(file=str(XS)), "local", "run quicknet_xs"),
        ({"workload": "my net"}, ModelTable(file="/m/my net.tflite"), "local", "run '/m/my net.tflite'"),
        ({"workload": "quicknet_xs"}, ModelTable(file="/m/quicknet_xs.tflite"), "local", "run /m/quicknet_xs.tflite"),
        ({"workload": "m", "threads": 4, "engine": "lce"}, ModelTable(file="/m.tflite"), "local", "-e lce -t 4"),
        (
            {"workload": "m", "device": parse_url("ssh://u@h").name},
            ModelTable(file="/m.tflite"),
            "ssh://u@h",
            "run /m.tflite -d ssh://u@h",
        ),
    ],
)
def test_the_command_is_what_measured_it(row: dict[str, object], table: ModelTable, device: str, command: str) -> None:
    found = choices(frame({**row, **RATED}))
    (one,) = missing_figures(found, ("latency", "size"), [run(table, devices=[device])], None)
    assert one.command is not None
    assert command in one.command


def test_the_data_set_of_the_others_is_named() -> None:
    tables = (ModelTable(file="/a.tflite", dataset="/photos.npz"), ModelTable(file="/b.tflite"))
    (one,) = missing_figures(
        choices(frame({"workload": "b", "latency_ns": 1.0})), ("accuracy",), [run(*tables, devices=["local"])], None
    )
    assert one.command == "bnnbench eval /b.tflite --dataset /photos.npz"


def test_no_command_times_an_emulated_device() -> None:
    found = choices(frame({"workload": "m", "device": "cortex-a72", "emulated": True, **RATED}))
    (one,) = missing_figures(found, ("latency",), [], None)
    assert one.command is None
    assert sentences([one]) == ["no latency for m on native, cortex-a72: it is emulated, choose another --device"]


def test_of_each_case_the_newest_measurement_stands() -> None:
    """Over several runs; a later skip is not a measurement, a later failure is the state of things."""
    rows = frame(
        {"workload": "a", "latency_ns": 1.0, "run_id": "1"},
        {"workload": "b", "latency_ns": 1.0, "run_id": "1"},
        {"workload": "a", "latency_ns": 2.0, "run_id": "2"},
        {"workload": "b", "status": "skipped", "run_id": "3"},
        {"workload": "c", "latency_ns": 1.0, "run_id": "3"},
        {"workload": "c", "status": "failed", "run_id": "4"},
        {"workload": "a", "latency_ns": 9.0, "run_id": "1", "device": "pi4"},
    )
    found = {(row["workload"], row["device"]): row["run_id"] for row in newest(rows).to_dict("records")}
    assert found == {("a", "local"): "2", ("b", "local"): "1", ("c", "local"): "4", ("a", "pi4"): "1"}
