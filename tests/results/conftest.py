"""A synthetic run, built through the real store: every figure in it is made up and repeats exactly."""

import difflib
import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bnnbench.results.records import (
    Build,
    CaseRecord,
    DeviceEvent,
    Gate,
    Invocation,
    Peak,
    RunEnd,
    RunRecord,
    Skip,
)
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.tables.run_files import finish
from tests.results.family import write_family

# h, w, c, oc, kernel, stride, source
SHAPES = [
    (56, 56, 64, 64, 3, 1, None),
    (28, 28, 128, 128, 3, 1, None),
    (14, 14, 256, 256, 3, 1, None),
    (7, 7, 512, 512, 3, 1, None),
    (32, 32, 32, 32, 3, 1, "tiny_larq.tflite op 3"),
    (32, 32, 32, 64, 3, 2, "tiny_larq.tflite op 6"),
    (16, 16, 64, 64, 3, 1, "tiny_larq.tflite op 9"),
    (16, 16, 64, 64, 5, 1, "tiny_grouped.tflite op 4"),
    (8, 8, 128, 128, 3, 1, "a_rather_long_model_file_name_from_a_customer_v2_final.tflite op 17"),
    (8, 8, 128, 256, 1, 1, None),
    (5, 4, 33, 70, 3, 1, None),
    (1, 1, 512, 1000, 1, 1, None),
]
# device -> (isa of native, GOPS of native, GOPS of numba, clock)
DEVICES = {"workstation": ("avx512", 1850.0, 520.0, 2.9e9), "pi4": ("neon", 61.0, 17.0, 1.8e9)}
ENGINES = ("native", "numba")
SAMPLES = 10
INVOCATIONS = 7


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _workload(shape: tuple[int, int, int, int, int, int, str | None]) -> str:
    h, w, c, oc, k, s, source = shape
    return source or f"bconv2d {h}x{w}x{c} to {oc}, {k}x{k}" + (f" stride {s}" if s > 1 else "")


def _facts(device: str, clock: float) -> dict[str, dict[str, object]]:
    pi = device == "pi4"
    return {
        "model": {
            "value": "Raspberry Pi 4 Model B Rev 1.4" if pi else "Synthetic workstation",
            "source": "/proc/device-tree/model" if pi else "/sys/class/dmi/id/product_name",
        },
        "arch": {"value": "aarch64" if pi else "x86_64", "source": "uname -m"},
        "userland_bits": {"value": 64, "source": "ELF class of /bin/sh"},
        "isa": {
            "value": ["neon"] if pi else ["baseline", "avx2", "avx512"],
            "source": "/proc/self/auxv" if pi else "/proc/cpuinfo flags",
        },
        "isa_features": {"value": [f"feature{number}" for number in range(30)], "source": "/proc/cpuinfo"},
        "cpus": {
            "value": {"count": 4 if pi else 2, "allowed": [0, 1]},
            "source": "/sys/devices/system/cpu/online",
        },
        "clusters": {
            "value": [{"cpus": [0, 1], "name": "Synthetic core", "part": None, "max_hz": clock}],
            "source": "/proc/cpuinfo",
        },
        "clock_hz": {"value": {"0": {"cur": clock}, "1": {"cur": clock}}, "source": "cpufreq"},
        "max_clock_hz": {"value": clock, "source": "cpufreq/cpuinfo_max_freq"},
        "memory_bytes": {"value": 3_980_000_000, "source": "/proc/meminfo"},
        "boot_id": {"value": f"synthetic-boot-{device}", "source": "/proc/sys/kernel/random/boot_id"},
        "emulated": {"value": False, "source": "/proc/cpuinfo"},
        "temperature_celsius": (
            {"value": 52.1, "source": "/sys/class/thermal/thermal_zone0/temp"}
            if pi
            else {"value": None, "source": "/sys/class/thermal"}
        ),
    }


