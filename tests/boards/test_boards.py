"""The same suite on every kind of board: proven there, and never timed."""

from __future__ import annotations

import hashlib
import json
import time
from importlib.resources import files
from pathlib import Path

import pytest

from bnnbench.devices.probe import probe
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.results import load
from tests.harness.bench import Bench

from .machines.board import Board

pytestmark = [pytest.mark.board, pytest.mark.timeout(900)]  # images are made, and boards booted, on first use

QUICKSTART = files("bnnbench.harness.suite").joinpath("quickstart.toml").read_text()
SUITE = """
name = "board"
engines = ["native", "numba"]
invocations = 2
samples = 3
min_sample_ms = 1
warmup_ms = 10

[[kernel]]
op = "bconv2d"
input = [8, 8, 64]
filters = 32

[[kernel]]
op = "bconv2d"
input = [7, 5, 96]
filters = 17
pad_value = 0
out = "bits"

[[kernel]]
op = "bgemm"
m = 5
n = 9
k = 100

[[kernel]]
op = "bitpack"
n = 7
c = 70

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]
"""
TIMES = ("latency_ns", "latency_low_ns", "latency_high_ns", "p90_ns", "first_ns", "load_ns", "gops")


def test_suite_is_proven_over_ssh_and_adb_and_no_time_is_shown(
    bench: Bench, pi: Board, android: Board, phone: DeviceSpec
) -> None:
    bench.write("suite.toml", SUITE)
    bench.add_device(pi.spec("pi"))
    bench.add_device(android.spec("termux"))
    bench.add_device(phone)
    words = ["-d", "pi", "-d", "termux", "-d", "phone", "--store", "store"]
    done = bench.run("run", "suite.toml", *words, timeout=400)
    assert done.returncode == 0, done.stderr + done.stdout
    frame = load(bench.store.run("latest"))
    assert len(frame) == 3 * 2 * 5
    assert set(frame["status"]) == {"ok"}, frame[["device", "engine", "workload", "reason"]]
    assert set(frame["emulated"]) == {True}
    assert frame[list(TIMES)].isna().all(axis=None)
    assert " ns" not in done.stdout.split("latency of")[0]
    assert "µs" not in done.stdout.split("latency of")[0]
    assert (
        frame[frame["device"] == "phone"]["boot_id"].unique() == frame[frame["device"] == "termux"]["boot_id"].unique()
    )

    shown = bench.run("report", "-o", "report", "--store", "store", timeout=200)
    assert shown.returncode == 0, shown.stderr
    data = [json.loads(line) for line in (bench.store.run("latest").path / "journal.jsonl").read_text().splitlines()]
    # The two ways to one phone took turns.
    order = [one["case_id"] for one in data if one["type"] == "invocation"]
    devices = {case.id: case.device for case in bench.store.run("latest").record.cases}
    ways = [devices[id] for id in order if devices[id] != "pi"]
    assert ways == sorted(ways, key=["termux", "phone"].index) or ways == sorted(ways, key=["phone", "termux"].index)

    refused = [["chart", "latency", "-o", "x.svg", "--store", "store"], ["profile", "quicknet_xs", "-d", "pi"]]
    for call in (*refused, ["peak", "-d", "pi"]):
        assert bench.run(*call).returncode in (2, 3), call
    for form in ("bmf", "google-benchmark", "pytest-benchmark", "chrome-trace"):
        exported = json.loads(bench.run("export", "latest", "--format", form, "--store", "store").stdout)
        assert not exported.get("benchmarks")
        assert not [event for event in exported.get("traceEvents", []) if event["ph"] != "M"]

    verdict = bench.run("ab", "suite.toml", "--base", "native", "--head", "native", *words[:2], "--store", "store")
    assert verdict.returncode == 3, verdict.stderr  # no case was judged
    said = " ".join(verdict.stdout.split())
    assert "skipped" in said
    assert "no case was judged" in said
    assert "times of an emulated device mean nothing" in said


