"""The example notebook runs from top to bottom, and shows tables and a chart."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/api.ipynb"


@pytest.mark.slow
def test_the_example_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Jupyter's folders, which are not ours
        nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("BNNBENCH_LOCK", f"test {tmp_path}")
    notebook = nbformat.read(EXAMPLE, as_version=4)
    shows = 'bnn.run("quicknet_xs", engine="native", invocations=0, store="results", progress=True)'
    notebook.cells.append(nbformat.v4.new_code_cell(shows))
    nbclient.NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    *cells, last = notebook.cells
    outputs = [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output["data"] for output in outputs if "data" in output]
    assert any('<div class="bnnbench"' in one.get("text/html", "") for one in shown)
    assert any("image/png" in one for one in shown)
    streams = [output.text for output in outputs if output.output_type == "stream"]
    assert len(streams) == 1, streams  # what the notebook itself prints, and nothing else
    assert streams[0].startswith("CallError quicknet_xxl does not exist (did you mean ")
    assert shown[-1]["text/plain"].endswith("True)")
    told = [output.text for output in last.outputs if output.output_type == "stream"]
    assert "computing the reference outputs of 1 workload" in "".join(told)
    assert len(last.outputs) == len(told) + 1  # lines of text, and then the run: no widgets


def test_the_example_notebook_is_kept_without_outputs() -> None:
    notebook = pytest.importorskip("nbformat").read(EXAMPLE, as_version=4)
    assert not [cell for cell in notebook.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]