def synthetic_record(run_id: str = "20260102-030405-5e4d11", created: str = "2026-01-02T03:04:05Z") -> RunRecord:
    cases, skips = [], []
    for device, (isa, *_) in DEVICES.items():
        for shape in SHAPES:
            h, w, c, oc, k, s, source = shape
            for engine in ENGINES:
                workload = _workload(shape)
                if engine == "numba" and device == "pi4" and k == 5:
                    skips.append(
                        Skip(
                            workload=workload,
                            engine=engine,
                            device=device,
                            threads=1,
                            reason="numba has no build for groups on this device",
                        )
                    )
                    continue
                macs = (h // s) * (w // s) * oc * k * k * c
                cases.append(
                    CaseRecord(
                        id=f"{device}/{engine}/{workload}/1",
                        workload=workload,
                        kind="kernel",
                        op="bconv2d",
                        engine=engine,
                        device=device,
                        threads=1,
                        params={"n": 1, "h": h, "w": w, "c": c, "oc": oc, "kh": k, "kw": k, "sh": s, "sw": s},
                        source=source,
                        macs_1bit=macs,
                        macs_32bit=0,
                        bytes_moved=h * w * c // 8 + oc * k * k * c // 8 + h * w * oc * 4,
                        engine_build=sha(f"{engine} {device}"),
                        isa=isa if engine == "native" else None,
                    )
                )
    return RunRecord(
        run_id=run_id,
        created=created,
        version="0.1.0",
        commit="0123456789abcdef0123456789abcdef01234567",
        command=["bnnbench", "run", "synthetic.toml", "--device", "pi4"],
        suite={"name": "synthetic", "engines": list(ENGINES), "threads": [1]},
        suite_name="synthetic",
        seed=20260102,
        host={"hostname": "synthetic-host", "python": "3.11.2", "numba": "0.68.1"},
        devices={device: _facts(device, clock) for device, (*_, clock) in DEVICES.items()},
        builds=[
            Build(
                engine=engine,
                triple="aarch64-linux-musl" if device == "pi4" else "x86_64-linux-musl",
                isa=None,
                sha256=sha(f"{engine} {device}"),
                build="zig 0.17.1 -O3",
            )
            for engine in ENGINES
            for device in DEVICES
        ],
        cases=cases,
        skips=skips,
        invocations_per_case=INVOCATIONS,
        samples_per_invocation=SAMPLES,
    )


def _gate(case: CaseRecord) -> Gate:
    common = {"case_id": case.id, "engine_build": case.engine_build, "started": "2026-01-02T03:04:06Z"}
    if case.engine == "numba" and case.workload == "tiny_larq.tflite op 6" and case.device == "pi4":
        return Gate(
            **common,
            status="wrong_output",
            reason="17 of 16384 output bits differ from the reference, the first at index 4099",
            max_abs_difference=2.0,
        )
    if case.engine == "numba" and case.workload == _workload(SHAPES[11]) and case.device == "workstation":
        return Gate(
            **common,
            status="failed",
            reason="the engine ended with signal 11 (last words: <script>alert('hostile')</script>)",
        )
    return Gate(
        **common,
        status="ok",
        isa=case.isa,
        output_sha256=sha(case.workload),
        iterations=400,
        warmup_ns=3e8,
        settled=True,
        max_abs_difference=0.0,
        run_request_ns=4e8,
        wall_ns=5e8,
    )


def _invocation(case: CaseRecord, index: int, order: int, dice: random.Random) -> Invocation:
    _, native, numba, clock = DEVICES[case.device]
    peak = native if case.engine == "native" else numba
    assert case.macs_1bit is not None
    # Small layers pay a fixed price, as real ones do.
    ideal = 2 * case.macs_1bit / (peak * (0.9 if case.params["c"] % 32 == 0 else 0.4)) + 200.0
    level = ideal * (1 + abs(dice.gauss(0, 0.01)))
    samples = [round(level * (1 + abs(dice.gauss(0, 0.004))), 1) for _ in range(SAMPLES)]
    return Invocation(
        case_id=case.id,
        index=index,
        order=order,
        status="ok",
        started="2026-01-02T03:05:00Z",
        isa=case.isa,
        engine_build=case.engine_build,
        iterations=400,
        first_ns=round(level * 3, 1),
        load_ns=250_000.0,
        warmup_samples_ns=[round(level * 1.2, 1), round(level, 1)],
        samples_ns=samples,
        clock_hz=[clock] * SAMPLES,
        start_ns=1_000_000_000 + order,
        end_ns=1_060_000_000 + order,
        cpus_used=[1],
        peak_rss_bytes=1_200_000,
        arena_bytes=400_000,
        output_sha256=sha(case.workload),
        run_request_ns=6.1e7,
        wall_ns=8.2e7,
        telemetry={"temperature_celsius": 51.0},
    )


def reads(clock: float) -> dict[str, float | None]:
    return {"l1": clock * 32e-9, "l2": clock * 20e-9, "llc": clock * 9e-9, "dram": clock * 2e-9}


def write_synthetic(store: Store, record: RunRecord | None = None) -> StoredRun:
    """Writes the synthetic run into a store, complete and finished."""
    record = record or synthetic_record()
    dice = random.Random(record.seed)  # noqa: S311
    with store.create(record) as writer:
        for device, (isa, native, _, clock) in DEVICES.items():
            writer.append(
                Peak(
                    device=device,
                    isa=isa,
                    threads=1,
                    popcount_gops=native * 1.1,
                    read_gb_s=reads(clock),
                    clock_hz=clock,
                )
            )
        writer.append(Peak(device="workstation", isa="avx2", threads=1, popcount_gops=1168.0, clock_hz=2.9e9))
        gates = {case.id: _gate(case) for case in record.cases}
        for gate in gates.values():
            writer.append(gate)
        schedule = [
            (case, index)
            for case in record.cases
            if gates[case.id].status == "ok"
            for index in range(record.invocations_per_case)
        ]
        dice.shuffle(schedule)
        for order, (case, index) in enumerate(schedule):
            writer.append(_invocation(case, index, order, dice))
        writer.append(
            DeviceEvent(device="pi4", kind="note", message="the governor was ondemand", started=record.created)
        )
        writer.append(
            RunEnd(
                finished="2026-01-02T03:09:10Z",
                outcome="complete",
                wall_ns=245e9,
                overhead={
                    "workstation": {
                        "per_invocation_ns_median": 21e6,
                        "run_share": 0.78,
                        "builds_and_push_ns": 31e9,
                    },
                    "pi4": {
                        "per_invocation_ns_median": 44e6,
                        "run_share": 0.74,
                        "builds_and_push_ns": 33e9,
                    },
                },
            )
        )
        finish(writer)
    return store.run(record.run_id)


@pytest.fixture
def record() -> RunRecord:
    return synthetic_record()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def write_run() -> Callable[..., StoredRun]:
    return write_synthetic


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """The finished synthetic run, for tests that only read."""
    return write_synthetic(Store(tmp_path_factory.mktemp("synthetic")))


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    """A finished synthetic run of models with accuracies, for tests that only read."""
    return write_family(Store(tmp_path_factory.mktemp("family")))


SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.fixture
def snapshot() -> Callable[[str, str], None]:
    """Compares a rendered text with the file of that name; BNNBENCH_UPDATE_SNAPSHOTS=1 rewrites the file."""

    def compare(name: str, text: str) -> None:
        path = SNAPSHOTS / name
        if os.environ.get("BNNBENCH_UPDATE_SNAPSHOTS") == "1":
            path.write_text(text, encoding="utf-8")
        known = path.read_text(encoding="utf-8")
        changes = "\n".join(
            list(difflib.unified_diff(known.splitlines(), text.splitlines(), "snapshot", "now", lineterm=""))[:60]
        )
        assert text == known, f"{name} changed (BNNBENCH_UPDATE_SNAPSHOTS=1 accepts it):\n{changes}"

    return compare