def test_quickstart_suite(bench: Bench, pi: Board, android: Board, phone: DeviceSpec) -> None:
    """What `bnnbench run` measures without being told what, once."""
    kernels = QUICKSTART[QUICKSTART.index("[[kernel]]") :]
    bench.write("quick.toml", SUITE.split("[[kernel]]")[0].replace("invocations = 2", "invocations = 1") + kernels)
    bench.add_device(pi.spec("pi", workdir="~/it's $(touch owned) here"))
    bench.add_device(android.spec("termux"))
    bench.add_device(phone)
    done = bench.run("run", "quick.toml", "-d", "pi", "-d", "termux", "-d", "phone", "--store", "store", timeout=500)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.startswith("24 of 24 cases proven")
    with connect(pi.spec()) as transport:
        assert transport.run(["ls", f"{transport.home()}/owned"]).status != 0
        assert transport.run(["ls", f"{transport.home()}/it's $(touch owned) here/blobs"]).status == 0


def test_power_is_sampled_while_an_engine_runs(bench: Bench, pi: Board) -> None:
    """The sensor says 4.31 W all the time. Of an emulated board no energy is shown, as no time is."""
    bench.write(
        "suite.toml", SUITE.replace("min_sample_ms = 1", "min_sample_ms = 400").split('[[kernel]]\nop = "bg')[0]
    )
    bench.add_device(pi.spec("pi"))
    done = bench.run("run", "suite.toml", "-e", "native", "-d", "pi", "--store", "store", timeout=200)
    assert done.returncode == 0, done.stderr
    run = bench.store.run("latest")
    for one in run.invocations:
        assert one.telemetry["power_w"] == pytest.approx(4.31)
        assert one.telemetry["power_source"] == "ina260"
        assert 1 < one.telemetry["power_hz"] < 6
        median_ns = sorted(one.samples_ns)[1]
        assert one.telemetry["clock_hz_min"] == one.telemetry["clock_hz_max"] == 600e6
        assert one.telemetry["energy_mj"] == pytest.approx(4.31 * median_ns * 1e-6)
    assert load(run)["energy_mj"].isna().all()


def test_raspberry_pi_3_is_probed(tmp_path: Path) -> None:
    board = Board("raspi3b", tmp_path / "board")
    try:
        board.wait_until_up()
        with connect(board.spec()) as transport:
            facts = probe(transport)
    finally:
        board.power_off()
    assert facts.model == "Raspberry Pi 3 Model B"
    assert facts.triple == "aarch64-linux-musl"
    assert facts.value("cpu_model") == "Cortex-A53"
    assert facts.value("cpus")["count"] == 4
    assert facts.emulated is True
    assert facts.value("temperature_celsius")
    assert "tried vcgencmd" in facts["throttled"].source


NASTY = [
    "it's",
    'say "hi"',
    "a b",
    "$(touch owned)",
    "`touch owned`",
    "x; touch owned",
    "new\nline",
    "*",
    "~",
    "\\",
    "-n",
]


@pytest.mark.parametrize("way", ["ssh", "termux", "adb"])
def test_no_value_reaches_a_shell(way: str, pi: Board, android: Board, phone: DeviceSpec) -> None:
    spec = {"ssh": pi.spec(), "termux": android.spec(), "adb": phone}[way]
    with connect(spec) as transport:
        done = transport.run(["printf", r"%s\0", *NASTY])
        assert done.stdout.decode().split("\0")[:-1] == NASTY
        done = transport.shell('for each do printf "%s\\0" "$each"; done', *NASTY)
        assert done.stdout.decode().split("\0")[:-1] == NASTY
        folder = f"{transport.home()}/{way} $(touch owned) 'q'"
        if way == "adb":
            folder = f"/data/local/tmp/{way} $(touch owned) 'q'"
        assert transport.run(["mkdir", "-p", folder]).status == 0
        data = b"bytes\0\xff\n"

        transport.push(data, f'{folder}/it\'s "x"', sha256=hashlib.sha256(data).hexdigest())
        assert transport.pull(f'{folder}/it\'s "x"') == data
        process = transport.spawn(["sh", "-c", 'pwd; read -r line; printf "%s\\n" "$line"; exit 5'], cwd=folder)

        assert process.read_line(time.monotonic() + 20) == folder
        process.write_line("$(touch owned) `x`")
        assert process.read_line(time.monotonic() + 20) == "$(touch owned) `x`"
        assert process.wait(time.monotonic() + 20) == 5
        process.close()
        for place in (transport.home(), folder, "/data/local", "/"):
            assert transport.run(["ls", f"{place}/owned"]).status != 0


def test_property_values_are_text(android: Board) -> None:
    with connect(android.spec()) as transport:
        said = transport.run(["getprop", "ro.hostile"]).stdout.decode()
    assert said == "a'b\"c $(touch /data/local/tmp/owned) `id`; rm x\n"
