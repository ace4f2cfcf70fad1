"""What drivers load to time a runtime's ops: files and modules that answer rubbish fail with one sentence."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.errors import EngineError
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.test_engines_tflite import SECOND, stand_in_command, write_model

NODE = {"cat": "Node", "name": "#0#_kernel_time", "dur": 7, "args": {"op_name": "Conv"}}
RUN = {"cat": "Session", "name": "model_run", "dur": 9}
START = {"cat": "Session", "name": "session_initialization", "dur": 1}


@pytest.fixture(scope="module")
def profiler() -> ModuleType:
    path = ENGINES["onnxruntime"].prepare(HOST, None, None).files[1].path
    spec = importlib.util.spec_from_file_location("onnxruntime_profiler", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_honest_file(profiler: ModuleType) -> None:
    fence = {**NODE, "name": "#0#_fence_before"}
    events = [START, NODE, fence, RUN, NODE, {**NODE, "name": "Reorder_kernel_time", "args": {}}, RUN]
    found = profiler.runs_of(json.dumps(events), 2)
    assert found == [
        (9, [("Conv", None, "#0#", 7)]),
        (9, [("Conv", None, "#0#", 7), ("unknown", None, "Reorder", 7)]),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is no JSON"),
        (b"\xff\xfe rubbish", "it is no JSON"),
        (b"[" * 100_000, "it is no JSON"),
        ([], "has 0 inferences where 2 were made"),
        ([NODE, RUN], "has 1 inferences where 2 were made"),
        ([NODE, RUN] * 3, "has 3 inferences where 2 were made"),
        ({"events": []}, "it is no list of events"),
        ([NODE, 5, RUN], "an event in it is none"),
        ([{**NODE, "dur": -1}, RUN, RUN], "has no name, category or time"),
        ([{**NODE, "dur": float("nan")}, RUN, RUN], "has no name, category or time"),
        ([{**NODE, "dur": float("inf")}, RUN, RUN], "has no name, category or time"),
        ([{**NODE, "dur": "7"}, RUN, RUN], "has no name, category or time"),
        ([{**NODE, "dur": True}, RUN, RUN], "has no name, category or time"),
        ([{**NODE, "name": None}, RUN, RUN], "has no name, category or time"),
        ([{**RUN, "dur": -9}, RUN], "has no name, category or time"),
        ([{"cat": "Node"}, RUN, RUN], "has no name, category or time"),
    ],
)
def test_files_of_rubbish(profiler: ModuleType, content: Any, said: str) -> None:
    raw = content if isinstance(content, bytes) else json.dumps(content)
    with pytest.raises(RuntimeError, match=said):
        profiler.runs_of(raw, 2)


def test_a_file_that_may_lack_events_is_refused(profiler: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiler, "_MOST_EVENTS", 3)
    with pytest.raises(RuntimeError, match="may lack some of its 4 events; ask for fewer runs"):
        profiler.runs_of(json.dumps([NODE, RUN, NODE, RUN]), 2)


MODULE = """
class Profiler:
    def __init__(self, path, threads, values):
        pass

    def runs(self, count, check):
        {body}
"""
HONEST = "(10, [('delegated', 0, 'Add', 4), ('node', 1, 'Softmax', 5)])"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (f"yield from [{HONEST}] * count", ""),
        (f"yield from [{HONEST}] * (count - 1)", "without 3 times for each op"),
        (f"yield from [{HONEST}] * (count + 1)", "without 3 times for each op"),
        ("return iter(())", "without 3 times for each op"),
        (f"yield from [{HONEST}, (10, []), {HONEST}]", "the ops of two runs differ"),
        (f"yield from [{HONEST}, (10, [('node', 0, 'Add', 4)]), {HONEST}]", "the ops of two runs differ"),
        ("yield from [(10, [('node', 0, 'Add', -4)])] * count", "not a valid reply"),
        ("yield from [(10, [('node', -1, 'Add', 4)])] * count", "not a valid reply"),
        ("yield from [(10, [('node', 0, 'Add', float('nan'))])] * count", "not a valid reply"),
        ("yield from [(10, [('node', 0, 'Add', float('inf'))])] * count", "not a valid reply"),
        ("yield from [(float('nan'), [('node', 0, 'Add', 4)])] * count", "not a valid reply"),
        ("yield from [(-10, [('node', 0, 'Add', 4)])] * count", "not a valid reply"),
        ("yield from [(0, [])] * count", "not a valid reply"),
        ("yield from [(10, [('node', 0, 'Add', 4000)])] * count", "claims ops of 4.000 ms in an inference of 0.010 ms"),
        ("yield from [(10**9, [])] * count", "of work, and answered within"),
        ("yield from [(10, [('node', 0, 'Add', 'soon')])] * count", "not a valid reply"),
        ("yield from [None] * count", "refused profile"),
        ("raise RuntimeError('the library\\nis gone')", "refused profile: the library is gone"),
        ("yield (10, [('x' * 999, 0, 'Add', 4)]); yield from [(10, [('x' * 999, 0, 'Add', 4)])] * 2", "not a valid"),
    ],
)
def test_modules_of_rubbish(tmp_path: Path, body: str, said: str) -> None:
    """Through the real driver and client, which goes on afterwards."""
    (tmp_path / "module.py").write_text(MODULE.format(body=body))
    with EngineProcess(stand_in_command(tmp_path), tmp_path) as engine:
        engine.client.load("m", {"model": write_model(tmp_path)})
        if said:
            with pytest.raises(EngineError, match=said) as caught:
                engine.client.profile("m", runs=3, limit_ns=SECOND, profiler="module.py")
            assert str(caught.value).endswith(".")
            assert "\n" not in str(caught.value)
        else:
            found = engine.client.profile("m", runs=3, limit_ns=SECOND, profiler="module.py")
            assert [(op.name, op.node, op.ns) for op in found.ops] == [
                ("Add", None, [4000.0] * 3),
                ("Softmax", 1, [5000.0] * 3),
            ]
        assert engine.client.hello().protocol == 1
