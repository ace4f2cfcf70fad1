"""A synthetic run of models with accuracies, built through the real store: every figure in it is made up."""

from __future__ import annotations

from bnnbench.results.records import Accuracy, CaseRecord, Gate, Invocation, RunEnd, RunRecord
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.tables.run_files import finish

# name, size, latency in us on the workstation, right answers of 10,000 (None: not evaluated)
MODELS = [
    ("tiny", 14_184, 20.0, 8858),
    ("small", 36_456, 33.0, 9113),
    ("small_zero_padded", 38_104, 36.0, 9096),
    ("middle", 100_032, 60.0, 9180),
    ("middle_float", 1_565_352, 270.0, 9205),
    ("large", 219_000, 95.0, 9260),
    ("untested", 219_500, 96.0, None),
    ("a_customer_model_with_a_long_name_v7_final", 450_000, 150.0, 9261),
]
DEVICES = {"workstation": 1.0, "pi4": 14.0}
ENGINES = {"native": 1.0, "lce": 4.3}
DATASET = "d" * 64


def family_record(run_id: str = "20260203-040506-fa3117") -> RunRecord:
    return RunRecord(
        run_id=run_id,
        created="2026-02-03T04:05:06Z",
        version="0.1.0",
        suite_name="family",
        seed=0,
        invocations_per_case=7,
        samples_per_invocation=2,
        devices={
            device: {"model": {"value": f"Synthetic {device}", "source": "made up"}, "emulated": {"value": False}}
            for device in DEVICES
        },
        cases=[
            CaseRecord(
                id=f"{device}/{engine}/{name}",
                workload=name,
                kind="model",
                engine=engine,
                device=device,
                threads=1,
                size_bytes=size,
                macs_1bit=None if "float" in name else size * 400,
                macs_32bit=size * 4,
                engine_build=("ab" if engine == "native" else "cd") * 32,
            )
            for device in DEVICES
            for name, size, _, _ in MODELS
            for engine in ENGINES
        ],
    )


def write_family(store: Store) -> StoredRun:
    """Writes the run into a store, complete and finished."""
    record = family_record()
    figures = {name: (latency_us, right) for name, _, latency_us, right in MODELS}
    with store.create(record) as writer:
        for case in record.cases:
            writer.append(Gate(case_id=case.id, status="ok", output_sha256="0" * 64))
        for number, case in enumerate(record.cases):
            latency_ns = figures[case.workload][0] * 1e3 * DEVICES[case.device] * ENGINES[case.engine]
            for index in range(7):
                level = latency_ns * (1 + 0.004 * ((index * 3 + number) % 7 - 3))
                one = Invocation(case_id=case.id, index=index, order=index, status="ok", samples_ns=[level, level])
                writer.append(one)
        for case in record.cases:
            right = figures[case.workload][1]
            if right is not None:
                writer.append(accuracy(case.id, right))
        writer.append(RunEnd(finished="2026-02-03T04:09:06Z", outcome="complete", wall_ns=240e9))
        finish(writer)
    return store.run(record.run_id)


def accuracy(case_id: str, right: int, **changes: object) -> Accuracy:
    """Of 10,000 images `right` ones; `changes` override fields."""
    fields: dict[str, object] = {
        "case_id": case_id,
        "status": "ok",
        "dataset": "fashion-mnist",
        "dataset_sha256": DATASET,
        "images": 10_000,
        "of_images": 10_000,
        "correct": right,
        "correct_top5": 9980,
        "differing": 0,
        "explained": 0,
        "infer_ns": 1e9,
    }
    return Accuracy(**{**fields, **changes})  # type: ignore[arg-type]
