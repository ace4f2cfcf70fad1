"""The processes of the reference, as a user's script starts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import numpy as np
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.reference_pool import score_batches
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.models.tflite_file import read

print("begun")
graph = import_model(read(shipped_models()["quicknet_xs"]), 1)
image = np.zeros(graph.inputs[0].shape, np.float32)
print(len(score_batches(graph, [lambda: image] * 5, None, lambda done: None)), __file__)
"""


def test_a_script_need_not_guard_its_main(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["begun", f"5 {script}"]
